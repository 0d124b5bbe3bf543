import type { Database, Transaction } from '../../entities/database.js';
import type { DirectoryEntry } from '../../ldap/directory-entry.js';
import {
  countEntry,
  type DirectoryCounts,
  dnHash,
  entryRows,
  ENTRY_TABLES,
  nameMemberKey,
  noCounts,
  primaryGroupKey,
  readKeys,
} from './cache-writer.js';
import { inBatches } from './directory-groups.js';

/** The rows that a change is applied to. */
export interface OwnedRows {
  readonly connection_id: number;
  readonly generation: number;
}

/** What a change of entries brings. */
export interface ChangePlan {
  /** Names and addresses that somebody has from then on and had not, or the other way round. */
  readonly touched: readonly string[];
  /** Whether names, members or delegates change, on which access and roles rest; the rest is for show. */
  readonly structural: boolean;
  readonly reach: ChangeReach;
  /** How much more, or less, the cache will hold of each. */
  readonly difference: DirectoryCounts;
}

/** Where the consequences of a change begin. */
export interface ChangeReach {
  /** By what groups and mailboxes may name entries that changed, as they were and as they are. */
  readonly keys: readonly string[];
  /** Entries whose own names, members or delegates changed. */
  readonly ids: readonly string[];
}

const OWNER_COLUMN = {
  directory_entry: 'directory_id',
  directory_member: 'group_id',
  directory_delegation: 'mailbox_id',
};

const SCOPE = 'connection_id = ? AND generation = ?';

const KEY_COLUMNS = 'address_keys AS addressKeys, name_keys AS nameKeys, words';

interface KeyColumns {
  readonly addressKeys: string;
  readonly nameKeys: string;
  readonly words: string;
}

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

/** Compares changes with the generation that is read, before they are applied. */
export async function planChanges(
  transaction: Transaction,
  owned: OwnedRows,
  upserted: readonly DirectoryEntry[],
  removedIds: readonly string[],
): Promise<ChangePlan> {
  const before = new Structure();
  const removed = noCounts();
  await inBatches([...upserted.map(({ id }) => id), ...removedIds], async (batch, marks) => {
    const read = <Row>(table: keyof typeof OWNER_COLUMN, columns: string) =>
      transaction.rows<Row & { id: string }>(
        `SELECT ${OWNER_COLUMN[table]} AS id, ${columns} FROM ${table} WHERE ${OWNER_COLUMN[table]} IN (${marks}) AND ${SCOPE}`,
        [...batch, owned.connection_id, owned.generation],
      );
    const entries = await read<KeyColumns & Pick<DirectoryEntry, 'kind' | 'primaryGroup'> & { hash: string }>(
      'directory_entry',
      `kind, dn_hash AS hash, primary_group AS primaryGroup, ${KEY_COLUMNS}`,
    );
    for (const { id, kind, hash, primaryGroup, addressKeys, nameKeys } of entries) {
      before.key(id, kind, hash);
      if (primaryGroup !== null) before.key(id, kind, primaryGroupKey(primaryGroup));
      const addresses = readKeys(addressKeys);
      for (const value of [...addresses, ...readKeys(nameKeys)]) before.name(id, kind, value);
      removed[kind === 'PERSON' ? 'people' : kind === 'GROUP' ? 'groups' : 'contacts'] += 1;
      removed.addresses += addresses.length;
    }
    const members = await read<{ name: string }>('directory_member', 'member_key AS name');
    for (const { id, name } of members) before.add(id, `member ${name}`);
    const delegates = await read<{ name: string }>('directory_delegation', 'value_key AS name');
    for (const { id, name } of delegates) before.add(id, `delegate ${name}`);
    removed.delegations += delegates.length;
  });
  const after = new Structure();
  const added = noCounts();
  for (const entry of upserted) {
    countEntry(added, entry);
    const rows = entryRows(entry, owned);
    after.key(entry.id, entry.kind, dnHash(entry.dnKey));
    if (entry.primaryGroup !== null) after.key(entry.id, entry.kind, primaryGroupKey(entry.primaryGroup));
    for (const { value } of rows['directory_identifier'] ?? []) after.name(entry.id, entry.kind, String(value));
    for (const { member_key: name } of rows['directory_member'] ?? []) after.add(entry.id, `member ${String(name)}`);
    for (const { value_key: name } of rows['directory_delegation'] ?? [])
      after.add(entry.id, `delegate ${String(name)}`);
  }
  const { touched, ids, keys } = before.compare(after);
  // Delegations are judged anew whenever their rows are written, for the judgement stands in them.
  const rewritten = upserted.filter(({ delegations }) => delegations.length > 0).map(({ id }) => id);
  return {
    touched,
    structural: ids.length > 0 || rewritten.length > 0,
    reach: { keys, ids: [...new Set([...ids, ...rewritten])] },
    difference: addCounts(added, removed, -1),
  };
}

