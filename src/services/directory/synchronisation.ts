import { randomUUID } from 'node:crypto';
import type { Database, Transaction } from '../../entities/database.js';
import { LdapConnection } from '../../entities/ldap-connection.js';
import { PublicError } from '../../errors.js';
import type { ChangeMark } from '../../ldap/change-mark.js';
import { readChanges } from '../../ldap/read-changes.js';
import { readDirectory } from '../../ldap/read-directory.js';
import type { Logger } from '../../log.js';
import type { ChangeFeed } from '../changes/change-feed.js';
import { topics } from '../changes/topics.js';
import { CacheTransition, type TransitionOutcome } from './cache-transition.js';
import { type DirectoryCounts, removeOtherGenerations, writeGeneration } from './cache-writer.js';
import { applyChanges } from './changed-entries.js';
import type { LdapConnections } from './connections.js';
import { nextRunAtMs, retryAtMs, type Schedule } from './schedule.js';
import {
  NEVER_SYNCHRONISED,
  SynchronisationKind,
  type SynchronisationState,
  SynchronisationStatus,
} from './synchronisation-state.js';

/** How one synchronisation is to be done. */
export interface SynchronisationOptions {
  /** Reads everything even where changes alone would do. */
  readonly full?: boolean;
  /** Takes over a result that lost more than half of the people (rule L3). */
  readonly acceptLoss?: boolean;
}

// Another process takes a synchronisation over when its process has been silent for so long.
const LEASE_MS = 60_000;
const LEASE_RENEWAL_MS = 15_000;
// How often due connections are looked for.
const TICK_MS = 5_000;
// Deletions may go unnoticed between full passes, so there is one at least so often.
const FULL_PASS_MS = 24 * 60 * 60_000;
// Progress of a pass is told at most so often.
const PROGRESS_MS = 1_000;

/** The directory lost so much that somebody has to confirm it: an emptied organisational unit must not lock everybody out. */
class DirectoryShrunkError extends PublicError {
  constructor(before: number, now: number) {
    super(
      'DIRECTORY_SHRUNK',
      `The directory shows ${now} people where it showed ${before}. The last data stays in use; synchronise with acceptLoss to take the new one.`,
      'warn',
    );
  }
}

/** Somebody else took the work over, or the connection is gone: what was read must not be used. */
class LeaseLostError extends PublicError {
  constructor() {
    super('SYNCHRONISATION_TAKEN_OVER', 'The connection was changed or taken over while it was synchronised.', 'info');
  }
}

/** Keeps the LDAP cache true: one synchronisation of a connection at a time, over all processes (rules L2, L3). */
export class DirectorySynchronisation {
  readonly #owner = randomUUID();
  readonly #running = new Map<number, Promise<SynchronisationState>>();
  #timer: NodeJS.Timeout | undefined;
  #stopping = false;

  constructor(
    private readonly database: Database,
    private readonly changes: ChangeFeed,
    private readonly connections: LdapConnections,
    private readonly log: Logger,
  ) {}

