import { UnavailableError } from '../../errors.js';
import { type SpooledFacts } from './spool-file.js';

/** Where the spool is and how much it takes. */
export interface SpoolSettings {
  /** Folder of the spool; several processes may share it. */
  readonly folder: string;
  /** Most bytes that this process keeps; stops an outage from filling the disk. */
  readonly maxBytes: number;
  /** Most messages that this process keeps; stops an outage from exhausting the folder's entries. */
  readonly maxEntries: number;
  /** Bytes that stay free on the disk for everybody else. */
  readonly minFreeBytes: number;
  /** How long a silent owner of a shared folder counts as alive, ms. */
  readonly leaseMs: number;
}

/** The spool takes nothing at the moment; the gateway is to come back (HTTP 503, SMTP 451). */
export class SpoolFullError extends UnavailableError {
  constructor(reason: string, options?: ErrorOptions) {
    super('SPOOL_FULL', `The spool takes nothing more: ${reason}.`, options);
  }
}

/** A spooled message as it is given to be stored. */
export interface SpooledMessage extends SpooledFacts {
  readonly sizeBytes: number;
  /** The bytes; may be called again. */
  open(): AsyncIterable<Buffer>;
}

/** What the spool holds and how it fares; for /readyz, metrics and administrators. */
export interface SpoolState {
  readonly entries: number;
  readonly bytes: number;
  /** When the oldest message was spooled, ms since 1970 UTC; null when there is none. */
  readonly oldestAtMs: number | null;
  /** Files in the folder "aside" that could not be read, refused to be stored, or were never acknowledged. */
  readonly setAside: number;
  /** Whether the last attempt to spool was refused, and why. */
  readonly lastRefusal: string | null;
  readonly draining: boolean;
}

/** What became of a message that was to be stored: it is, can never be, or is to be tried again while others go on. */
export type StoreResult = 'STORED' | 'SET_ASIDE' | 'LATER';

/** What became of messages that were to be stored together, in their order. */
export interface StoreResults {
  /** Of the first ones; fewer than there were when it had to stop. */
  readonly results: readonly StoreResult[];
  /** Why it had to stop; the others wait for the next time. */
  readonly error?: unknown;
}

/** Stores messages in their order. */
export type StoreTogether = (messages: readonly SpooledMessage[]) => Promise<StoreResults>;

/** How a draining ended: everything stored, or stopped at the first message that could not be. */
export interface DrainOutcome {
  readonly stored: number;
  readonly setAside: number;
  /** How many failed and wait for the next time. */
  readonly later: number;
  readonly remaining: number;
  readonly error: unknown;
}
