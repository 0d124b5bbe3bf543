import type { SqlValue, Transaction } from '../../entities/database.js';
import { marksFor } from '../../entities/marks-for.js';
import { recordAudits } from '../audit/audit-log.js';
import { Visibility } from '../backup/visibility.js';
import type { ChangeFeed, NewChange } from '../changes/change-feed.js';
import { topics } from '../changes/topics.js';
import {
  type DeliveryFacts,
  isFailure,
  OperationOutcome,
  OperationState,
  outcomeOf,
  SendingState,
} from './operation.js';
import { finishOperations } from './finish-operations.js';
import type { SendingResult } from './sending-queue.js';
import { updateEach } from './update-each.js';

const cut = (text: string | null) => text && text.slice(0, 1000);

interface OperationFacts {
  readonly id: number;
  readonly publicId: string;
  readonly actor: string;
  readonly remoteAddress: string;
  readonly cancelled: number;
  readonly state: OperationState;
  readonly total: number;
  readonly done: number;
}

/** A delivery of a message that is settled, with the message's outcome so far. */
interface ItemDelivery extends DeliveryFacts {
  readonly id: number;
  readonly operationId: number;
  readonly position: number;
  readonly before: OperationOutcome;
}

/** A message and one of its copies; nulls where it has none for the mailboxes. */
interface CopyFacts {
  readonly messageId: number;
  readonly position: number | null;
  readonly mailbox: string | null;
  readonly visibility: number | null;
}

/**
 * Writes how attempts ended: the delivery itself, its message's outcome in the operation, the marks on message and recipients
 * (rule D8), the audit log and the changes; all in the caller's transaction. Leaves out what its lease does not hold any more.
 * What it reads comes in one packet and what it writes goes out in one where the transaction is bundled.
 */
export async function settleSendings(
  transaction: Transaction,
  changes: ChangeFeed,
  attempted: readonly SendingResult[],
): Promise<void> {
  if (attempted.length === 0) return;
  const facts = await readFacts(transaction, attempted);
  const leases = new Map(facts.held.map(({ id, lease }) => [id, lease]));
  const operations = new Map(facts.operations.map((operation) => [operation.id, operation]));
  const results = attempted
    .filter(({ sending }) => leases.get(sending.id) === sending.lease)
    .map((result): SendingResult => {
      const ended = { ...result, smtpReply: cut(result.smtpReply), reason: cut(result.reason) };
      // Cancelled while this attempt ran: there is no other one.
      return ended.state === SendingState.QUEUED && operations.get(ended.sending.operationId)?.cancelled
        ? { ...ended, state: SendingState.CANCELLED, nextAttemptAtMs: null }
        : ended;
    });
  if (results.length === 0) return;
  const now = Date.now();
  await updateEach(transaction, {
    table: 'sending',
    key: 'id',
    also: `attempts = attempts + 1, lease_owner = NULL, lease_until = NULL, completing_at = NULL, last_attempt_at = ${now}`,
    rows: results.map(({ sending, state, smtpReply, reason, nextAttemptAtMs }) => ({
      key: sending.id,
      values: { state, next_attempt_at: nextAttemptAtMs, smtp_reply: smtpReply, reason },
    })),
  });
  const touched = new Set(results.map(({ sending }) => sending.operationId));
  const complete: number[] = [];
  for (const operation of facts.operations) {
    if (!touched.has(operation.id)) continue;
    const done = await settleItems(transaction, operation.id, facts.deliveries, results);
    if (operation.state !== OperationState.FINISHED && operation.done + done >= operation.total)
      complete.push(operation.id);
  }
  const seen = await markSent(transaction, facts.copies, results, now);
  await recordAudits(
    transaction,
    results
      .filter(({ state }) => state !== SendingState.QUEUED)
      .map(({ sending, state, smtpReply, reason }) => {
        const operation = operations.get(sending.operationId);
        return {
          actor: operation?.actor ?? 'system',
          remoteAddress: operation?.remoteAddress ?? '',
          event: 'SEND_RESULT' as const,
          outcome: state === SendingState.DELIVERED ? ('DONE' as const) : ('FAILED' as const),
          subject: `message:${sending.messageId}`,
          details: { operation: operation?.publicId, to: sending.address, state, smtpReply, reason },
        };
      }),
  );
  await finishOperations(transaction, complete);
  await changes.append(transaction, [
    ...seen,
    ...facts.operations
      .filter(({ id }) => touched.has(id))
      .map(({ publicId }): NewChange => ({ topic: topics.operation(publicId), kind: 'UPDATED' })),
  ]);
}

