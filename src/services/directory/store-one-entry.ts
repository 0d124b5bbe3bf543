import type { Database } from '../../entities/database.js';
import { LdapConnection } from '../../entities/ldap-connection.js';
import type { DirectoryEntry } from '../../ldap/directory-entry.js';
import type { ChangeFeed } from '../changes/change-feed.js';
import { CacheTransition } from './cache-transition.js';
import { dnHash } from './cache-writer.js';
import { addCounts, applyChanges, planChanges } from './changed-entries.js';
import { stateOf } from './synchronisation-state.js';

/** Writes one entry into the cache between two synchronisations, with everything that follows from it. */
export async function storeOneEntry(
  database: Database,
  changes: ChangeFeed,
  connection: LdapConnection,
  entry: DirectoryEntry,
): Promise<void> {
  await database.transaction(async (transaction) => {
    const transition = await CacheTransition.begin(transaction, changes);
    const current = await transaction.manager.findOneBy(LdapConnection, { id: connection.id });
    // Deleted, or made for another directory, while the directory was asked.
    if (current?.domain !== connection.domain) return;
    const owned = { connection_id: current.id, generation: current.generation };
    const [known] = await transaction.rows<{ hash: string }>(
      'SELECT dn_hash AS hash FROM directory_entry WHERE directory_id = ? AND connection_id = ? AND generation = ?',
      [entry.id, owned.connection_id, owned.generation],
    );
    // Another name changes what groups and mailboxes hold, too: that is for the synchronisation, which sees it as a change.
    if (known && known.hash !== dnHash(entry.dnKey)) return;
    const { touched, reach, difference } = await planChanges(transaction, owned, [entry], []);
    await applyChanges(transaction, owned, [entry], []);
    const state = stateOf(current);
    const counts = state.counts && { ...state.counts, ...addCounts(state.counts, difference) };
    await transaction.run('UPDATE ldap_connection SET people = people + ?, state = ? WHERE id = ?', [
      difference.people,
      JSON.stringify({ ...state, counts }),
      current.id,
    ]);
    await transition.complete({ domain: current.domain, touched, reach, everybody: false });
  });
}
