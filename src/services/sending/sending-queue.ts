import { randomUUID } from 'node:crypto';
import type { Database, Transaction } from '../../entities/database.js';
import type { DeliveryFormat } from '../../entities/delivery-format.js';
import { marksFor } from '../../entities/marks-for.js';
import type { ChangeFeed } from '../changes/change-feed.js';
import { OperationReason, SendingState } from './operation.js';
import { settleSendings } from './settle-sendings.js';

/** One delivery to make: a message to one address. */
export interface QueuedSending {
  readonly id: number;
  readonly operationId: number;
  readonly position: number;
  readonly messageId: number;
  /** Position of the copy for a person's sending, null for an administrator's. */
  readonly recipient: number | null;
  readonly mailbox: string;
  readonly address: string;
  readonly owner: string;
  readonly format: DeliveryFormat;
  readonly removeMessageId: boolean;
  readonly envelopeFrom: string;
  readonly smtpMessageId: string;
  readonly requestedAtMs: number;
  /** Attempts made before this one. */
  readonly attempts: number;
}

/** A delivery that this process has taken. */
export interface TakenSending extends QueuedSending {
  /** Names this taking, not the process: one that lapsed and was taken again is another's, even in the same process. */
  readonly lease: string;
}

/** How an attempt ended. */
export interface SendingResult {
  readonly sending: TakenSending;
  readonly state: Exclude<SendingState, SendingState.SENDING>;
  readonly smtpReply: string | null;
  /** One of {@link OperationReason}, or the words of the connection. */
  readonly reason: string | null;
  /** Set with QUEUED. */
  readonly nextAttemptAtMs: number | null;
}

const COLUMNS = `id, operation_id AS operationId, position, message_id AS messageId, recipient, mailbox, address, owner, format,
  remove_message_id AS removeMessageId, envelope_from AS envelopeFrom, smtp_message_id AS smtpMessageId,
  requested_at AS requestedAtMs, attempts`;

// Lapsed leases that are looked at in one transaction; keeps it short after the crash of a busy process.
const LAPSED_AT_ONCE = 100;

/** The queue in the database, shared by all processes: who takes a row has it for the time of a lease (rule D7). */
export class SendingQueue {
  #foundSome = false;

  constructor(
    private readonly database: Database,
    private readonly changes: ChangeFeed,
    private readonly leaseMs: number,
  ) {}

  /** Takes up to `limit` deliveries that are due. */
  async claim(limit: number): Promise<TakenSending[]> {
    const now = Date.now();
    if (!this.#foundSome) {
      // Read without a lock first: an idle server asks every second and must not write for it.
      const [due] = await this.database.rows(
        "SELECT id FROM sending WHERE state = 'QUEUED' AND next_attempt_at <= ? LIMIT 1",
        [now],
      );
      if (!due) return [];
    }
    const taken = await this.#take(limit, now);
    this.#foundSome = taken.length > 0;
    return taken;
  }

