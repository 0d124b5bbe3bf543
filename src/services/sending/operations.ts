import { randomUUID } from 'node:crypto';
import { isAscii } from '../../entities/ascii.js';
import type { Database, Transaction } from '../../entities/database.js';
import { isUniqueViolation, RepeatTransaction } from '../../entities/database.js';
import { mailboxKey } from '../../entities/mailbox-key.js';
import { BadInputError } from '../../errors.js';
import { recordAudit } from '../audit/audit-log.js';
import type { ChangeFeed } from '../changes/change-feed.js';
import { topics } from '../changes/topics.js';
import { type Page, type PageOf, pageOf } from '../backup/message-order.js';
import { newMessageId } from './envelope-address.js';
import {
  IdempotencyKeyReusedError,
  type Operation,
  type OperationItem,
  OperationKind,
  OperationOutcome,
  OperationRunningError,
  OperationState,
  SendingState,
} from './operation.js';
import { cancelDeliveries, isUnderWay } from './cancel-deliveries.js';
import { cancelItems } from './cancel-items.js';
import { finishOperations } from './finish-operations.js';
import { floodOf } from './flood-limit.js';
import { OPERATION_COLUMNS, operationOf, type OperationRow } from './operation-rows.js';
import { fingerprint, type NewItem, type OperationRequest, requestFacts } from './operation-request.js';
import { withoutUnderWay } from './under-way.js';

const MAX_KEY_CHARACTERS = 128;
// Longer ids are none of ours; they are answered as unknown.
const MAX_ID_CHARACTERS = 255;

/** Operations on messages: written whole in the transaction of the request, then worked off by whichever process comes first. */
export class Operations {
  readonly #listeners = new Set<(kind: OperationKind) => void>();
  readonly #cancelListeners = new Set<(operationId: number) => void>();

  constructor(
    private readonly database: Database,
    private readonly changes: ChangeFeed,
    /** Configured sender, of envelopes and trace fields. */
    private readonly senderAddress: string,
  ) {}

  /** Tells of each new operation of this process, so that its workers begin at once. */
  onBegun(listener: (kind: OperationKind) => void): void {
    this.#listeners.add(listener);
  }

  /** Tells of each operation that was cancelled in this process, so that its workers do not begin what is left of it. */
  onCancelled(listener: (operationId: number) => void): void {
    this.#cancelListeners.add(listener);
  }

  /** The operation that this request began before, if it did; throws for wrong or reused keys (rule D9). */
  async repeated(request: OperationRequest): Promise<Operation | undefined> {
    const { idempotencyKey } = request;
    if (idempotencyKey === null) return undefined;
    // MariaDB compares without the blanks at the end, SQLite with them.
    if (idempotencyKey.length === 0 || idempotencyKey.length > MAX_KEY_CHARACTERS || idempotencyKey.endsWith(' '))
      throw new BadInputError(
        'idempotencyKey',
        `idempotencyKey must have 1 to ${MAX_KEY_CHARACTERS} characters, and no blank at its end.`,
      );
    return this.#known(this.database, request);
  }

  /**
   * Begins an operation, or finds the one that the same request began (rule D9). Throws OPERATION_RUNNING while another one of
   * the same owner runs (rule D10).
   */
  async begin(request: OperationRequest, items: readonly NewItem[]): Promise<Operation> {
    const operation = await this.database.transaction(async (transaction) => {
      // Looked for in this order: an equal request that commits in between is known, and neither counted nor told as another one.
      const running = await transaction.rows('SELECT id FROM operation WHERE running_owner = ?', [request.owner.owner]);
      const flood = request.scope === 'PERSONAL' && (await floodOf(transaction, request.owner.owner, items.length));
      const known = await this.#known(transaction, request);
      if (known) return known;
      if (running.length > 0) throw new OperationRunningError();
      if (flood) throw flood;
      return this.#insert(
        transaction,
        request,
        request.kind === OperationKind.SEND ? await withoutUnderWay(transaction, items) : items,
      );
    });
    for (const listener of this.#listeners) listener(operation.kind);
    return operation;
  }

  /** One operation by its public id. */
  async find(publicId: string): Promise<Operation | null> {
    if (!isAscii(publicId)) return null;
    const [row] = await this.database.rows<OperationRow>(
      `SELECT ${OPERATION_COLUMNS} FROM operation WHERE public_id = ?`,
      [publicId],
    );
    return row ? operationOf(row) : null;
  }

  /** One page of what became of the messages, in the order of the request. */
  async items(operationId: number, page: Page): Promise<PageOf<OperationItem>> {
    const after = page.from ? Number(page.from.value) : -1;
    const rows = await this.database.rows<OperationItem>(
      `SELECT position, given_id AS givenId, outcome, reason, smtp_answer AS smtpAnswer FROM operation_item
        WHERE operation_id = ? AND position > ? ORDER BY position LIMIT ${page.size + 1}`,
      [operationId, after],
    );
    return pageOf(page, rows);
  }

