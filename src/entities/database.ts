import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DataSource, type EntityManager, MigrationExecutor, QueryFailedError, type QueryRunner } from 'typeorm';
import type { DataSourceOptions } from 'typeorm';
import { UnavailableError } from '../errors.js';
import { migrations } from './migrations/index.js';
import { tables } from './tables.js';

/** Where the data is: a SQLite file, or a MariaDB/MySQL server. */
export type DatabaseLocation =
  | { readonly kind: 'sqlite'; readonly file: string }
  | { readonly kind: 'mysql'; readonly url: string; readonly connections: number };

/** A value that both databases take as a statement's parameter; moments are integers, ms since 1970 UTC. */
export type SqlValue = string | number | boolean | Buffer | null;

/** One row to insert, by column name. */
export type SqlRow = Readonly<Record<string, SqlValue>>;

// SQLite takes at most 32,766 parameters in a statement; MariaDB 65,535.
const MAX_PARAMETERS = 32_000;
// Half of MariaDB's default max_allowed_packet (16 MiB) after blobs were written in hexadecimal.
const MAX_STATEMENT_BYTES = 4 * 1024 * 1024;
// A transaction that meets a deadlock or a busy file is repeated so often; each waits a little longer than the last.
const MAX_ATTEMPTS = 8;

const RETRYABLE = new Set([
  'ER_LOCK_DEADLOCK',
  'ER_LOCK_WAIT_TIMEOUT',
  'ER_CHECKREAD',
  'SQLITE_BUSY',
  'SQLITE_BUSY_SNAPSHOT',
]);
const UNIQUE_VIOLATIONS = new Set(['ER_DUP_ENTRY', 'SQLITE_CONSTRAINT_UNIQUE', 'SQLITE_CONSTRAINT_PRIMARYKEY']);
const CONNECTION_LOST = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'PROTOCOL_CONNECTION_LOST',
  'ER_SERVER_SHUTDOWN',
  'ER_CON_COUNT_ERROR',
]);
const STORAGE_FULL = new Set(['SQLITE_FULL', 'ER_RECORD_FILE_FULL', 'ER_DISK_FULL', 'ENOSPC']);

const errorCode = (error: unknown): string => {
  const driverError: unknown = error instanceof QueryFailedError ? error.driverError : error;
  return typeof driverError === 'object' && driverError !== null && 'code' in driverError
    ? String(driverError.code)
    : '';
};

/** Whether a statement failed because a unique key exists already. */
export const isUniqueViolation = (error: unknown): boolean => UNIQUE_VIOLATIONS.has(errorCode(error));

/** Whether a server of this version() knows SKIP LOCKED: MariaDB from 10.6, MySQL from 8.0. */
export function skipsLocked(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map((part) => Number.parseInt(part, 10));
  if (!version.includes('MariaDB')) return major >= 8;
  return major > 10 || (major === 10 && minor >= 6);
}

/** Whether a server of this version knows INSERT … RETURNING: MariaDB from 10.5 on. */
function returnsInserted(version: string): boolean {
  const [, major = 0, minor = 0] = /(\d+)\.(\d+)\.\d+-MariaDB/i.exec(version) ?? [];
  return Number(major) > 10 || (Number(major) === 10 && Number(minor) >= 5);
}

/** A unique key appeared between looking and inserting; the transaction is worth repeating. */
export class RepeatTransaction extends Error {}

interface IdRow {
  readonly id: number;
  readonly value: string;
}

/** INSERT statements for rows that all have the same columns, within the limits of both databases. */
function* insertStatements(table: string, rows: readonly SqlRow[]): Generator<[string, SqlValue[]]> {
  const first = rows[0];
  if (!first) return;
  const columns = Object.keys(first);
  const placeholders = `(${columns.map(() => '?').join(', ')})`;
  let batch: SqlValue[] = [];
  let batchRows = 0;
  let batchBytes = 0;
  const statement = (): [string, SqlValue[]] => [
    `INSERT INTO ${table} (${columns.join(', ')}) VALUES ${Array.from({ length: batchRows }, () => placeholders).join(', ')}`,
    batch,
  ];
  for (const row of rows) {
    const values = columns.map((column) => row[column] ?? null);
    const bytes = values.reduce<number>(
      (sum, value) => sum + (Buffer.isBuffer(value) || typeof value === 'string' ? value.length : 8),
      0,
    );
    if (batch.length + values.length > MAX_PARAMETERS || (batchRows > 0 && batchBytes + bytes > MAX_STATEMENT_BYTES)) {
      yield statement();
      batch = [];
      batchRows = 0;
      batchBytes = 0;
    }
    batch.push(...values);
    batchRows += 1;
    batchBytes += bytes;
  }
  yield statement();
}

