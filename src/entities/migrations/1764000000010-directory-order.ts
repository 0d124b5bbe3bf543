import type { MigrationInterface, QueryRunner } from 'typeorm';
import { columnTypes } from './column-types.js';
import { hasIndex, replaceTable } from './replace-table.js';

const SCOPE = 'connection_id, generation';

const ENTRY_COLUMNS = [
  'connection_id',
  'generation',
  'directory_id',
  'kind',
  'dn',
  'dn_hash',
  'content_hash',
  'account_name',
  'user_principal_name',
  'display_name',
  'primary_address',
  'disabled',
  'expires_at',
  'primary_group',
];
const IDENTIFIER_COLUMNS = ['connection_id', 'generation', 'value', 'kind', 'directory_id', 'owner_kind'];
const WORD_COLUMNS = ['connection_id', 'generation', 'word', 'directory_id'];

const ACCESS_COLUMNS = ['domain', 'person_id', 'mailbox_id'];
const ACCESS_BY_MAILBOX = { name: 'mailbox_access_mailbox', columns: 'mailbox_id' };

const asTheyAre = (columns: readonly string[]) => Object.fromEntries(columns.map((column) => [column, `e.${column}`]));

/**
 * The names and words of one generation of the LDAP cache lie together, each in its order, and an entry lists its own. So
 * they need no second index of their owners, which was half of the work of filling them.
 */
export class DirectoryOrder1764000000010 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    const isSqlite = runner.connection.options.type === 'better-sqlite3';
    const { longText } = columnTypes(runner);
    const listOf = (column: string, table: string, condition = '') =>
      `coalesce((SELECT ${isSqlite ? 'json_group_array' : 'JSON_ARRAYAGG'}(i.${column}) FROM ${table} i
         WHERE i.connection_id = e.connection_id AND i.generation = e.generation AND i.directory_id = e.directory_id${condition}), '[]')`;
    // First of all, while names and words still have their indexes of owners.
    await replaceTable(runner, {
      name: 'directory_entry',
      columns: [
        ...entryColumns(runner),
        `address_keys ${longText} NOT NULL`,
        `name_keys ${longText} NOT NULL`,
        `words ${longText} NOT NULL`,
        `PRIMARY KEY (directory_id, ${SCOPE})`,
      ],
      indexes: [
        { name: 'directory_entry_owned', columns: `${SCOPE}, dn_hash` },
        { name: 'directory_entry_primary_group', columns: `primary_group, ${SCOPE}` },
      ],
      values: {
        ...asTheyAre(ENTRY_COLUMNS),
        address_keys: listOf('value', 'directory_identifier', " AND i.kind = 'ADDRESS'"),
        name_keys: listOf('value', 'directory_identifier', " AND i.kind = 'NAME'"),
        words: listOf('word', 'directory_word'),
      },
      isDone: async () => !(await hasIndex(runner, 'directory_entry', 'directory_entry_directory_id')),
    });
    await replaceTable(runner, {
      name: 'directory_identifier',
      columns: [...identifierColumns(runner), `PRIMARY KEY (${SCOPE}, value, directory_id)`],
      values: asTheyAre(IDENTIFIER_COLUMNS),
      isDone: async () => !(await hasIndex(runner, 'directory_identifier', 'directory_identifier_owner')),
    });
    await replaceTable(runner, {
      name: 'directory_word',
      columns: [...wordColumns(runner), `PRIMARY KEY (${SCOPE}, word, directory_id)`],
      values: asTheyAre(WORD_COLUMNS),
      isDone: async () => !(await hasIndex(runner, 'directory_word', 'directory_word_owner')),
    });
    // Two domains may give the same access: where a directory is read under the names of both.
    await replaceTable(runner, {
      name: 'mailbox_access',
      columns: [...accessColumns(runner), 'PRIMARY KEY (person_id, mailbox_id, domain)'],
      indexes: [ACCESS_BY_MAILBOX],
      values: asTheyAre(ACCESS_COLUMNS),
      isDone: async () => !(await hasIndex(runner, 'mailbox_access', 'mailbox_access_domain')),
    });
  }

  async down(runner: QueryRunner): Promise<void> {
    const { id } = columnTypes(runner);
    const owner = (name: string) => ({ name, columns: `${SCOPE}, directory_id` });
    await replaceTable(runner, {
      name: 'directory_entry',
      columns: [`id ${id}`, ...entryColumns(runner)],
      indexes: [
        { name: 'directory_entry_directory_id', columns: `directory_id, ${SCOPE}` },
        { name: 'directory_entry_owned', columns: `${SCOPE}, dn_hash` },
        { name: 'directory_entry_primary_group', columns: `primary_group, ${SCOPE}` },
      ],
      values: asTheyAre(ENTRY_COLUMNS),
      isDone: () => hasIndex(runner, 'directory_entry', 'directory_entry_directory_id'),
    });
    await replaceTable(runner, {
      name: 'directory_identifier',
      columns: [...identifierColumns(runner), `PRIMARY KEY (value, ${SCOPE}, directory_id)`],
      indexes: [owner('directory_identifier_owner')],
      values: asTheyAre(IDENTIFIER_COLUMNS),
      isDone: () => hasIndex(runner, 'directory_identifier', 'directory_identifier_owner'),
    });
    await replaceTable(runner, {
      name: 'directory_word',
      columns: [...wordColumns(runner), `PRIMARY KEY (word, ${SCOPE}, directory_id)`],
      indexes: [owner('directory_word_owner')],
      values: asTheyAre(WORD_COLUMNS),
      isDone: () => hasIndex(runner, 'directory_word', 'directory_word_owner'),
    });
    // An access of two domains had one row.
    await runner.query(
      `DELETE FROM mailbox_access WHERE domain > (SELECT min(x.domain) FROM (SELECT * FROM mailbox_access) x
         WHERE x.person_id = mailbox_access.person_id AND x.mailbox_id = mailbox_access.mailbox_id)`,
    );
    await replaceTable(runner, {
      name: 'mailbox_access',
      columns: [...accessColumns(runner), 'PRIMARY KEY (person_id, mailbox_id)'],
      indexes: [ACCESS_BY_MAILBOX, { name: 'mailbox_access_domain', columns: 'domain' }],
      values: asTheyAre(ACCESS_COLUMNS),
      isDone: () => hasIndex(runner, 'mailbox_access', 'mailbox_access_domain'),
    });
  }
}

