import { randomBytes } from 'node:crypto';
import { rename, rm, stat, statfs, unlink } from 'node:fs/promises';
import { type Logger } from '../../log.js';
import { FolderSync } from './folder-sync.js';
import { type SpooledFacts, openSpoolFile, SpoolFileDamagedError, writeSpoolFile } from './spool-file.js';
import { ENTRY_NAME, PART_SUFFIX, SpoolOwner } from './spool-owner.js';
import {
  type DrainOutcome,
  SpoolFullError,
  type SpooledMessage,
  type SpoolSettings,
  type SpoolState,
  type StoreResult,
} from './spool-settings.js';

export {
  type DrainOutcome,
  SpoolFullError,
  type SpooledMessage,
  type SpoolSettings,
  type SpoolState,
  type StoreResult,
};

// When so many fail and none is stored, the rest is left for the next time.
const MAX_LATER = 1_000;

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
        for (const name of this.#names()) this.#forget(name, undefined);
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
    const stem = `${String(Date.now()).padStart(15, '0')}-${String((this.#count += 1) % 100_000_000).padStart(8, '0')}-${randomBytes(6).toString('hex')}`;
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
   * Gives the messages to `store`, oldest first, and removes each once `store` has resolved; 'SET_ASIDE' says that it can
   * never be stored, 'LATER' that it has to wait while the others go on. Ends when nothing is left, or at the first rejection. `concurrency` messages are under way at once, so
   * that they can share a commit, once the first has shown that the database takes them.
   */
  drain(store: (message: SpooledMessage) => Promise<StoreResult>, concurrency = 1): Promise<DrainOutcome> {
    this.#draining ??= this.#drain(store, concurrency).finally(() => {
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

  async #drain(store: (message: SpooledMessage) => Promise<StoreResult>, concurrency: number): Promise<DrainOutcome> {
    const outcome = { stored: 0, setAside: 0, later: 0, error: undefined as unknown };
    const underWay = new Set<string>();
    const tried = new Set<string>();
    let failed = false;
    let waiting = this.#names();
    const work = async (isFirst: boolean) => {
      while (!failed) {
        if (waiting.length === 0) waiting = this.#names().filter((name) => !underWay.has(name) && !tried.has(name));
        const name = waiting.shift();
        if (name === undefined) return;
        underWay.add(name);
        try {
          const result = await this.#storeEntry(name, store);
          if (result === 'STORED') outcome.stored += 1;
          else if (result === 'SET_ASIDE') outcome.setAside += 1;
          else {
            outcome.later += 1;
            tried.add(name);
            if (outcome.stored === 0 && outcome.later >= MAX_LATER) failed = true;
          }
        } catch (error) {
          failed = true;
          outcome.error = error;
        } finally {
          underWay.delete(name);
        }
        if (isFirst) return;
      }
    };
    await work(true);
    await Promise.all(Array.from({ length: concurrency }, () => work(false)));
    return { ...outcome, remaining: this.#names().length };
  }

  async #storeEntry(
    name: string,
    store: (message: SpooledMessage) => Promise<StoreResult>,
  ): Promise<'STORED' | 'SET_ASIDE' | 'LATER'> {
    const path = this.#owner.path(name);
    let result: StoreResult;
    let damage: unknown;
    try {
      const file = await openSpoolFile(path);
      try {
        // Noted here, since `store` may wrap what it meets while it reads.
        const open = () => watch(file.open(), (error) => (damage = error));
        result = await store({ ...file.facts, sizeBytes: file.sizeBytes, open });
        if (damage instanceof SpoolFileDamagedError) throw damage;
      } finally {
        await file.close();
      }
    } catch (error) {
      // Taken over after a standstill: its new owner stores it.
      if (codeOf(error) === 'ENOENT' && !(await exists(path))) return this.#forget(name, 'STORED');
      const damaged = [error, damage].find((candidate) => candidate instanceof SpoolFileDamagedError);
      if (!damaged) throw error;
      this.logger.error({ name, reason: damaged.message }, 'a spooled message is damaged and was set aside');
      result = 'SET_ASIDE';
    }
    if (result === 'LATER') return 'LATER';
    if (result === 'SET_ASIDE') await this.#owner.putAside(path, name);
    else await unlink(path).catch(ignoreMissing);
    return this.#forget(name, result === 'SET_ASIDE' ? 'SET_ASIDE' : 'STORED');
  }

  #forget<T>(name: string, result: T): T {
    this.#bytes -= this.#entries.get(name) ?? 0;
    this.#entries.delete(name);
    return result;
  }
}

function ignoreMissing(error: unknown): void {
  if (codeOf(error) !== 'ENOENT') throw error;
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** Tells the errors of a source from those of writing what it gave. */
async function* watch(source: AsyncIterable<Buffer>, onFailure: (error: unknown) => void): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of source) yield chunk;
  } catch (error) {
    onFailure(error);
    throw error;
  }
}
