import type { ChangeMark } from '../../ldap/change-mark.js';
import type { DirectoryEntry } from '../../ldap/directory-entry.js';
import { readDirectory } from '../../ldap/read-directory.js';
import { applyToCache } from './apply-to-cache.js';
import { CacheTransition } from './cache-transition.js';
import { contentHash, countEntry, noCounts, removeOtherGenerations, writeGeneration } from './cache-writer.js';
import { type DirectoryPass, refuseLoss } from './directory-pass.js';
import type { SynchronisationCounts } from './synchronisation-state.js';

// So many differences are applied in one transaction; more go into a new generation, so that writers of other things get their turn.
const MAX_DIFFERENCES = 2_000;

/** Reads everything. What differs from the cache is applied in one step; if that is much, or all, it becomes a new generation (rule L3). */
export async function fullPass(pass: DirectoryPass): Promise<SynchronisationCounts> {
  const { connection } = pass;
  await removeOtherGenerations(pass.database, connection.id, connection.generation, pass.confirm.bind(pass));
  return (connection.fullPassAtMs !== null && (await compare(pass))) || replace(pass);
}

/** Reads everything and applies what differs from the cache; `undefined` when too much does. */
async function compare(pass: DirectoryPass): Promise<SynchronisationCounts | undefined> {
  const { connection, database } = pass;
  const rows = await database.rows<{ id: string; hash: string }>(
    'SELECT directory_id AS id, content_hash AS hash FROM directory_entry WHERE connection_id = ? AND generation = ?',
    [connection.id, connection.generation],
  );
  // About 150 bytes each: 15 MiB for 100,000 entries.
  const missing = new Map(rows.map(({ id, hash }) => [id, hash]));
  const upserted: DirectoryEntry[] = [];
  const counts = noCounts();
  const reading = new Reading(pass);
  for await (const entry of reading.entries()) {
    countEntry(counts, entry);
    if (missing.get(entry.id) !== contentHash(entry)) upserted.push(entry);
    missing.delete(entry.id);
    if (upserted.length > MAX_DIFFERENCES) return undefined;
  }
  refuseLoss(pass, counts.people);
  if (missing.size > MAX_DIFFERENCES) return undefined;
  return applyToCache(pass, { upserted, removedIds: [...missing.keys()], mark: reading.mark, counts });
}

/** Reads everything into a generation that nobody sees yet, and switches to it in one step. */
async function replace(pass: DirectoryPass): Promise<SynchronisationCounts> {
  const { database, connection } = pass;
  const confirm = pass.confirm.bind(pass);
  const owned = { connection_id: connection.id, generation: connection.generation + 1 };
  const reading = new Reading(pass);
  const progress = pass.progress.bind(pass);
  const counts = await writeGeneration(database, owned, reading.entries(), { confirm, progress });
  refuseLoss(pass, counts.people);
  const outcome = await database.transaction(async (transaction) => {
    const transition = await CacheTransition.begin(transaction, pass.changes);
    const current = await pass.hold(transaction);
    await transaction.run(
      'UPDATE ldap_connection SET generation = ?, delegation_loaded = 1, change_mark = ?, people = ?, full_pass_at = ? WHERE id = ?',
      [owned.generation, reading.mark && JSON.stringify(reading.mark), counts.people, Date.now(), current.id],
    );
    return transition.complete({ domain: current.domain, everybody: !current.delegationLoaded });
  });
  await removeOtherGenerations(database, connection.id, owned.generation, confirm);
  return { ...counts, ...outcome };
}

/** One reading of the whole directory, which logs what could not be used. */
class Reading {
  mark: ChangeMark | null = null;

  constructor(private readonly pass: DirectoryPass) {}

  async *entries(): AsyncGenerator<DirectoryEntry> {
    const { settings, signal, log, connection } = this.pass;
    const skipped = new Map<string, number>();
    yield* readDirectory(settings, {
      signal,
      onMark: (found) => (this.mark = found),
      onSkipped: (reason) => skipped.set(reason, (skipped.get(reason) ?? 0) + 1),
    });
    for (const [reason, number] of skipped)
      log.warn({ connection: connection.name, reason, number }, 'entries of the directory could not be used');
  }
}
