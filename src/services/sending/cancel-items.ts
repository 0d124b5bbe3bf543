import type { Transaction } from '../../entities/database.js';
import { marksFor } from '../../entities/marks-for.js';
import { type DeliveryFacts, isFailure, OperationOutcome, OperationReason, outcomeOf } from './operation.js';

// Positions in one statement.
const AT_ONCE = 500;

type Ending = ReturnType<typeof outcomeOf>;

// Deletions and restorations have no deliveries: what is pending has not been touched.
const UNTOUCHED: Ending = {
  outcome: OperationOutcome.CANCELLED,
  reason: OperationReason.CANCELLED,
  smtpAnswer: null,
};

/**
 * Gives those messages of an operation their outcome whose last deliveries were cancelled just now, in the caller's transaction;
 * what is under way ends by itself. Gives the messages that it ended.
 */
export async function cancelItems(transaction: Transaction, operationId: number): Promise<number[]> {
  const open = `operation_id = ? AND outcome IN ('${OperationOutcome.PENDING}', '${OperationOutcome.DEFERRED}')`;
  const items = await transaction.rows<{ position: number; messageId: number; outcome: OperationOutcome }>(
    `SELECT position, message_id AS messageId, outcome FROM operation_item WHERE ${open} ORDER BY position`,
    [operationId],
  );
  const rows = await transaction.rows<DeliveryFacts & { position: number }>(
    `SELECT position, state, attempts, smtp_reply AS smtpReply, reason FROM sending
      WHERE operation_id = ? AND position IN (SELECT position FROM operation_item WHERE ${open})`,
    [operationId, operationId],
  );
  const deliveries = new Map<number, DeliveryFacts[]>();
  for (const row of rows) deliveries.set(row.position, [...(deliveries.get(row.position) ?? []), row]);

  const ended: typeof items = [];
  const alike = new Map<string, { readonly ending: Ending; readonly positions: number[] }>();
  let failed = 0;
  for (const item of items) {
    const facts = deliveries.get(item.position);
    const ending = facts ? outcomeOf(facts) : UNTOUCHED;
    if (ending.outcome === OperationOutcome.PENDING || ending.outcome === OperationOutcome.DEFERRED) continue;
    ended.push(item);
    failed += Number(isFailure(ending.outcome));
    const name = JSON.stringify(ending);
    const group = alike.get(name);
    if (group) group.positions.push(item.position);
    else alike.set(name, { ending, positions: [item.position] });
  }
  for (const { ending, positions } of alike.values())
    for (let from = 0; from < positions.length; from += AT_ONCE) {
      const part = positions.slice(from, from + AT_ONCE);
      await transaction.run(
        `UPDATE operation_item SET outcome = ?, reason = ?, smtp_answer = ?
          WHERE operation_id = ? AND position IN (${marksFor(part)})`,
        [ending.outcome, ending.reason, ending.smtpAnswer?.slice(0, 1000) ?? null, operationId, ...part],
      );
    }
  await transaction.run('UPDATE operation SET done = done + ?, failed = failed + ? WHERE id = ?', [
    ended.filter(({ outcome }) => outcome === OperationOutcome.PENDING).length,
    failed,
    operationId,
  ]);
  return ended.map(({ messageId }) => messageId);
}
