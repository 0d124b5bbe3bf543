import type { MigrationInterface, QueryRunner } from 'typeorm';
import { columnTypes, createTables, dropTables } from './column-types.js';

/** The settings that administrators change while the product runs; one row each, with the defaults of rules S7 and section 8. */
export class Settings1764000000004 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    const type = columnTypes(runner);
    await createTables(runner, [
      {
        name: 'personal_backup_settings',
        columns: [
          `id ${type.small} NOT NULL PRIMARY KEY`,
          `version ${type.integer} NOT NULL`,
          `enabled ${type.small} NOT NULL`,
          `preview ${type.small} NOT NULL`,
          `deletion ${type.small} NOT NULL`,
          `sending ${type.small} NOT NULL`,
          `delivery_format ${type.ascii(16)} NOT NULL`,
          `remove_message_id ${type.small} NOT NULL`,
          `group_mailboxes ${type.small} NOT NULL`,
          `updated_at ${type.integer} NOT NULL`,
        ],
      },
      {
        name: 'backup_settings',
        columns: [
          `id ${type.small} NOT NULL PRIMARY KEY`,
          `version ${type.integer} NOT NULL`,
          `size_limit_bytes ${type.integer} NOT NULL`,
          `storage_period_days ${type.integer} NOT NULL`,
          `delivery_format ${type.ascii(16)} NOT NULL`,
          `remove_message_id ${type.small} NOT NULL`,
          `updated_at ${type.integer} NOT NULL`,
        ],
      },
    ]);
    if (((await runner.query('SELECT id FROM personal_backup_settings')) as unknown[]).length === 0) {
      await runner.query("INSERT INTO personal_backup_settings VALUES (1, 1, 0, 1, 1, 1, 'IN_ATTACHMENT', 0, 0, 0)");
    }
    if (((await runner.query('SELECT id FROM backup_settings')) as unknown[]).length === 0) {
      await runner.query("INSERT INTO backup_settings VALUES (1, 1, 7516192768, 30, 'IN_ATTACHMENT', 0, 0)");
    }
  }

  async down(runner: QueryRunner): Promise<void> {
    await dropTables(runner, ['personal_backup_settings', 'backup_settings']);
  }
}
