import type { Transaction } from '../../entities/database.js';
import { marksFor } from '../../entities/marks-for.js';
import type { NewChange } from '../changes/change-feed.js';
import { topics } from '../changes/topics.js';
import { type CountedMessage, countMessages } from './backup-counters.js';
import { Visibility } from './visibility.js';

/** What a removal did; the caller tells of the changes, as the last thing in its transaction. */
export interface RemovedMessages {
  /** Those that were there. */
  readonly messageIds: readonly number[];
  readonly changes: readonly NewChange[];
  /** Bytes that were freed: of contents that no other message uses. */
  readonly freedBytes: number;
}

interface MessageRow extends CountedMessage {
  readonly id: number;
  readonly contentId: number;
}

/** Removes messages for everybody, with the bytes that nothing else uses (rules X4, S7); ids of none are passed over. At most a few hundred at once. */
export async function removeMessages(transaction: Transaction, ids: readonly number[]): Promise<RemovedMessages> {
  const none = { messageIds: [], changes: [], freedBytes: 0 };
  if (ids.length === 0) return none;
  const messages = await transaction.rows<MessageRow>(
    `SELECT id, content_id AS contentId, received_at AS receivedAtMs, action, detected_by AS detectedBy, size_bytes AS sizeBytes
       FROM message WHERE id IN (${marksFor(ids)}) ORDER BY id${transaction.forUpdate}`,
    ids,
  );
  if (messages.length === 0) return none;
  const messageIds = messages.map(({ id }) => id);
  const contentIds = [...new Set(messages.map(({ contentId }) => contentId))].sort((a, b) => a - b);
  // A copy that its owner deleted is still listed for others who share the mailbox.
  const copies = await transaction.rows<{ messageId: number; position: number; mailbox: string }>(
    `SELECT message_id AS messageId, position, mailbox FROM recipient
      WHERE message_id IN (${marksFor(messageIds)}) AND visibility IN (${Visibility.LISTED}, ${Visibility.HIDDEN_FROM_OWNER})
      ORDER BY message_id, position`,
    messageIds,
  );
  // Locked, so that a hand-over of the same bytes waits for this transaction and then stores them anew.
  await transaction.rows(
    `SELECT id FROM content WHERE id IN (${marksFor(contentIds)}) ORDER BY id${transaction.forUpdate}`,
    contentIds,
  );
  await transaction.run(`DELETE FROM message WHERE id IN (${marksFor(messageIds)})`, messageIds);
  const unused = await transaction.rows<{ id: number; storedBytes: number }>(
    `SELECT id, stored_bytes AS storedBytes FROM content c WHERE id IN (${marksFor(contentIds)})
        AND NOT EXISTS (SELECT 1 FROM message m WHERE m.content_id = c.id)`,
    contentIds,
  );
  if (unused.length > 0)
    await transaction.run(
      `DELETE FROM content WHERE id IN (${marksFor(unused)})`,
      unused.map(({ id }) => id),
    );
  const freedBytes = unused.reduce((sum, { storedBytes }) => sum + storedBytes, 0);
  await countMessages(transaction, messages, -1, freedBytes);
  return {
    messageIds,
    freedBytes,
    changes: [
      ...messageIds.map((messageId): NewChange => ({ topic: topics.backup, kind: 'REMOVED', messageId })),
      ...copies.map(({ messageId, position, mailbox }): NewChange => ({
        topic: topics.mailbox(mailbox),
        kind: 'REMOVED',
        messageId,
        recipient: position,
      })),
    ],
  };
}
