import type { Transaction } from '../../entities/database.js';
import type { ChangeMark } from '../../ldap/change-mark.js';
import { readChanges } from '../../ldap/read-changes.js';
import { readEntriesById } from '../../ldap/read-entries.js';
import { CacheTransition, endLapsedSessions } from './cache-transition.js';
import type { DirectoryCounts } from './cache-writer.js';
import { addCounts, applyChanges, holdersOfStaleNames, type OwnedRows } from './changed-entries.js';
import { type DirectoryPass, refuseLoss } from './directory-pass.js';
import { stateOf, type SynchronisationCounts } from './synchronisation-state.js';

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
): Promise<SynchronisationCounts | null | undefined> {
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
  if (upserted.length === 0 && removedIds.length === 0) return nothingChanged(pass, mark);
  return database.transaction(async (transaction) => {
    const transition = await CacheTransition.begin(transaction, pass.changes);
    const current = await pass.hold(transaction);
    const known = stateOf(current).counts;
    const { touched, difference } = await applyChanges(transaction, owned, upserted, removedIds);
    const counts = known ? addCounts(known, difference) : await countRows(transaction, owned);
    refuseLoss(pass, counts.people);
    await transaction.run('UPDATE ldap_connection SET change_mark = ?, people = ? WHERE id = ?', [
      JSON.stringify(mark),
      counts.people,
      current.id,
    ]);
    return { ...counts, ...(await transition.complete({ domain: current.domain, touched, everybody: false })) };
  });
}

function nothingChanged(pass: DirectoryPass, mark: ChangeMark): Promise<SynchronisationCounts | null> {
  return pass.database.transaction(async (transaction) => {
    const current = await pass.hold(transaction);
    await transaction.run('UPDATE ldap_connection SET change_mark = ? WHERE id = ?', [
      JSON.stringify(mark),
      current.id,
    ]);
    // Time alone ends the right of accounts that expire (rule L7).
    await pass.changes.append(transaction, await endLapsedSessions(transaction));
    return stateOf(current).counts;
  });
}

async function countRows(transaction: Transaction, owned: OwnedRows): Promise<DirectoryCounts> {
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
