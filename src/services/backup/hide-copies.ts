import type { Transaction } from '../../entities/database.js';
import { marksFor } from '../../entities/marks-for.js';
import { MailboxKind, type MailboxSection } from '../access/personal-access.js';
import type { NewChange } from '../changes/change-feed.js';
import { topics } from '../changes/topics.js';
import { Visibility } from './visibility.js';

/**
 * Deletes a message from a section: every copy that came in by one of its addresses (rules X2, X3). Gives the changes to tell of.
 * Own deletions are told as UPDATED: for the owner the copy is gone, for people who share the mailbox it is still there, and each
 * is told what holds for them.
 */
export function hideCopies(transaction: Transaction, messageId: number, section: MailboxSection): Promise<NewChange[]> {
  return section.kind === MailboxKind.OWN
    ? change(transaction, messageId, section, [Visibility.LISTED], Visibility.HIDDEN_FROM_OWNER, 'UPDATED')
    : change(
        transaction,
        messageId,
        section,
        [Visibility.LISTED, Visibility.HIDDEN_FROM_OWNER],
        Visibility.HIDDEN,
        'REMOVED',
      );
}

/** Takes a deletion back (rule X5): the section lists the message again. Gives the changes to tell of. */
export function restoreCopies(
  transaction: Transaction,
  messageId: number,
  section: MailboxSection,
): Promise<NewChange[]> {
  const hidden = section.kind === MailboxKind.OWN ? Visibility.HIDDEN_FROM_OWNER : Visibility.HIDDEN;
  return change(transaction, messageId, section, [hidden], Visibility.LISTED, 'STORED');
}

async function change(
  transaction: Transaction,
  messageId: number,
  { mailboxKeys }: MailboxSection,
  from: readonly Visibility[],
  to: Visibility,
  kind: NewChange['kind'],
): Promise<NewChange[]> {
  const rows = await transaction.rows<{ position: number; mailbox: string }>(
    `SELECT position, mailbox FROM recipient WHERE message_id = ? AND mailbox IN (${marksFor(mailboxKeys)})
        AND visibility IN (${from.join(', ')}) ORDER BY position${transaction.forUpdate}`,
    [messageId, ...mailboxKeys],
  );
  if (rows.length === 0) return [];
  await transaction.run(
    `UPDATE recipient SET visibility = ${to} WHERE message_id = ? AND position IN (${marksFor(rows)})`,
    [messageId, ...rows.map(({ position }) => position)],
  );
  return [
    // Administrators see whether a copy is hidden.
    { topic: topics.backup, kind: 'UPDATED', messageId },
    ...rows.map(({ position, mailbox }): NewChange => ({
      topic: topics.mailbox(mailbox),
      kind,
      messageId,
      recipient: position,
    })),
  ];
}