function owned(runner: QueryRunner): string[] {
  const { integer } = columnTypes(runner);
  return [`connection_id ${integer} NOT NULL`, `generation ${integer} NOT NULL`];
}

function entryColumns(runner: QueryRunner): string[] {
  const type = columnTypes(runner);
  return [
    ...owned(runner),
    `directory_id ${type.ascii(64)} NOT NULL`,
    `kind ${type.ascii(8)} NOT NULL`,
    `dn ${type.text(2000)} NOT NULL`,
    `dn_hash ${type.ascii(40)} NOT NULL`,
    `content_hash ${type.ascii(40)} NOT NULL`,
    `account_name ${type.text(255)}`,
    `user_principal_name ${type.text(320)}`,
    `display_name ${type.text(255)} NOT NULL`,
    `primary_address ${type.text(320)}`,
    `disabled ${type.small} NOT NULL`,
    `expires_at ${type.integer}`,
    `primary_group ${type.ascii(280)}`,
  ];
}

function identifierColumns(runner: QueryRunner): string[] {
  const type = columnTypes(runner);
  return [
    ...owned(runner),
    `value ${type.text(320)} NOT NULL`,
    `kind ${type.ascii(8)} NOT NULL`,
    `directory_id ${type.ascii(64)} NOT NULL`,
    `owner_kind ${type.ascii(8)} NOT NULL`,
  ];
}

function wordColumns(runner: QueryRunner): string[] {
  const type = columnTypes(runner);
  return [...owned(runner), `word ${type.text(100)} NOT NULL`, `directory_id ${type.ascii(64)} NOT NULL`];
}

function accessColumns(runner: QueryRunner): string[] {
  const type = columnTypes(runner);
  return [
    `domain ${type.text(255)} NOT NULL`,
    `person_id ${type.ascii(64)} NOT NULL`,
    `mailbox_id ${type.ascii(64)} NOT NULL`,
  ];
}
