import { randomUUID } from 'node:crypto';
import type { Database, Transaction } from '../../entities/database.js';
import { Permission } from '../../entities/permission.js';
import { marksFor } from '../../entities/marks-for.js';
import type { Logger } from '../../log.js';
import { messageCapabilities } from '../access/message-capabilities.js';
import { hideCopies, restoreCopies } from '../backup/hide-copies.js';
import type { PersonalMessages } from '../backup/personal-messages.js';
import { removeMessages } from '../backup/remove-messages.js';
import type { ChangeFeed, NewChange } from '../changes/change-feed.js';
import { topics } from '../changes/topics.js';
import { type Operation, OperationKind, OperationOutcome, OperationReason } from './operation.js';
import { OPERATION_COLUMNS, operationOf, type OperationRow } from './operation-rows.js';
import { finishOperations } from './finish-operations.js';
import type { RetainedRights } from './retained-rights.js';

// Messages of one transaction: short locks, visible progress, and changes told in bundles.
const BATCH = 50;
const TICK_MS = 1_000;

interface Item {
  readonly position: number;
  readonly messageId: number;
  readonly recipient: number | null;
}
interface Settled {
  readonly outcome: OperationOutcome;
  readonly reason: OperationReason | null;
}

const DONE: Settled = { outcome: OperationOutcome.DONE, reason: null };
const failed = (reason: OperationReason): Settled => ({ outcome: OperationOutcome.FAILED, reason });