  /** Begins to synchronise connections when they are due. */
  start(): void {
    const tick = () =>
      void this.#runDue().catch((error: unknown) =>
        this.log.warn({ err: error }, 'due synchronisations could not be looked for'),
      );
    this.#timer = setInterval(tick, TICK_MS);
    tick();
  }

  /** Starts nothing new and waits for what runs. */
  async stop(): Promise<void> {
    this.#stopping = true;
    clearInterval(this.#timer);
    await Promise.allSettled(this.#running.values());
  }

  /** Synchronises one connection now; `undefined` when another process is at it. Never throws for the directory's faults: they are in the state. */
  async synchronise(
    connectionId: number,
    options: SynchronisationOptions = {},
  ): Promise<SynchronisationState | undefined> {
    const running = this.#running.get(connectionId);
    if (running) return running;
    if (!(await this.#takeLease(connectionId))) return undefined;
    // Two calls in one process can both see nothing running; the lease is the same for both.
    const begun = this.#running.get(connectionId);
    if (begun) return begun;
    const work = this.#run(connectionId, options).finally(() => this.#running.delete(connectionId));
    this.#running.set(connectionId, work);
    return work;
  }

  /** Starts a synchronisation and does not wait for its end; false when one runs already. */
  async begin(connectionId: number, options: SynchronisationOptions = {}): Promise<boolean> {
    if (this.#running.has(connectionId) || !(await this.#takeLease(connectionId))) return false;
    const work = this.#run(connectionId, options).finally(() => this.#running.delete(connectionId));
    this.#running.set(connectionId, work);
    work.catch((error: unknown) => this.log.error({ err: error }, 'a synchronisation ended with a fault of ours'));
    return true;
  }

  async #runDue(): Promise<void> {
    if (this.#stopping) return;
    const due = await this.database.rows<{ id: number }>(
      'SELECT id FROM ldap_connection WHERE next_run_at IS NOT NULL AND next_run_at <= ? AND lease_until < ?',
      [Date.now(), Date.now()],
    );
    // One slow directory must not keep the others waiting.
    await Promise.all(due.map(({ id }) => this.synchronise(id)));
  }

  async #takeLease(connectionId: number): Promise<boolean> {
    const now = Date.now();
    const taken = await this.database.transaction((transaction) =>
      transaction.run('UPDATE ldap_connection SET lease_owner = ?, lease_until = ? WHERE id = ? AND lease_until < ?', [
        this.#owner,
        now + LEASE_MS,
        connectionId,
        now,
      ]),
    );
    return taken === 1;
  }

  async #run(connectionId: number, options: SynchronisationOptions): Promise<SynchronisationState> {
    const renewal = setInterval(() => {
      this.#renewLease(connectionId).catch((error: unknown) =>
        this.log.warn({ err: error }, 'the lease of a synchronisation could not be renewed'),
      );
    }, LEASE_RENEWAL_MS);
    const startedAtMs = Date.now();
    let last = NEVER_SYNCHRONISED;
    try {
      const connection = await this.connections.find(connectionId);
      if (!connection) throw new LeaseLostError();
      last = this.connections.stateOf(connection);
      const schedule = this.connections.scheduleOf(connection);
      const running = { ...last, status: SynchronisationStatus.RUNNING, startedAtMs, finishedAtMs: null, error: null };
      await this.#record(connectionId, running);
      try {
        const done = await this.#pass(connection, options, running);
        return await this.#finish(connectionId, schedule, { ...done, startedAtMs, finishedAtMs: Date.now() });
      } catch (error) {
        return await this.#finish(connectionId, schedule, this.#failure(connection, last, startedAtMs, error));
      }
    } catch (error) {
      if (!(error instanceof LeaseLostError))
        this.log.error({ err: error }, 'the outcome of a synchronisation could not be written');
      return this.#stateAfter(last, startedAtMs, error);
    } finally {
      clearInterval(renewal);
    }
  }

  #failure(
    connection: LdapConnection,
    last: SynchronisationState,
    startedAtMs: number,
    error: unknown,
  ): SynchronisationState {
    this.log.warn({ err: error, connection: connection.name }, 'synchronisation failed; the last data stays in use');
    return this.#stateAfter(last, startedAtMs, error);
  }

  #stateAfter(last: SynchronisationState, startedAtMs: number, error: unknown): SynchronisationState {
    const shown =
      error instanceof PublicError
        ? { code: error.code, message: error.message }
        : { code: 'INTERNAL_SERVER_ERROR', message: 'Something went wrong on our side; the log tells more.' };
    return {
      ...last,
      status: error instanceof DirectoryShrunkError ? SynchronisationStatus.HELD_BACK : SynchronisationStatus.FAILED,
      startedAtMs,
      finishedAtMs: Date.now(),
      error: shown,
      failures: last.failures + 1,
    };
  }

  async #pass(
    connection: LdapConnection,
    options: SynchronisationOptions,
    running: SynchronisationState,
  ): Promise<SynchronisationState> {
    const recent = connection.fullPassAtMs !== null && Date.now() - connection.fullPassAtMs < FULL_PASS_MS;
    if (!options.full && !options.acceptLoss && connection.changeMark && connection.delegationLoaded && recent) {
      const done = await this.#incrementalPass(connection, running);
      if (done) return done;
    }
    return this.#fullPass(connection, options, running);
  }

  /** Applies what changed to the generation that is read; `undefined` when only a full pass will do. */
  async #incrementalPass(
    connection: LdapConnection,
    running: SynchronisationState,
  ): Promise<SynchronisationState | undefined> {
    const result = await readChanges(
      this.connections.settingsOf(connection),
      connection.changeMark as unknown as ChangeMark,
    );
    if (result.outcome === 'FULL_PASS_NEEDED') {
      this.log.info({ connection: connection.name, reason: result.reason }, 'a full pass is needed');
      return undefined;
    }
    const { upserted, removedIds, mark } = result;
    const outcome = await this.database.transaction(async (transaction) => {
      const current = await this.#lock(transaction, connection);
      const owned = { connection_id: current.id, generation: current.generation };
      if (upserted.length === 0 && removedIds.length === 0) {
        await transaction.run('UPDATE ldap_connection SET change_mark = ? WHERE id = ?', [
          JSON.stringify(mark),
          current.id,
        ]);
        return undefined;
      }
      const transition = await CacheTransition.begin(transaction, this.changes);
      const touched = await applyChanges(transaction, owned, upserted, removedIds);
      const counts = await countRows(transaction, owned);
      refuseLoss(current.people, counts.people);
      await transaction.run('UPDATE ldap_connection SET change_mark = ?, people = ? WHERE id = ?', [
        JSON.stringify(mark),
        counts.people,
        current.id,
      ]);
      return { counts, ...(await transition.complete({ domain: current.domain, touched, everybody: false })) };
    });
    return succeeded(running, SynchronisationKind.INCREMENTAL, outcome);
  }

  /** Reads everything into a generation that nobody sees yet, and switches (rule L3: all or nothing for readers). */
  async #fullPass(
    connection: LdapConnection,
    options: SynchronisationOptions,
    running: SynchronisationState,
  ): Promise<SynchronisationState> {
    await removeOtherGenerations(this.database, connection.id, connection.generation);
    const generation = connection.generation + 1;
    const settings = this.connections.settingsOf(connection);
    let mark: ChangeMark | null = null;
    let toldAtMs = 0;
    const entries = readDirectory(settings, { onMark: (found: ChangeMark | null) => (mark = found) });
    const counts = await writeGeneration(this.database, connection.id, generation, entries, async (soFar) => {
      if (Date.now() - toldAtMs < PROGRESS_MS) return;
      toldAtMs = Date.now();
      await this.#record(connection.id, {
        ...running,
        kind: SynchronisationKind.FULL,
        counts: { ...soFar, unresolved: 0, ambiguous: 0 },
      });
    });
    if (!options.acceptLoss) refuseLoss(connection.people, counts.people);
    const outcome = await this.database.transaction(async (transaction) => {
      const current = await this.#lock(transaction, connection);
      const transition = await CacheTransition.begin(transaction, this.changes);
      await transaction.run(
        'UPDATE ldap_connection SET generation = ?, delegation_loaded = 1, change_mark = ?, people = ?, full_pass_at = ? WHERE id = ?',
        [generation, mark && JSON.stringify(mark), counts.people, Date.now(), current.id],
      );
      return {
        counts,
        ...(await transition.complete({ domain: current.domain, everybody: !current.delegationLoaded })),
      };
    });
    await removeOtherGenerations(this.database, connection.id, generation);
    return succeeded(running, SynchronisationKind.FULL, outcome);
  }

  /**
   * Locks the connections of the domain, so that two of them that finish at once do not both resolve delegations with
   * the other's old data; and makes sure that the work was not taken over and the settings are those it was done with.
   */
  async #lock(transaction: Transaction, connection: LdapConnection): Promise<LdapConnection> {
    await transaction.rows(`SELECT id FROM ldap_connection ORDER BY id${transaction.forUpdate}`);
    const current = await transaction.manager.findOneBy(LdapConnection, { id: connection.id });
    if (current?.leaseOwner !== this.#owner || current.version !== connection.version) throw new LeaseLostError();
    return current;
  }

  async #renewLease(connectionId: number): Promise<void> {
    await this.database.transaction((transaction) =>
      transaction.run('UPDATE ldap_connection SET lease_until = ? WHERE id = ? AND lease_owner = ?', [
        Date.now() + LEASE_MS,
        connectionId,
        this.#owner,
      ]),
    );
  }

  async #finish(connectionId: number, schedule: Schedule, state: SynchronisationState): Promise<SynchronisationState> {
    const now = Date.now();
    // What was changed meanwhile is synchronised at once, with the new settings.
    const next =
      state.error?.code === 'SYNCHRONISATION_TAKEN_OVER'
        ? now
        : state.status === SynchronisationStatus.FAILED
          ? retryAtMs(schedule, state.failures, now)
          : nextRunAtMs(schedule, now);
    await this.#record(connectionId, state, { nextRunAtMs: next });
    return state;
  }

  async #record(
    connectionId: number,
    state: SynchronisationState,
    ended?: { nextRunAtMs: number | null },
  ): Promise<void> {
    await this.database.transaction(async (transaction) => {
      const release = ended ? ', lease_owner = NULL, lease_until = 0, next_run_at = ?' : '';
      await transaction.run(`UPDATE ldap_connection SET state = ?${release} WHERE id = ? AND lease_owner = ?`, [
        JSON.stringify(state),
        ...(ended ? [ended.nextRunAtMs] : []),
        connectionId,
        this.#owner,
      ]);
      await this.changes.append(transaction, [{ topic: topics.directory, kind: 'UPDATED' }]);
    });
  }
}

