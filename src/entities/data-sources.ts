import { closeSync, existsSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { DataSource, type DataSourceOptions } from 'typeorm';
import { UnavailableError } from '../errors.js';
import { migrations } from './migrations/index.js';
import { sqliteDriver } from './sqlite-driver.js';
import { tables } from './tables.js';

/** Where the data is: a SQLite file, or a MariaDB/MySQL server. */
export type DatabaseLocation =
  | { readonly kind: 'sqlite'; readonly file: string }
  | { readonly kind: 'mysql'; readonly url: string; readonly connections: number };

/** Connections for reading and for writing; the same pool with MariaDB/MySQL. */
export interface DataSources {
  readonly reader: DataSource;
  readonly writer: DataSource;
  /** For transactions that send several statements in one packet; nothing else may run there. The writer with SQLite. */
  readonly bundler: DataSource;
  /** Whether the server knows SKIP LOCKED. */
  readonly skipsLocked: boolean;
  /** Whether it knows INSERT … RETURNING: SQLite and MariaDB from 10.5 on, not MySQL. */
  readonly returnsInserted: boolean;
}

function returnsInserted(version: string): boolean {
  const [, major = 0, minor = 0] = /(\d+)\.(\d+)\.\d+-MariaDB/i.exec(version) ?? [];
  return Number(major) > 10 || (Number(major) === 10 && Number(minor) >= 5);
}

/** Whether a server of this version() knows SKIP LOCKED: MariaDB from 10.6, MySQL from 8.0. */
export function skipsLocked(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map((part) => Number.parseInt(part, 10));
  if (!version.includes('MariaDB')) return major >= 8;
  return major > 10 || (major === 10 && minor >= 6);
}

// A statement that waits for another process's transaction on a SQLite file gives up after so long.
const SQLITE_BUSY_MS = 15_000;
const CONNECT_MS = 10_000;
// As many as the store has batches at once, sending (one that takes from the queue and one that writes results), and a
// synchronisation (two).
const BUNDLING_CONNECTIONS = 6;

// READ COMMITTED: no gap locks, so that intake of unrelated messages does not deadlock; a strict sql_mode never cuts values silently.
const SESSION =
  "SET SESSION transaction_isolation = 'READ-COMMITTED', SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'";

/** What is used of the driver's pool. */
interface Pool {
  on(
    event: 'connection',
    listener: (connection: { query(sql: string, done: (error: unknown) => void): void; destroy(): void }) => void,
  ): void;
  end(done: () => void): void;
}

/** Connects; throws {@link UnavailableError} DATABASE_UNAVAILABLE with the driver's error as its cause. */
export async function openDataSources(location: DatabaseLocation): Promise<DataSources> {
  try {
    return await (location.kind === 'sqlite' ? openFile(location.file) : openServer(location));
  } catch (cause) {
    throw new UnavailableError('DATABASE_UNAVAILABLE', 'The database cannot be opened.', { cause });
  }
}

/** Ends all connections. */
export async function closeDataSources({ reader, writer, bundler }: DataSources): Promise<void> {
  for (const source of new Set([reader, bundler, writer])) await source.destroy();
}

async function openFile(file: string): Promise<DataSources> {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  // It holds everybody's mail: for this user alone, unless somebody decides otherwise. SQLite gives its journals the same rights.
  if (!existsSync(file)) closeSync(openSync(file, 'a', 0o600));
  const options = (readonly: boolean): DataSourceOptions => ({
    type: 'better-sqlite3',
    driver: sqliteDriver(),
    database: file,
    entities: tables,
    migrations,
    enableWAL: !readonly,
    readonly,
    timeout: SQLITE_BUSY_MS,
    // NORMAL would lose the last commits at a power cut; intake promises durability (rule S6).
    prepareDatabase: (connection: { pragma(statement: string): unknown }) => {
      if (!readonly) connection.pragma('synchronous = FULL');
    },
  });
  const writer = await new DataSource(options(false)).initialize();
  return {
    writer,
    bundler: writer,
    reader: await new DataSource(options(true)).initialize(),
    skipsLocked: false,
    returnsInserted: true,
  };
}

async function openServer({ url, connections }: DatabaseLocation & { kind: 'mysql' }): Promise<DataSources> {
  const { source, version } = await openPool({ ...pooled(url, connections), entities: tables, migrations });
  try {
    const bundler = await openPool({ ...pooled(url, BUNDLING_CONNECTIONS), multipleStatements: true });
    return {
      reader: source,
      writer: source,
      bundler: bundler.source,
      skipsLocked: skipsLocked(version),
      returnsInserted: returnsInserted(version),
    };
  } catch (error) {
    await source.destroy();
    throw error;
  }
}

const pooled = (url: string, connections: number) =>
  ({
    type: 'mysql',
    url,
    charset: 'utf8mb4',
    timezone: 'Z',
    // Whole numbers stay numbers: none of ours passes 2^53.
    supportBigNumbers: true,
    bigNumberStrings: false,
    connectTimeout: CONNECT_MS,
    extra: { connectionLimit: connections, flags: ['-LOCAL_FILES'], stringifyObjects: true },
  }) as const;

/** Connects a pool whose connections are all set up alike; gives the server's version(). */
async function openPool(options: DataSourceOptions): Promise<{ source: DataSource; version: string }> {
  const source = new DataSource(options);
  const pool = (): Pool | undefined => (source.driver as unknown as { pool?: Pool }).pool;
  try {
    await source.initialize();
    const [version] = (await source.query('SELECT version() AS version')) as { version: string }[];
    const setUp = version?.version.includes('MariaDB')
      ? SESSION.replace('transaction_isolation', 'tx_isolation')
      : SESSION;
    // One that could not be set up must not serve; without the callback its error would end the process.
    pool()?.on('connection', (connection) =>
      connection.query(setUp, (error) => {
        if (error) connection.destroy();
      }),
    );
    // The connection that asked for the version was opened before the listener was there.
    await source.query(setUp);
    return { source, version: version?.version ?? '' };
  } catch (error) {
    pool()?.end(() => undefined);
    throw error;
  }
}
