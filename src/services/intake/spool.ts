import { randomBytes } from 'node:crypto';
import { rename, rm, statfs, unlink } from 'node:fs/promises';
import { type Logger } from '../../log.js';
import { FolderSync } from './folder-sync.js';
import { SpoolEntry, watch } from './spool-entry.js';
import { type SpooledFacts, writeSpoolFile } from './spool-file.js';
import { ENTRY_NAME, PART_SUFFIX, SpoolOwner } from './spool-owner.js';
import {
  type DrainOutcome,
  SpoolFullError,
  type SpooledMessage,
  type SpoolSettings,
  type SpoolState,
  type StoreResult,
  type StoreTogether,
} from './spool-settings.js';

export {
  type DrainOutcome,
  SpoolFullError,
  type SpooledMessage,
  type SpoolSettings,
  type SpoolState,
  type StoreResult,
  type StoreTogether,
};

// When so many fail and none is stored, the rest is left for the next time.
const MAX_LATER = 1_000;
// Messages that are given out together fit into one commit (see MessageStore), a large one is alone.
const BATCH_BYTES = 8 * 1024 * 1024;

const codeOf = (error: unknown) => (error as NodeJS.ErrnoException).code ?? '';

/**
 * Keeps accepted messages on the local disk while the database is away, in order of arrival (rule S6). Each process writes
 * into a folder of its own, with a lease; the folder of a process that died is taken over by renaming it, which one only can
 * win. Storing and then removing an entry may be cut between the two: storing twice is harmless (rule S5).
 */
export class Spool {
  /** Name and bytes of each entry. */
  readonly #entries = new Map<string, number>();
  #bytes = 0;
  #count = 0;
  #lastMs = 0;
  #lastRefusal: string | null = null;
  #draining: Promise<DrainOutcome> | undefined;
  readonly #owner: SpoolOwner;
  readonly #folderSync = new FolderSync();

  private constructor(
    private readonly settings: SpoolSettings,
    private readonly logger: Logger,
  ) {
    const events = {
      adopted: (name: string, sizeBytes: number) => {
        this.#entries.set(name, sizeBytes);
        this.#bytes += sizeBytes;
      },
      lost: () => {
        for (const name of this.#names()) this.#forget(name);
      },
    };
    this.#owner = new SpoolOwner(settings, events, logger);
  }

  /** Opens the spool, takes over what dead processes left, and keeps the lease until {@link close}. */
  static async open(settings: SpoolSettings, logger: Logger): Promise<Spool> {
    const spool = new Spool(settings, logger);
    await spool.#owner.open();
    return spool;
  }

  /** Whether nothing waits; only then may a message be stored without passing by others that came earlier. */
  get isEmpty(): boolean {
    return this.#entries.size === 0;
  }

  /** What the spool holds. */
  state(): SpoolState {
    const oldest = this.#names()[0];
    return {
      entries: this.#entries.size,
      bytes: this.#bytes,
      oldestAtMs: oldest === undefined ? null : Number(ENTRY_NAME.exec(oldest)?.[1]),
      setAside: this.#owner.setAside,
      lastRefusal: this.#lastRefusal,
      draining: this.#draining !== undefined,
    };
  }

  /**
   * Writes a message; resolves once it is durable. Throws {@link SpoolFullError} when a limit or the disk is reached, and the
   * errors of `message`; nothing is left behind then.
   */
  async put(facts: SpooledFacts, message: AsyncIterable<Buffer>): Promise<void> {
    // A clock that is set back must not change the order.
    this.#lastMs = Math.max(this.#lastMs, Date.now());
    const stem = `${String(this.#lastMs).padStart(15, '0')}-${String((this.#count += 1) % 100_000_000).padStart(8, '0')}-${randomBytes(6).toString('hex')}`;
    const part = this.#owner.path(`${stem}${PART_SUFFIX}`);
    const name = `${stem}.msg`;
    let reserved = 0;
    const reserve = (count: number) => {
      if (this.#bytes + count > this.settings.maxBytes)
        throw new SpoolFullError(`its limit of ${this.settings.maxBytes} bytes is reached`);
      this.#bytes += count;
      reserved += count;
    };
    // Counted from the start, so that messages arriving together cannot pass the limit together.
    if (this.#entries.size >= this.settings.maxEntries)
      throw this.#refused(new SpoolFullError(`its limit of ${this.settings.maxEntries} messages is reached`));
    this.#entries.set(name, 0);
    let failedInside = true;
    const watched = watch(message, () => (failedInside = false));
    try {
      await this.#checkFreeSpace();
      const sizeBytes = await writeSpoolFile(part, facts, watched, reserve);
      failedInside = true;
      await rename(part, this.#owner.path(name));
      await this.#folderSync.sync(this.#owner.folder);
      this.#entries.set(name, sizeBytes);
      this.#lastRefusal = null;
    } catch (error) {
      this.#entries.delete(name);
      this.#bytes -= reserved;
      await rm(part, { force: true }).catch(() => undefined);
      await rm(this.#owner.path(name), { force: true }).catch(() => undefined);
      // Whatever the disk has, full, broken, forbidden or gone: the gateway keeps the message.
      if (failedInside && !(error instanceof SpoolFullError) && codeOf(error) !== '')
        throw this.#refused(new SpoolFullError(`the disk says ${codeOf(error)}`, { cause: error }));
      throw error instanceof SpoolFullError ? this.#refused(error) : error;
    }
  }

  /**
   * Gives the messages to `store`, oldest first, at most `most` together once the first has shown that they are taken, and
   * removes each that is stored. Ends when nothing is left, or where `store` had to stop: what came later is not tried then,
   * so the order of arrival stays (rule S6). Only messages that have to wait for reasons of their own are passed by.
   */
  drain(store: StoreTogether, most = 1): Promise<DrainOutcome> {
    this.#draining ??= this.#drain(store, most).finally(() => {
      this.#draining = undefined;
    });
    return this.#draining;
  }

  /** Takes over what processes left that died; done at the start and with each renewal of the lease as well. */
  adopt(): Promise<void> {
    return this.#owner.adopt();
  }

  /** Ends the lease; what still waits is taken over by another process, or by the next one to start. */
  async close(): Promise<void> {
    await this.#draining;
    await this.#owner.close();
  }

  #names(): string[] {
    return [...this.#entries.keys()].filter((name) => this.#entries.get(name) !== 0).sort();
  }

  #refused(error: SpoolFullError): SpoolFullError {
    this.#lastRefusal = error.message;
    return error;
  }

  async #checkFreeSpace(): Promise<void> {
    const { bavail, bsize } = await statfs(this.settings.folder);
    if (bavail * bsize < this.settings.minFreeBytes)
      throw new SpoolFullError(`the disk has less than ${this.settings.minFreeBytes} bytes free`);
  }

  async #drain(store: StoreTogether, most: number): Promise<DrainOutcome> {
    const counts: Record<StoreResult, number> = { STORED: 0, SET_ASIDE: 0, LATER: 0 };
    const tried = new Set<string>();
    let waiting: string[] = [];
    let error: unknown;
    for (let size = 1; error === undefined; size = most) {
      if (waiting.length === 0) waiting = this.#names().filter((name) => !tried.has(name));
      const batch = this.#takeBatch(waiting, size);
      if (batch.length === 0) break;
      const { results, error: stopped } = await this.#storeEntries(batch, store);
      for (const [name, result] of results) {
        counts[result] += 1;
        if (result === 'LATER') tried.add(name);
      }
      error = stopped;
      // What is left of the batch comes before what arrived after it.
      waiting.unshift(...batch.filter((name) => !results.has(name)));
      if (counts.STORED === 0 && counts.LATER >= MAX_LATER) break;
    }
    const { STORED: stored, SET_ASIDE: setAside, LATER: later } = counts;
    return { stored, setAside, later, remaining: this.#names().length, error };
  }

  /** Takes the first ones out of `names`: at least one, and no more than are stored together. */
  #takeBatch(names: string[], most: number): string[] {
    let bytes = 0;
    let count = 0;
    for (const name of names.slice(0, most)) {
      bytes += this.#entries.get(name) ?? 0;
      if (count > 0 && bytes > BATCH_BYTES) break;
      count += 1;
    }
    return names.splice(0, count);
  }

