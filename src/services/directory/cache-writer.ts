import { createHash } from 'node:crypto';
import type { Database, SqlRow } from '../../entities/database.js';
import { mailboxKey } from '../../entities/mailbox-key.js';
import { delegationNames } from '../../ldap/delegation.js';
import { isDn, normaliseDn } from '../../ldap/distinguished-name.js';
import type { DirectoryEntry } from '../../ldap/directory-entry.js';

// Rows of so many entries are written in one transaction, so that writers of other things get their turn.
const BATCH_ENTRIES = 500;

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

/** How names of the directory are compared: lower case, NFC (rule V8). */
export const nameKey = (name: string): string => name.trim().normalize('NFC').toLowerCase().slice(0, 320);

/** A distinguished name in its comparable form, as an index holds it: SHA-1, because names can have 2000 characters. */
export const dnHash = (normalisedDn: string): string => createHash('sha1').update(normalisedDn).digest('hex');

/** How a group's member is named in the cache: by the hash of its distinguished name, or by its account name (RFC 2307 memberUid). */
export const memberKey = (member: string): string =>
  member.includes('=') ? dnHash(member) : `name:${nameKey(member)}`;

/** How a name in a delegation attribute is looked up: a distinguished name, an address or an account name (rule L6). */
export const delegationKey = (name: string): string =>
  isDn(name) ? dnHash(normaliseDn(name)) : `name:${name.includes('@') ? mailboxKey(name) : nameKey(name)}`;

// Words beyond these find nobody who is looked for by typing.
const MAX_WORD_LENGTH = 100;
const MAX_WORDS = 40;

/** What an account is found by: its whole name, each word of it, its account names and addresses. */
function words(entry: DirectoryEntry, identifiers: readonly string[]): string[] {
  const name = nameKey(entry.displayName);
  const parts = name.split(/[^\p{L}\p{N}]+/u).filter((part) => part !== '');
  return [...new Set([name, ...parts, ...identifiers].map((word) => word.slice(0, MAX_WORD_LENGTH)))].slice(
    0,
    MAX_WORDS,
  );
}

/** The rows of one entry, by table; every row carries connection and generation. */
export function entryRows(
  entry: DirectoryEntry,
  owned: { connection_id: number; generation: number },
): Record<string, SqlRow[]> {
  const names =
    entry.kind === 'CONTACT' ? [] : [entry.accountName, entry.userPrincipalName].filter((name) => name !== null);
  const addresses = new Set(entry.addresses.map(({ address }) => mailboxKey(address)));
  // A user principal name often is the mail address: one value, and an address it must stay.
  const identifiers = [
    ...[...addresses].map((value) => ({ value, kind: 'ADDRESS' })),
    ...[...new Set(names.map(nameKey))]
      .filter((value) => !addresses.has(value))
      .map((value) => ({ value, kind: 'NAME' })),
  ];
  return {
    directory_entry: [
      {
        ...owned,
        directory_id: entry.id,
        kind: entry.kind,
        dn: entry.dn.slice(0, 2000),
        dn_hash: dnHash(entry.dnKey),
        account_name: entry.accountName?.slice(0, 255) ?? null,
        user_principal_name: entry.userPrincipalName?.slice(0, 320) ?? null,
        display_name: entry.displayName.slice(0, 255),
        primary_address: (entry.addresses.find(({ primary }) => primary) ?? entry.addresses[0])?.address ?? null,
        disabled: entry.disabled,
        expires_at: entry.expiresAtMs,
      },
    ],
    directory_identifier: identifiers.map((identifier) => ({
      ...owned,
      ...identifier,
      directory_id: entry.id,
      owner_kind: entry.kind,
    })),
    directory_word:
      entry.kind === 'CONTACT'
        ? []
        : words(
            entry,
            identifiers.map(({ value }) => value),
          ).map((word) => ({ ...owned, word, directory_id: entry.id })),
    directory_member: entry.members.map((dn) => ({ ...owned, group_id: entry.id, member_key: memberKey(dn) })),
    directory_delegation: entry.delegations.flatMap(({ attribute, value }) =>
      delegationNames(value).map((name) => ({
        ...owned,
        mailbox_id: entry.id,
        attribute,
        value: name.slice(0, 2000),
        value_key: delegationKey(name),
        problem: null,
      })),
    ),
  };
}

/** Writes entries of one generation that nobody reads yet; holds one batch at a time. */
export async function writeGeneration(
  database: Database,
  connectionId: number,
  generation: number,
  entries: AsyncIterable<DirectoryEntry>,
  progress: (counts: DirectoryCounts) => Promise<void>,
): Promise<DirectoryCounts> {
  const counts = noCounts();
  const owned = { connection_id: connectionId, generation };
  let batch: DirectoryEntry[] = [];
  const flush = async () => {
    const rows = batch.map((entry) => entryRows(entry, owned));
    batch = [];
    await database.transaction(async (transaction) => {
      for (const table of ENTRY_TABLES) {
        await transaction.insert(
          table,
          rows.flatMap((each) => each[table] ?? []),
        );
      }
    });
    await progress(counts);
  };
  for await (const entry of entries) {
    counts[entry.kind === 'PERSON' ? 'people' : entry.kind === 'GROUP' ? 'groups' : 'contacts'] += 1;
    counts.addresses += entry.addresses.length;
    counts.delegations += entry.delegations.length;
    batch.push(entry);
    if (batch.length === BATCH_ENTRIES) await flush();
  }
  if (batch.length > 0) await flush();
  return counts;
}

const DELETE_BATCH = 5_000;

/** Removes rows of generations that nobody reads: those before the current one, and what an interrupted pass left. */
export async function removeOtherGenerations(database: Database, connectionId: number, current: number): Promise<void> {
  for (const table of ENTRY_TABLES) {
    const old = await database.rows<{ generation: number }>(
      `SELECT DISTINCT generation FROM ${table} WHERE connection_id = ? AND generation <> ?`,
      [connectionId, current],
    );
    for (const { generation } of old) {
      // SQLite is usually built without DELETE … LIMIT; its deletions do not lock readers out anyway.
      const limit = database.kind === 'mysql' ? ` LIMIT ${DELETE_BATCH}` : '';
      for (;;) {
        const removed = await database.transaction((transaction) =>
          transaction.run(`DELETE FROM ${table} WHERE connection_id = ? AND generation = ?${limit}`, [
            connectionId,
            generation,
          ]),
        );
        if (limit === '' || removed < DELETE_BATCH) break;
      }
    }
  }
}
