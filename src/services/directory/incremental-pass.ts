import type { ChangeMark } from '../../ldap/change-mark.js';
import { readChanges } from '../../ldap/read-changes.js';
import { readEntriesById } from '../../ldap/read-entries.js';
import { applyToCache } from './apply-to-cache.js';
import { holdersOfStaleNames } from './changed-entries.js';
import type { DirectoryPass } from './directory-pass.js';
import type { SynchronisationCounts } from './synchronisation-state.js';

// Deletions that a directory shows are taken over at once; a full pass is made at least so often all the same.
const FULL_PASS_MS = 24 * 60 * 60_000;
// More entries than this to read anew make a full pass cheaper.
const MAX_HOLDERS = 1_000;

/** Whether the cache can be brought up to date by changes alone: it is complete, with these settings, and its last full pass is recent. */
export function canBeIncremental({ connection }: DirectoryPass, now: number): boolean {
  const { changeMark, delegationLoaded, fullPassAtMs } = connection;
  return changeMark !== null && delegationLoaded && fullPassAtMs !== null && now - fullPassAtMs < FULL_PASS_MS;
}

/**
 * Applies what changed to the generation that is read; `undefined` when only a full pass will do. Where the directory does
 * not show deletions, that is the case when the last full pass is `blindMs` ago. Its cost follows the number of changes.
 */
export async function incrementalPass(
  pass: DirectoryPass,
  blindMs: number,
): Promise<SynchronisationCounts | undefined> {
  const { connection, settings, database } = pass;
  const owned = { connection_id: connection.id, generation: connection.generation };
  const since = connection.changeMark as unknown as ChangeMark;
  const result = await readChanges(settings, since);
  const needsFullPass = (reason: string) => {
    pass.log.info({ connection: connection.name, reason }, 'a full pass is needed');
    return undefined;
  };
  if (result.outcome === 'FULL_PASS_NEEDED') return needsFullPass(result.reason);
  if (!result.deletionsSeen && Date.now() - (connection.fullPassAtMs ?? 0) >= blindMs)
    return needsFullPass('DELETIONS_NOT_SHOWN');
  const { removedIds, mark } = result;
  const holders = await holdersOfStaleNames(database, owned, result.upserted, removedIds);
  if (holders.length > MAX_HOLDERS) return needsFullPass('TOO_MANY_CHANGES');
  const server = since.kind === 'USN' ? { preferServer: since.server } : {};
  const upserted = [...result.upserted, ...(await readEntriesById(settings, holders, server))];
  return applyToCache(pass, { upserted, removedIds, mark, counts: null });
}
