import { BackupSettings } from '../../entities/backup-settings.js';
import type { Database } from '../../entities/database.js';
import { DeliveryFormat } from '../../entities/delivery-format.js';
import { BadInputError } from '../../errors.js';
import { recordAudit } from '../audit/audit-log.js';
import type { ChangeFeed } from '../changes/change-feed.js';
import { topics } from '../changes/topics.js';
import { type ChangeAuthor, differences, staleVersion } from './personal-backup-settings-service.js';

/** What a change may name; what is left out keeps its value. */
export type BackupSettingsChange = Partial<
  Pick<BackupSettings, 'sizeLimitBytes' | 'storagePeriodDays' | 'deliveryFormat' | 'removeMessageId'>
>;

const MIB = 1024 * 1024;
/** Smallest limit of Backup's size (rule S7), bytes. */
export const MIN_SIZE_LIMIT_BYTES = 1024 * MIB;
/** Longest time that a message is kept (rule S7), days. */
export const MAX_STORAGE_PERIOD_DAYS = 1100;

const FIELDS = ['sizeLimitBytes', 'storagePeriodDays', 'deliveryFormat', 'removeMessageId'] as const;

function check(next: BackupSettings): void {
  if (next.sizeLimitBytes < MIN_SIZE_LIMIT_BYTES) {
    throw new BadInputError('sizeLimitBytes', `sizeLimitBytes must be at least ${MIN_SIZE_LIMIT_BYTES} (1024 MiB).`);
  }
  if (next.storagePeriodDays < 1 || next.storagePeriodDays > MAX_STORAGE_PERIOD_DAYS) {
    throw new BadInputError('storagePeriodDays', `storagePeriodDays must be 1 to ${MAX_STORAGE_PERIOD_DAYS}.`);
  }
  if (next.removeMessageId && next.deliveryFormat !== DeliveryFormat.AS_IS) {
    throw new BadInputError(
      'removeMessageId',
      'removeMessageId needs the delivery format AS_IS: a message in an attachment keeps its Message-ID.',
    );
  }
}

/** Limits of Backup and presets of sending: one row, changed as a whole under optimistic locking (rules S7, D6, C3). */
export class BackupSettingsService {
  constructor(
    private readonly database: Database,
    private readonly changes: ChangeFeed,
  ) {}

  /** The settings as they are now. */
  async read(): Promise<BackupSettings> {
    return this.database.manager.findOneByOrFail(BackupSettings, { id: 1 });
  }

  /** Makes a change that was based on `version`; throws CONFLICT or BAD_USER_INPUT. */
  async update(version: number, change: BackupSettingsChange, author: ChangeAuthor): Promise<BackupSettings> {
    return this.database.transaction(async (transaction) => {
      const current = await transaction.manager.findOneByOrFail(BackupSettings, { id: 1 });
      const settings = Object.assign(new BackupSettings(), current, change, {
        version: version + 1,
        updatedAtMs: Date.now(),
      });
      if (current.version !== version) throw staleVersion(current.version);
      check(settings);
      const { affected } = await transaction.manager.update(BackupSettings, { id: 1, version }, settings);
      if (affected !== 1) throw staleVersion(current.version);
      await recordAudit(transaction, {
        ...author,
        event: 'BACKUP_SETTINGS_UPDATE',
        outcome: 'DONE',
        details: differences(current, settings, FIELDS),
      });
      await this.changes.append(transaction, [{ topic: topics.backup, kind: 'ACCESS' }]);
      return settings;
    });
  }
}
