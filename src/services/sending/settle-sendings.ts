import type { Transaction } from '../../entities/database.js';
import { recordAudits } from '../audit/audit-log.js';
import { Visibility } from '../backup/visibility.js';
import type { ChangeFeed, NewChange } from '../changes/change-feed.js';
import { topics } from '../changes/topics.js';
import { type DeliveryFacts, isFailure, OperationOutcome, outcomeOf, SendingState } from './operation.js';
import { finishOperations } from './operations.js';
import type { SendingResult } from './sending-queue.js';

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
  for (const { sending, state, smtpReply, reason, nextAttemptAtMs } of results) {
    await transaction.run(
      `UPDATE sending SET state = ?, attempts = attempts + 1, next_attempt_at = ?, lease_owner = NULL, lease_until = NULL,
              completing_at = NULL, smtp_reply = ?, reason = ?, last_attempt_at = ? WHERE id = ?`,
      [state, nextAttemptAtMs, cut(smtpReply), cut(reason), now, sending.id],
    );
  }
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
    const parameters = [operationId, ...positions];
    const where = `operation_id = ? AND position IN (${marksFor(positions)})`;
    const deliveries = await transaction.rows<DeliveryFacts & { position: number }>(
      `SELECT position, state, attempts, smtp_reply AS smtpReply, reason FROM sending WHERE ${where}`,
      parameters,
    );
    const items = await transaction.rows<{ position: number; outcome: OperationOutcome }>(
      `SELECT position, outcome FROM operation_item WHERE ${where}`,
      parameters,
    );
    let done = 0;
    let failed = 0;
    for (const { position, outcome: before } of items) {
      const after = outcomeOf(deliveries.filter((delivery) => delivery.position === position));
      done += Number(after.outcome !== OperationOutcome.PENDING) - Number(before !== OperationOutcome.PENDING);
      failed += Number(isFailure(after.outcome)) - Number(isFailure(before));
      await transaction.run(
        'UPDATE operation_item SET outcome = ?, reason = ?, smtp_answer = ? WHERE operation_id = ? AND position = ?',
        [after.outcome, after.reason, cut(after.smtpAnswer), operationId, position],
      );
    }
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
  const concerned = await transaction.rows<{
    messageId: number;
    position: number;
    mailbox: string;
    visibility: number;
  }>(
    `SELECT message_id AS messageId, position, mailbox, visibility FROM recipient
      WHERE message_id IN (${marksFor(messageIds)}) AND mailbox IN (${marksFor(mailboxes)})`,
    [...messageIds, ...mailboxes],
  );
  const present = await transaction.rows<{ id: number }>(
    `SELECT id FROM message WHERE id IN (${marksFor(messageIds)})`,
    messageIds,
  );
  const delivered = new Set<number>();
  const changes = new Map<string, NewChange>();
  for (const { id } of present) changes.set(`${id}`, { topic: topics.backup, kind: 'UPDATED', messageId: id });
  for (const { sending, state } of results) {
    if (state === SendingState.DELIVERED) delivered.add(sending.messageId);
    for (const { messageId, position, mailbox, visibility } of concerned) {
      if (messageId !== sending.messageId || mailbox !== sending.mailbox) continue;
      if (state === SendingState.DELIVERED)
        await transaction.run('UPDATE recipient SET sent_at = ? WHERE message_id = ? AND position = ?', [
          now,
          messageId,
          position,
        ]);
      if (visibility === (Visibility.GLOBAL_ONLY as number)) continue;
      changes.set(`${messageId}.${position}`, {
        topic: topics.mailbox(mailbox),
        kind: 'UPDATED',
        messageId,
        recipient: position,
      });
    }
  }
  if (delivered.size > 0)
    await transaction.run(`UPDATE message SET sent_at = ? WHERE id IN (${marksFor([...delivered])})`, [
      now,
      ...delivered,
    ]);
  return [...changes.values()];
}
