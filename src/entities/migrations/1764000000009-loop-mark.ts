import type { MigrationInterface, QueryRunner } from 'typeorm';
import { columnTypes } from './column-types.js';

const COLUMN = 'loop_sent_at';

/** When Backup itself sent what a gateway put aside again, as its loop mark says; ms since 1970 UTC. */
export class LoopMark1764000000009 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    // Again after an interruption: MariaDB keeps what was done, SQLite nothing.
    if (await runner.hasColumn('message', COLUMN)) return;
    await runner.query(`ALTER TABLE message ADD COLUMN ${COLUMN} ${columnTypes(runner).integer}`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE message DROP COLUMN ${COLUMN}`);
  }
}
