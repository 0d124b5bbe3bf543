import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DatabaseLocation } from '../../src/entities/database.js';
import { createDatabase, describeWith, type TestDatabase } from './services.js';

/** Declares the same tests twice, on a new SQLite file and on an empty MariaDB database; both are removed after the block. */
export function describeOnBothDatabases(title: string, tests: (location: () => DatabaseLocation) => void): void {
  describe(`${title}, on SQLite`, () => {
    let folder = '';
    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'mailkeep-sqlite-'));
    });
    tests(() => ({ kind: 'sqlite', file: join(folder, 'mailkeep.db') }));
    afterAll(() => rm(folder, { recursive: true, force: true }));
  });

  describeWith('mariadb', `${title}, on MariaDB`, (server) => {
    let database: TestDatabase | undefined;
    beforeAll(async () => {
      database = await createDatabase(server());
    });
    tests(() => {
      if (!database)
        throw new Error('The database exists from the first test or hook on, not while tests are declared.');
      return { kind: 'mysql', url: database.url, connections: 10 };
    });
    afterAll(() => database?.drop());
  });
}
