import { randomUUID } from 'node:crypto';
import type { Database } from '../../entities/database.js';
import { marksFor } from '../../entities/marks-for.js';
import type { Logger } from '../../log.js';
import type { ChangeFeed } from '../changes/change-feed.js';
import { NEARLY_FULL } from './backup-use.js';
import { removeMessages } from './remove-messages.js';

/** What Backup may hold (rule S7). */
export interface RetentionLimits {
  readonly sizeLimitBytes: number;
  readonly storagePeriodDays: number;
}

const DAY_MS = 24 * 3_600_000;
// Small enough that locks are short and lists stay quick, large enough to keep up with intake.
const BATCH = 100;
const LEASE_MS = 60_000;
// After each batch others have the database for as long as the batch had it, and at most so long.
const LONGEST_PAUSE_MS = 1_000;

/** Removes the oldest messages beyond the size limit or the storage period, in small batches, one process at a time (rule S7). */
export class RetentionWorker {
  readonly #owner = randomUUID();
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<number> | undefined;
  #stopping = false;
  #wasNearlyFull = false;
  #endPause: (() => void) | undefined;

  constructor(
    private readonly database: Database,
    private readonly changes: ChangeFeed,
    private readonly limits: () => Promise<RetentionLimits>,
    private readonly intervalMs: number,
    private readonly log: Logger,
  ) {}

  /** Begins to look now and then. */
  start(): void {
    const look = () =>
      void this.run().catch((error: unknown) => this.log.warn({ err: error }, 'old messages could not be removed'));
    this.#timer = setInterval(look, this.intervalMs);
    look();
  }

  /** Ends after the batch that runs. */
  async stop(): Promise<void> {
    this.#stopping = true;
    clearInterval(this.#timer);
    this.#endPause?.();
    await this.#running?.catch(() => undefined);
  }

  /** Removes until Backup is within its limits; tells how many messages went. Nothing while another process does it. */
  run(): Promise<number> {
    this.#running ??= this.#remove().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #remove(): Promise<number> {
    let removed = 0;
    while (!this.#stopping) {
      const startedAt = performance.now();
      const candidates = await this.#candidates(await this.limits());
      if (candidates.length === 0 || this.#stopping) break;
      const count = await this.#removeBatch(candidates);
      if (count === undefined) break;
      removed += count;
      await this.#pause(Math.min(LONGEST_PAUSE_MS, performance.now() - startedAt));
    }
    if (removed > 0) {
      this.log.info({ removed }, 'messages beyond the limits were removed');
      await this.database.transaction((transaction) =>
        transaction.run("UPDATE worker_lease SET lease_until = 0 WHERE name = 'retention' AND owner = ?", [
          this.#owner,
        ]),
      );
    }
    return removed;
  }

  /** Undefined when another process is at it. */
  #removeBatch(ids: readonly number[]): Promise<number | undefined> {
    return this.database.transaction(async (transaction) => {
      const now = Date.now();
      const held = await transaction.run(
        "UPDATE worker_lease SET owner = ?, lease_until = ? WHERE name = 'retention' AND (owner = ? OR lease_until < ?)",
        [this.#owner, now + LEASE_MS, this.#owner, now],
      );
      if (held !== 1) return undefined;
      const { messageIds, changes } = await removeMessages(transaction, ids);
      await this.changes.append(transaction, changes);
      return messageIds.length;
    });
  }

  /**
   * The oldest in the order in which they were stored: ids count up, so one look at the first rows tells. The period counts
   * from storing, not from receiving, or imported mail would be gone at once.
   */
  async #candidates({ sizeLimitBytes, storagePeriodDays }: RetentionLimits): Promise<number[]> {
    // No join: where messages share contents, MariaDB would read all of both tables for the first hundred.
    const oldest = await this.database.rows<{ id: number; storedAtMs: number; contentId: number }>(
      `SELECT id, stored_at AS storedAtMs, content_id AS contentId FROM message ORDER BY id LIMIT ${BATCH}`,
    );
    if (oldest.length === 0) return [];
    const [total] = await this.database.rows<{ usedBytes: number }>(
      'SELECT used_bytes AS usedBytes FROM backup_total WHERE id = 1',
    );
    const periodStartMs = Date.now() - storagePeriodDays * DAY_MS;
    this.#warn(total?.usedBytes ?? 0, sizeLimitBytes);
    let excess = (total?.usedBytes ?? 0) - sizeLimitBytes;
    const storedBytes =
      excess > 0 ? await this.#storedBytes(oldest.map(({ contentId }) => contentId)) : new Map<number, number>();
    const ids: number[] = [];
    for (const { id, storedAtMs, contentId } of oldest) {
      if (excess <= 0 && storedAtMs >= periodStartMs) break;
      // A content that others use as well frees nothing yet; the next look finds out.
      excess -= storedBytes.get(contentId) ?? 0;
      ids.push(id);
    }
    return ids;
  }

  /** Bytes of contents by their ids. */
  async #storedBytes(contentIds: readonly number[]): Promise<ReadonlyMap<number, number>> {
    const ids = [...new Set(contentIds)];
    const rows = await this.database.rows<{ id: number; storedBytes: number }>(
      `SELECT id, stored_bytes AS storedBytes FROM content WHERE id IN (${marksFor(ids)})`,
      ids,
    );
    return new Map(rows.map(({ id, storedBytes }) => [id, storedBytes]));
  }

  /** Once when Backup becomes nearly full, and once when it is not any more. */
  #warn(usedBytes: number, limitBytes: number): void {
    const isNearlyFull = usedBytes >= NEARLY_FULL * limitBytes;
    if (isNearlyFull === this.#wasNearlyFull) return;
    this.#wasNearlyFull = isNearlyFull;
    if (isNearlyFull)
      this.log.warn({ usedBytes, limitBytes }, 'Backup is nearly full: the oldest messages are about to be removed');
    else this.log.info({ usedBytes, limitBytes }, 'Backup is not nearly full any more');
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#endPause = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
