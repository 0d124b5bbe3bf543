import { mkdir, readdir, rename, rm, rmdir, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { type Logger } from '../../log.js';
import { syncFolder } from './folder-sync.js';
import { isAbandoned, LEASE_FILE, ownerName, renewLease, writeLease } from './spool-lease.js';
import { type SpoolSettings } from './spool-settings.js';

/** Names of whole entries: arrival in ms since 1970 UTC, a running number, a random part; sorting them gives the order of arrival. */
export const ENTRY_NAME = /^(\d{15})-\d{8}-[0-9a-f]{12}\.msg$/;

/** Ending of entries that are being written; without acknowledgement they mean nothing. */
export const PART_SUFFIX = '.part';

const ASIDE = 'aside';
// What was never acknowledged is kept for a look at what happened, not for ever.
const MAX_ASIDE_PARTS = 100;

const codeOf = (error: unknown) => (error as NodeJS.ErrnoException).code ?? '';

/** What the owner of a folder tells the spool. */
export interface OwnerEvents {
  /** An entry of a process that is gone now belongs to us. */
  adopted(name: string, sizeBytes: number): void;
  /** Our own folder belongs to somebody else now, entries included. */
  lost(): void;
}

/** One process's own folder within the spool: its lease, the folders it takes over, and what it sets aside. */
export class SpoolOwner {
  #name = '';
  #setAside = 0;
  #timer: NodeJS.Timeout | undefined;
  #renewing: Promise<void> = Promise.resolve();

  constructor(
    private readonly settings: SpoolSettings,
    private readonly events: OwnerEvents,
    private readonly logger: Logger,
  ) {}

  /** Makes the folder, takes over what dead processes left, and renews the lease from then on. */
  async open(): Promise<void> {
    const aside = join(this.settings.folder, ASIDE);
    await mkdir(aside, { recursive: true, mode: 0o700 });
    this.#setAside = (await readdir(aside)).length;
    await this.#own();
    await this.adopt();
    this.#timer = setInterval(() => {
      this.#renewing = this.#renewing.then(() => this.#renew());
    }, this.settings.leaseMs / 4);
    this.#timer.unref();
  }

  /** Path of something in our folder. */
  path(name: string): string {
    return join(this.folder, name);
  }

  /** Our folder. */
  get folder(): string {
    return join(this.settings.folder, this.#name);
  }

  /** How many files were set aside. */
  get setAside(): number {
    return this.#setAside;
  }

  /** Takes over the folders of processes that died; called at the start and with each renewal of the lease. */
  async adopt(): Promise<void> {
    const names = await readdir(this.settings.folder);
    for (const name of names.filter((candidate) => candidate.startsWith('owner-') && candidate !== this.#name)) {
      const folder = join(this.settings.folder, name);
      const taken = this.path(`adopted-${name}`);
      try {
        if (!(await isAbandoned(folder, this.folder, this.settings.leaseMs))) continue;
        await rename(folder, taken);
      } catch (error) {
        // Somebody else was faster, or its owner has just removed it.
        if (codeOf(error) !== 'ENOENT') throw error;
        continue;
      }
      const adopted = await this.#empty(taken);
      this.logger.warn({ adopted }, 'took over the spool of a process that is gone');
    }
  }

  /** Moves a file of ours to where administrators find it. */
  async putAside(path: string, name: string): Promise<void> {
    await rename(path, join(this.settings.folder, ASIDE, name));
    this.#setAside += 1;
  }

  /** Ends the lease; what still waits is taken over by another process, or by the next one to start. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#renewing;
    await rm(this.path(LEASE_FILE), { force: true });
    await rmdir(this.folder).catch((error: unknown) => {
      if (codeOf(error) !== 'ENOTEMPTY' && codeOf(error) !== 'ENOENT') throw error;
    });
  }

  /** The folder gets its name only with its lease in it, so that one without a lease was given up for certain. */
  async #own(): Promise<void> {
    const name = ownerName();
    const unnamed = join(this.settings.folder, `new-${name}`);
    await mkdir(unnamed, { mode: 0o700 });
    await writeLease(unnamed);
    await rename(unnamed, join(this.settings.folder, name));
    await syncFolder(this.settings.folder);
    this.#name = name;
  }

  async #renew(): Promise<void> {
    try {
      await renewLease(this.folder);
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') {
        this.logger.error({ err: error }, 'the lease of the spool could not be renewed');
        return;
      }
      await this.#startAnew();
    }
    await this.adopt().catch((error: unknown) =>
      this.logger.error({ err: error }, 'the spool of another process could not be taken over'),
    );
  }

  /** After a standstill longer than the lease another process has taken our messages over, and stores them. */
  async #startAnew(): Promise<void> {
    this.logger.warn('another process took over the spool of this one');
    this.events.lost();
    await this.#own().catch((error: unknown) => this.logger.error({ err: error }, 'the spool has no folder'));
  }

  /** Moves what a taken-over folder holds into our own, also what its owner had taken over before. */
  async #empty(folder: string): Promise<number> {
    let adopted = 0;
    for (const item of await readdir(folder, { withFileTypes: true })) {
      const path = join(folder, item.name);
      if (item.isDirectory()) adopted += await this.#empty(path);
      else if (ENTRY_NAME.test(item.name)) {
        const { size } = await stat(path);
        await rename(path, this.path(item.name));
        this.events.adopted(item.name, size);
        adopted += 1;
      } else if (item.name.endsWith(PART_SUFFIX) && this.#setAside < MAX_ASIDE_PARTS)
        await this.putAside(path, item.name);
      else await unlink(path);
    }
    await syncFolder(this.folder);
    await rmdir(folder);
    return adopted;
  }
}
