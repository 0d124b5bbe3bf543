import type { Database } from '../../entities/database.js';
import { marksFor } from '../../entities/marks-for.js';
import { MAX_WORD_LENGTH } from './cache-writer.js';

/** A person or group of the directory, as administrators pick it. */
export interface DirectoryAccount {
  readonly directoryId: string;
  readonly kind: 'PERSON' | 'GROUP';
  readonly name: string;
  readonly accountName: string | null;
  readonly userPrincipalName: string | null;
  readonly primaryAddress: string | null;
  readonly domain: string;
  readonly disabled: boolean;
}

/** A name or address that several accounts or groups have (rule V8). */
export interface DirectoryClash {
  readonly value: string;
  readonly accounts: readonly DirectoryAccount[];
}

/** A name in a delegation attribute that gives nobody access (rule L6). */
export interface DelegationIssue {
  readonly mailboxId: string;
  readonly mailboxName: string;
  readonly mailboxAddress: string | null;
  readonly attribute: string;
  readonly value: string;
  readonly problem: string;
}

const ACCOUNT = `
  e.directory_id AS directoryId, e.kind, e.display_name AS name, e.account_name AS accountName,
  e.user_principal_name AS userPrincipalName, e.primary_address AS primaryAddress, c.domain, e.disabled`;

const CURRENT = 'JOIN ldap_connection c ON c.id = e.connection_id AND c.generation = e.generation';

// A clash over a careless value can have thousands of accounts; administrators need to see that, not all of them.
const MAX_CLASHES = 500;

type AccountRow = Omit<DirectoryAccount, 'disabled'> & { disabled: number };

const accountOf = (row: AccountRow): DirectoryAccount => ({ ...row, disabled: Boolean(row.disabled) });

/** What administrators look up in the LDAP cache. */
export class DirectoryAccounts {
  constructor(private readonly database: Database) {}

  /** People and groups one of whose names, words of names or addresses begins with the text; those that match earlier in the alphabet first. */
  async search(text: string, first: number): Promise<DirectoryAccount[]> {
    const prefix = text.trim().normalize('NFC').toLowerCase().slice(0, MAX_WORD_LENGTH);
    if (prefix === '') return [];
    // Several words of one account begin alike, so more rows than accounts are read; how many more is seen by reading.
    for (let limit = first * 8; ; limit *= 4) {
      const words = await this.#wordsFrom(prefix, limit);
      const ids = [...new Set(words)];
      if (ids.length < first && words.length === limit) continue;
      const accounts = new Map((await this.find(ids.slice(0, first))).map((each) => [each.directoryId, each]));
      return ids.flatMap((id) => accounts.get(id) ?? []).slice(0, first);
    }
  }

  /** Owners of the words and identifiers that begin with the prefix, in the order of these. */
  async #wordsFrom(prefix: string, limit: number): Promise<string[]> {
    const generations = await this.database.rows<{ id: number; generation: number }>(
      'SELECT id, generation FROM ldap_connection',
    );
    // Connection by connection, and a range instead of LIKE: so both databases read the first rows in the order of the words
    // and no others, whatever their rules for collations.
    const found = await Promise.all(
      generations.flatMap(({ id, generation }) => {
        const parameters = [id, generation, prefix, `${prefix}\u{10ffff}`, limit];
        const read = (table: string, column: string, condition = '') =>
          this.database.rows<{ word: string; id: string }>(
            `SELECT ${column} AS word, directory_id AS id FROM ${table}
              WHERE connection_id = ? AND generation = ? AND ${column} >= ? AND ${column} < ?${condition}
              ORDER BY ${column}, directory_id LIMIT ?`,
            parameters,
          );
        return [read('directory_word', 'word'), read('directory_identifier', 'value', " AND owner_kind <> 'CONTACT'")];
      }),
    );
    return found
      .flat()
      .sort((one, other) => (one.word < other.word ? -1 : one.word > other.word ? 1 : one.id < other.id ? -1 : 1))
      .slice(0, limit)
      .map(({ id }) => id);
  }

  /** The accounts with these identities, of those that the cache holds. */
  async find(directoryIds: readonly string[]): Promise<DirectoryAccount[]> {
    if (directoryIds.length === 0) return [];
    const rows = await this.database.rows<AccountRow>(
      `SELECT ${ACCOUNT} FROM directory_entry e ${CURRENT} WHERE e.directory_id IN (${marksFor(directoryIds)})`,
      directoryIds,
    );
    return [...new Map(rows.map((row) => [row.directoryId, accountOf(row)])).values()];
  }

  /** Which accounts clash over which value (rule V8). */
  async clashes(): Promise<DirectoryClash[]> {
    const rows = await this.database.rows<{ value: string; id: string }>(
      `SELECT value, directory_id AS id FROM directory_clash ORDER BY value, directory_id LIMIT ${MAX_CLASHES}`,
    );
    const accounts = new Map(
      (await this.find([...new Set(rows.map(({ id }) => id))])).map((each) => [each.directoryId, each]),
    );
    const values = new Map<string, DirectoryAccount[]>();
    for (const { value, id } of rows) {
      const account = accounts.get(id);
      if (account) values.set(value, [...(values.get(value) ?? []), account]);
    }
    return [...values].map(([value, clashing]) => ({ value, accounts: clashing }));
  }

  /** Names in a connection's delegation attributes that give nobody access (rule L6). */
  async delegationIssues(connectionId: number, first: number): Promise<DelegationIssue[]> {
    return this.database.rows<DelegationIssue>(
      `SELECT d.mailbox_id AS mailboxId, e.display_name AS mailboxName, e.primary_address AS mailboxAddress, d.attribute, d.value, d.problem
         FROM directory_delegation d
         JOIN directory_entry e ON e.directory_id = d.mailbox_id AND e.connection_id = d.connection_id AND e.generation = d.generation
         ${CURRENT}
        WHERE d.connection_id = ? AND d.problem IS NOT NULL ORDER BY e.display_name, d.value LIMIT ?`,
      [connectionId, first],
    );
  }
}
