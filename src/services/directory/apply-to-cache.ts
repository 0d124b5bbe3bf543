import type { Transaction } from '../../entities/database.js';
import type { ChangeMark } from '../../ldap/change-mark.js';
import type { DirectoryEntry } from '../../ldap/directory-entry.js';
import { topics } from '../changes/topics.js';
import { CacheTransition, countProblems, endLapsedSessions, lockCache } from './cache-transition.js';
import type { DirectoryCounts } from './cache-writer.js';
import { addCounts, applyChanges, type OwnedRows, planChanges } from './changed-entries.js';
import { type DirectoryPass, refuseLoss } from './directory-pass.js';
import { stateOf, type SynchronisationCounts } from './synchronisation-state.js';

/** What a pass found to be different from the cache. */
export interface FoundChanges {
  readonly upserted: readonly DirectoryEntry[];
  readonly removedIds: readonly string[];
  readonly mark: ChangeMark | null;
  /** What the directory holds, when all of it was read; then everything is derived anew from the rows. */
  readonly counts: DirectoryCounts | null;
}

/** Applies changes to the generation that is read, with all that follows, in one transaction (rule L3). */
export function applyToCache(pass: DirectoryPass, found: FoundChanges): Promise<SynchronisationCounts> {
  const { upserted, removedIds, mark } = found;
  return pass.database.transaction(async (transaction) => {
    await lockCache(transaction);
    const current = await pass.hold(transaction);
    const owned = { connection_id: current.id, generation: current.generation };
    const plan = await planChanges(transaction, owned, upserted, removedIds);
    const known = found.counts ?? stateOf(current).counts;
    const before = known ?? (await countRows(transaction, owned));
    const counts = found.counts ? before : addCounts(before, plan.difference);
    refuseLoss(pass, counts.people);
    const isWhole = found.counts !== null;
    const follows = plan.structural || isWhole;
    const transition = follows ? await CacheTransition.begin(transaction, pass.changes) : undefined;
    await applyChanges(transaction, owned, upserted, removedIds);
    await transaction.run('UPDATE ldap_connection SET change_mark = ?, people = ? WHERE id = ?', [
      mark && JSON.stringify(mark),
      counts.people,
      current.id,
    ]);
    if (isWhole)
      await transaction.run('UPDATE ldap_connection SET delegation_loaded = 1, full_pass_at = ? WHERE id = ?', [
        Date.now(),
        current.id,
      ]);
    if (transition) {
      const { touched, reach } = isWhole ? { touched: undefined, reach: undefined } : plan;
      const everybody = isWhole && !current.delegationLoaded;
      return { ...counts, ...(await transition.complete({ domain: current.domain, touched, reach, everybody })) };
    }
    // Time alone ends the right of accounts that expire (rule L7), and disabling one changes no name.
    const ended = await endLapsedSessions(transaction);
    await pass.changes.append(transaction, [...ended, { topic: topics.directory, kind: 'UPDATED' }]);
    return { ...counts, ...(await countProblems(transaction, current.domain)) };
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
