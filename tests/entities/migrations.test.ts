import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { DataSource, type DataSourceOptions } from 'typeorm';
import { Database, type DatabaseLocation } from '../../src/entities/database.js';
import { migrations } from '../../src/entities/migrations/index.js';
import { sqliteDriver } from '../../src/entities/sqlite-driver.js';
import { tables } from '../../src/entities/tables.js';
import { describeOnBothDatabases } from '../support/databases.js';
import { runCommand, settingsFor } from '../support/processes.js';

interface ColumnFacts {
  readonly name: string;
  readonly nullable: boolean;
}

const optionsFor = (location: DatabaseLocation): DataSourceOptions =>
  location.kind === 'sqlite'
    ? { type: 'better-sqlite3', driver: sqliteDriver(), database: location.file, entities: tables, migrations }
    : { type: 'mysql', url: location.url, entities: tables, migrations };

/** Every table of the database as its own catalogue tells it, columns and indexes included. */
async function catalogue(source: DataSource): Promise<Record<string, unknown>> {
  const rows = async (sql: string) => (await source.query(sql)) as Record<string, string>[];
  if (source.options.type === 'better-sqlite3') {
    const found = await rows(
      "SELECT name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' AND tbl_name <> 'migrations' ORDER BY name",
    );
    return Object.fromEntries(found.map(({ name, sql }) => [name, sql]));
  }
  const found = await rows(
    "SELECT table_name AS t FROM information_schema.tables WHERE table_schema = database() AND table_name <> 'migrations' ORDER BY table_name",
  );
  const all: Record<string, unknown> = {};
  for (const { t } of found) {
    const [created] = await rows(`SHOW CREATE TABLE ${t}`);
    all[String(t)] = created?.['Create Table']?.replace(/ AUTO_INCREMENT=\d+/, '');
  }
  return all;
}

async function columnsOf(source: DataSource, table: string): Promise<ColumnFacts[]> {
  if (source.options.type === 'better-sqlite3') {
    const rows = (await source.query(`PRAGMA table_info(${table})`)) as { name: string; notnull: number; pk: number }[];
    return rows.map(({ name, notnull, pk }) => ({ name, nullable: notnull === 0 && pk === 0 }));
  }
  const rows = (await source.query(
    'SELECT column_name AS name, is_nullable AS nullable FROM information_schema.columns WHERE table_schema = database() AND table_name = ?',
    [table],
  )) as { name: string; nullable: string }[];
  return rows.map(({ name, nullable }) => ({ name, nullable: nullable === 'YES' }));
}

describeOnBothDatabases('The migrations', (location) => {
  let source: DataSource;
  let folder: string;

  beforeAll(async () => {
    const place = location();
    // Where a command looks for the SQLite file.
    folder = place.kind === 'sqlite' ? dirname(place.file) : mkdtempSync(join(tmpdir(), 'mailkeep-migrations-'));
    const database = await Database.open(location());
    try {
      expect(await database.pendingMigrations()).toBe(migrations.length);
      expect(await database.migrate()).toHaveLength(migrations.length);
      expect(await database.migrate()).toEqual([]);
      expect(await database.pendingMigrations()).toBe(0);
    } finally {
      await database.close();
    }
    source = await new DataSource(optionsFor(location())).initialize();
  });
  afterAll(async () => {
    await source?.destroy();
    rmSync(folder, { recursive: true, force: true });
  });

  it('make every table and column that an entity names, as nullable as the entity says', async () => {
    for (const entity of source.entityMetadatas) {
      const inEntity = entity.columns.map((column) => ({ name: column.databaseName, nullable: column.isNullable }));
      const byName = (one: ColumnFacts, other: ColumnFacts) => (one.name < other.name ? -1 : 1);
      expect({ table: entity.tableName, columns: (await columnsOf(source, entity.tableName)).sort(byName) }).toEqual({
        table: entity.tableName,
        columns: inEntity.sort(byName),
      });
    }
    expect(source.entityMetadatas.length).toBe(tables.length);
  });

  it('go down one by one to an empty database, and up again to the same one', async () => {
    const before = await catalogue(source);
    expect(Object.keys(before)).toEqual(
      expect.arrayContaining(['message', 'recipient', 'content_chunk', 'change_event']),
    );
    for (const _ of migrations) await source.undoLastMigration({ transaction: 'each' });
    expect(await catalogue(source)).toEqual({});
    await source.runMigrations({ transaction: 'each' });
    expect(await catalogue(source)).toEqual(before);
  });

  it('start again where one was interrupted half-way', async () => {
    const before = await catalogue(source);
    // What a crash leaves on a server that commits every CREATE at once: tables, and no note that the migration ran.
    await source.query('DELETE FROM migrations');
    await source.query('DROP TABLE recipient');
    await source.query('DROP TABLE backup_settings');
    const database = await Database.open(location());
    try {
      await database.migrate();
      expect(await catalogue(source)).toEqual(before);
      expect(await database.rows('SELECT id, size_limit_bytes AS bytes FROM backup_settings')).toEqual([
        { id: 1, bytes: 7168 * 1024 * 1024 },
      ]);
      expect(await database.rows('SELECT count(*) AS count FROM change_feed')).toEqual([{ count: 1 }]);
    } finally {
      await database.close();
    }
  });

  it('are applied once when several processes start at the same time', async () => {
    const before = await catalogue(source);
    for (const _ of migrations) await source.undoLastMigration({ transaction: 'each' });
    const place = location();
    const settings = settingsFor(place, folder);
    const ended = await Promise.all([1, 2, 3].map(() => runCommand(['migrate'], settings)));
    expect(ended.map(({ stderr }) => stderr)).toEqual(['', '', '']);
    expect(ended.map(({ stdout }) => stdout.trim().split('\n').at(-1)).sort()).toEqual([
      `${migrations.length} migrations applied.`,
      'The database is up to date.',
      'The database is up to date.',
    ]);
    expect(await catalogue(source)).toEqual(before);
  }, 60_000);
});

describe('The sources', () => {
  const folder = join(__dirname, '../../src');
  const files = readdirSync(folder, { recursive: true })
    .map(String)
    .filter((name) => name.endsWith('.ts'));

  it('never let TypeORM change tables by itself', () => {
    expect(files.length).toBeGreaterThan(50);
    const found = files.filter((name) =>
      /\bsynchronize\b|\bdropSchema\b|migrationsRun/.test(readFileSync(join(folder, name), 'utf8')),
    );
    expect(found).toEqual([]);
  });

  it('know every migration file', () => {
    const inFolder = files.filter((name) => /^entities\/migrations\/\d+-/.test(name)).sort();
    expect(inFolder).toHaveLength(migrations.length);
    expect(migrations.map(({ name }) => /(\d{13})$/.exec(name)?.[1])).toEqual(
      inFolder.map((name) => /(\d{13})-/.exec(name)?.[1]),
    );
  });
});
