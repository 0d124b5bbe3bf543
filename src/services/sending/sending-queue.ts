import type { Database, Transaction } from '../../entities/database.js';
import type { DeliveryFormat } from '../../entities/delivery-format.js';
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

/** How an attempt ended. */
export interface SendingResult {
  readonly sending: QueuedSending;
  readonly state: SendingState.DELIVERED | SendingState.FAILED | SendingState.UNKNOWN | SendingState.QUEUED;
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

const marksFor = (values: readonly unknown[]) => values.map(() => '?').join(', ');

/** The queue in the database, shared by all processes: a row is one process's for the time of a lease (rule D7). */
export class SendingQueue {
  constructor(
    private readonly database: Database,
    private readonly changes: ChangeFeed,
    /** Names this process in leases. */
    private readonly owner: string,
    private readonly leaseMs: number,
  ) {}

  /** Takes up to `limit` deliveries that are due. */
  async claim(limit: number): Promise<QueuedSending[]> {
    const now = Date.now();
    // Read without a lock first: an idle server asks every second and must not write for it.
    const [due] = await this.database.rows(
      "SELECT id FROM sending WHERE state = 'QUEUED' AND next_attempt_at <= ? LIMIT 1",
      [now],
    );
    if (!due) return [];
    return this.database.transaction(async (transaction) => {
      // MariaDB from 10.6 and MySQL from 8.0: processes pass over each other's rows instead of waiting for them.
      const lock = transaction.kind === 'mysql' ? ' FOR UPDATE SKIP LOCKED' : '';
      const rows = await transaction.rows<Omit<QueuedSending, 'removeMessageId'> & { removeMessageId: number }>(
        `SELECT ${COLUMNS} FROM sending WHERE state = 'QUEUED' AND next_attempt_at <= ? ORDER BY next_attempt_at, id LIMIT ${limit}${lock}`,
        [now],
      );
      if (rows.length === 0) return [];
      await transaction.run(
        `UPDATE sending SET state = 'SENDING', lease_owner = ?, lease_until = ?, completing_at = NULL WHERE id IN (${marksFor(rows)})`,
        [this.owner, now + this.leaseMs, ...rows.map(({ id }) => id)],
      );
      const operations = [...new Set(rows.map(({ operationId }) => operationId))];
      await transaction.run(
        `UPDATE operation SET state = 'RUNNING', started_at = ? WHERE state = 'QUEUED' AND id IN (${marksFor(operations)})`,
        [now, ...operations],
      );
      return rows.map((row) => ({ ...row, removeMessageId: Boolean(row.removeMessageId) }));
    });
  }

  /** Keeps what this process has taken. */
  async renew(): Promise<void> {
    await this.database.transaction((transaction) =>
      transaction.run("UPDATE sending SET lease_until = ? WHERE state = 'SENDING' AND lease_owner = ?", [
        Date.now() + this.leaseMs,
        this.owner,
      ]),
    );
  }

  /**
   * Writes down that the last bytes of these are about to go out: from here on a crash leaves the outcome unknown. Tells for
   * each whether it is still this process's; when not, its last bytes must not go out.
   */
  async markCompleting(ids: readonly number[]): Promise<boolean[]> {
    return this.database.transaction(async (transaction) => {
      const rows = await transaction.rows<{ id: number }>(
        `SELECT id FROM sending WHERE id IN (${marksFor(ids)}) AND state = 'SENDING' AND lease_owner = ?${transaction.forUpdate}`,
        [...ids, this.owner],
      );
      const ours = new Set(rows.map(({ id }) => id));
      if (ours.size > 0)
        await transaction.run(
          `UPDATE sending SET completing_at = ?, lease_until = ? WHERE id IN (${marksFor([...ours])})`,
          [Date.now(), Date.now() + this.leaseMs, ...ours],
        );
      return ids.map((id) => ours.has(id));
    });
  }

  /** Writes results, with everything that follows from them, in one transaction; results of lost leases are left out. */
  async settle(results: readonly SendingResult[]): Promise<void> {
    await this.database.transaction(async (transaction) => {
      const kept = await transaction.rows<{ id: number }>(
        `SELECT id FROM sending WHERE id IN (${marksFor(results)}) AND state = 'SENDING' AND lease_owner = ?${transaction.forUpdate}`,
        [...results.map(({ sending }) => sending.id), this.owner],
      );
      const ours = new Set(kept.map(({ id }) => id));
      await settleSendings(
        transaction,
        this.changes,
        results.filter(({ sending }) => ours.has(sending.id)),
      );
    });
  }

  /**
   * Takes up what a dead process left: what had not come to its last bytes is sent again, the rest is told as unknown and not
   * repeated. Gives how many there were.
   */
  async recover(): Promise<number> {
    const now = Date.now();
    const lapsed = `state = 'SENDING' AND lease_until < ?`;
    const [any] = await this.database.rows(`SELECT id FROM sending WHERE ${lapsed} LIMIT 1`, [now]);
    if (!any) return 0;
    return this.database.transaction(async (transaction: Transaction) => {
      const rows = await transaction.rows<QueuedSending & { completing: number | null }>(
        `SELECT ${COLUMNS}, completing_at AS completing FROM sending WHERE ${lapsed} ORDER BY id LIMIT ${LAPSED_AT_ONCE}${transaction.forUpdate}`,
        [now],
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
  async release(ids: readonly number[]): Promise<void> {
    if (ids.length === 0) return;
    await this.database.transaction((transaction) =>
      transaction.run(
        `UPDATE sending SET state = 'QUEUED', lease_owner = NULL, lease_until = NULL, next_attempt_at = ?
          WHERE state = 'SENDING' AND completing_at IS NULL AND lease_owner = ? AND id IN (${marksFor(ids)})`,
        [Date.now(), this.owner, ...ids],
      ),
    );
  }
}
