import type { Database, Transaction } from '../../entities/database.js';
import { isUniqueViolation, RepeatTransaction } from '../../entities/database.js';
import { marksFor } from '../../entities/marks-for.js';
import type { ChangeFeed } from '../changes/change-feed.js';
import { countMessages } from './backup-counters.js';
import { type ContentStore, packLargeContent } from './content-store.js';
import { insertNew, UnexpectedIdsError } from './insert-new.js';
import { handOverKey } from './message-rows.js';
import { type PreparedMessage, prepareMessage, type ReceivedMessage } from './prepare-message.js';

/** What became of a hand-over. */
export interface StoreOutcome {
  readonly messageId: number;
  /** False when the same hand-over was there already (rule S5). */
  readonly created: boolean;
}

interface Waiting extends PreparedMessage {
  resolve(outcome: StoreOutcome): void;
  reject(error: unknown): void;
}

// One commit carries at most so many hand-overs and bytes: a commit's cost is shared, while nobody waits long for others.
const BATCH_MESSAGES = 64;
const BATCH_BYTES = 8 * 1024 * 1024;
// Two transactions at once: the next one writes its rows while the disk syncs the one before it.
const BATCHES_AT_ONCE = 2;
// From this size on packing costs more than asking whether the hand-over is known.
const LOOK_FIRST_BYTES = 256 * 1024;

const ignore = () => undefined;

/**
 * Stores hand-overs: bytes, rows and changes in one transaction (rules S1, S5). Hand-overs that arrive while a commit
 * is under way share the next one.
 */
export class MessageStore {
  #waiting: Waiting[] = [];
  readonly #storing = new Set<Promise<void>>();
  // Most hand-overs are new; looking first would be a round trip of its own.
  #expectsNew = true;

  constructor(
    private readonly database: Database,
    private readonly contents: ContentStore,
    private readonly changes: ChangeFeed,
  ) {}

