import { type EntityManager, MigrationExecutor, type QueryRunner } from 'typeorm';
import { UnavailableError } from '../errors.js';
import { AWAY, errorCode, isUniqueViolation, nameFault, RETRYABLE } from './database-faults.js';
import {
  closeDataSources,
  type DatabaseLocation,
  type DataSources,
  openDataSources,
  skipsLocked,
} from './data-sources.js';
import { migrations } from './migrations/index.js';
import { type SqlRow, type SqlValue, Transaction } from './transaction.js';

export type { DatabaseLocation, SqlRow, SqlValue, Transaction };

// A transaction that meets a deadlock or a busy file is repeated so often; each waits a little longer than the last.
const MAX_ATTEMPTS = 8;

export { isUniqueViolation, nameFault, skipsLocked };

const pause = (attempt: number) => new Promise((wake) => setTimeout(wake, Math.random() * 10 * 2 ** attempt));

/** A unique key appeared between looking and inserting; the transaction is worth repeating. */
export class RepeatTransaction extends Error {}

/**
 * The one way to the data, the same for SQLite and MariaDB/MySQL. Reads see committed data only; every write happens in
 * {@link transaction}. On SQLite reads and writes have a connection each, because TypeORM shares one connection and would
 * show half-done work to others, and transactions wait for each other.
 */
export class Database {
  readonly kind: DatabaseLocation['kind'];
  readonly #location: DatabaseLocation;
  #sources: DataSources | undefined;
  #lastWrite: Promise<unknown> = Promise.resolve();

  /** Contacts nothing: {@link connect} does. */
  constructor(location: DatabaseLocation, sources?: DataSources) {
    this.kind = location.kind;
    this.#location = location;
    this.#sources = sources;
  }

  /** Connects; throws {@link UnavailableError} DATABASE_UNAVAILABLE when the server does not answer. */
  static async open(location: DatabaseLocation): Promise<Database> {
    const database = new Database(location);
    database.#sources = await openDataSources(location);
    return database;
  }

  /**
   * Connects and applies the migrations that are missing; until then every read and write throws DATABASE_UNAVAILABLE, so
   * that nobody sees a database that is half made. May be called again after it threw.
   */
  async connect(): Promise<void> {
    if (this.#sources) return;
    const sources = await openDataSources(this.#location);
    try {
      await new Database(this.#location, sources).migrate();
      this.#sources = sources;
    } catch (error) {
      await closeDataSources(sources);
      throw nameFault(error);
    }
  }

  /** Whether the server knows SKIP LOCKED. */
  get skipsLocked(): boolean {
    return this.#connected.skipsLocked;
  }

  /** TypeORM's manager for reading committed data; writing through it is an error of ours. */
  get manager(): EntityManager {
    return this.#connected.reader.manager;
  }

  /** Committed rows of a SELECT. */
  async rows<Row>(sql: string, parameters: readonly SqlValue[] = []): Promise<Row[]> {
    try {
      return (await this.#connected.reader.query(sql, [...parameters])) as Row[];
    } catch (error) {
      throw nameFault(error);
    }
  }

  /**
   * Runs `work` in one transaction and repeats it after a deadlock, so it must have no effect outside the database.
   * Throws what `work` throws after a rollback; DATABASE_UNAVAILABLE and STORAGE_FULL tell faults of the surroundings.
   */
  async transaction<Result>(
    work: (transaction: Transaction) => Promise<Result>,
    /** Whether statements may be put off and sent together, see {@link Transaction.later}. */
    { bundled = false } = {},
  ): Promise<Result> {
    const once = () => this.#once(work, bundled && this.kind === 'mysql');
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await (this.kind === 'sqlite' ? this.#inTurn(once) : once());
      } catch (error) {
        const repeat = RETRYABLE.has(errorCode(error)) || error instanceof RepeatTransaction;
        if (!repeat || attempt >= MAX_ATTEMPTS) throw nameFault(error);
        await pause(attempt);
      }
    }
  }

  /** Runs one statement that is a transaction of its own, without the round trips of one; tells how many rows it changed. */
  async run(sql: string, parameters: readonly SqlValue[] = []): Promise<number> {
    if (this.kind === 'sqlite') return this.transaction((transaction) => transaction.run(sql, parameters));
    for (let attempt = 1; ; attempt += 1) {
      const runner = this.#connected.writer.createQueryRunner();
      try {
        return (await runner.query(sql, [...parameters], true)).affected ?? 0;
      } catch (error) {
        if (!RETRYABLE.has(errorCode(error)) || attempt >= MAX_ATTEMPTS) throw nameFault(error);
      } finally {
        await runner.release();
      }
      await pause(attempt);
    }
  }

  async #once<Result>(work: (transaction: Transaction) => Promise<Result>, bundled: boolean): Promise<Result> {
    const { writer, bundler, returnsInserted } = this.#connected;
    const runner = (bundled ? bundler : writer).createQueryRunner();
    // TypeORM then nests no transaction of its own; it declares the flag readonly because its own methods set it.
    const state = runner as { isTransactionActive: boolean };
    const transaction = new Transaction(runner, this.kind, this.skipsLocked, returnsInserted, bundled);
    let result: Result;
    try {
      // IMMEDIATE: a transaction that reads first and writes later would fail when another process wrote in between.
      await transaction.later(this.kind === 'sqlite' ? 'BEGIN IMMEDIATE' : 'START TRANSACTION');
      try {
        state.isTransactionActive = true;
        result = await work(transaction);
        await transaction.commit();
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
      const executor = new MigrationExecutor(this.#connected.writer, runner);
      executor.transaction = 'none';
      return (await executor.executePendingMigrations()).map((migration) => migration.name);
    };
    if (this.kind === 'sqlite')
      return this.transaction((transaction) => apply(transaction.manager.queryRunner as QueryRunner));
    const runner = this.#connected.writer.createQueryRunner();
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
    const sources = this.#sources;
    this.#sources = undefined;
    if (sources) await closeDataSources(sources);
  }

  get #connected(): DataSources {
    if (!this.#sources) throw new UnavailableError('DATABASE_UNAVAILABLE', AWAY);
    return this.#sources;
  }
}
