import type { MigrationInterface, QueryRunner } from 'typeorm';
import { columnTypes, createTables, dropTables } from './column-types.js';

/** Who may come in: local accounts, roles, sessions, API tokens, failed sign-ins, and what people did. */
export class People1764000000003 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    const type = columnTypes(runner);
    await createTables(runner, [
      {
        name: 'account',
        columns: [
          `id ${type.id}`,
          `login ${type.text(64)} NOT NULL`,
          `login_key ${type.text(64)} NOT NULL`,
          `name ${type.text(255)} NOT NULL`,
          `password_hash ${type.ascii(255)} NOT NULL`,
          `disabled ${type.small} NOT NULL`,
          `created_at ${type.integer} NOT NULL`,
        ],
        indexes: [{ name: 'account_login_key', columns: 'login_key', unique: true }],
      },
      {
        name: 'role',
        columns: [
          `id ${type.id}`,
          `name ${type.text(64)} NOT NULL`,
          `permissions ${type.longText} NOT NULL`,
          `predefined ${type.small} NOT NULL`,
        ],
        indexes: [{ name: 'role_name', columns: 'name', unique: true }],
      },
      {
        name: 'role_assignment',
        columns: [
          `id ${type.id}`,
          `role_id ${type.integer} NOT NULL`,
          `subject_kind ${type.ascii(8)} NOT NULL`,
          `subject ${type.ascii(64)} NOT NULL`,
          'FOREIGN KEY (role_id) REFERENCES role (id)',
        ],
        indexes: [
          { name: 'role_assignment_subject', columns: 'subject_kind, subject, role_id', unique: true },
          { name: 'role_assignment_role', columns: 'role_id' },
        ],
      },
      {
        // Who holds which role in effect: assignments to groups of the directory are spread over their people.
        name: 'granted_role',
        columns: [
          `subject_kind ${type.ascii(8)} NOT NULL`,
          `subject ${type.ascii(64)} NOT NULL`,
          `role_id ${type.integer} NOT NULL`,
          'PRIMARY KEY (subject_kind, subject, role_id)',
          'FOREIGN KEY (role_id) REFERENCES role (id) ON DELETE CASCADE',
        ],
      },
      {
        name: 'session',
        columns: [
          `id ${type.id}`,
          `token_hash ${type.ascii(64)} NOT NULL`,
          `subject_kind ${type.ascii(8)} NOT NULL`,
          `subject ${type.ascii(64)} NOT NULL`,
          `account_id ${type.integer}`,
          `login ${type.text(320)} NOT NULL`,
          `name ${type.text(255)} NOT NULL`,
          `created_at ${type.integer} NOT NULL`,
          `last_used_at ${type.integer} NOT NULL`,
          `expires_at ${type.integer} NOT NULL`,
          `idle_ms ${type.integer} NOT NULL`,
          `remote_address ${type.ascii(45)} NOT NULL`,
        ],
        indexes: [
          { name: 'session_token_hash', columns: 'token_hash', unique: true },
          { name: 'session_subject', columns: 'subject_kind, subject' },
          { name: 'session_expires_at', columns: 'expires_at' },
        ],
      },
      {
        name: 'api_token',
        columns: [
          `id ${type.id}`,
          `name ${type.text(255)} NOT NULL`,
          `token_hash ${type.ascii(64)} NOT NULL`,
          `scopes ${type.longText} NOT NULL`,
          `created_at ${type.integer} NOT NULL`,
          `last_used_at ${type.integer}`,
          `expires_at ${type.integer}`,
        ],
        indexes: [{ name: 'api_token_token_hash', columns: 'token_hash', unique: true }],
      },
      {
        name: 'sign_in_failure',
        columns: [`id ${type.id}`, `subject ${type.ascii(64)} NOT NULL`, `failed_at ${type.integer} NOT NULL`],
        indexes: [
          { name: 'sign_in_failure_subject', columns: 'subject, failed_at' },
          { name: 'sign_in_failure_failed_at', columns: 'failed_at' },
        ],
      },
      {
        name: 'audit_entry',
        columns: [
          `id ${type.id}`,
          `at ${type.integer} NOT NULL`,
          `actor ${type.text(320)} NOT NULL`,
          `remote_address ${type.ascii(45)} NOT NULL`,
          `event ${type.ascii(64)} NOT NULL`,
          `outcome ${type.ascii(16)} NOT NULL`,
          `subject ${type.text(320)} NOT NULL`,
          `details ${type.longText} NOT NULL`,
        ],
        indexes: [
          { name: 'audit_entry_at', columns: 'at, id' },
          { name: 'audit_entry_event', columns: 'event, id' },
          { name: 'audit_entry_actor', columns: 'actor, id' },
        ],
      },
    ]);
  }

  async down(runner: QueryRunner): Promise<void> {
    await dropTables(runner, [
      'account',
      'role',
      'role_assignment',
      'granted_role',
      'session',
      'api_token',
      'sign_in_failure',
      'audit_entry',
    ]);
  }
}
