import type { Database, Transaction } from '../../entities/database.js';
import type { DirectoryEntry } from '../../ldap/directory-entry.js';
import { countEntry, type DirectoryCounts, dnHash, entryRows, ENTRY_TABLES, noCounts } from './cache-writer.js';
import { inBatches } from './directory-groups.js';

/** The rows that a change is applied to. */
export interface OwnedRows {
  readonly connection_id: number;
  readonly generation: number;
}

/** What a change of entries brought. */
export interface AppliedChanges {
  /** Every name and address that an entry had or has now. */
  readonly touched: readonly string[];
  /** How much more, or less, the cache holds of each. */
  readonly difference: DirectoryCounts;
}

const OWNER_COLUMN: Readonly<Record<(typeof ENTRY_TABLES)[number], string>> = {
  directory_entry: 'directory_id',
  directory_identifier: 'directory_id',
  directory_word: 'directory_id',
  directory_member: 'group_id',
  directory_delegation: 'mailbox_id',
};

const SCOPE = 'connection_id = ? AND generation = ?';

/**
 * Groups and mailboxes that name an entry which has another name now, or is gone. Directories change or drop such links
 * without giving the holder a change number, but only where the attribute is a link, so they have to be read anew.
 */
export async function holdersOfStaleNames(
  database: Database,
  owned: OwnedRows,
  upserted: readonly DirectoryEntry[],
  removedIds: readonly string[],
): Promise<string[]> {
  const scope = [owned.connection_id, owned.generation];
  const present = new Map(upserted.map(({ id, dnKey }) => [id, dnHash(dnKey)]));
  const stale: string[] = [];
  await inBatches([...present.keys(), ...removedIds], async (batch, marks) => {
    const rows = await database.rows<{ id: string; hash: string }>(
      `SELECT directory_id AS id, dn_hash AS hash FROM directory_entry WHERE directory_id IN (${marks}) AND ${SCOPE}`,
      [...batch, ...scope],
    );
    for (const { id, hash } of rows) if (present.get(id) !== hash) stale.push(hash);
  });
  const holders = new Set<string>();
  await inBatches(stale, async (batch, marks) => {
    const rows = await database.rows<{ id: string }>(
      `SELECT group_id AS id FROM directory_member WHERE member_key IN (${marks}) AND ${SCOPE}
        UNION SELECT mailbox_id AS id FROM directory_delegation WHERE value_key IN (${marks}) AND ${SCOPE}`,
      [...batch, ...scope, ...batch, ...scope],
    );
    for (const { id } of rows) if (!present.has(id)) holders.add(id);
  });
  for (const id of removedIds) holders.delete(id);
  return [...holders];
}

/** Applies changes to the generation that is read, within one transaction. */
export async function applyChanges(
  transaction: Transaction,
  owned: OwnedRows,
  upserted: readonly DirectoryEntry[],
  removedIds: readonly string[],
): Promise<AppliedChanges> {
  const scope = [owned.connection_id, owned.generation];
  const touched = new Set<string>();
  const before = noCounts();
  await inBatches([...upserted.map(({ id }) => id), ...removedIds], async (batch, marks) => {
    const names = await transaction.rows<{ value: string; kind: string }>(
      `SELECT value, kind FROM directory_identifier WHERE directory_id IN (${marks}) AND ${SCOPE}`,
      [...batch, ...scope],
    );
    for (const { value, kind } of names) {
      touched.add(value);
      if (kind === 'ADDRESS') before.addresses += 1;
    }
    const kinds = await transaction.rows<{ kind: DirectoryEntry['kind'] }>(
      `SELECT kind FROM directory_entry WHERE directory_id IN (${marks}) AND ${SCOPE}`,
      [...batch, ...scope],
    );
    for (const { kind } of kinds) before[kind === 'PERSON' ? 'people' : kind === 'GROUP' ? 'groups' : 'contacts'] += 1;
    for (const table of ENTRY_TABLES) {
      const removed = await transaction.run(
        `DELETE FROM ${table} WHERE ${OWNER_COLUMN[table]} IN (${marks}) AND ${SCOPE}`,
        [...batch, ...scope],
      );
      if (table === 'directory_delegation') before.delegations += removed;
    }
  });
  const after = noCounts();
  const rows = upserted.map((entry) => {
    const each = entryRows(entry, owned);
    countEntry(after, entry, each);
    return each;
  });
  for (const table of ENTRY_TABLES)
    await transaction.insert(
      table,
      rows.flatMap((each) => each[table] ?? []),
    );
  for (const row of rows) for (const { value } of row['directory_identifier'] ?? []) touched.add(String(value));
  return {
    touched: [...touched],
    difference: addCounts(after, before, -1),
  };
}

/** One count with another one added, or taken away with the factor -1. */
export const addCounts = (one: DirectoryCounts, other: DirectoryCounts, factor: 1 | -1 = 1): DirectoryCounts => ({
  people: one.people + factor * other.people,
  groups: one.groups + factor * other.groups,
  contacts: one.contacts + factor * other.contacts,
  addresses: one.addresses + factor * other.addresses,
  delegations: one.delegations + factor * other.delegations,
});