/** Statements of one transaction; lives only inside {@link Database.transaction}. */
export class Transaction {
  readonly #afterCommit: (() => void)[] = [];

  constructor(
    private readonly runner: QueryRunner,
    readonly kind: DatabaseLocation['kind'],
    private readonly skipsLocked: boolean,
    /** Whether INSERT … RETURNING is known: SQLite and MariaDB have it, MySQL does not. */
    private readonly returns: boolean,
  ) {}

  /** TypeORM's manager, bound to this transaction. */
  get manager(): EntityManager {
    return this.runner.manager;
  }

  /** Appended to a SELECT it locks the rows; SQLite, which lets one transaction write at a time, needs no such words. */
  get forUpdate(): string {
    return this.kind === 'mysql' ? ' FOR UPDATE' : '';
  }

  /** As {@link forUpdate}, but passes over rows that others have locked, where the server can; else it waits for them. */
  get forUpdateOfFree(): string {
    return this.skipsLocked ? `${this.forUpdate} SKIP LOCKED` : this.forUpdate;
  }

  /** Rows of a SELECT, uncommitted ones of this transaction among them. */
  async rows<Row>(sql: string, parameters: readonly SqlValue[] = []): Promise<Row[]> {
    return (await this.runner.query(sql, [...parameters])) as Row[];
  }

  /** Runs a statement and tells how many rows it changed. */
  async run(sql: string, parameters: readonly SqlValue[] = []): Promise<number> {
    const result = await this.runner.query(sql, [...parameters], true);
    return result.affected ?? 0;
  }

  /** Inserts rows that all have the same columns, in as few statements as the limits of both databases allow. */
  async insert(table: string, rows: readonly SqlRow[]): Promise<void> {
    for (const [sql, values] of insertStatements(table, rows)) await this.runner.query(sql, values);
  }

  /** Inserts rows as {@link insert} does and gives the ids that the database gave them, by a column that is unique. */
  async insertForIds(table: string, rows: readonly SqlRow[], key: string): Promise<Map<string, number>> {
    const ids = new Map<string, number>();
    for (const [sql, values] of insertStatements(table, rows)) {
      const found = this.returns ? await this.rows<IdRow>(`${sql} RETURNING id, ${key} AS value`, values) : [];
      if (!this.returns) await this.runner.query(sql, values);
      for (const { id, value } of found) ids.set(value, id);
    }
    if (this.returns || rows.length === 0) return ids;
    const marks = rows.map(() => '?').join(', ');
    const found = await this.rows<IdRow>(
      `SELECT id, ${key} AS value FROM ${table} WHERE ${key} IN (${marks})`,
      rows.map((row) => row[key] ?? null),
    );
    return new Map(found.map(({ id, value }) => [value, id]));
  }

  /** Adds to the counter of a table's only row and gives its new value; the row stays locked until the end. */
  async advance(table: string, column: string, by: number): Promise<number> {
    if (this.kind === 'mysql') {
      // The function hands its argument back with the answer to the statement, which saves asking for it.
      const result = await this.runner.query(
        `UPDATE ${table} SET ${column} = LAST_INSERT_ID(${column} + ?) WHERE id = 1`,
        [by],
        true,
      );
      return Number((result.raw as { insertId: number | string }).insertId);
    }
    const [row] = await this.rows<{ value: number }>(
      `UPDATE ${table} SET ${column} = ${column} + ? WHERE id = 1 RETURNING ${column} AS value`,
      [by],
    );
    return row?.value ?? 0;
  }

