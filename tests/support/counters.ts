import type { Database } from '../../src/entities/database.js';

const numbers = (row: unknown) => Object.values(row as object).map(Number);

/** Compares every counter that is kept with what a recount gives (rule S7). */
export async function expectCountersToBeTrue(database: Database): Promise<void> {
  const [total] = await database.rows('SELECT messages, used_bytes AS bytes FROM backup_total');
  const [counted] = await database.rows(
    'SELECT (SELECT count(*) FROM message) AS messages, (SELECT COALESCE(SUM(LENGTH(bytes)), 0) FROM content_chunk) AS bytes',
  );
  expect(numbers(total)).toEqual(numbers(counted));
  const kept = await database.rows(
    'SELECT hour_at, action, detected_by, messages, size_bytes FROM backup_statistic WHERE messages <> 0 ORDER BY 1, 2, 3',
  );
  const wanted = await database.rows(
    `SELECT received_at - received_at % 3600000, action, detected_by, count(*), SUM(size_bytes) FROM message
      GROUP BY received_at - received_at % 3600000, action, detected_by ORDER BY 1, 2, 3`,
  );
  expect(kept.map(numbers)).toEqual(wanted.map(numbers));
}
