import type { ChangeMark } from '../../ldap/change-mark.js';
import { readDirectory } from '../../ldap/read-directory.js';
import { CacheTransition } from './cache-transition.js';
import { removeOtherGenerations, writeGeneration } from './cache-writer.js';
import { type DirectoryPass, refuseLoss } from './directory-pass.js';
import type { SynchronisationCounts } from './synchronisation-state.js';

/** Reads everything into a generation that nobody sees yet, and switches to it in one step (rule L3: all or nothing for readers). */
export async function fullPass(pass: DirectoryPass): Promise<SynchronisationCounts> {
  const { database, connection, settings, signal } = pass;
  const hold = pass.hold.bind(pass);
  await removeOtherGenerations(database, connection.id, connection.generation, hold);
  const owned = { connection_id: connection.id, generation: connection.generation + 1 };
  const skipped = new Map<string, number>();
  let mark: ChangeMark | null = null;
  const entries = readDirectory(settings, {
    signal,
    onMark: (found) => (mark = found),
    onSkipped: (reason) => skipped.set(reason, (skipped.get(reason) ?? 0) + 1),
  });
  const counts = await writeGeneration(database, owned, entries, { hold, progress: pass.progress.bind(pass) });
  for (const [reason, number] of skipped)
    pass.log.warn({ connection: connection.name, reason, number }, 'entries of the directory could not be used');
  refuseLoss(pass, counts.people);
  const outcome = await database.transaction(async (transaction) => {
    const transition = await CacheTransition.begin(transaction, pass.changes);
    const current = await pass.hold(transaction);
    await transaction.run(
      'UPDATE ldap_connection SET generation = ?, delegation_loaded = 1, change_mark = ?, people = ?, full_pass_at = ? WHERE id = ?',
      [owned.generation, mark && JSON.stringify(mark), counts.people, Date.now(), current.id],
    );
    return transition.complete({ domain: current.domain, everybody: !current.delegationLoaded });
  });
  await removeOtherGenerations(database, connection.id, owned.generation, hold);
  return { ...counts, ...outcome };
}
