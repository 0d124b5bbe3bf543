import type { MigrationInterface, QueryRunner } from 'typeorm';
import { columnTypes, createTables, dropTables } from './column-types.js';

/** What Backup holds, counted while messages come and go (rule S7), and leases of work that one process does at a time. */
export class Statistics1764000000007 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    const type = columnTypes(runner);
    await createTables(runner, [
      {
        name: 'backup_total',
        columns: [
          `id ${type.small} NOT NULL PRIMARY KEY`,
          `messages ${type.integer} NOT NULL`,
          `used_bytes ${type.integer} NOT NULL`,
        ],
      },
      {
        name: 'backup_statistic',
        columns: [
          `hour_at ${type.integer} NOT NULL`,
          `action ${type.small} NOT NULL`,
          `detected_by ${type.small} NOT NULL`,
          `messages ${type.integer} NOT NULL`,
          `size_bytes ${type.integer} NOT NULL`,
          'PRIMARY KEY (hour_at, action, detected_by)',
        ],
      },
      {
        name: 'worker_lease',
        columns: [
          `name ${type.ascii(32)} NOT NULL PRIMARY KEY`,
          `owner ${type.ascii(36)} NOT NULL`,
          `lease_until ${type.integer} NOT NULL`,
        ],
      },
    ]);
    // Begun anew each time, because MariaDB keeps what an interrupted migration wrote.
    await runner.query('DELETE FROM backup_total');
    await runner.query('DELETE FROM backup_statistic');
    await runner.query('DELETE FROM worker_lease');
    await runner.query(
      `INSERT INTO backup_total (id, messages, used_bytes)
       SELECT 1, (SELECT count(*) FROM message), (SELECT COALESCE(SUM(stored_bytes), 0) FROM content)`,
    );
    await runner.query(
      `INSERT INTO backup_statistic (hour_at, action, detected_by, messages, size_bytes)
       SELECT received_at - received_at % 3600000 AS hour_at, action, detected_by, count(*), SUM(size_bytes)
         FROM message GROUP BY received_at - received_at % 3600000, action, detected_by`,
    );
    await runner.query("INSERT INTO worker_lease (name, owner, lease_until) VALUES ('retention', '', 0)");
  }

  async down(runner: QueryRunner): Promise<void> {
    await dropTables(runner, ['backup_total', 'backup_statistic', 'worker_lease']);
  }
}