function refuseLoss(before: number, now: number): void {
  if (before > 0 && now < before / 2) throw new DirectoryShrunkError(before, now);
}

function succeeded(
  running: SynchronisationState,
  kind: SynchronisationKind,
  outcome: (TransitionOutcome & { readonly counts: DirectoryCounts }) | undefined,
): SynchronisationState {
  const counts = outcome
    ? { ...outcome.counts, unresolved: outcome.unresolved, ambiguous: outcome.ambiguous }
    : running.counts;
  return {
    ...running,
    status: SynchronisationStatus.SUCCEEDED,
    kind,
    counts,
    error: null,
    failures: 0,
    succeededAtMs: Date.now(),
  };
}

async function countRows(
  transaction: Transaction,
  owned: { connection_id: number; generation: number },
): Promise<DirectoryCounts> {
  const scope = 'connection_id = ? AND generation = ?';
  const [row] = await transaction.rows<DirectoryCounts>(
    `SELECT (SELECT count(*) FROM directory_entry WHERE ${scope} AND kind = 'PERSON') AS people,
            (SELECT count(*) FROM directory_entry WHERE ${scope} AND kind = 'GROUP') AS \`groups\`,
            (SELECT count(*) FROM directory_entry WHERE ${scope} AND kind = 'CONTACT') AS contacts,
            (SELECT count(*) FROM directory_identifier WHERE ${scope} AND kind = 'ADDRESS') AS addresses,
            (SELECT count(*) FROM directory_delegation WHERE ${scope}) AS delegations`,
    Array.from({ length: 5 }, () => [owned.connection_id, owned.generation]).flat(),
  );
  if (!row) throw new Error('Counting gave no row.');
  return row;
}
