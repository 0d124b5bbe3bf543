import type { Database } from '../../entities/database.js';
import type { DeliveryFormat } from '../../entities/delivery-format.js';
import { marksFor } from '../../entities/marks-for.js';
import type { SendingState } from './operation.js';
import { isReason } from './operation.js';

/** One attempt to send a message to one address, with what became of it (rule D8). */
export interface RecordedSending {
  readonly id: number;
  readonly messageId: number;
  readonly address: string;
  /** See `OperationOwner`. */
  readonly owner: string;
  readonly actor: string;
  readonly format: DeliveryFormat;
  readonly messageIdRemoved: boolean;
  readonly requestedAtMs: number;
  readonly state: SendingState;
  readonly attempts: number;
  readonly nextAttemptAtMs: number | null;
  readonly lastAttemptAtMs: number | null;
  readonly smtpAnswer: string | null;
}

/** Which sendings of a message are wanted, newest first. */
export interface WantedSendings {
  readonly messageId: number;
  /** Only those to these mailboxes (rule D8); null: all. */
  readonly mailboxes: readonly string[] | null;
  /** Behind this one; null: from the newest on. */
  readonly before: number | null;
  readonly limit: number;
}

const COLUMNS = `id, message_id AS messageId, address, owner, actor, format, remove_message_id AS messageIdRemoved,
  requested_at AS requestedAtMs, state, attempts, next_attempt_at AS nextAttemptAtMs, last_attempt_at AS lastAttemptAtMs,
  smtp_reply AS smtpReply, reason`;

interface Row extends Omit<RecordedSending, 'messageIdRemoved' | 'smtpAnswer'> {
  readonly messageIdRemoved: number;
  readonly smtpReply: string | null;
  readonly reason: string | null;
}

/** Reads what was sent of messages. */
export class SendingHistory {
  constructor(private readonly database: Database) {}

  /** For each of the wanted, its sendings: one statement for all messages that are asked for alike. */
  async find(wanted: readonly WantedSendings[]): Promise<RecordedSending[][]> {
    const alike = new Map<string, WantedSendings[]>();
    for (const each of wanted) {
      const name = JSON.stringify([each.mailboxes, each.before, each.limit]);
      alike.set(name, [...(alike.get(name) ?? []), each]);
    }
    const found = new Map<WantedSendings, RecordedSending[]>();
    for (const group of alike.values()) {
      const [first] = group as [WantedSendings];
      const { mailboxes, before, limit } = first;
      const ids = [...new Set(group.map(({ messageId }) => messageId))];
      const rows = await this.database.rows<Row>(
        `SELECT * FROM (
           SELECT ${COLUMNS}, ROW_NUMBER() OVER (PARTITION BY message_id ORDER BY id DESC) AS place FROM sending
            WHERE message_id IN (${marksFor(ids)})
              ${mailboxes ? `AND mailbox IN (${marksFor(mailboxes) || 'NULL'})` : ''} ${before === null ? '' : 'AND id < ?'}
         ) numbered WHERE place <= ${limit} ORDER BY messageId, place`,
        [...ids, ...(mailboxes ?? []), ...(before === null ? [] : [before])],
      );
      for (const each of group) {
        found.set(
          each,
          rows
            .filter(({ messageId }) => messageId === each.messageId)
            .map(({ smtpReply, reason, messageIdRemoved, ...row }) => ({
              ...row,
              messageIdRemoved: Boolean(messageIdRemoved),
              smtpAnswer: smtpReply ?? (reason && !isReason(reason) ? reason : null),
            })),
        );
      }
    }
    return wanted.map((each) => found.get(each) ?? []);
  }
}
