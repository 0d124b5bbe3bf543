import type { Database } from '../entities/database.js';
import { marksFor } from '../entities/marks-for.js';
import type { Logger } from '../log.js';
import type { AuditEntries } from './audit/audit-entries.js';
import type { ChangeFeed } from './changes/change-feed.js';

/** How long things are kept that nobody deletes. */
export interface UpkeepSettings {
  readonly auditRetentionMs: number;
  readonly changeRetentionMs: number;
}

const EVERY_MS = 10 * 60_000;
// Rows of one transaction.
const AT_ONCE = 500;

/** Removes by age what only serves for a time: audit entries, changes, finished operations; every process may do it. */
export class Upkeep {
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #stopping = false;

  constructor(
    private readonly database: Database,
    private readonly audit: AuditEntries,
    private readonly changes: ChangeFeed,
    private readonly settings: UpkeepSettings,
    private readonly log: Logger,
  ) {}

  /** Begins: now, and then every ten minutes. */
  start(): void {
    const turn = () => {
      this.#running ??= this.run()
        .catch((error: unknown) => this.log.warn({ err: error }, 'what is out of date could not be removed'))
        .finally(() => {
          this.#running = undefined;
        });
    };
    this.#timer = setInterval(turn, EVERY_MS);
    turn();
  }

  /** Ends after what runs. */
  async stop(): Promise<void> {
    this.#stopping = true;
    clearInterval(this.#timer);
    await this.#running;
  }

  /** One turn. */
  async run(): Promise<void> {
    await this.audit.prune(this.settings.auditRetentionMs);
    await this.changes.prune(this.settings.changeRetentionMs);
    // As long as the audit log tells of them; their idempotency keys hold until then (rule D9).
    await this.#remove(
      `operation o WHERE o.finished_at < ${Date.now() - this.settings.auditRetentionMs}
          AND NOT EXISTS (SELECT 1 FROM sending s WHERE s.operation_id = o.id AND s.state IN ('QUEUED', 'SENDING'))`,
      'operation',
      'o',
    );
    // The history of a message goes with the message (rule D8), but not what is still to be told of it.
    await this.#remove(
      `sending s WHERE s.state NOT IN ('QUEUED', 'SENDING') AND NOT EXISTS (SELECT 1 FROM message m WHERE m.id = s.message_id)`,
      'sending',
      's',
    );
  }

  async #remove(which: string, table: string, alias: string): Promise<void> {
    while (!this.#stopping) {
      const rows = await this.database.rows<{ id: number }>(`SELECT ${alias}.id FROM ${which} LIMIT ${AT_ONCE}`);
      if (rows.length === 0) return;
      await this.database.transaction((transaction) =>
        transaction.run(
          `DELETE FROM ${table} WHERE id IN (${marksFor(rows)})`,
          rows.map(({ id }) => id),
        ),
      );
    }
  }
}