  /** Stores entries as far as that goes, and removes what is done. What has no result has to wait, for the reason given. */
  async #storeEntries(
    names: readonly string[],
    store: StoreTogether,
  ): Promise<{ results: ReadonlyMap<string, StoreResult>; error: unknown }> {
    const results = new Map<string, StoreResult>();
    const entries = await Promise.all(names.map((name) => SpoolEntry.open(name, this.#owner.path(name))));
    try {
      const unreadable = entries.findIndex(({ fault, damage }) => fault !== undefined && !damage);
      const readable = unreadable < 0 ? entries : entries.slice(0, unreadable);
      const messages = readable.flatMap(({ message }) => message ?? []);
      const stored = messages.length > 0 ? await store(messages) : { results: [] };
      const told = stored.results.values();
      for (const { name, message, isGone, damage } of readable) {
        const result = message ? told.next().value : isGone ? 'STORED' : undefined;
        if (damage) {
          this.logger.error({ name, reason: damage.message }, 'a spooled message is damaged and was set aside');
          results.set(name, 'SET_ASIDE');
        } else if (result) results.set(name, result);
      }
      await Promise.all([...results].map(([name, result]) => this.#remove(name, result)));
      const hasStopped = results.size < readable.length;
      const reason = stored.error ?? new Error('Spooled messages were passed by.');
      return { results, error: hasStopped ? reason : entries[unreadable]?.fault };
    } catch (error) {
      return { results, error };
    } finally {
      await Promise.all(entries.map((entry) => entry.close()));
    }
  }

  async #remove(name: string, result: StoreResult): Promise<void> {
    if (result === 'LATER') return;
    const path = this.#owner.path(name);
    if (result === 'SET_ASIDE') await this.#owner.putAside(path, name);
    else await unlink(path).catch(ignoreMissing);
    this.#forget(name);
  }

  #forget(name: string): void {
    this.#bytes -= this.#entries.get(name) ?? 0;
    this.#entries.delete(name);
  }
}

function ignoreMissing(error: unknown): void {
  if (codeOf(error) !== 'ENOENT') throw error;
}
