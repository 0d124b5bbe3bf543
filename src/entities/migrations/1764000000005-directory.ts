import type { MigrationInterface, QueryRunner } from 'typeorm';
import { columnTypes, createTables, dropTables } from './column-types.js';

/**
 * The LDAP cache. Rows of one synchronisation share a generation; readers see the one that `ldap_connection.generation`
 * names, so that a synchronisation is all or nothing (rule L3).
 */
export class Directory1764000000005 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    const type = columnTypes(runner);
    const owned = [`connection_id ${type.integer} NOT NULL`, `generation ${type.integer} NOT NULL`];
    await createTables(runner, [
      {
        name: 'ldap_connection',
        columns: [
          `id ${type.id}`,
          `name ${type.text(128)} NOT NULL`,
          `domain ${type.text(255)} NOT NULL`,
          `settings ${type.longText} NOT NULL`,
          `bind_password ${type.longText} NOT NULL`,
          `version ${type.integer} NOT NULL`,
          `generation ${type.integer} NOT NULL`,
          `delegation_attributes ${type.text(1000)} NOT NULL`,
          `delegation_loaded ${type.small} NOT NULL`,
          `schedule ${type.text(1000)} NOT NULL`,
          `change_mark ${type.longText}`,
          `full_pass_at ${type.integer}`,
          `people ${type.integer} NOT NULL`,
          `state ${type.longText} NOT NULL`,
          `lease_owner ${type.ascii(36)}`,
          `lease_until ${type.integer} NOT NULL`,
          `next_run_at ${type.integer}`,
        ],
        indexes: [{ name: 'ldap_connection_name', columns: 'name', unique: true }],
      },
      {
        name: 'directory_entry',
        columns: [
          `id ${type.id}`,
          ...owned,
          `directory_id ${type.ascii(64)} NOT NULL`,
          `kind ${type.ascii(8)} NOT NULL`,
          `dn ${type.text(2000)} NOT NULL`,
          `dn_hash ${type.ascii(40)} NOT NULL`,
          // Of everything that was read of the entry: what did not change need not be written.
          `content_hash ${type.ascii(40)} NOT NULL`,
          `account_name ${type.text(255)}`,
          `user_principal_name ${type.text(320)}`,
          `display_name ${type.text(255)} NOT NULL`,
          `primary_address ${type.text(320)}`,
          `disabled ${type.small} NOT NULL`,
          `expires_at ${type.integer}`,
        ],
        indexes: [
          { name: 'directory_entry_directory_id', columns: 'directory_id, connection_id, generation' },
          { name: 'directory_entry_owned', columns: 'connection_id, generation, dn_hash' },
        ],
      },
      {
        name: 'directory_identifier',
        columns: [
          ...owned,
          `value ${type.text(320)} NOT NULL`,
          `kind ${type.ascii(8)} NOT NULL`,
          `directory_id ${type.ascii(64)} NOT NULL`,
          `owner_kind ${type.ascii(8)} NOT NULL`,
          'PRIMARY KEY (value, connection_id, generation, directory_id)',
        ],
        indexes: [{ name: 'directory_identifier_owner', columns: 'connection_id, generation, directory_id' }],
      },
      {
        // What accounts are found by beside their identifiers: the name from its beginning, and from each further word.
        name: 'directory_word',
        columns: [
          ...owned,
          `word ${type.text(100)} NOT NULL`,
          `directory_id ${type.ascii(64)} NOT NULL`,
          'PRIMARY KEY (word, connection_id, generation, directory_id)',
        ],
        indexes: [{ name: 'directory_word_owner', columns: 'connection_id, generation, directory_id' }],
      },
      {
        name: 'directory_member',
        columns: [
          ...owned,
          `group_id ${type.ascii(64)} NOT NULL`,
          `member_key ${type.text(330)} NOT NULL`,
          'PRIMARY KEY (connection_id, generation, group_id, member_key)',
        ],
        indexes: [{ name: 'directory_member_member', columns: 'member_key, connection_id, generation' }],
      },
      {
        name: 'directory_delegation',
        columns: [
          ...owned,
          `mailbox_id ${type.ascii(64)} NOT NULL`,
          `attribute ${type.ascii(128)} NOT NULL`,
          `value ${type.text(2000)} NOT NULL`,
          `value_key ${type.text(330)} NOT NULL`,
          `problem ${type.ascii(16)}`,
        ],
        indexes: [
          { name: 'directory_delegation_mailbox', columns: 'connection_id, generation, mailbox_id' },
          { name: 'directory_delegation_value', columns: 'value_key, connection_id, generation' },
        ],
      },
      {
        name: 'mailbox_access',
        columns: [
          `domain ${type.text(255)} NOT NULL`,
          `person_id ${type.ascii(64)} NOT NULL`,
          `mailbox_id ${type.ascii(64)} NOT NULL`,
          'PRIMARY KEY (person_id, mailbox_id)',
        ],
        indexes: [
          { name: 'mailbox_access_mailbox', columns: 'mailbox_id' },
          { name: 'mailbox_access_domain', columns: 'domain' },
        ],
      },
      {
        name: 'directory_clash',
        columns: [
          `value ${type.text(320)} NOT NULL`,
          `directory_id ${type.ascii(64)} NOT NULL`,
          'PRIMARY KEY (directory_id, value)',
        ],
        indexes: [{ name: 'directory_clash_value', columns: 'value' }],
      },
    ]);
  }

  async down(runner: QueryRunner): Promise<void> {
    await dropTables(runner, [
      'ldap_connection',
      'directory_entry',
      'directory_identifier',
      'directory_word',
      'directory_member',
      'directory_delegation',
      'mailbox_access',
      'directory_clash',
    ]);
  }
}