  /** Runs after the commit, never after a rollback: wake-ups, never writes. */
  afterCommit(action: () => void): void {
    this.#afterCommit.push(action);
  }

  /** Called by the database once the commit is durable. */
  committed(): void {
    for (const action of this.#afterCommit) action();
  }
}

/**
 * The one way to the data, the same for SQLite and MariaDB/MySQL. Reads see committed data only; every write happens in
 * {@link transaction}. On SQLite reads and writes have a connection each, because TypeORM shares one connection and would
 * show half-done work to others, and transactions wait for each other.
 */
export class Database {
  readonly kind: DatabaseLocation['kind'];
  readonly #reader: DataSource;
  readonly #writer: DataSource;
  #lastWrite: Promise<unknown> = Promise.resolve();

  private constructor(
    reader: DataSource,
    writer: DataSource,
    kind: DatabaseLocation['kind'],
    /** Whether the server knows SKIP LOCKED. */
    readonly skipsLocked: boolean,
    private readonly returns: boolean,
  ) {
    this.#reader = reader;
    this.#writer = writer;
    this.kind = kind;
  }

  /** Connects; throws {@link UnavailableError} DATABASE_UNAVAILABLE when the server does not answer. */
  static async open(location: DatabaseLocation): Promise<Database> {
    try {
      if (location.kind === 'sqlite') {
        mkdirSync(dirname(location.file), { recursive: true });
        const options = (readonly: boolean): DataSourceOptions => ({
          type: 'better-sqlite3',
          database: location.file,
          entities: tables,
          migrations,
          enableWAL: !readonly,
          readonly,
          // Another process may hold the file for as long as its transaction lasts.
          timeout: 15_000,
          // NORMAL would lose the last commits at a power cut; intake promises durability (rule S6).
          prepareDatabase: (connection: { pragma(statement: string): unknown }) => {
            if (!readonly) connection.pragma('synchronous = FULL');
          },
        });
        const writer = await new DataSource(options(false)).initialize();
        const reader = await new DataSource(options(true)).initialize();
        return new Database(reader, writer, 'sqlite', false, true);
      }
      const source = new DataSource({
        type: 'mysql',
        url: location.url,
        entities: tables,
        migrations,
        charset: 'utf8mb4',
        timezone: 'Z',
        // Whole numbers stay numbers: none of ours passes 2^53.
        supportBigNumbers: true,
        bigNumberStrings: false,
        connectTimeout: 10_000,
        extra: { connectionLimit: location.connections, flags: ['-LOCAL_FILES'], stringifyObjects: true },
      });
      await source.initialize();
      const pool = (
        source.driver as unknown as {
          pool: { on(event: 'connection', listener: (connection: { query(sql: string): unknown }) => void): void };
        }
      ).pool;
      // READ COMMITTED: no gap locks, so that intake of unrelated messages does not deadlock; a strict sql_mode never cuts values silently.
      const prepare =
        "SET SESSION transaction_isolation = 'READ-COMMITTED', SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'";
      const legacy = prepare.replace('transaction_isolation', 'tx_isolation');
      const [version] = (await source.query('SELECT version() AS version')) as { version: string }[];
      const setUp = version?.version.includes('MariaDB') ? legacy : prepare;
      pool.on('connection', (connection) => connection.query(setUp));
      // The connection that asked for the version was opened before the listener was there.
      await source.query(setUp);
      const server = version?.version ?? '';
      return new Database(source, source, 'mysql', skipsLocked(server), returnsInserted(server));
    } catch (cause) {
      throw new UnavailableError('DATABASE_UNAVAILABLE', 'The database cannot be opened.', { cause });
    }
  }

  /** TypeORM's manager for reading committed data; writing through it is an error of ours. */
  get manager(): EntityManager {
    return this.#reader.manager;
  }

