import type { MigrationInterface, QueryRunner } from 'typeorm';
import { columnTypes } from './column-types.js';

const COLUMN = 'primary_group';
const INDEX = 'directory_entry_primary_group';
const INDEXED = `${COLUMN}, connection_id, generation`;

/** What names the primary group of people in the LDAP cache, which does not list them as its members. */
export class PrimaryGroup1764000000008 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    const isSqlite = runner.connection.options.type === 'better-sqlite3';
    // Again after an interruption: MariaDB keeps what was done, SQLite nothing.
    if (!(await runner.hasColumn('directory_entry', COLUMN))) {
      const index = isSqlite ? '' : `, ADD INDEX ${INDEX} (${INDEXED})`;
      await runner.query(`ALTER TABLE directory_entry ADD COLUMN ${COLUMN} ${columnTypes(runner).ascii(280)}${index}`);
    }
    if (isSqlite) await runner.query(`CREATE INDEX IF NOT EXISTS ${INDEX} ON directory_entry (${INDEXED})`);
  }

  async down(runner: QueryRunner): Promise<void> {
    if (runner.connection.options.type === 'better-sqlite3') await runner.query(`DROP INDEX IF EXISTS ${INDEX}`);
    await runner.query(
      `ALTER TABLE directory_entry DROP COLUMN ${COLUMN}${runner.connection.options.type === 'better-sqlite3' ? '' : `, DROP INDEX ${INDEX}`}`,
    );
  }
}