  /**
   * Cancels what has not been handed to the relay whole; what waits for another attempt counts as such. Gives the operation as it
   * is then.
   */
  async cancel(
    operation: Operation,
    author: { readonly actor: string; readonly remoteAddress: string },
  ): Promise<Operation> {
    const cancelled = await this.database.transaction(async (transaction) => {
      const [now] = await transaction.rows<OperationRow>(
        `SELECT ${OPERATION_COLUMNS} FROM operation WHERE id = ?${transaction.forUpdate}`,
        [operation.id],
      );
      if (!now) throw new Error('The operation vanished while it was cancelled.');
      // Nothing is left of it: it stays what it is.
      if (now.state === OperationState.FINISHED && !(await isUnderWay(transaction, operation.id)))
        return operationOf(now);
      await transaction.run('UPDATE operation SET cancelled = 1 WHERE id = ?', [operation.id]);
      const changes = await cancelDeliveries(transaction, operation.id);
      const messages = await cancelItems(transaction, operation.id);
      await recordAudit(transaction, {
        ...author,
        event: 'OPERATION_CANCEL',
        outcome: 'DONE',
        subject: `operation:${operation.publicId}`,
        details: { cancelled: messages.length, messages },
      });
      const [ended] = await finishOperations(transaction, [operation.id]);
      await this.changes.append(transaction, [
        ...changes,
        { topic: topics.operation(operation.publicId), kind: 'UPDATED' },
      ]);
      if (!ended) throw new Error('The operation vanished while it was cancelled.');
      return ended;
    });
    for (const listener of this.#cancelListeners) listener(operation.id);
    return cancelled;
  }

  /** The operation that an equal request began; throws for another request with its key (rule D9). */
  async #known(reader: Pick<Transaction, 'rows'>, request: OperationRequest): Promise<Operation | undefined> {
    if (request.idempotencyKey === null) return undefined;
    const [row] = await reader.rows<OperationRow>(
      `SELECT ${OPERATION_COLUMNS} FROM operation WHERE owner = ? AND idempotency_key = ?`,
      [request.owner.owner, request.idempotencyKey],
    );
    if (!row) return undefined;
    if (row.fingerprint !== fingerprint(request)) throw new IdempotencyKeyReusedError();
    return operationOf(row);
  }

  async #insert(transaction: Transaction, request: OperationRequest, items: readonly NewItem[]): Promise<Operation> {
    const { kind, scope, owner, idempotencyKey } = request;
    const now = Date.now();
    const publicId = randomUUID();
    const refused = items.filter(({ refusal }) => refusal !== null).length;
    try {
      await transaction.insert('operation', [
        {
          public_id: publicId,
          kind,
          scope,
          state: OperationState.QUEUED,
          owner: owner.owner,
          running_owner: owner.owner,
          actor: owner.actor.slice(0, 320),
          remote_address: owner.remoteAddress,
          idempotency_key: idempotencyKey,
          fingerprint: fingerprint(request),
          cancelled: 0,
          total: items.length,
          done: refused,
          failed: refused,
          created_at: now,
          started_at: null,
          finished_at: null,
          lease_owner: null,
          lease_until: 0,
        },
      ]);
    } catch (error) {
      // The same person pressed twice at once: the other request is seen when it is looked for again.
      throw isUniqueViolation(error) ? new RepeatTransaction('begun by another request', { cause: error }) : error;
    }
    const [row] = await transaction.rows<{ id: number }>('SELECT id FROM operation WHERE public_id = ?', [publicId]);
    const operationId = (row as { id: number }).id;
    await transaction.insert(
      'operation_item',
      items.map((item, position) => ({
        operation_id: operationId,
        position,
        given_id: item.givenId.slice(0, MAX_ID_CHARACTERS),
        message_id: item.messageId,
        recipient: item.recipient,
        outcome: item.refusal === null ? OperationOutcome.PENDING : OperationOutcome.REFUSED,
        reason: item.refusal,
        smtp_answer: null,
      })),
    );
    await transaction.insert(
      'sending',
      items.flatMap((item, position) =>
        item.refusal !== null || item.messageId === null
          ? []
          : (item.deliveries ?? []).map((delivery) => ({
              operation_id: operationId,
              position,
              message_id: item.messageId,
              recipient: item.recipient,
              mailbox: delivery.mailbox ?? mailboxKey(delivery.address),
              address: delivery.address,
              owner: owner.owner,
              actor: owner.actor.slice(0, 320),
              format: delivery.format,
              remove_message_id: delivery.removeMessageId ? 1 : 0,
              envelope_from: this.senderAddress,
              smtp_message_id: newMessageId(this.senderAddress),
              requested_at: now,
              state: SendingState.QUEUED,
              attempts: 0,
              next_attempt_at: now,
              lease_owner: null,
              lease_until: null,
              completing_at: null,
              smtp_reply: null,
              reason: null,
              last_attempt_at: null,
            })),
      ),
    );
    await recordAudit(transaction, {
      actor: owner.actor,
      remoteAddress: owner.remoteAddress,
      event: `${kind}_REQUEST`,
      outcome: 'DONE',
      subject: `operation:${publicId}`,
      details: { scope, ...requestFacts(items) },
    });
    const [operation] = await finishOperations(transaction, [operationId]);
    if (!operation) throw new Error('The operation vanished while it was written.');
    return operation;
  }
}
