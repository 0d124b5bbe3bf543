import type { Transaction } from '../../entities/database.js';
import { Visibility } from '../backup/visibility.js';
import type { NewChange } from '../changes/change-feed.js';
import { topics } from '../changes/topics.js';

// What has been handed over whole ends by itself.
const CANCELLABLE = "(state = 'QUEUED' OR (state = 'SENDING' AND completing_at IS NULL))";

/**
 * Cancels the deliveries of an operation whose last bytes have not gone out, in the caller's transaction. Gives the changes to
 * tell of: a cancelled attempt stands in the history of its message (rule D8), for administrators and in the mailbox that it
 * was for.
 */
export async function cancelDeliveries(transaction: Transaction, operationId: number): Promise<NewChange[]> {
  const concerned = await transaction.rows<{ messageId: number; position: number | null; mailbox: string | null }>(
    `SELECT DISTINCT s.message_id AS messageId, r.position, r.mailbox FROM sending s
       LEFT JOIN recipient r ON r.message_id = s.message_id AND r.mailbox = s.mailbox
        AND r.visibility <> ${Visibility.GLOBAL_ONLY}
      WHERE s.operation_id = ? AND ${CANCELLABLE} ORDER BY messageId, r.position`,
    [operationId],
  );
  await transaction.run(
    // Whoever has taken one of these may not send its last bytes any more.
    `UPDATE sending SET state = 'CANCELLED', next_attempt_at = NULL, lease_owner = NULL, lease_until = NULL
      WHERE operation_id = ? AND ${CANCELLABLE}`,
    [operationId],
  );
  const messages = new Set(concerned.map(({ messageId }) => messageId));
  return [
    ...[...messages].map((messageId): NewChange => ({ topic: topics.backup, kind: 'UPDATED', messageId })),
    ...concerned.flatMap(({ messageId, position, mailbox }): NewChange[] =>
      position === null || mailbox === null
        ? []
        : [{ topic: topics.mailbox(mailbox), kind: 'UPDATED', messageId, recipient: position }],
    ),
  ];
}

/** Whether anything of an operation can still be cancelled, or waits or is tried. */
export async function isUnderWay(transaction: Transaction, operationId: number): Promise<boolean> {
  const rows = await transaction.rows(
    "SELECT id FROM sending WHERE operation_id = ? AND state IN ('QUEUED', 'SENDING') LIMIT 1",
    [operationId],
  );
  return rows.length > 0;
}
