import type { QueryRunner } from 'typeorm';
import { createTables, type TableDefinition } from './column-types.js';

/** The new form of a table. */
export interface Replacement extends TableDefinition {
  /** By column: the expression over the old row `e` that gives its value. */
  readonly values: Readonly<Record<string, string>>;
  /** Whether the table is in this form already; asked only while it is whole. */
  readonly isDone: () => Promise<boolean>;
}

/** Whether a table has an index of that name. */
export async function hasIndex(runner: QueryRunner, table: string, index: string): Promise<boolean> {
  const sql =
    runner.connection.options.type === 'better-sqlite3'
      ? "SELECT 1 AS found FROM sqlite_master WHERE type = 'index' AND tbl_name = ? AND name = ?"
      : `SELECT 1 AS found FROM information_schema.statistics
          WHERE table_schema = database() AND table_name = ? AND index_name = ? LIMIT 1`;
  return ((await runner.query(sql, [table, index])) as unknown[]).length > 0;
}

/**
 * Makes a table anew with its rows: SQLite cannot change a primary key, and MariaDB copies all rows for that, too. After
 * an interruption, which MariaDB does not undo, it begins again with the old rows, which are set aside until the end.
 */
export async function replaceTable(runner: QueryRunner, { values, isDone, ...table }: Replacement): Promise<void> {
  const { name } = table;
  const aside = `${name}_before`;
  const isInterrupted = await runner.hasTable(aside);
  if (!isInterrupted && (await isDone())) return;
  if (isInterrupted) await runner.query(`DROP TABLE IF EXISTS ${name}`);
  else await runner.query(`ALTER TABLE ${name} RENAME TO ${aside}`);
  if (runner.connection.options.type === 'better-sqlite3') {
    // There the names of indexes belong to the whole database.
    const old = (await runner.query(
      "SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name = ? AND sql IS NOT NULL",
      [aside],
    )) as { name: string }[];
    for (const index of old) await runner.query(`DROP INDEX ${index.name}`);
  }
  await createTables(runner, [table]);
  await runner.query(
    `INSERT INTO ${name} (${Object.keys(values).join(', ')}) SELECT ${Object.values(values).join(', ')} FROM ${aside} e`,
  );
  await runner.query(`DROP TABLE ${aside}`);
}
