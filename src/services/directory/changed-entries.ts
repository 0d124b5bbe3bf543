import type { Transaction } from '../../entities/database.js';
import type { DirectoryEntry } from '../../ldap/directory-entry.js';
import { dnHash, entryRows, ENTRY_TABLES } from './cache-writer.js';
import { inBatches } from './directory-groups.js';

const OWNER_COLUMN: Readonly<Record<string, string>> = {
  directory_entry: 'directory_id',
  directory_identifier: 'directory_id',
  directory_word: 'directory_id',
  directory_member: 'group_id',
  directory_delegation: 'mailbox_id',
};

/**
 * Applies changes to the generation that is read, within one transaction; gives every name and address that an entry had
 * or has now. An entry that was renamed is renamed wherever others name it, because the directory does not send those again.
 */
export async function applyChanges(
  transaction: Transaction,
  owned: { readonly connection_id: number; readonly generation: number },
  upserted: readonly DirectoryEntry[],
  removedIds: readonly string[],
): Promise<string[]> {
  const scope = 'connection_id = ? AND generation = ?';
  const parameters = [owned.connection_id, owned.generation];
  const concerned = [...upserted.map(({ id }) => id), ...removedIds];
  const touched = new Set<string>();
  const oldHashes = new Map<string, string>();
  await inBatches(concerned, async (batch, marks) => {
    const names = await transaction.rows<{ value: string }>(
      `SELECT value FROM directory_identifier WHERE directory_id IN (${marks}) AND ${scope}`,
      [...batch, ...parameters],
    );
    for (const { value } of names) touched.add(value);
    const known = await transaction.rows<{ id: string; hash: string }>(
      `SELECT directory_id AS id, dn_hash AS hash FROM directory_entry WHERE directory_id IN (${marks}) AND ${scope}`,
      [...batch, ...parameters],
    );
    for (const { id, hash } of known) oldHashes.set(id, hash);
    for (const table of ENTRY_TABLES) {
      await transaction.run(`DELETE FROM ${table} WHERE ${OWNER_COLUMN[table]} IN (${marks}) AND ${scope}`, [
        ...batch,
        ...parameters,
      ]);
    }
  });
  for (const entry of upserted) {
    const [before, now] = [oldHashes.get(entry.id), dnHash(entry.dnKey)];
    if (before !== undefined && before !== now) {
      await transaction.run(`UPDATE directory_member SET member_key = ? WHERE member_key = ? AND ${scope}`, [
        now,
        before,
        ...parameters,
      ]);
      await transaction.run(`UPDATE directory_delegation SET value_key = ? WHERE value_key = ? AND ${scope}`, [
        now,
        before,
        ...parameters,
      ]);
    }
  }
  const rows = upserted.map((entry) => entryRows(entry, owned));
  for (const table of ENTRY_TABLES)
    await transaction.insert(
      table,
      rows.flatMap((each) => each[table] ?? []),
    );
  for (const row of rows) for (const { value } of row['directory_identifier'] ?? []) touched.add(String(value));
  return [...touched];
}
