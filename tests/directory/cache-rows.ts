import type { Database, SqlRow } from '../../src/entities/database.js';

// Columns that differ between two caches of the same directory without meaning.
const INCIDENTAL = new Set(['id', 'generation', 'connection_id']);

/** All tables of the LDAP cache as readers see them, row by row, in an order that can be compared. */
export async function cacheRows(database: Database, connectionId: number): Promise<Record<string, string[]>> {
  const rows: Record<string, string[]> = {};
  const tell = (table: string, found: readonly SqlRow[]) => {
    rows[table] = found
      .map((row) =>
        JSON.stringify(
          Object.entries(row)
            .filter(([column]) => !INCIDENTAL.has(column))
            .map(([column, value]) => `${column}=${String(value)}`),
        ),
      )
      .sort();
  };
  for (const table of [
    'directory_entry',
    'directory_identifier',
    'directory_word',
    'directory_member',
    'directory_delegation',
  ]) {
    tell(
      table,
      await database.rows<SqlRow>(
        `SELECT t.* FROM ${table} t JOIN ldap_connection c ON c.id = t.connection_id AND c.generation = t.generation WHERE c.id = ?`,
        [connectionId],
      ),
    );
  }
  for (const table of ['mailbox_access', 'directory_clash', 'granted_role'])
    tell(table, await database.rows<SqlRow>(`SELECT * FROM ${table}`));
  return rows;
}
