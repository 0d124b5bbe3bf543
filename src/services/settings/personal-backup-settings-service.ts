import type { Database, Transaction } from '../../entities/database.js';
import { DeliveryFormat } from '../../entities/delivery-format.js';
import { PersonalBackupSettings } from '../../entities/personal-backup-settings.js';
import { BadInputError, ConflictError } from '../../errors.js';
import { recordAudit } from '../audit/audit-log.js';
import type { ChangeFeed } from '../changes/change-feed.js';
import { topics } from '../changes/topics.js';

/** The switches that a change may name; those left out keep their values. */
export type PersonalBackupSwitches = Pick<
  PersonalBackupSettings,
  'enabled' | 'preview' | 'deletion' | 'sending' | 'deliveryFormat' | 'removeMessageId' | 'groupMailboxes'
>;

/** Something an administrator should know about a change that was made (rule C4). */
export enum SettingsWarning {
  DELEGATION_ATTRIBUTE_NOT_CONFIGURED = 'DELEGATION_ATTRIBUTE_NOT_CONFIGURED',
  DELEGATION_NOT_LOADED = 'DELEGATION_NOT_LOADED',
  MESSAGE_ID_REMOVAL_CAN_BREAK_DKIM = 'MESSAGE_ID_REMOVAL_CAN_BREAK_DKIM',
}

/** Who makes a change, for the audit log. */
export interface ChangeAuthor {
  readonly actor: string;
  readonly remoteAddress: string;
}

const SWITCHES = ['preview', 'deletion', 'sending', 'deliveryFormat', 'removeMessageId', 'groupMailboxes'] as const;

/** Judges a change of the settings (rules C1, C2); pure. Throws {@link BadInputError} naming the field. */
export function applySwitches(
  current: PersonalBackupSwitches,
  change: Partial<PersonalBackupSwitches>,
): PersonalBackupSwitches {
  const next: PersonalBackupSwitches = { ...current, ...change };
  if (!next.enabled) {
    const changed = SWITCHES.find((name) => next[name] !== current[name]);
    if (changed) {
      throw new BadInputError(
        changed,
        `${changed} cannot be changed while personal Backup is off. Switch enabled on in the same change or before.`,
      );
    }
  }
  if (next.removeMessageId && next.deliveryFormat !== DeliveryFormat.AS_IS) {
    // Whoever changes the format alone should not have to know about the other switch first.
    if (change.removeMessageId === undefined) return { ...next, removeMessageId: false };
    throw new BadInputError(
      'removeMessageId',
      'removeMessageId needs the delivery format AS_IS: a message in an attachment keeps its Message-ID.',
    );
  }
  return next;
}

/** The settings of personal Backup: one row, changed as a whole under optimistic locking (rules C1 to C4). */
export class PersonalBackupSettingsService {
  constructor(
    private readonly database: Database,
    private readonly changes: ChangeFeed,
  ) {}

  /** The settings as they are now. */
  async read(): Promise<PersonalBackupSettings> {
    return this.database.manager.findOneByOrFail(PersonalBackupSettings, { id: 1 });
  }

  /**
   * Makes a change that was based on `version`. Throws CONFLICT with the current version when that is not current any
   * more (rule C3), BAD_USER_INPUT for combinations that rules C1 and C2 forbid.
   */
  async update(
    version: number,
    change: Partial<PersonalBackupSwitches>,
    author: ChangeAuthor,
  ): Promise<{ settings: PersonalBackupSettings; warnings: SettingsWarning[] }> {
    return this.database.transaction(async (transaction) => {
      const current = await transaction.manager.findOneByOrFail(PersonalBackupSettings, { id: 1 });
      if (current.version !== version) throw staleVersion(current.version);
      const next = applySwitches(current, change);
      const settings = Object.assign(new PersonalBackupSettings(), current, next, {
        version: version + 1,
        updatedAtMs: Date.now(),
      });
      const { affected } = await transaction.manager.update(
        PersonalBackupSettings,
        { id: 1, version },
        { ...next, version: settings.version, updatedAtMs: settings.updatedAtMs },
      );
      if (affected !== 1) throw staleVersion(current.version);
      await recordAudit(transaction, {
        ...author,
        event: 'PERSONAL_BACKUP_SETTINGS_UPDATE',
        outcome: 'DONE',
        details: differences(current, settings, ['enabled', ...SWITCHES]),
      });
      const warnings = await this.#warnings(transaction, settings);
      await this.changes.append(transaction, [{ topic: topics.personalBackupSettings, kind: 'ACCESS' }]);
      return { settings, warnings };
    });
  }

  async #warnings(transaction: Transaction, settings: PersonalBackupSettings): Promise<SettingsWarning[]> {
    const warnings: SettingsWarning[] = [];
    if (settings.enabled && settings.groupMailboxes) {
      const rows = await transaction.rows<{ configured: number; loaded: number }>(
        "SELECT CASE WHEN delegation_attributes <> '[]' THEN 1 ELSE 0 END AS configured, delegation_loaded AS loaded FROM ldap_connection",
      );
      const configured = rows.filter((row) => row.configured);
      if (configured.length === 0) warnings.push(SettingsWarning.DELEGATION_ATTRIBUTE_NOT_CONFIGURED);
      else if (configured.some((row) => !row.loaded)) warnings.push(SettingsWarning.DELEGATION_NOT_LOADED);
    }
    if (settings.removeMessageId) warnings.push(SettingsWarning.MESSAGE_ID_REMOVAL_CAN_BREAK_DKIM);
    return warnings;
  }
}

/** The refusal of a change that was based on an older version (rule C3). */
export function staleVersion(currentVersion: number): ConflictError {
  return new ConflictError('The settings were changed meanwhile. Look at the current ones and decide anew.', {
    field: 'version',
    currentVersion,
  });
}

/** Old and new values of what differs, for the audit log (rule C3). */
export function differences<Row extends object>(
  before: Row,
  after: Row,
  names: readonly (keyof Row & string)[],
): Record<string, unknown> {
  const changed = names.filter((name) => before[name] !== after[name]);
  return Object.fromEntries(changed.map((name) => [name, { before: before[name], after: after[name] }]));
}
