import { isAscii } from '../../entities/ascii.js';
import type { Database, SqlValue } from '../../entities/database.js';
import { marksFor } from '../../entities/marks-for.js';
import type { AuditEvent, AuditOutcome } from './audit-log.js';
import { type Page, type PageOf, pageOf } from '../backup/message-order.js';

type Given<Value> = Value | null | undefined;

/** What the audit log can be narrowed by; every given criterion must hold. */
export interface AuditFilter {
  readonly actor?: Given<string>;
  readonly event?: Given<AuditEvent>;
  readonly outcome?: Given<AuditOutcome>;
  readonly subject?: Given<string>;
  readonly remoteAddress?: Given<string>;
  readonly from?: Given<Date>;
  readonly to?: Given<Date>;
}

/** An entry of the audit log, as it was written. */
export interface StoredAuditEntry {
  readonly id: number;
  readonly atMs: number;
  readonly actor: string;
  readonly remoteAddress: string;
  readonly event: AuditEvent;
  readonly outcome: AuditOutcome;
  readonly subject: string;
  /** JSON. */
  readonly details: string;
}

// Entries of one transaction; short, so that writers of new entries do not wait.
const PRUNED_AT_ONCE = 1_000;

/** The condition for a column of ASCII text; other texts stand in none of its rows. */
const ascii = (column: string, text: Given<string>) => (isAscii(text ?? '') ? `${column} = ?` : '? = NULL');

function narrowed(filter: AuditFilter): { condition: string; parameters: SqlValue[] } {
  const criteria: [string, SqlValue | undefined][] = [
    ['actor = ?', filter.actor ?? undefined],
    ['event = ?', filter.event ?? undefined],
    ['outcome = ?', filter.outcome ?? undefined],
    ['subject = ?', filter.subject ?? undefined],
    [ascii('remote_address', filter.remoteAddress), filter.remoteAddress ?? undefined],
    ['at >= ?', filter.from?.getTime()],
    ['at <= ?', filter.to?.getTime()],
  ];
  const given = criteria.filter((each): each is [string, SqlValue] => each[1] !== undefined);
  return {
    condition: given.map(([sql]) => ` AND ${sql}`).join(''),
    parameters: given.map(([, value]) => value),
  };
}

/** Reads the audit log, and removes what is older than it has to be kept; nothing here changes an entry. */
export class AuditEntries {
  constructor(private readonly database: Database) {}

  /** One page, newest first. */
  async list(filter: AuditFilter, page: Page): Promise<PageOf<StoredAuditEntry>> {
    return pageOf(page, await this.#read(filter, page.from?.messageId ?? null, page.size + 1));
  }

  /** All entries that the filter lets through, newest first, read in pages. */
  async *all(filter: AuditFilter): AsyncGenerator<StoredAuditEntry> {
    let before: number | null = null;
    for (;;) {
      const entries: StoredAuditEntry[] = await this.#read(filter, before, PRUNED_AT_ONCE);
      yield* entries;
      if (entries.length < PRUNED_AT_ONCE) return;
      before = entries.at(-1)?.id ?? 0;
    }
  }

  /** Removes entries older than `olderThanMs`, in small transactions; gives their number. */
  async prune(olderThanMs: number): Promise<number> {
    const limit = Date.now() - olderThanMs;
    let removed = 0;
    for (;;) {
      const rows = await this.database.rows<{ id: number }>(
        `SELECT id FROM audit_entry WHERE at < ? ORDER BY at, id LIMIT ${PRUNED_AT_ONCE}`,
        [limit],
      );
      if (rows.length === 0) return removed;
      removed += await this.database.transaction((transaction) =>
        transaction.run(
          `DELETE FROM audit_entry WHERE id IN (${marksFor(rows)})`,
          rows.map(({ id }) => id),
        ),
      );
    }
  }

  #read(filter: AuditFilter, before: number | null, limit: number): Promise<StoredAuditEntry[]> {
    const { condition, parameters } = narrowed(filter);
    return this.database.rows<StoredAuditEntry>(
      `SELECT id, at AS atMs, actor, remote_address AS remoteAddress, event, outcome, subject, details FROM audit_entry
        WHERE 1 = 1${condition}${before === null ? '' : ' AND id < ?'} ORDER BY id DESC LIMIT ${limit}`,
      before === null ? parameters : [...parameters, before],
    );
  }
}
