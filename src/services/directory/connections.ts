import { type Database, isUniqueViolation } from '../../entities/database.js';
import { LdapConnection } from '../../entities/ldap-connection.js';
import { BadInputError, UnavailableError } from '../../errors.js';
import type { LdapConnectionSettings } from '../../ldap/connection-settings.js';
import { validateSettings } from '../../ldap/validate-settings.js';
import type { SecretBox } from '../../secret-box.js';
import { recordAudit } from '../audit/audit-log.js';
import type { ChangeFeed } from '../changes/change-feed.js';
import { topics } from '../changes/topics.js';
import { type ChangeAuthor, staleVersion } from '../settings/personal-backup-settings-service.js';
import { CacheTransition } from './cache-transition.js';
import { ENTRY_TABLES } from './cache-writer.js';
import { DEFAULT_SCHEDULE, nextRunAtMs, readSchedule, type Schedule } from './schedule.js';
import { stateOf, type SynchronisationState } from './synchronisation-state.js';

/** What can be changed of a connection; what is left out keeps its value, an empty password keeps the stored one. */
export interface ConnectionChange {
  readonly name?: string | undefined;
  readonly settings?: LdapConnectionSettings | undefined;
  readonly schedule?: Schedule | undefined;
}

const PLACE = 'ldap-connection';

/** How the audit names a connection. */
export const subjectOf = (name: string): string => `ldap-connection:${name}`;

function readName(name: string): string {
  const trimmed = name.trim();
  if (trimmed === '' || trimmed.length > 128) throw new BadInputError('name', 'name must have 1 to 128 characters.');
  return trimmed;
}

const sameNames = (one: readonly string[], other: readonly string[]) =>
  [...one].sort().join().toLowerCase() === [...other].sort().join().toLowerCase();

/** Connections to directories: what is stored of them, and their settings with the password opened (rules L1, L8). */
export class LdapConnections {
  constructor(
    private readonly database: Database,
    private readonly changes: ChangeFeed,
    private readonly secrets: SecretBox,
    /** Time that a directory server has for one answer where the settings say nothing, ms. */
    private readonly operationTimeoutMs: number,
  ) {}

  /** All connections, by name. */
  async list(): Promise<LdapConnection[]> {
    return this.database.manager.find(LdapConnection, { order: { name: 'ASC' } });
  }

  /** The connection with this id, if there is one. */
  async find(id: number): Promise<LdapConnection | null> {
    return this.database.manager.findOneBy(LdapConnection, { id });
  }

  /**
   * Complete settings, for talking to the directory; never to be shown or logged. Throws BIND_PASSWORD_UNREADABLE when the
   * installation's key is not the one that the password was stored with.
   */
  settingsOf(connection: LdapConnection): LdapConnectionSettings {
    return {
      operationTimeoutMs: this.operationTimeoutMs,
      ...storedSettings(connection),
      bindPassword: this.#open(connection),
    };
  }

