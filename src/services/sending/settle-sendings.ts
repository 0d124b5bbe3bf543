import type { Transaction } from '../../entities/database.js';
import { recordAudits } from '../audit/audit-log.js';
import { Visibility } from '../backup/visibility.js';
import type { ChangeFeed, NewChange } from '../changes/change-feed.js';
import { topics } from '../changes/topics.js';
import { type DeliveryFacts, isFailure, OperationOutcome, outcomeOf, SendingState } from './operation.js';
import { finishOperations } from './operations.js';
import type { SendingResult } from './sending-queue.js';
import { updateEach } from './update-each.js';

const marksFor = (values: readonly unknown[]) => values.map(() => '?').join(', ');
const cut = (text: string | null) => text && text.slice(0, 1000);

/**
 * Writes how attempts ended: the delivery itself, its message's outcome in the operation, the marks on message and recipients
 * (rule D8), the audit log and the changes; all in the caller's transaction.
 */
export async function settleSendings(
  transaction: Transaction,
  changes: ChangeFeed,
  attempted: readonly SendingResult[],
): Promise<void> {
  if (attempted.length === 0) return;
  const operationIds = [...new Set(attempted.map(({ sending }) => sending.operationId))].sort(
    (one, other) => one - other,
  );
  // Locked first, so that two deliveries of one message that end at once see each other's result.
  const operations = await transaction.rows<{
    id: number;
    publicId: string;
    actor: string;
    remoteAddress: string;
    cancelled: number;
  }>(
    `SELECT id, public_id AS publicId, actor, remote_address AS remoteAddress, cancelled FROM operation
      WHERE id IN (${marksFor(operationIds)}) ORDER BY id${transaction.forUpdate}`,
    operationIds,
  );
  const cancelled = new Set(operations.flatMap(({ id, cancelled }) => (cancelled ? [id] : [])));
  // Cancelled while this attempt ran: there is no other one.
  const results = attempted.map((result): SendingResult =>
    result.state === SendingState.QUEUED && cancelled.has(result.sending.operationId)
      ? { ...result, state: SendingState.CANCELLED, nextAttemptAtMs: null }
      : result,
  );
  const now = Date.now();
  await updateEach(transaction, {
    table: 'sending',
    key: 'id',
    also: `attempts = attempts + 1, lease_owner = NULL, lease_until = NULL, completing_at = NULL, last_attempt_at = ${now}`,
    rows: results.map(({ sending, state, smtpReply, reason, nextAttemptAtMs }) => ({
      key: sending.id,
      values: { state, next_attempt_at: nextAttemptAtMs, smtp_reply: cut(smtpReply), reason: cut(reason) },
    })),
  });
  await settleItems(transaction, results);
  const seen = await markSent(transaction, results, now);
  await recordAudits(
    transaction,
    results
      .filter(({ state }) => state !== SendingState.QUEUED)
      .map(({ sending, state, smtpReply, reason }) => {
        const operation = operations.find(({ id }) => id === sending.operationId);
        return {
          actor: operation?.actor ?? 'system',
          remoteAddress: operation?.remoteAddress ?? '',
          event: 'SEND_RESULT' as const,
          outcome: state === SendingState.DELIVERED ? ('DONE' as const) : ('FAILED' as const),
          subject: `message:${sending.messageId}`,
          details: {
            operation: operation?.publicId,
            to: sending.address,
            state,
            smtpReply: cut(smtpReply),
            reason: cut(reason),
          },
        };
      }),
  );
  await finishOperations(transaction, operationIds);
  await changes.append(transaction, [
    ...seen,
    ...operations.map(({ publicId }): NewChange => ({ topic: topics.operation(publicId), kind: 'UPDATED' })),
  ]);
}

