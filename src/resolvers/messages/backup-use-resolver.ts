import { Arg, FieldResolver, Resolver } from 'type-graphql';
import { DateTimeScalar } from '../../entities/scalars.js';
import { BadInputError } from '../../errors.js';
import { type BackupUseReader, INTERVAL_MS, NEARLY_FULL, type StatisticRow } from '../../services/backup/backup-use.js';
import { hourOf } from '../../services/backup/backup-counters.js';
import type { BackupSettingsService } from '../../services/settings/backup-settings-service.js';
import type { SpoolState } from '../../services/intake/spool-settings.js';
import { BackupStatistics, BackupStorage, StatisticsInterval } from './backup-use-types.js';
import { GlobalBackup } from './global-backup-resolver.js';

// 92 days by the hour; each interval may have a few tens of buckets.
const MAX_INTERVALS = 2_208;
const DEFAULT_INTERVALS: Readonly<Record<StatisticsInterval, number>> = { HOUR: 48, DAY: 31 };

/** Messages and bytes by a key; a row may count for several keys. */
function sums<Key>(rows: readonly StatisticRow[], keysOf: (row: StatisticRow) => readonly Key[]) {
  const found = new Map<Key, { messages: number; size: number }>();
  for (const row of rows)
    for (const key of keysOf(row)) {
      const sum = found.get(key) ?? { messages: 0, size: 0 };
      found.set(key, { messages: sum.messages + row.messages, size: sum.size + row.sizeBytes });
    }
  return [...found];
}

/** What Backup holds, for administrators and dashboards. */
@Resolver(() => GlobalBackup)
export class BackupUseResolver {
  constructor(
    private readonly reader: BackupUseReader,
    private readonly settings: BackupSettingsService,
    private readonly spool: () => SpoolState,
  ) {}

  @FieldResolver(() => BackupStorage, { description: 'How much Backup holds, and how much it may hold.' })
  async storage(): Promise<BackupStorage> {
    const [use, { sizeLimitBytes }] = await Promise.all([this.reader.use(), this.settings.read()]);
    const { entries, bytes, oldestAtMs, setAside } = this.spool();
    return {
      usedBytes: use.usedBytes,
      limitBytes: sizeLimitBytes,
      oldestMessageAt: use.oldestMessageAtMs,
      messageCount: use.messageCount,
      nearlyFull: use.usedBytes >= NEARLY_FULL * sizeLimitBytes,
      spool: { waiting: entries, waitingBytes: bytes, oldestAt: oldestAtMs, setAside },
    };
  }

  @FieldResolver(() => BackupStatistics, {
    description: 'What Backup holds by module, action and time, rounded to full intervals.',
  })
  async statistics(
    @Arg('from', () => DateTimeScalar, {
      nullable: true,
      description: 'Start; without it 48 hours or 31 days before the end.',
    })
    from: Date | null,
    @Arg('to', () => DateTimeScalar, {
      nullable: true,
      description: 'End, not included; without it the present interval is the last.',
    })
    to: Date | null,
    @Arg('interval', () => StatisticsInterval, {
      defaultValue: StatisticsInterval.DAY,
      description: 'Width of the intervals.',
    })
    interval: StatisticsInterval,
  ): Promise<BackupStatistics> {
    const width = INTERVAL_MS[interval];
    const start = (ms: number) => hourOf(ms) - (hourOf(ms) % width);
    const toMs = start((to?.getTime() ?? Date.now()) + width - 1 + (to ? 0 : 1));
    const fromMs = from ? start(from.getTime()) : toMs - DEFAULT_INTERVALS[interval] * width;
    if (fromMs >= toMs) throw new BadInputError('from', 'from must lie before to.');
    if ((toMs - fromMs) / width > MAX_INTERVALS)
      throw new BadInputError(
        'from',
        `from and to may be at most ${MAX_INTERVALS} intervals apart; take DAY or ask in parts.`,
      );
    const rows = await this.reader.statistics(fromMs, toMs, width);
    return {
      messages: rows.reduce((sum, row) => sum + row.messages, 0),
      size: rows.reduce((sum, row) => sum + row.sizeBytes, 0),
      byModule: sums(rows, (row) => row.modules).map(([module, sum]) => ({ module, ...sum })),
      byAction: sums(rows, (row) => [row.action]).map(([action, sum]) => ({ action, ...sum })),
      buckets: rows.map((row) => ({
        startsAt: row.startMs,
        action: row.action,
        detectedBy: row.modules,
        messages: row.messages,
        size: row.sizeBytes,
      })),
    };
  }
}
