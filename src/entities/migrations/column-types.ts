import type { QueryRunner } from 'typeorm';

/** Column types under one name for both databases; moments are `integer`s, ms since 1970 UTC. */
export interface ColumnTypes {
  /** Primary key that counts up and is never used again. */
  readonly id: string;
  /** Whole number up to 2^53. */
  readonly integer: string;
  /** Whole number up to 255, or yes/no. */
  readonly small: string;
  /** Text compared byte by byte, of at most `length` characters. */
  text(length: number): string;
  /** ASCII text compared byte by byte, such as digests. */
  ascii(length: number): string;
  /** Text of up to 16 MiB, such as JSON. */
  readonly longText: string;
  /** Bytes, up to 16 MiB. */
  readonly bytes: string;
  /** What stands behind the closing parenthesis of CREATE TABLE. */
  readonly tableOptions: string;
}

const sqlite: ColumnTypes = {
  id: 'integer PRIMARY KEY AUTOINCREMENT',
  integer: 'integer',
  small: 'integer',
  text: (length) => `varchar(${length})`,
  ascii: (length) => `varchar(${length})`,
  longText: 'text',
  bytes: 'blob',
  tableOptions: '',
};

const mysql: ColumnTypes = {
  id: 'bigint NOT NULL AUTO_INCREMENT PRIMARY KEY',
  integer: 'bigint',
  small: 'smallint',
  text: (length) => `varchar(${length}) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin`,
  ascii: (length) => `varchar(${length}) CHARACTER SET ascii COLLATE ascii_bin`,
  longText: 'mediumtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin',
  bytes: 'mediumblob',
  tableOptions: ' ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin ROW_FORMAT=DYNAMIC',
};

/** The types for the database that the migration runs on. */
export function columnTypes(runner: QueryRunner): ColumnTypes {
  return runner.connection.options.type === 'better-sqlite3' ? sqlite : mysql;
}

/** A table with its indexes, written once. */
export interface TableDefinition {
  readonly name: string;
  readonly columns: readonly string[];
  readonly indexes?: readonly { readonly name: string; readonly columns: string; readonly unique?: true }[];
}

/**
 * Creates tables and their indexes unless they are there: MariaDB commits every CREATE at once, so a migration that was
 * interrupted is simply run again. Indexes stand inside CREATE TABLE on MariaDB, behind it on SQLite.
 */
export async function createTables(runner: QueryRunner, tables: readonly TableDefinition[]): Promise<void> {
  const inline = runner.connection.options.type !== 'better-sqlite3';
  for (const { name, columns, indexes = [] } of tables) {
    const keys = indexes.map((index) => `${index.unique ? 'UNIQUE ' : ''}INDEX ${index.name} (${index.columns})`);
    const lines = inline ? [...columns, ...keys] : columns;
    await runner.query(
      `CREATE TABLE IF NOT EXISTS ${name} (\n  ${lines.join(',\n  ')}\n)${columnTypes(runner).tableOptions}`,
    );
    if (inline) continue;
    for (const index of indexes) {
      await runner.query(
        `CREATE ${index.unique ? 'UNIQUE ' : ''}INDEX IF NOT EXISTS ${index.name} ON ${name} (${index.columns})`,
      );
    }
  }
}

/** Drops tables, the last one first. */
export async function dropTables(runner: QueryRunner, names: readonly string[]): Promise<void> {
  for (const name of [...names].reverse()) await runner.query(`DROP TABLE IF EXISTS ${name}`);
}