async function settleItems(transaction: Transaction, results: readonly SendingResult[]): Promise<void> {
  const touched = new Map(
    results.map(({ sending }) => [`${sending.operationId}.${sending.position}`, sending] as const),
  );
  for (const operationId of new Set(results.map(({ sending }) => sending.operationId))) {
    const positions = [...touched.values()]
      .filter((each) => each.operationId === operationId)
      .map((each) => each.position);
    const rows = await transaction.rows<DeliveryFacts & { position: number; before: OperationOutcome }>(
      `SELECT s.position, s.state, s.attempts, s.smtp_reply AS smtpReply, s.reason, i.outcome AS \`before\`
         FROM sending s JOIN operation_item i ON i.operation_id = s.operation_id AND i.position = s.position
        WHERE s.operation_id = ? AND s.position IN (${marksFor(positions)})`,
      [operationId, ...positions],
    );
    const items = new Map<number, (typeof rows)[number][]>();
    for (const row of rows) items.set(row.position, [...(items.get(row.position) ?? []), row]);
    let done = 0;
    let failed = 0;
    const ends = [...items].map(([position, deliveries]) => {
      const before = deliveries[0]?.before ?? OperationOutcome.PENDING;
      const after = outcomeOf(deliveries);
      done += Number(after.outcome !== OperationOutcome.PENDING) - Number(before !== OperationOutcome.PENDING);
      failed += Number(isFailure(after.outcome)) - Number(isFailure(before));
      return {
        key: position,
        values: { outcome: after.outcome, reason: after.reason, smtp_answer: cut(after.smtpAnswer) },
      };
    });
    await updateEach(transaction, {
      table: 'operation_item',
      key: 'position',
      where: { sql: 'operation_id = ?', parameters: [operationId] },
      rows: ends,
    });
    await transaction.run('UPDATE operation SET done = done + ?, failed = failed + ? WHERE id = ?', [
      done,
      failed,
      operationId,
    ]);
  }
}

/** Marks messages and recipients as sent and gives the changes for everybody who sees them. */
async function markSent(
  transaction: Transaction,
  results: readonly SendingResult[],
  now: number,
): Promise<NewChange[]> {
  const messageIds = [...new Set(results.map(({ sending }) => sending.messageId))];
  const mailboxes = [...new Set(results.map(({ sending }) => sending.mailbox))];
  const rows = await transaction.rows<{
    messageId: number;
    position: number | null;
    mailbox: string | null;
    visibility: number | null;
  }>(
    `SELECT m.id AS messageId, r.position, r.mailbox, r.visibility FROM message m
       LEFT JOIN recipient r ON r.message_id = m.id AND r.mailbox IN (${marksFor(mailboxes)})
      WHERE m.id IN (${marksFor(messageIds)})`,
    [...mailboxes, ...messageIds],
  );
  const named = (messageId: number, mailbox: string) => JSON.stringify([messageId, mailbox]);
  const tried = new Set(results.map(({ sending }) => named(sending.messageId, sending.mailbox)));
  const arrived = results.filter(({ state }) => state === SendingState.DELIVERED);
  const reached = new Set(arrived.map(({ sending }) => named(sending.messageId, sending.mailbox)));
  const changes = new Map<string, NewChange>();
  const marked: number[] = [];
  for (const { messageId, position, mailbox, visibility } of rows) {
    changes.set(`${messageId}`, { topic: topics.backup, kind: 'UPDATED', messageId });
    if (position === null || mailbox === null || !tried.has(named(messageId, mailbox))) continue;
    if (reached.has(named(messageId, mailbox))) marked.push(messageId, position);
    if (visibility === (Visibility.GLOBAL_ONLY as number)) continue;
    changes.set(`${messageId}.${position}`, {
      topic: topics.mailbox(mailbox),
      kind: 'UPDATED',
      messageId,
      recipient: position,
    });
  }
  if (marked.length > 0)
    await transaction.run(
      // Each pair is a place in the primary key; a row constructor would be compared with every row.
      `UPDATE recipient SET sent_at = ? WHERE ${Array.from({ length: marked.length / 2 }, () => '(message_id = ? AND position = ?)').join(' OR ')}`,
      [now, ...marked],
    );
  const delivered = [...new Set(arrived.map(({ sending }) => sending.messageId))];
  if (delivered.length > 0)
    await transaction.run(`UPDATE message SET sent_at = ? WHERE id IN (${marksFor(delivered)})`, [now, ...delivered]);
  return [...changes.values()];
}
