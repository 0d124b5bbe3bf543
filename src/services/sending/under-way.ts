import type { Transaction } from '../../entities/database.js';
import { mailboxKey } from '../../entities/mailbox-key.js';
import { marksFor } from '../../entities/marks-for.js';
import { OperationReason } from './operation.js';
import type { NewDelivery, NewItem } from './operation-request.js';

// Ids in one statement.
const AT_ONCE = 500;

const nameOf = (messageId: number, { address, format, removeMessageId }: NewDelivery) =>
  JSON.stringify([messageId, mailboxKey(address), format, removeMessageId]);

/**
 * The items without deliveries that an earlier request has under way: the same message in the same form to the same mailbox.
 * Two people who press at once cause one attempt; the second comes about when it is asked for after the end of the first
 * (rule D9). A message of which nothing is left is refused. The messages stay locked until the commit, so that of two
 * requests at the same moment the second sees the first.
 */
export async function withoutUnderWay(transaction: Transaction, items: readonly NewItem[]): Promise<NewItem[]> {
  const ids = [
    ...new Set(items.flatMap(({ messageId, deliveries }) => (messageId !== null && deliveries ? [messageId] : []))),
  ].sort((one, other) => one - other);
  const underWay = new Set<string>();
  for (let from = 0; from < ids.length; from += AT_ONCE) {
    const part = ids.slice(from, from + AT_ONCE);
    const marks = marksFor(part);
    await transaction.rows(`SELECT id FROM message WHERE id IN (${marks}) ORDER BY id${transaction.forUpdate}`, part);
    const rows = await transaction.rows<Omit<NewDelivery, 'removeMessageId'> & { messageId: number; removed: number }>(
      `SELECT message_id AS messageId, address, format, remove_message_id AS removed FROM sending
        WHERE message_id IN (${marks}) AND state IN ('QUEUED', 'SENDING')`,
      part,
    );
    for (const { messageId, removed, ...row } of rows)
      underWay.add(nameOf(messageId, { ...row, removeMessageId: Boolean(removed) }));
  }
  return items.map((item) => {
    const { messageId, deliveries } = item;
    if (messageId === null || !deliveries || deliveries.length === 0) return item;
    const left = deliveries.filter((delivery) => {
      const name = nameOf(messageId, delivery);
      if (underWay.has(name)) return false;
      // The same message from two sections to one address.
      underWay.add(name);
      return true;
    });
    return left.length > 0
      ? { ...item, deliveries: left }
      : { ...item, deliveries: [], refusal: OperationReason.ALREADY_BEING_SENT };
  });
}