  /** Committed rows of a SELECT. */
  async rows<Row>(sql: string, parameters: readonly SqlValue[] = []): Promise<Row[]> {
    try {
      return (await this.#reader.query(sql, [...parameters])) as Row[];
    } catch (error) {
      throw nameFault(error);
    }
  }

  /**
   * Runs `work` in one transaction and repeats it after a deadlock, so it must have no effect outside the database.
   * Throws what `work` throws after a rollback; DATABASE_UNAVAILABLE and STORAGE_FULL tell faults of the surroundings.
   */
  async transaction<Result>(work: (transaction: Transaction) => Promise<Result>): Promise<Result> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await (this.kind === 'sqlite' ? this.#inTurn(() => this.#once(work)) : this.#once(work));
      } catch (error) {
        const repeat = RETRYABLE.has(errorCode(error)) || error instanceof RepeatTransaction;
        if (!repeat || attempt >= MAX_ATTEMPTS) throw nameFault(error);
        await new Promise((wake) => setTimeout(wake, Math.random() * 10 * 2 ** attempt));
      }
    }
  }

  async #once<Result>(work: (transaction: Transaction) => Promise<Result>): Promise<Result> {
    const runner = this.#writer.createQueryRunner();
    // TypeORM then nests no transaction of its own; it declares the flag readonly because its own methods set it.
    const state = runner as { isTransactionActive: boolean };
    const transaction = new Transaction(runner, this.kind, this.skipsLocked, this.returns);
    let result: Result;
    try {
      // IMMEDIATE: a transaction that reads first and writes later would fail when another process wrote in between.
      await runner.query(this.kind === 'sqlite' ? 'BEGIN IMMEDIATE' : 'START TRANSACTION');
      try {
        state.isTransactionActive = true;
        result = await work(transaction);
        await runner.query('COMMIT');
      } catch (error) {
        // The error that led here says more than a failing rollback of a lost connection.
        await runner.query('ROLLBACK').catch(() => undefined);
        throw error;
      } finally {
        state.isTransactionActive = false;
      }
    } finally {
      if (this.kind === 'mysql') await runner.release();
    }
    transaction.committed();
    return result;
  }

  #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const turn = this.#lastWrite.then(work, work);
    this.#lastWrite = turn.catch(() => undefined);
    return turn;
  }

  /** Applies the migrations that are missing, one process at a time, and tells their names. */
  async migrate(): Promise<string[]> {
    const apply = async (runner: QueryRunner): Promise<string[]> => {
      const executor = new MigrationExecutor(this.#writer, runner);
      executor.transaction = 'none';
      return (await executor.executePendingMigrations()).map((migration) => migration.name);
    };
    if (this.kind === 'sqlite')
      return this.transaction((transaction) => apply(transaction.manager.queryRunner as QueryRunner));
    const runner = this.#writer.createQueryRunner();
    try {
      await runner.query("SELECT GET_LOCK('mailkeep-migrate', 600)");
      return await apply(runner);
    } finally {
      await runner.query("SELECT RELEASE_LOCK('mailkeep-migrate')").catch(() => undefined);
      await runner.release();
    }
  }

  /** Migrations that this version knows and the database does not have yet. */
  async pendingMigrations(): Promise<number> {
    const known = migrations.length;
    try {
      const [row] = await this.rows<{ count: number }>('SELECT count(*) AS count FROM migrations');
      return known - (row?.count ?? 0);
    } catch (error) {
      if (error instanceof UnavailableError) throw error;
      return known;
    }
  }

  /** Ends all connections after the writes that run. */
  async close(): Promise<void> {
    await this.#lastWrite;
    if (this.#reader !== this.#writer) await this.#reader.destroy();
    await this.#writer.destroy();
  }
}

/**
 * Gives errors of the driver that tell of the surroundings their codes, DATABASE_UNAVAILABLE and STORAGE_FULL; others stay as
 * they are. For the doors: reads through {@link Database.manager} come with the driver's own errors.
 */
export function nameFault(error: unknown): unknown {
  const code = errorCode(error);
  if (CONNECTION_LOST.has(code))
    return new UnavailableError('DATABASE_UNAVAILABLE', 'The database does not answer. Try again later.', {
      cause: error,
    });
  if (STORAGE_FULL.has(code))
    return new UnavailableError(
      'STORAGE_FULL',
      'The disk of the database is full. Nothing was changed; make room and try again.',
      { cause: error },
    );
  return error;
}