  /** Stores a message, or finds it stored; resolves after the commit. Throws DATABASE_UNAVAILABLE or STORAGE_FULL. */
  async store(received: ReceivedMessage): Promise<StoreOutcome> {
    const { handOver, content } = received;
    if (content.sizeBytes >= LOOK_FIRST_BYTES) {
      // A repeated hand-over costs one look-up and neither compression nor a transaction.
      const [known] = await this.database.rows<{ id: number }>('SELECT id FROM message WHERE hand_over_key = ?', [
        handOverKey(handOver, content.sha256),
      ]);
      if (known) return { messageId: known.id, created: false };
    }
    const prepared = await prepareMessage(received);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ ...prepared, resolve, reject });
      this.#begin();
    });
  }

  /**
   * Stores messages in one commit of their own, in their order: their ids and the changes follow it. Throws what storing any of
   * them throws; then none is stored.
   */
  async storeTogether(received: readonly ReceivedMessage[]): Promise<StoreOutcome[]> {
    if (received.length === 0) return [];
    const outcomes = this.#storeBatch(await Promise.all(received.map(prepareMessage)));
    const storing = outcomes.then(ignore, ignore).finally(() => this.#storing.delete(storing));
    this.#storing.add(storing);
    return outcomes;
  }

  /** How many hand-overs wait for a commit. */
  get waitingCount(): number {
    return this.#waiting.length;
  }

  /** Resolves once nothing waits any more. */
  async settled(): Promise<void> {
    while (this.#storing.size > 0) await Promise.all(this.#storing);
  }

  #begin(): void {
    if (this.#storing.size >= BATCHES_AT_ONCE) return;
    const storing = this.#storeWaiting().finally(() => this.#storing.delete(storing));
    this.#storing.add(storing);
  }

  async #storeWaiting(): Promise<void> {
    for (;;) {
      // Behind the I/O of this turn: hand-overs that arrived together share a commit.
      await new Promise<void>((ends) => setImmediate(ends));
      const batch = this.#takeBatch();
      if (batch.length === 0) return;
      try {
        const outcomes = await this.#storeBatch(batch);
        batch.forEach((item, index) => item.resolve(outcomes[index] as StoreOutcome));
      } catch (error) {
        // One bad hand-over must not take its companions with it.
        if (batch.length === 1) batch[0]?.reject(error);
        else
          for (const item of batch)
            await this.#storeBatch([item]).then(([outcome]) => item.resolve(outcome as StoreOutcome), item.reject);
      }
    }
  }

  #takeBatch(): Waiting[] {
    let bytes = 0;
    let count = 0;
    for (const item of this.#waiting) {
      bytes += item.received.content.sizeBytes;
      if (count > 0 && (count === BATCH_MESSAGES || bytes > BATCH_BYTES)) break;
      count += 1;
    }
    return this.#waiting.splice(0, count);
  }

  async #storeBatch(batch: readonly PreparedMessage[]): Promise<StoreOutcome[]> {
    if (this.#expectsNew && this.database.kind === 'mysql' && batch.every((item) => item.chunks)) {
      try {
        return await this.database.transaction((transaction) => this.#storeNew(transaction, batch), { bundled: true });
      } catch (error) {
        // Something is known already: look, and look first until nothing is any more.
        if (!isUniqueViolation(error) && !(error instanceof UnexpectedIdsError)) throw error;
        this.#expectsNew = false;
      }
    }
    return this.database.transaction((transaction) => this.#storeUnknown(transaction, batch), { bundled: true });
  }

  /** Stores a batch of small contents as if nothing of it were known; unique keys throw where that is not so (rule S5). */
  async #storeNew(transaction: Transaction, batch: readonly PreparedMessage[]): Promise<StoreOutcome[]> {
    const items = new Map(batch.map((item) => [item.rows.handOverKey, item]));
    const { ids, bytes } = await insertNew(transaction, [...items.values()]);
    await this.#insertRest(transaction, [...items.values()], ids, bytes);
    return this.#outcomes(batch, items, ids);
  }

  async #storeUnknown(transaction: Transaction, batch: readonly PreparedMessage[]): Promise<StoreOutcome[]> {
    const known = await this.#known(transaction, batch);
    this.#expectsNew = known.messages.size === 0 && known.contents.size === 0;
    // The same hand-over may stand twice in one batch.
    const fresh = new Map(
      batch.filter((item) => !known.messages.has(item.rows.handOverKey)).map((item) => [item.rows.handOverKey, item]),
    );
    const ids = fresh.size > 0 ? await this.#insert(transaction, [...fresh.values()], known.contents) : [];
    return this.#outcomes(batch, fresh, new Map([...known.messages, ...ids]));
  }

  #outcomes(
    batch: readonly PreparedMessage[],
    fresh: ReadonlyMap<string, PreparedMessage>,
    ids: ReadonlyMap<string, number>,
  ): StoreOutcome[] {
    return batch.map((item) => ({
      messageId: ids.get(item.rows.handOverKey) as number,
      created: fresh.get(item.rows.handOverKey) === item,
    }));
  }

  async #insert(
    transaction: Transaction,
    items: readonly PreparedMessage[],
    knownContents: ReadonlyMap<string, number>,
  ): Promise<Map<string, number>> {
    let storedBytes: number;
    let ids: Map<string, number>;
    try {
      const { ids: contentIds, bytes } = await this.#storeContents(transaction, items, knownContents);
      storedBytes = bytes;
      ids = await transaction.insertForIds(
        'message',
        items.map((item) => ({
          ...item.rows.message,
          content_id: contentIds.get(item.received.content.sha256) as number,
        })),
        'hand_over_key',
      );
    } catch (error) {
      // Somebody else stored the same bytes or the same hand-over in this moment: look again.
      throw isUniqueViolation(error) ? new RepeatTransaction('stored by somebody else', { cause: error }) : error;
    }
    await this.#insertRest(transaction, items, ids, storedBytes);
    return ids;
  }

  /** What belongs to messages that were just inserted, and what is told of them. */
  async #insertRest(
    transaction: Transaction,
    items: readonly PreparedMessage[],
    ids: ReadonlyMap<string, number>,
    storedBytes: number,
  ): Promise<void> {
    const owned = (item: PreparedMessage) => ({ message_id: ids.get(item.rows.handOverKey) as number });
    await transaction.insertLater(
      'verdict',
      items.flatMap((item) => item.rows.verdicts.map((row) => ({ ...owned(item), ...row }))),
    );
    await transaction.insertLater(
      'recipient',
      items.flatMap((item) => item.rows.recipients.map((row) => ({ ...owned(item), ...row }))),
    );
    await countMessages(
      transaction,
      items.map(({ rows, received }) => ({
        receivedAtMs: received.handOver.receivedAtMs,
        action: Number(rows.message['action']),
        detectedBy: Number(rows.message['detected_by']),
        sizeBytes: received.content.sizeBytes,
      })),
      1,
      storedBytes,
    );
    await this.changes.append(
      transaction,
      items.flatMap((item) => item.rows.changes(owned(item).message_id)),
    );
  }

  /** Ids by digest, and the bytes that were added. */
  async #storeContents(
    transaction: Transaction,
    items: readonly PreparedMessage[],
    known: ReadonlyMap<string, number>,
  ): Promise<{ ids: Map<string, number>; bytes: number }> {
    const bySha256 = new Map(items.map((item) => [item.received.content.sha256, item]));
    const fresh = [...bySha256].filter(([sha256]) => !known.has(sha256));
    const inserted = await transaction.insertForIds(
      'content',
      fresh.map(([sha256, { received, chunks }]) => ({
        sha256,
        size_bytes: received.content.sizeBytes,
        stored_bytes: (chunks ?? []).reduce((sum, chunk) => sum + chunk.bytes.length, 0),
      })),
      'sha256',
    );
    const small = fresh.flatMap(([sha256, { chunks }]) =>
      (chunks ?? []).map(({ deflated, bytes }, position) => ({
        content_id: inserted.get(sha256) as number,
        position,
        deflated,
        bytes,
      })),
    );
    await transaction.insertLater('content_chunk', small);
    let bytes = small.reduce((sum, chunk) => sum + chunk.bytes.length, 0);
    for (const [sha256, { received, chunks }] of fresh) {
      if (!chunks)
        bytes += await this.contents.write(
          transaction,
          inserted.get(sha256) as number,
          packLargeContent(received.content),
        );
    }
    return { ids: new Map([...known, ...inserted]), bytes };
  }

  /** Ids of hand-overs and of contents that are there already, by key and digest, in one statement. */
  async #known(
    transaction: Transaction,
    batch: readonly PreparedMessage[],
  ): Promise<{ messages: Map<string, number>; contents: Map<string, number> }> {
    const keys = [...new Set(batch.map((item) => item.rows.handOverKey))];
    const digests = [...new Set(batch.map((item) => item.received.content.sha256))];
    // Contents are locked, so that a deletion of the last other user of the same bytes waits for this transaction.
    const contents = `SELECT 2 AS kind, id, sha256 AS value FROM content WHERE sha256 IN (${marksFor(digests)})${transaction.forUpdate}`;
    const rows = await transaction.rows<{ kind: number; id: number; value: string }>(
      `SELECT 1 AS kind, id, hand_over_key AS value FROM message WHERE hand_over_key IN (${marksFor(keys)})
        UNION ALL ${transaction.kind === 'mysql' ? `(${contents})` : contents}`,
      [...keys, ...digests],
    );
    const ofKind = (kind: number) =>
      new Map(rows.filter((row) => Number(row.kind) === kind).map((row) => [row.value, row.id]));
    return { messages: ofKind(1), contents: ofKind(2) };
  }
}
