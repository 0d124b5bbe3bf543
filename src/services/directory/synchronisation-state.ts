import type { LdapConnection } from '../../entities/ldap-connection.js';
import type { DirectoryCounts } from './cache-writer.js';

/** How far or how a synchronisation went. */
export enum SynchronisationStatus {
  NEVER = 'NEVER',
  RUNNING = 'RUNNING',
  SUCCEEDED = 'SUCCEEDED',
  FAILED = 'FAILED',
  HELD_BACK = 'HELD_BACK',
}

/** Whether everything was read, or only what changed. */
export enum SynchronisationKind {
  FULL = 'FULL',
  INCREMENTAL = 'INCREMENTAL',
}

/** What the cache of a connection holds, and what was found in it. */
export interface SynchronisationCounts extends DirectoryCounts {
  /** Names in delegation attributes that lead to nobody (rule L6). */
  readonly unresolved: number;
  /** Accounts whose names or addresses clash, over all connections (rule V8). */
  readonly ambiguous: number;
}

/** The last synchronisation of a connection; kept with it as JSON. */
export interface SynchronisationState {
  readonly status: SynchronisationStatus;
  readonly kind: SynchronisationKind | null;
  readonly startedAtMs: number | null;
  readonly finishedAtMs: number | null;
  /** When the cache was last brought up to date. */
  readonly succeededAtMs: number | null;
  /** Of the last success. */
  readonly counts: SynchronisationCounts | null;
  /** What a full pass that runs has read so far. */
  readonly progress: DirectoryCounts | null;
  /** Why the last one failed or was held back. */
  readonly error: { readonly code: string; readonly message: string } | null;
  /** Failures in a row; the delay before the next try grows with them. */
  readonly failures: number;
}

/** Before the first synchronisation. */
export const NEVER_SYNCHRONISED: SynchronisationState = {
  status: SynchronisationStatus.NEVER,
  kind: null,
  startedAtMs: null,
  finishedAtMs: null,
  succeededAtMs: null,
  counts: null,
  progress: null,
  error: null,
  failures: 0,
};

/** How the last synchronisation of a connection went. */
export const stateOf = ({ state }: Pick<LdapConnection, 'state'>): SynchronisationState => ({
  ...NEVER_SYNCHRONISED,
  ...(state as Partial<SynchronisationState>),
});