  #take(limit: number, now: number): Promise<TakenSending[]> {
    const take = async (transaction: Transaction): Promise<TakenSending[]> => {
      const lease = randomUUID();
      const rows = await transaction.rows<Omit<QueuedSending, 'removeMessageId'> & { removeMessageId: number }>(
        `SELECT ${COLUMNS} FROM sending WHERE state = 'QUEUED' AND next_attempt_at <= ? ORDER BY next_attempt_at, id LIMIT ${limit}${transaction.forUpdateOfFree}`,
        [now],
      );
      if (rows.length === 0) return [];
      await transaction.later(
        `UPDATE sending SET state = 'SENDING', lease_owner = ?, lease_until = ?, completing_at = NULL WHERE id IN (${marksFor(rows)})`,
        [lease, now + this.leaseMs, ...rows.map(({ id }) => id)],
      );
      const operations = [...new Set(rows.map(({ operationId }) => operationId))];
      await transaction.later(
        `UPDATE operation SET state = 'RUNNING', started_at = ? WHERE state = 'QUEUED' AND id IN (${marksFor(operations)})`,
        [now, ...operations],
      );
      return rows.map((row) => ({ ...row, removeMessageId: Boolean(row.removeMessageId), lease }));
    };
    return this.database.transaction(take, { bundled: true });
  }

  /** Keeps what was taken under these leases. */
  async renew(leases: readonly string[]): Promise<void> {
    if (leases.length === 0) return;
    await this.database.run(
      `UPDATE sending SET lease_until = ? WHERE state = 'SENDING' AND lease_owner IN (${marksFor(leases)})`,
      [Date.now() + this.leaseMs, ...leases],
    );
  }

  /**
   * Writes down that the last bytes of these are about to go out: from here on a crash leaves the outcome unknown. Tells for
   * each whether it is still the taker's; when not, its last bytes must not go out.
   */
  async markCompleting(sendings: readonly TakenSending[]): Promise<boolean[]> {
    const now = Date.now();
    const held = await this.database.run(
      `UPDATE sending SET completing_at = ?, lease_until = ?
        WHERE state = 'SENDING' AND (${sendings.map(() => '(id = ? AND lease_owner = ?)').join(' OR ')})`,
      [now, now + this.leaseMs, ...sendings.flatMap(({ id, lease }) => [id, lease])],
    );
    if (held === sendings.length) return sendings.map(() => true);
    const ours = await this.database.transaction((transaction) => this.#held(transaction, sendings));
    return sendings.map((sending) => ours.has(sending));
  }

  /** Writes results, with everything that follows from them, in one transaction; results of lost leases are left out. */
  async settle(results: readonly SendingResult[]): Promise<void> {
    await this.database.transaction((transaction) => settleSendings(transaction, this.changes, results), {
      bundled: true,
    });
  }

  /** Those of the sendings that are still held by the leases they were taken under; locks them. */
  async #held(transaction: Transaction, sendings: readonly TakenSending[]): Promise<Set<TakenSending>> {
    const rows = await transaction.rows<{ id: number; lease: string }>(
      `SELECT id, lease_owner AS lease FROM sending WHERE id IN (${marksFor(sendings)}) AND state = 'SENDING'${transaction.forUpdate}`,
      sendings.map(({ id }) => id),
    );
    const leases = new Map(rows.map(({ id, lease }) => [id, lease]));
    return new Set(sendings.filter(({ id, lease }) => leases.get(id) === lease));
  }

  /**
   * Takes up what a dead process left: what had not come to its last bytes is sent again, the rest is told as unknown and not
   * repeated. Leaves alone what is held by `live` leases: the caller knows better how these end. Gives how many there were.
   */
  async recover(live: readonly string[] = []): Promise<number> {
    const now = Date.now();
    const lapsed = `state = 'SENDING' AND lease_until < ?${live.length > 0 ? ` AND lease_owner NOT IN (${marksFor(live)})` : ''}`;
    const parameters = [now, ...live];
    const [any] = await this.database.rows(`SELECT id FROM sending WHERE ${lapsed} LIMIT 1`, parameters);
    if (!any) return 0;
    return this.database.transaction(async (transaction: Transaction) => {
      const rows = await transaction.rows<TakenSending & { completing: number | null }>(
        `SELECT ${COLUMNS}, lease_owner AS lease, completing_at AS completing FROM sending WHERE ${lapsed} ORDER BY id LIMIT ${LAPSED_AT_ONCE}${transaction.forUpdate}`,
        parameters,
      );
      const again = rows.filter(({ completing }) => completing === null);
      if (again.length > 0)
        await transaction.run(
          `UPDATE sending SET state = 'QUEUED', lease_owner = NULL, lease_until = NULL, next_attempt_at = ? WHERE id IN (${marksFor(again)})`,
          [now, ...again.map(({ id }) => id)],
        );
      await settleSendings(
        transaction,
        this.changes,
        rows
          .filter(({ completing }) => completing !== null)
          .map((sending) => ({
            sending,
            state: SendingState.UNKNOWN,
            smtpReply: null,
            reason: OperationReason.MAY_ARRIVE_TWICE,
            nextAttemptAtMs: null,
          })),
      );
      return rows.length;
    });
  }

  /** Gives back what was taken and not begun, at a stop. */
  async release({ id, lease }: TakenSending): Promise<void> {
    await this.database.transaction((transaction) =>
      transaction.run(
        `UPDATE sending SET state = 'QUEUED', lease_owner = NULL, lease_until = NULL, next_attempt_at = ?
          WHERE id = ? AND state = 'SENDING' AND completing_at IS NULL AND lease_owner = ?`,
        [Date.now(), id, lease],
      ),
    );
  }
}
