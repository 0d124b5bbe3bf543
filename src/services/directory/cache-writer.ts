import { hash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import type { Database, SqlRow, Transaction } from '../../entities/database.js';
import { mailboxKey, nameKey } from '../../entities/mailbox-key.js';
import { delegationNames } from '../../ldap/delegation-names.js';
import { isDn, normaliseDn } from '../../ldap/distinguished-name.js';
import type { DirectoryEntry } from '../../ldap/directory-entry.js';

// So many rows, those of 300 people, are written in one transaction, so that writers of other things get their turn. Rows and
// not entries: a group may have as many as a thousand people.
const BATCH_ROWS = 2_500;

// Batches that are written at once: the next one is there when the database has done with the last. Their order does not
// matter, for nobody reads them before the switch.
const WRITERS = 2;

// After so many entries others get their turn on the event loop, too.
const ENTRIES_PER_TURN = 50;

/** The tables that hold the entries of generations. */
export const ENTRY_TABLES = [
  'directory_entry',
  'directory_identifier',
  'directory_word',
  'directory_member',
  'directory_delegation',
] as const;

/** How many of each the directory holds. */
export interface DirectoryCounts {
  people: number;
  groups: number;
  contacts: number;
  addresses: number;
  delegations: number;
}

/** A fresh count. */
export const noCounts = (): DirectoryCounts => ({ people: 0, groups: 0, contacts: 0, addresses: 0, delegations: 0 });

/** A distinguished name in its comparable form, as an index holds it: SHA-1, because names can have 2000 characters. */
export const dnHash = (normalisedDn: string): string => hash('sha1', normalisedDn);

/** How groups and mailboxes name an entry by a name or an address of it, which is in its comparable form already. */
export const nameMemberKey = (value: string): string => `name:${value}`;

/** The addresses, names or words that an entry's row lists. */
export const readKeys = (column: string): string[] => JSON.parse(column) as string[];

/** How a group's member is named in the cache: by the hash of its distinguished name, or by its account name (RFC 2307 memberUid). */
export const memberKey = (member: string): string =>
  member.includes('=') ? dnHash(member) : nameMemberKey(nameKey(member));

/**
 * How a name in a delegation attribute is looked up: a distinguished name, an address or an account name (rule L6). Only
 * the mailbox's own domain may stand before a backslash, by its DNS name or the first label of it (rule V9).
 */
export function delegationKey(name: string, domain: string): string {
  if (isDn(name)) return dnHash(normaliseDn(name));
  const key = nameKey(name);
  const backslash = key.indexOf('\\');
  const isOwn = backslash > 0 && [domain, domain.split('.')[0]].includes(key.slice(0, backslash));
  return nameMemberKey(isOwn ? key.slice(backslash + 1) : key);
}

/** How changes name everybody whose primary group this is, and the group itself. */
export const primaryGroupKey = (primaryGroup: string): string => `primary:${primaryGroup}`;

/** Longest word that accounts are found by, in characters; nobody types more. */
export const MAX_WORD_LENGTH = 100;
// Words beyond these find nobody who is looked for by typing.
const MAX_WORDS = 20;

/** What an account is found by beside its identifiers: its name, and each further word of it; the first one begins the name. */
function wordsOf(entry: DirectoryEntry): string[] {
  const name = entry.displayName.trim().normalize('NFC').toLowerCase();
  const [first, ...others] = name.split(/[^\p{L}\p{N}]+/u).filter((part) => part !== '');
  // A name may begin with a quotation mark or the like.
  const all = [name, ...(first !== undefined && !name.startsWith(first) ? [first] : []), ...others];
  return [...new Set(all.map((word) => word.slice(0, MAX_WORD_LENGTH).trimEnd()))].slice(0, MAX_WORDS);
}

// Another one whenever entries become other rows, so that a new version writes all of them anew.
const ROWS_VERSION = 1;

/** Tells whether two readings of an entry lead to the same rows: SHA-1 of everything that was read. */
export const contentHash = (entry: DirectoryEntry): string => hash('sha1', JSON.stringify([ROWS_VERSION, entry]));

/** The rows of one entry, by table; every row carries connection and generation. */
export function entryRows(
  entry: DirectoryEntry,
  { connection_id, generation }: { connection_id: number; generation: number },
): Record<string, SqlRow[]> {
  const names =
    entry.kind === 'CONTACT' ? [] : [entry.accountName, entry.userPrincipalName].filter((name) => name !== null);
  const addressKeys = [...new Set(entry.addresses.map(({ address }) => mailboxKey(address)))].sort();
  // A user principal name often is the mail address: one value, and an address it must stay.
  const nameKeys = [...new Set(names.map(nameKey))].filter((value) => !addressKeys.includes(value)).sort();
  const words = entry.kind === 'CONTACT' ? [] : wordsOf(entry).sort();
  return {
    directory_entry: [
      {
        connection_id,
        generation,
        directory_id: entry.id,
        kind: entry.kind,
        dn: entry.dn.slice(0, 2000),
        dn_hash: dnHash(entry.dnKey),
        content_hash: contentHash(entry),
        account_name: entry.accountName?.slice(0, 255) ?? null,
        user_principal_name: entry.userPrincipalName?.slice(0, 320) ?? null,
        display_name: entry.displayName.slice(0, 255),
        primary_address: (entry.addresses.find(({ primary }) => primary) ?? entry.addresses[0])?.address ?? null,
        disabled: entry.disabled,
        expires_at: entry.expiresAtMs,
        primary_group: entry.primaryGroup,
        address_keys: JSON.stringify(addressKeys),
        name_keys: JSON.stringify(nameKeys),
        words: JSON.stringify(words),
      },
    ],
    directory_identifier: [...addressKeys, ...nameKeys].map((value, index) => ({
      connection_id,
      generation,
      value,
      kind: index < addressKeys.length ? 'ADDRESS' : 'NAME',
      directory_id: entry.id,
      owner_kind: entry.kind,
    })),
    directory_word: words.map((word) => ({ connection_id, generation, word, directory_id: entry.id })),
    directory_member: [...new Set(entry.members.map(memberKey))].map((key) => ({
      connection_id,
      generation,
      group_id: entry.id,
      member_key: key,
    })),
    directory_delegation: entry.delegations.flatMap(({ attribute, value }) =>
      delegationNames(value).map((name) => ({
        connection_id,
        generation,
        mailbox_id: entry.id,
        attribute,
        value: name.slice(0, 2000),
        value_key: delegationKey(name, entry.domain),
        problem: null,
      })),
    ),
  };
}

/** Adds up what one entry holds. */
export function countEntry(counts: DirectoryCounts, { kind, addresses, delegations }: DirectoryEntry): void {
  counts[kind === 'PERSON' ? 'people' : kind === 'GROUP' ? 'groups' : 'contacts'] += 1;
  counts.addresses += addresses.length;
  counts.delegations += delegations.flatMap(({ value }) => delegationNames(value)).length;
}

/** What writing and removing rows needs to know beside the rows. */
export interface CacheWriting {
  /** Keeps the connection as it is until the end of the transaction; throws when the work is no longer ours, so that no row is written after that. */
  confirm(transaction: Transaction): Promise<void>;
  /** Told after every batch. */
  progress(counts: DirectoryCounts): Promise<void>;
}

/** Writes entries of one generation that nobody reads yet; holds three batches at a time, one that is filled and those that are written. */
export async function writeGeneration(
  database: Database,
  owned: { readonly connection_id: number; readonly generation: number },
  entries: AsyncIterable<DirectoryEntry>,
  { confirm, progress }: CacheWriting,
): Promise<DirectoryCounts> {
  const counts = noCounts();
  const none = (): Record<string, SqlRow[]> => Object.fromEntries(ENTRY_TABLES.map((table) => [table, []]));
  let batch = none();
  let rowsInBatch = 0;
  let entriesRead = 0;
  const writing: Promise<void>[] = [];
  const write = async (rows: Readonly<Record<string, SqlRow[]>>): Promise<void> => {
    await database.transaction(
      async (transaction) => {
        await confirm(transaction);
        for (const table of ENTRY_TABLES) await transaction.insertLater(table, rows[table] ?? []);
      },
      { bundled: true },
    );
    await progress(counts);
  };
  try {
    for await (const entry of entries) {
      countEntry(counts, entry);
      for (const [table, rows] of Object.entries(entryRows(entry, owned)))
        for (const row of rows) {
          batch[table]?.push(row);
          rowsInBatch += 1;
        }
      entriesRead += 1;
      // A page is there at once, and nothing else would get its turn before its last entry: not even the answer that the
      // database waits with.
      if (entriesRead % ENTRIES_PER_TURN === 0) await setImmediate();
      if (rowsInBatch < BATCH_ROWS) continue;
      // The directory sends on while the database works.
      if (writing.length === WRITERS) await writing.shift();
      const begun = write(batch);
      begun.catch(() => undefined);
      writing.push(begun);
      batch = none();
      rowsInBatch = 0;
    }
    if (rowsInBatch > 0) writing.push(write(batch));
    await Promise.all(writing);
    return counts;
  } finally {
    // Whatever ended the reading: no write may go on behind the caller's back.
    await Promise.allSettled(writing);
  }
}

const DELETE_BATCH = 5_000;

/** Removes rows of generations that nobody reads: those before the current one, and behind it what an interrupted pass left. */
export async function removeOtherGenerations(
  database: Database,
  connectionId: number,
  current: number,
  confirm: CacheWriting['confirm'],
): Promise<void> {
  for (const table of ENTRY_TABLES) {
    const old = await database.rows<{ generation: number }>(
      `SELECT DISTINCT generation FROM ${table} WHERE connection_id = ? AND generation <> ?`,
      [connectionId, current],
    );
    for (const { generation } of old) {
      // SQLite is usually built without DELETE … LIMIT; its deletions do not lock readers out anyway.
      const limit = database.kind === 'mysql' ? ` LIMIT ${DELETE_BATCH}` : '';
      for (;;) {
        const removed = await database.transaction(async (transaction) => {
          await confirm(transaction);
          return transaction.run(`DELETE FROM ${table} WHERE connection_id = ? AND generation = ?${limit}`, [
            connectionId,
            generation,
          ]);
        });
        if (limit === '' || removed < DELETE_BATCH) break;
      }
    }
  }
}
