import { randomUUID } from 'node:crypto';
import type { Database, Transaction } from '../../entities/database.js';
import type { LdapConnection } from '../../entities/ldap-connection.js';
import { PublicError } from '../../errors.js';
import type { Logger } from '../../log.js';
import { recordAudit } from '../audit/audit-log.js';
import type { ChangeFeed } from '../changes/change-feed.js';
import { topics } from '../changes/topics.js';
import type { ChangeAuthor } from '../settings/personal-backup-settings-service.js';
import { type LdapConnections, subjectOf } from './connections.js';
import { type DirectoryPass, DirectoryShrunkError } from './directory-pass.js';
import { fullPass } from './full-pass.js';
import { canBeIncremental, incrementalPass } from './incremental-pass.js';
import { nextRunAtMs, retryAtMs } from './schedule.js';
import { LeaseLostError, SettingsChangedError, SynchronisationLease } from './synchronisation-lease.js';
import {
  NEVER_SYNCHRONISED,
  stateOf,
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

interface Work {
  /** False when another process is at it. */
  readonly begun: Promise<boolean>;
  readonly done: Promise<SynchronisationState | undefined>;
}

// How often due connections are looked for.
const TICK_MS = 5_000;
// Progress of a pass is told at most so often.
const PROGRESS_MS = 1_000;

/** Keeps the LDAP cache true: one synchronisation of a connection at a time, over all processes (rules L2, L3). */
export class DirectorySynchronisation {
  readonly #owner = randomUUID();
  readonly #running = new Map<number, Work>();
  readonly #stopping = new AbortController();
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly database: Database,
    private readonly changes: ChangeFeed,
    private readonly connections: LdapConnections,
    /** How long deletions may go unnoticed where a directory does not show them, ms. */
    private readonly blindMs: number,
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

  /** Starts nothing new and breaks off what runs; it is due again at once, for whoever comes next. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#stopping.abort(new LeaseLostError());
    await Promise.allSettled([...this.#running.values()].map(({ done }) => done));
  }

  /**
   * Synchronises one connection now; `undefined` when another process is at it. Never throws for the directory's faults:
   * they are in the state. With an author it is audited.
   */
  async synchronise(
    connectionId: number,
    options: SynchronisationOptions = {},
    author?: ChangeAuthor,
  ): Promise<SynchronisationState | undefined> {
    const running = this.#running.get(connectionId);
    if (running) return running.done;
    const work = this.#begin(connectionId, options);
    if (author && (await work.begun)) await this.#audit(connectionId, options, author);
    return work.done;
  }

  /** Starts a synchronisation and does not wait for its end; false when one runs already. With an author it is audited. */
  async begin(connectionId: number, options: SynchronisationOptions = {}, author?: ChangeAuthor): Promise<boolean> {
    if (this.#running.has(connectionId) || this.#stopping.signal.aborted) return false;
    const begun = await this.#begin(connectionId, options).begun;
    if (begun && author) await this.#audit(connectionId, options, author);
    return begun;
  }

  async #audit(connectionId: number, options: SynchronisationOptions, author: ChangeAuthor): Promise<void> {
    const connection = await this.connections.find(connectionId);
    if (!connection) return;
    await this.database.transaction((transaction) =>
      recordAudit(transaction, {
        ...author,
        event: 'DIRECTORY_SYNCHRONIZE',
        outcome: 'DONE',
        subject: subjectOf(connection.name),
        details: { ...options },
      }),
    );
  }

  #begin(connectionId: number, options: SynchronisationOptions): Work {
    const lease = SynchronisationLease.take(this.database, connectionId, this.#owner);
    const done = lease
      .then((held) => held && this.#run(held, options))
      .finally(() => this.#running.delete(connectionId));
    const begun = lease.then((held) => held !== undefined);
    // Whoever waits for one of the two hears of it.
    for (const each of [done, begun]) each.catch(() => undefined);
    const work = { begun, done };
    this.#running.set(connectionId, work);
    return work;
  }

  async #runDue(): Promise<void> {
    if (this.#stopping.signal.aborted) return;
    const due = await this.database.rows<{ id: number }>(
      'SELECT id FROM ldap_connection WHERE next_run_at IS NOT NULL AND next_run_at <= ? AND lease_until < ?',
      [Date.now(), Date.now()],
    );
    // One slow directory must not keep the others waiting.
    await Promise.all(due.map(({ id }) => this.synchronise(id)));
  }

  async #run(lease: SynchronisationLease, options: SynchronisationOptions): Promise<SynchronisationState> {
    const letGo = lease.keep((error) =>
      this.log.warn({ err: error }, 'the lease of a synchronisation could not be renewed'),
    );
    const startedAtMs = Date.now();
    try {
      for (;;) {
        try {
          return await this.#attempt(lease, options, startedAtMs);
        } catch (error) {
          // With the new settings from the start.
          if (!(error instanceof SettingsChangedError)) throw error;
        }
      }
    } catch (error) {
      if (!(error instanceof LeaseLostError))
        this.log.error({ err: error }, 'the outcome of a synchronisation could not be written');
      return failed(NEVER_SYNCHRONISED, startedAtMs, error);
    } finally {
      letGo();
    }
  }

  async #attempt(
    lease: SynchronisationLease,
    options: SynchronisationOptions,
    startedAtMs: number,
  ): Promise<SynchronisationState> {
    const connection = await this.connections.find(lease.connectionId);
    if (!connection) throw new LeaseLostError();
    const last = settled(stateOf(connection));
    const running = { ...last, status: SynchronisationStatus.RUNNING, startedAtMs, finishedAtMs: null, error: null };
    await this.#record(lease, running);
    let state: SynchronisationState;
    try {
      state = { ...(await this.#pass(lease, connection, running, options)), finishedAtMs: Date.now() };
    } catch (error) {
      if (error instanceof LeaseLostError || error instanceof SettingsChangedError) {
        if (this.#stopping.signal.aborted) await this.#record(lease, last, { nextRunAtMs: Date.now() });
        throw error;
      }
      this.log.warn({ err: error, connection: connection.name }, 'synchronisation failed; the last data stays in use');
      state = failed(last, startedAtMs, error);
    }
    await this.database.transaction(async (transaction) => {
      // Throws when the settings were changed after they were looked at last, so that the new ones do not have to wait.
      const current = await lease.hold(transaction, connection);
      const schedule = this.connections.scheduleOf(current);
      const now = Date.now();
      const isFailure = state.status === SynchronisationStatus.FAILED;
      const nextMs = isFailure ? retryAtMs(schedule, state.failures, now) : nextRunAtMs(schedule, now);
      await this.#write(transaction, lease, state, { nextRunAtMs: nextMs });
    });
    return state;
  }

  async #pass(
    lease: SynchronisationLease,
    connection: LdapConnection,
    running: SynchronisationState,
    options: SynchronisationOptions,
  ): Promise<SynchronisationState> {
    let toldAtMs = 0;
    const pass: DirectoryPass = {
      database: this.database,
      changes: this.changes,
      log: this.log,
      connection,
      settings: this.connections.settingsOf(connection),
      acceptLoss: options.acceptLoss ?? false,
      signal: this.#stopping.signal,
      hold: (transaction) => lease.hold(transaction, connection),
      confirm: (transaction) => lease.confirm(transaction, connection),
      progress: async (counts) => {
        if (Date.now() - toldAtMs < PROGRESS_MS) return;
        toldAtMs = Date.now();
        await this.#record(lease, { ...running, kind: SynchronisationKind.FULL, progress: { ...counts } });
      },
    };
    const done = (kind: SynchronisationKind, counts: SynchronisationState['counts']): SynchronisationState => ({
      ...running,
      status: SynchronisationStatus.SUCCEEDED,
      kind,
      succeededAtMs: Date.now(),
      counts,
      progress: null,
      failures: 0,
    });
    if (!options.full && !options.acceptLoss && canBeIncremental(pass, Date.now())) {
      const counts = await incrementalPass(pass, this.blindMs);
      if (counts !== undefined) return done(SynchronisationKind.INCREMENTAL, counts);
    }
    return done(SynchronisationKind.FULL, await fullPass(pass));
  }

  #record(lease: SynchronisationLease, state: SynchronisationState, ended?: { nextRunAtMs: number | null }) {
    return this.database.transaction((transaction) => this.#write(transaction, lease, state, ended));
  }

  async #write(
    transaction: Transaction,
    lease: SynchronisationLease,
    state: SynchronisationState,
    ended?: { nextRunAtMs: number | null },
  ): Promise<void> {
    if (await lease.record(transaction, state, ended))
      await this.changes.append(transaction, [{ topic: topics.directory, kind: 'UPDATED' }]);
  }
}

/** What the state was before a run that never came to its end. */
function settled(state: SynchronisationState): SynchronisationState {
  if (state.status !== SynchronisationStatus.RUNNING) return { ...state, progress: null };
  const status =
    state.failures > 0
      ? SynchronisationStatus.FAILED
      : state.succeededAtMs === null
        ? SynchronisationStatus.NEVER
        : SynchronisationStatus.SUCCEEDED;
  return { ...state, status, progress: null };
}

function failed(last: SynchronisationState, startedAtMs: number, error: unknown): SynchronisationState {
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