/** What results are judged by: who holds the deliveries, and their operations, messages and copies as they are. */
async function readFacts(transaction: Transaction, attempted: readonly SendingResult[]) {
  const sendings = attempted.map(({ sending }) => sending);
  const operationIds = [...new Set(sendings.map(({ operationId }) => operationId))].sort((one, other) => one - other);
  const messageIds = [...new Set(sendings.map(({ messageId }) => messageId))];
  const mailboxes = [...new Set(sendings.map(({ mailbox }) => mailbox))];
  const places = operationIds.map((operationId) => ({
    operationId,
    positions: [
      ...new Set(sendings.filter((each) => each.operationId === operationId).map(({ position }) => position)),
    ],
  }));
  const [operations, held, copies, deliveries] = await transaction.rowsOfEach<
    [OperationFacts, { id: number; lease: string }, CopyFacts, ItemDelivery]
  >(
    [
      // Locked first, so that two deliveries of one message that end at once see each other's result.
      `SELECT id, public_id AS publicId, actor, remote_address AS remoteAddress, cancelled, state, total, done FROM operation
        WHERE id IN (${marksFor(operationIds)}) ORDER BY id${transaction.forUpdate}`,
      operationIds,
    ],
    [
      `SELECT id, lease_owner AS lease FROM sending
        WHERE id IN (${marksFor(sendings)}) AND state = 'SENDING'${transaction.forUpdate}`,
      sendings.map(({ id }) => id),
    ],
    [
      `SELECT m.id AS messageId, r.position, r.mailbox, r.visibility FROM message m
         LEFT JOIN recipient r ON r.message_id = m.id AND r.mailbox IN (${marksFor(mailboxes)})
        WHERE m.id IN (${marksFor(messageIds)})`,
      [...mailboxes, ...messageIds],
    ],
    [
      `SELECT s.id, s.operation_id AS operationId, s.position, s.state, s.attempts, s.smtp_reply AS smtpReply, s.reason,
              i.outcome AS \`before\`
         FROM sending s JOIN operation_item i ON i.operation_id = s.operation_id AND i.position = s.position
        WHERE ${places.map(({ positions }) => `(s.operation_id = ? AND s.position IN (${marksFor(positions)}))`).join(' OR ')}`,
      places.flatMap(({ operationId, positions }): SqlValue[] => [operationId, ...positions]),
    ],
  );
  return { operations, held, copies, deliveries };
}

/** Writes the outcomes of an operation's messages; tells how many more of them have one. */
async function settleItems(
  transaction: Transaction,
  operationId: number,
  deliveries: readonly ItemDelivery[],
  results: readonly SendingResult[],
): Promise<number> {
  const ended = new Map(results.map((result) => [result.sending.id, result]));
  const touched = new Set(
    results.flatMap(({ sending }) => (sending.operationId === operationId ? [sending.position] : [])),
  );
  const items = new Map<number, ItemDelivery[]>();
  for (const delivery of deliveries) {
    if (delivery.operationId !== operationId || !touched.has(delivery.position)) continue;
    const { state, smtpReply, reason } = ended.get(delivery.id) ?? delivery;
    const attempts = delivery.attempts + Number(ended.has(delivery.id));
    const others = items.get(delivery.position);
    const now = { ...delivery, state, smtpReply, reason, attempts };
    if (others) others.push(now);
    else items.set(delivery.position, [now]);
  }
  let done = 0;
  let failed = 0;
  const ends = [...items].map(([position, ofItem]) => {
    const before = ofItem[0]?.before ?? OperationOutcome.PENDING;
    const after = outcomeOf(ofItem);
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
  await transaction.later('UPDATE operation SET done = done + ?, failed = failed + ? WHERE id = ?', [
    done,
    failed,
    operationId,
  ]);
  return done;
}

/** Marks messages and recipients as sent and gives the changes for everybody who sees them. */
async function markSent(
  transaction: Transaction,
  copies: readonly CopyFacts[],
  results: readonly SendingResult[],
  now: number,
): Promise<NewChange[]> {
  const named = (messageId: number, mailbox: string) => JSON.stringify([messageId, mailbox]);
  const messages = new Set(results.map(({ sending }) => sending.messageId));
  const tried = new Set(results.map(({ sending }) => named(sending.messageId, sending.mailbox)));
  const arrived = results.filter(({ state }) => state === SendingState.DELIVERED);
  const reached = new Set(arrived.map(({ sending }) => named(sending.messageId, sending.mailbox)));
  const changes = new Map<string, NewChange>();
  const marked: number[] = [];
  for (const { messageId, position, mailbox, visibility } of copies) {
    if (!messages.has(messageId)) continue;
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
    await transaction.later(
      // Each pair is a place in the primary key; a row constructor would be compared with every row.
      `UPDATE recipient SET sent_at = ? WHERE ${Array.from({ length: marked.length / 2 }, () => '(message_id = ? AND position = ?)').join(' OR ')}`,
      [now, ...marked],
    );
  const delivered = [...new Set(arrived.map(({ sending }) => sending.messageId))];
  if (delivered.length > 0)
    await transaction.later(`UPDATE message SET sent_at = ? WHERE id IN (${marksFor(delivered)})`, [now, ...delivered]);
  return [...changes.values()];
}