/** Works off operations that delete and restore, a batch in each transaction; unfinished ones are taken up after a restart. */
export class RemovalWorker {
  readonly #owner = randomUUID();
  #working: Promise<void> | undefined;
  #again = false;
  #stopping = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly database: Database,
    private readonly changes: ChangeFeed,
    private readonly messages: PersonalMessages,
    private readonly rights: RetainedRights,
    private readonly leaseMs: number,
    private readonly log: Logger,
  ) {}

  /** Begins to work. */
  start(): void {
    this.#timer = setInterval(() => this.wake(), TICK_MS);
    this.wake();
  }

  /** Ends after the batch that runs. */
  async stop(): Promise<void> {
    this.#stopping = true;
    clearInterval(this.#timer);
    await this.#working;
  }

  /** Looks for operations now. */
  wake(): void {
    if (this.#stopping) return;
    if (this.#working) {
      this.#again = true;
      return;
    }
    this.#working = this.#work()
      .catch((error: unknown) =>
        this.log.warn({ err: error }, 'an operation could not be worked off and is tried again'),
      )
      .finally(() => {
        this.#working = undefined;
        if (!this.#again) return;
        this.#again = false;
        this.wake();
      });
  }

  async #work(): Promise<void> {
    const rows = await this.database.rows<OperationRow>(
      `SELECT ${OPERATION_COLUMNS} FROM operation WHERE state IN ('QUEUED', 'RUNNING') AND kind IN ('DELETE', 'RESTORE')
          AND (lease_until < ? OR lease_owner = ?) ORDER BY id`,
      [Date.now(), this.#owner],
    );
    // A batch of each in turn: a large deletion must not keep a small one waiting.
    let open = rows.map(operationOf);
    while (open.length > 0 && !this.#stopping) {
      const next: Operation[] = [];
      for (const operation of open) if (!this.#stopping && (await this.#batch(operation))) next.push(operation);
      open = next;
    }
  }

  /** One batch of one operation; tells whether more is to do here. */
  async #batch(operation: Operation): Promise<boolean> {
    const now = Date.now();
    const held = await this.database.transaction((transaction) =>
      transaction.run(
        `UPDATE operation SET lease_owner = ?, lease_until = ?, state = 'RUNNING', started_at = COALESCE(started_at, ?)
          WHERE id = ? AND state <> 'FINISHED' AND (lease_until < ? OR lease_owner = ?)`,
        [this.#owner, now + this.leaseMs, now, operation.id, now, this.#owner],
      ),
    );
    if (held !== 1) return false;
    const items = await this.database.rows<Item>(
      `SELECT position, message_id AS messageId, recipient FROM operation_item
        WHERE operation_id = ? AND outcome = 'PENDING' ORDER BY position LIMIT ${BATCH}`,
      [operation.id],
    );
    if (items.length === 0) return false;
    const judge = operation.scope === 'GLOBAL' ? await this.#global(operation) : await this.#personal(operation, items);
    return this.database.transaction(async (transaction) => {
      await transaction.rows(`SELECT id FROM operation WHERE id = ?${transaction.forUpdate}`, [operation.id]);
      const positions = items.map(({ position }) => position);
      // Cancelled meanwhile, or done by a process that took over.
      const pending = await transaction.rows<{ position: number }>(
        `SELECT position FROM operation_item WHERE operation_id = ? AND outcome = 'PENDING' AND position IN (${marksFor(positions)})`,
        [operation.id, ...positions],
      );
      const left = items.filter(({ position }) => pending.some((each) => each.position === position));
      const changes: NewChange[] = [];
      const outcomes = await judge(transaction, left, changes);
      const ends = [...outcomes.values()];
      for (const [position, { outcome, reason }] of outcomes)
        await transaction.run(
          'UPDATE operation_item SET outcome = ?, reason = ? WHERE operation_id = ? AND position = ?',
          [outcome, reason, operation.id, position],
        );
      await transaction.run('UPDATE operation SET done = done + ?, failed = failed + ? WHERE id = ?', [
        ends.length,
        ends.filter(({ outcome }) => outcome !== OperationOutcome.DONE).length,
        operation.id,
      ]);
      await finishOperations(transaction, [operation.id]);
      await this.changes.append(transaction, [
        ...changes,
        { topic: topics.operation(operation.publicId), kind: 'UPDATED' },
      ]);
      return items.length === BATCH;
    });
  }

  async #global({ owner }: Operation) {
    const allowed = (await this.rights.permissionsOf(owner)).has(Permission.BACKUP_DELETE);
    return async (transaction: Transaction, items: readonly Item[], changes: NewChange[]) => {
      if (!allowed) return new Map(items.map(({ position }) => [position, failed(OperationReason.ACCESS_GONE)]));
      const removed = await removeMessages(
        transaction,
        items.map(({ messageId }) => messageId),
      );
      changes.push(...removed.changes);
      const gone = new Set(removed.messageIds);
      return new Map(
        items.map(({ position, messageId }) => [
          position,
          gone.has(messageId) ? DONE : failed(OperationReason.MESSAGE_GONE),
        ]),
      );
    };
  }

  /** What a person may still do is decided once for each batch, just before it (rules X1 to X3, X5). */
  async #personal({ owner, kind }: Operation, batch: readonly Item[]) {
    const restoring = kind === OperationKind.RESTORE;
    const access = await this.rights.accessOf(owner);
    const copies = await this.messages.copiesOf(
      access,
      [...new Set(batch.map(({ messageId }) => messageId))],
      restoring ? 'DELETED' : 'SHOWN',
    );
    return async (transaction: Transaction, items: readonly Item[], changes: NewChange[]) => {
      const outcomes = new Map<number, Settled>();
      for (const { position, messageId, recipient } of items) {
        const copy = copies.find((each) => each.messageId === messageId && each.recipient === recipient);
        const refusal =
          access && copy && !restoring ? messageCapabilities(access.switches, copy.facts).delete.reason : null;
        if (!copy) outcomes.set(position, failed(OperationReason.ACCESS_GONE));
        else if (refusal) outcomes.set(position, failed(OperationReason.DELETION_SWITCHED_OFF));
        else {
          changes.push(...(await (restoring ? restoreCopies : hideCopies)(transaction, messageId, copy.section)));
          outcomes.set(position, DONE);
        }
      }
      return outcomes;
    };
  }
}