/** Applies changes to the generation that is read. */
export async function applyChanges(
  transaction: Transaction,
  owned: OwnedRows,
  upserted: readonly DirectoryEntry[],
  removedIds: readonly string[],
): Promise<void> {
  const scope = [owned.connection_id, owned.generation];
  await inBatches([...upserted.map(({ id }) => id), ...removedIds], async (ids, idMarks) => {
    const known = await transaction.rows<KeyColumns>(
      `SELECT ${KEY_COLUMNS} FROM directory_entry WHERE directory_id IN (${idMarks}) AND ${SCOPE}`,
      [...ids, ...scope],
    );
    const remove = (table: string, column: string, values: readonly string[]) =>
      inBatches(values, async (batch, marks) => {
        // By their values: coalesce keeps the databases from looking for each value with each owner.
        const condition = `${column} IN (${marks}) AND coalesce(directory_id, '') IN (${idMarks})`;
        await transaction.run(`DELETE FROM ${table} WHERE ${SCOPE} AND ${condition}`, [...scope, ...batch, ...ids]);
      });
    const values = known.flatMap(({ addressKeys, nameKeys }) => [...readKeys(addressKeys), ...readKeys(nameKeys)]);
    await remove('directory_identifier', 'value', values);
    const words = known.flatMap((row) => readKeys(row.words));
    await remove('directory_word', 'word', words);
    for (const [table, column] of Object.entries(OWNER_COLUMN))
      await transaction.run(`DELETE FROM ${table} WHERE ${column} IN (${idMarks}) AND ${SCOPE}`, [...ids, ...scope]);
  });
  const rows = upserted.map((entry) => entryRows(entry, owned));
  for (const table of ENTRY_TABLES)
    await transaction.insert(
      table,
      rows.flatMap((each) => each[table] ?? []),
    );
}

/** What access, roles and clashes rest on. */
class Structure {
  /** By entry: what access and roles rest on. */
  readonly #facts = new Map<string, Set<string>>();
  /** By entry: by what groups and mailboxes may name it. */
  readonly #keys = new Map<string, Set<string>>();
  readonly #names = new Map<string, string>();

  add(id: string, fact: string): void {
    collect(this.#facts, id, fact);
  }

  key(id: string, kind: string, key: string): void {
    this.add(id, `${kind} ${key}`);
    collect(this.#keys, id, key);
  }

  name(id: string, kind: string, value: string): void {
    this.key(id, kind, nameMemberKey(value));
    this.#names.set(`${id} ${kind} ${value}`, value);
  }

  compare(other: Structure): { touched: string[]; ids: string[]; keys: string[] } {
    const touched = new Set<string>();
    for (const [fact, value] of this.#names) if (!other.#names.has(fact)) touched.add(value);
    for (const [fact, value] of other.#names) if (!this.#names.has(fact)) touched.add(value);
    const ids = [...new Set([...this.#facts.keys(), ...other.#facts.keys()])].filter(
      (id) => !areEqual(this.#facts.get(id), other.#facts.get(id)),
    );
    const keys = ids.flatMap((id) => [...(this.#keys.get(id) ?? []), ...(other.#keys.get(id) ?? [])]);
    return { touched: [...touched], ids, keys: [...new Set(keys)] };
  }
}

function collect(sets: Map<string, Set<string>>, id: string, value: string): void {
  const set = sets.get(id);
  if (set) set.add(value);
  else sets.set(id, new Set([value]));
}

const areEqual = (one: ReadonlySet<string> = new Set(), other: ReadonlySet<string> = new Set()) =>
  one.size === other.size && [...one].every((fact) => other.has(fact));

/** One count with another one added, or taken away with the factor -1. */
export const addCounts = (one: DirectoryCounts, other: DirectoryCounts, factor: 1 | -1 = 1): DirectoryCounts => ({
  people: one.people + factor * other.people,
  groups: one.groups + factor * other.groups,
  contacts: one.contacts + factor * other.contacts,
  addresses: one.addresses + factor * other.addresses,
  delegations: one.delegations + factor * other.delegations,
});
