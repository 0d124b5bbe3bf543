import type { Database } from '../../entities/database.js';
import { ACTION_CODES, type GatewayAction, type Module } from '../../entities/vocabulary.js';
import { modulesOf } from './message-rows.js';

/** How much Backup holds (rule S7). */
export interface BackupUse {
  /** Bytes of the contents as they are kept: compressed, and each content once. */
  readonly usedBytes: number;
  readonly messageCount: number;
  readonly oldestMessageAtMs: number | null;
}

/** Share of the size limit from which administrators are warned: the oldest messages are about to be removed. */
export const NEARLY_FULL = 0.9;

/** Width of the intervals of a statistic, ms. */
export const INTERVAL_MS = { HOUR: 3_600_000, DAY: 86_400_000 } as const;

/** Messages of one interval, action and set of modules. */
export interface StatisticRow {
  readonly startMs: number;
  readonly action: GatewayAction;
  /** Empty when no module found anything. */
  readonly modules: readonly Module[];
  readonly messages: number;
  readonly sizeBytes: number;
}

/** Reads the counters that are kept while messages come and go; costs the same at any number of messages. */
export class BackupUseReader {
  constructor(private readonly database: Database) {}

  /** How much Backup holds now. */
  async use(): Promise<BackupUse> {
    const [row] = await this.database.rows<{ messages: number; usedBytes: number; oldest: number | null }>(
      `SELECT messages, used_bytes AS usedBytes, (SELECT min(received_at) FROM message) AS oldest
         FROM backup_total WHERE id = 1`,
    );
    return {
      usedBytes: row?.usedBytes ?? 0,
      messageCount: row?.messages ?? 0,
      oldestMessageAtMs: row?.oldest ?? null,
    };
  }

  /** Messages received from `fromMs` on and before `toMs`, both at full hours, oldest interval first. Days are those of UTC. */
  async statistics(fromMs: number, toMs: number, intervalMs: number): Promise<StatisticRow[]> {
    const rows = await this.database.rows<{
      startMs: number;
      action: number;
      detectedBy: number;
      messages: number | string;
      sizeBytes: number | string;
    }>(
      `SELECT hour_at - hour_at % ${intervalMs} AS startMs, action, detected_by AS detectedBy, SUM(messages) AS messages, SUM(size_bytes) AS sizeBytes
         FROM backup_statistic WHERE hour_at >= ? AND hour_at < ?
        GROUP BY hour_at - hour_at % ${intervalMs}, action, detected_by HAVING SUM(messages) > 0 ORDER BY 1, 2, 3`,
      [fromMs, toMs],
    );
    return rows.map((row) => ({
      startMs: row.startMs,
      action: ACTION_CODES[row.action] as GatewayAction,
      modules: modulesOf(row.detectedBy),
      // MariaDB sums in decimals, which come as text.
      messages: Number(row.messages),
      sizeBytes: Number(row.sizeBytes),
    }));
  }
}
