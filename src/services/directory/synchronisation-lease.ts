import type { Database, Transaction } from '../../entities/database.js';
import { LdapConnection } from '../../entities/ldap-connection.js';
import { PublicError } from '../../errors.js';
import { type SynchronisationState, SynchronisationStatus } from './synchronisation-state.js';

// Another process takes a synchronisation over when its process has been silent for so long.
const LEASE_MS = 60_000;
const RENEWAL_MS = 15_000;

/** Somebody else took the work over, or the connection is gone: what was read must not be used. */
export class LeaseLostError extends PublicError {
  constructor() {
    super(
      'SYNCHRONISATION_TAKEN_OVER',
      'The connection was deleted, or taken over by another process, while it was synchronised.',
    );
  }
}

/** The settings were changed meanwhile: what was read with the old ones must not be used. */
export class SettingsChangedError extends Error {}

/** The right to synchronise one connection, over all processes that share the database; it ends by itself when its holder is silent. */
export class SynchronisationLease {
  private constructor(
    private readonly database: Database,
    readonly connectionId: number,
    private readonly owner: string,
  ) {}

  /**
   * Takes the lease unless somebody holds it. The connection counts as due from now on, so that somebody else begins
   * again when the holder dies.
   */
  static async take(
    database: Database,
    connectionId: number,
    owner: string,
  ): Promise<SynchronisationLease | undefined> {
    const now = Date.now();
    const taken = await database.transaction(async (transaction) => {
      const rows = await transaction.run(
        'UPDATE ldap_connection SET lease_owner = ?, lease_until = ?, next_run_at = ? WHERE id = ? AND lease_until < ?',
        [owner, now + LEASE_MS, now, connectionId, now],
      );
      if (rows === 1) await showRunning(transaction, connectionId, now);
      return rows;
    });
    return taken === 1 ? new SynchronisationLease(database, connectionId, owner) : undefined;
  }

  /** Keeps the lease until the returned function is called. */
  keep(failed: (error: unknown) => void): () => void {
    const timer = setInterval(() => {
      this.database
        .transaction((transaction) =>
          transaction.run('UPDATE ldap_connection SET lease_until = ? WHERE id = ? AND lease_owner = ?', [
            Date.now() + LEASE_MS,
            this.connectionId,
            this.owner,
          ]),
        )
        .catch(failed);
    }, RENEWAL_MS);
    return () => clearInterval(timer);
  }

  /**
   * Keeps others from changing the connection for the rest of the transaction, but not from confirming, too. Throws
   * {@link LeaseLostError} when the lease is somebody else's, {@link SettingsChangedError} when the settings are others than
   * those of `read`.
   */
  confirm(transaction: Transaction, read: LdapConnection): Promise<void> {
    return this.#look(transaction, read, transaction.forShare);
  }

  async #look(transaction: Transaction, read: LdapConnection, lock: string): Promise<void> {
    const [row] = await transaction.rows<Held>(
      `SELECT lease_owner AS leaseOwner, version, domain, settings, bind_password AS bindPassword,
              delegation_attributes AS delegationAttributes
         FROM ldap_connection WHERE id = ?${lock}`,
      [this.connectionId],
    );
    if (row?.leaseOwner !== this.owner) throw new LeaseLostError();
    if (row.version === read.version) return;
    const settings = JSON.parse(row.settings) as LdapConnection['settings'];
    const delegationAttributes = JSON.parse(row.delegationAttributes) as string[];
    if (sourceOf({ ...row, settings, delegationAttributes }) !== sourceOf(read)) throw new SettingsChangedError();
  }

  /** As {@link confirm}, but locks the connection, and gives it as it is now. */
  async hold(transaction: Transaction, read: LdapConnection): Promise<LdapConnection> {
    await this.#look(transaction, read, transaction.forUpdate);
    return transaction.manager.findOneByOrFail(LdapConnection, { id: this.connectionId });
  }

  /** Writes the state, if the lease is still ours; with `nextRunAtMs` the lease ends. */
  async record(
    transaction: Transaction,
    state: unknown,
    ended?: { readonly nextRunAtMs: number | null },
  ): Promise<boolean> {
    const release = ended ? ', lease_owner = NULL, lease_until = 0, next_run_at = ?' : '';
    const changed = await transaction.run(
      `UPDATE ldap_connection SET state = ?${release} WHERE id = ? AND lease_owner = ?`,
      [JSON.stringify(state), ...(ended ? [ended.nextRunAtMs] : []), this.connectionId, this.owner],
    );
    return changed === 1;
  }
}

type Source = Pick<LdapConnection, 'domain' | 'settings' | 'bindPassword' | 'delegationAttributes'>;

interface Held {
  readonly leaseOwner: string | null;
  readonly version: number;
  readonly domain: string;
  readonly settings: string;
  readonly bindPassword: string;
  readonly delegationAttributes: string;
}

// Another name or schedule does not make what was read useless.
const sourceOf = ({ domain, settings, bindPassword, delegationAttributes }: Source) =>
  JSON.stringify([domain, settings, bindPassword, delegationAttributes]);

/** Whoever hears that a synchronisation was started must not find the end of the one before it. */
async function showRunning(transaction: Transaction, connectionId: number, now: number): Promise<void> {
  const [row] = await transaction.rows<{ state: string }>('SELECT state FROM ldap_connection WHERE id = ?', [
    connectionId,
  ]);
  const state: Partial<SynchronisationState> = {
    ...(JSON.parse(row?.state ?? '{}') as Partial<SynchronisationState>),
    status: SynchronisationStatus.RUNNING,
    startedAtMs: now,
    finishedAtMs: null,
  };
  await transaction.run('UPDATE ldap_connection SET state = ? WHERE id = ?', [JSON.stringify(state), connectionId]);
}
