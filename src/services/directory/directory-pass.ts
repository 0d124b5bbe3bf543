import type { Database, Transaction } from '../../entities/database.js';
import type { LdapConnection } from '../../entities/ldap-connection.js';
import { PublicError } from '../../errors.js';
import type { LdapConnectionSettings } from '../../ldap/connection-settings.js';
import type { Logger } from '../../log.js';
import type { ChangeFeed } from '../changes/change-feed.js';
import type { DirectoryCounts } from './cache-writer.js';

/** One reading of a directory into the cache: what it works with. */
export interface DirectoryPass {
  readonly database: Database;
  readonly changes: ChangeFeed;
  readonly log: Logger;
  /** As it was when the pass began. */
  readonly connection: LdapConnection;
  readonly settings: LdapConnectionSettings;
  /** Takes over a result that lost more than half of the people. */
  readonly acceptLoss: boolean;
  /** Aborted when the process stops. */
  readonly signal: AbortSignal;
  /** Locks the connection and gives it as it is now; throws when the work is no longer ours or the settings are others. */
  hold(transaction: Transaction): Promise<LdapConnection>;
  /** Keeps others from changing the connection, not from confirming, and throws as {@link hold} does. */
  confirm(transaction: Transaction): Promise<void>;
  /** Told how much was read so far. */
  progress(counts: DirectoryCounts): Promise<void>;
}

/** The directory lost so much that somebody has to confirm it: an emptied organisational unit must not lock everybody out. */
export class DirectoryShrunkError extends PublicError {
  constructor(before: number, now: number) {
    super(
      'DIRECTORY_SHRUNK',
      `The directory shows ${now} people where it showed ${before}. The last data stays in use; synchronise with acceptLoss to take the new one.`,
      'warn',
    );
  }
}

/** Throws {@link DirectoryShrunkError} when less than half of the people are left, unless that was confirmed. */
export function refuseLoss({ acceptLoss, connection }: DirectoryPass, now: number): void {
  const before = connection.people;
  if (!acceptLoss && before > 0 && now < before / 2) throw new DirectoryShrunkError(before, now);
}