  #open(connection: LdapConnection): string {
    try {
      return this.secrets.open(connection.bindPassword, PLACE);
    } catch (cause) {
      throw new UnavailableError(
        'BIND_PASSWORD_UNREADABLE',
        'The stored password cannot be read, because the secret key of this installation is another one now. Give the password anew.',
        { cause },
      );
    }
  }

  /** How its last synchronisation went. */
  stateOf(connection: LdapConnection): SynchronisationState {
    return stateOf(connection);
  }

  /** When it is synchronised. */
  scheduleOf(connection: LdapConnection): Schedule {
    return readSchedule(connection.schedule);
  }

  /** Adds a connection, due at once (rule L2); throws BAD_USER_INPUT that names the field. */
  async create(
    name: string,
    settings: LdapConnectionSettings,
    author: ChangeAuthor,
    schedule: Schedule = DEFAULT_SCHEDULE,
  ): Promise<LdapConnection> {
    const trimmed = readName(name);
    const checked = readSchedule(schedule);
    return this.database.transaction(async (transaction) => {
      const connection = transaction.manager.create(LdapConnection, {
        name: trimmed,
        ...this.#columnsOf(settings),
        version: 1,
        generation: 0,
        delegationLoaded: false,
        schedule: checked,
        changeMark: null,
        fullPassAtMs: null,
        people: 0,
        state: {},
        leaseOwner: null,
        leaseUntilMs: 0,
        nextRunAtMs: Date.now(),
      });
      await transaction.manager.save(LdapConnection, connection).catch(refuseTakenName);
      await recordAudit(transaction, {
        ...author,
        event: 'LDAP_CONNECTION_CREATE',
        outcome: 'DONE',
        subject: subjectOf(trimmed),
      });
      await this.changes.append(transaction, [{ topic: topics.directory, kind: 'UPDATED' }]);
      return connection;
    });
  }

  /**
   * Changes a connection; it is due at once, with a full pass when its settings changed. Throws CONFLICT when `version`
   * is not the current one, BAD_USER_INPUT that names the field. After a change of the delegation attributes group
   * mailboxes stay hidden until the next synchronisation (rule V9).
   */
  async update(id: number, version: number, change: ConnectionChange, author: ChangeAuthor): Promise<LdapConnection> {
    return this.database.transaction(async (transaction) => {
      // It locks the connections: a synchronisation that ends at this moment must not be overwritten with what was before it.
      const transition = await CacheTransition.begin(transaction, this.changes);
      const connection = await transaction.manager.findOneBy(LdapConnection, { id });
      if (!connection) throw unknownConnection();
      if (connection.version !== version) throw staleVersion(connection.version);
      const before = { ...connection };
      const now = Date.now();
      connection.version = version + 1;
      if (change.name !== undefined) connection.name = readName(change.name);
      if (change.schedule !== undefined) {
        Object.assign(connection, { schedule: readSchedule(change.schedule) });
        connection.nextRunAtMs = nextRunAtMs(this.scheduleOf(connection), now);
      }
      if (change.settings !== undefined) {
        const settings = this.withStoredPassword(change.settings, before);
        Object.assign(connection, this.#columnsOf(settings), { changeMark: null, nextRunAtMs: now });
        // Access that was resolved for another domain or from another attribute holds no more.
        connection.delegationLoaded =
          before.delegationLoaded &&
          before.domain === connection.domain &&
          sameNames(before.delegationAttributes, connection.delegationAttributes);
      }
      await transaction.manager.save(LdapConnection, connection).catch(refuseTakenName);
      await recordAudit(transaction, {
        ...author,
        event: 'LDAP_CONNECTION_UPDATE',
        outcome: 'DONE',
        subject: subjectOf(before.name),
        details: changedFields(before, connection),
      });
      const everybody = before.delegationLoaded !== connection.delegationLoaded;
      if (before.domain !== connection.domain) await transition.complete({ domain: before.domain, everybody });
      else {
        await this.changes.append(transaction, [
          ...(everybody ? [{ topic: topics.personalBackupSettings, kind: 'ACCESS' } as const] : []),
          { topic: topics.directory, kind: 'UPDATED' },
        ]);
      }
      return connection;
    });
  }

  /** Removes a connection with its part of the cache, and nothing of others (rule L4); throws BAD_USER_INPUT for an unknown one. */
  async delete(id: number, author: ChangeAuthor): Promise<void> {
    await this.database.transaction(async (transaction) => {
      const transition = await CacheTransition.begin(transaction, this.changes);
      const connection = await transaction.manager.findOneBy(LdapConnection, { id });
      if (!connection) throw unknownConnection();
      for (const table of ENTRY_TABLES) await transaction.run(`DELETE FROM ${table} WHERE connection_id = ?`, [id]);
      await transaction.manager.delete(LdapConnection, { id });
      await recordAudit(transaction, {
        ...author,
        event: 'LDAP_CONNECTION_DELETE',
        outcome: 'DONE',
        subject: subjectOf(connection.name),
      });
      await transition.complete({ domain: connection.domain, everybody: true });
    });
  }

  /**
   * Settings completed with the stored password where they have none. It is used only with the servers, the TLS and the
   * name that it was stored with: otherwise whoever may edit connections could send it to a server of their own.
   */
  withStoredPassword(tried: LdapConnectionSettings, connection: LdapConnection): LdapConnectionSettings {
    if (tried.bindPassword !== '') return tried;
    // Checked with a stand-in, so that two spellings of the same settings are the same.
    const checked = validateSettings({ ...tried, bindPassword: PLACE });
    const target = ({ servers, domain, tlsMode, caPem, bindName }: LdapConnectionSettings) =>
      JSON.stringify([servers, domain, tlsMode, caPem, bindName]);
    if (target(checked) !== target(storedSettings(connection))) {
      throw new BadInputError(
        'bindPassword',
        'Give the password: the stored one is used only with the servers, the TLS and the name that it was stored with.',
      );
    }
    return { ...checked, bindPassword: this.#open(connection) };
  }

  #columnsOf(settings: LdapConnectionSettings) {
    const { bindPassword, domain, delegationAttributes, ...rest } = validateSettings(settings);
    return {
      domain,
      settings: { ...rest },
      bindPassword: this.secrets.seal(bindPassword, PLACE),
      delegationAttributes: [...delegationAttributes],
    };
  }
}

/** The refusal for an id that no connection has. */
export const unknownConnection = (): BadInputError =>
  new BadInputError('id', 'There is no directory connection with this id.');

const refuseTakenName = (error: unknown): never => {
  throw isUniqueViolation(error) ? new BadInputError('name', 'There is a connection with this name already.') : error;
};

/** The settings of a connection without the password. */
export const storedSettings = ({ settings, domain, delegationAttributes }: LdapConnection): LdapConnectionSettings => ({
  ...(settings as unknown as LdapConnectionSettings),
  domain,
  delegationAttributes,
  bindPassword: '',
});

/** What an update changed, for the audit: old and new values, of the password only that there is a new one (rule L8). */
function changedFields(before: LdapConnection, now: LdapConnection): Record<string, unknown> {
  const shown = (connection: LdapConnection): Record<string, unknown> => {
    const { bindPassword: _, ...settings } = storedSettings(connection);
    return { name: connection.name, schedule: connection.schedule, ...settings };
  };
  const [old, current] = [shown(before), shown(now)];
  const changed = [...new Set([...Object.keys(old), ...Object.keys(current)])].filter(
    (field) => JSON.stringify(old[field]) !== JSON.stringify(current[field]),
  );
  return {
    before: Object.fromEntries(changed.map((field) => [field, old[field]])),
    after: Object.fromEntries(changed.map((field) => [field, current[field]])),
    passwordChanged: before.bindPassword !== now.bindPassword,
  };
}
