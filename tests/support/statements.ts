import { BetterSqlite3QueryRunner } from 'typeorm/driver/better-sqlite3/BetterSqlite3QueryRunner.js';
import { MysqlQueryRunner } from 'typeorm/driver/mysql/MysqlQueryRunner.js';

/** The SQL statements that this process runs while `work` does, whatever database it talks to. */
export async function statementsOf(work: () => Promise<unknown>): Promise<string[]> {
  const statements: string[] = [];
  const spies = [BetterSqlite3QueryRunner.prototype, MysqlQueryRunner.prototype].map((runner) => {
    const original = runner.query;
    return jest.spyOn(runner, 'query').mockImplementation(function (this: typeof runner, ...given) {
      statements.push(given[0]);
      return original.apply(this, given);
    } as typeof runner.query);
  });
  try {
    await work();
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
  return statements;
}
