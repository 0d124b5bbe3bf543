import type { SqlValue, Transaction } from '../../entities/database.js';
import { marksFor } from '../../entities/marks-for.js';

/** One row to change: its key, and the values of the columns. */
export interface EachRow {
  readonly key: number;
  readonly values: Readonly<Record<string, SqlValue>>;
}

/** Rows of a table to change, each to values of its own. */
export interface EachUpdate {
  readonly table: string;
  /** The column of {@link EachRow.key}. */
  readonly key: string;
  readonly rows: readonly EachRow[];
  /** Further assignments, the same for all. */
  readonly also?: string;
  /** Narrows the rows beside their keys. */
  readonly where?: { readonly sql: string; readonly parameters: readonly SqlValue[] };
}

/** Changes rows in one statement, in a bundled transaction with the next one; a column that is the same in all of them is given once. */
export async function updateEach(transaction: Transaction, update: EachUpdate): Promise<void> {
  const { table, key, rows, also, where } = update;
  const [first] = rows;
  if (!first) return;
  const parameters: SqlValue[] = [];
  const assignments = Object.keys(first.values).map((column) => {
    const value = first.values[column] ?? null;
    if (rows.every((row) => (row.values[column] ?? null) === value)) {
      parameters.push(value);
      return `${column} = ?`;
    }
    for (const row of rows) parameters.push(row.key, row.values[column] ?? null);
    return `${column} = CASE ${key} ${rows.map(() => 'WHEN ? THEN ?').join(' ')} END`;
  });
  await transaction.later(
    `UPDATE ${table} SET ${[...assignments, ...(also ? [also] : [])].join(', ')}
      WHERE ${where ? `${where.sql} AND ` : ''}${key} IN (${marksFor(rows)})`,
    [...parameters, ...(where?.parameters ?? []), ...rows.map((row) => row.key)],
  );
}
