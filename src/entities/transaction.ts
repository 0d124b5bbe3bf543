import type { EntityManager, QueryRunner } from 'typeorm';
import type { DatabaseLocation } from './data-sources.js';
import { marksFor } from './marks-for.js';

/** A value that both databases take as a statement's parameter; moments are integers, ms since 1970 UTC. */
export type SqlValue = string | number | boolean | Buffer | null;

/** One row to insert, by column name. */
export type SqlRow = Readonly<Record<string, SqlValue>>;

// SQLite takes at most 32,766 parameters in a statement; MariaDB 65,535.
const MAX_PARAMETERS = 32_000;
// Half of MariaDB's default max_allowed_packet (16 MiB) after blobs were written in hexadecimal.
const MAX_STATEMENT_BYTES = 4 * 1024 * 1024;

interface IdRow {
  readonly id: number;
  readonly value: string;
}

const bytesOf = (values: readonly SqlValue[]): number =>
  values.reduce<number>(
    (sum, value) => sum + (Buffer.isBuffer(value) || typeof value === 'string' ? value.length : 8),
    0,
  );

/** INSERT statements for rows that all have the same columns, within the limits of both databases; `marks` instead of "?". */
function* insertStatements(
  table: string,
  rows: readonly SqlRow[],
  marks: Readonly<Record<string, string>> = {},
): Generator<[string, SqlValue[]]> {
  const first = rows[0];
  if (!first) return;
  const columns = Object.keys(first);
  const placeholders = `(${columns.map((column) => marks[column] ?? '?').join(', ')})`;
  let batch: SqlValue[] = [];
  let batchRows = 0;
  let batchBytes = 0;
  const statement = (): [string, SqlValue[]] => [
    `INSERT INTO ${table} (${columns.join(', ')}) VALUES ${Array.from({ length: batchRows }, () => placeholders).join(', ')}`,
    batch,
  ];
  for (const row of rows) {
    const values = columns.map((column) => row[column] ?? null);
    const bytes = bytesOf(values);
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

const selectByKey = (
  table: string,
  rows: readonly SqlRow[],
  key: string,
  columns: string,
): [sql: string, values: SqlValue[]] => [
  `SELECT ${columns} FROM ${table} WHERE ${key} IN (${marksFor(rows)})`,
  rows.map((row) => row[key] ?? null),
];

/** Statements of one transaction; lives only inside {@link Database.transaction}. */
export class Transaction {
  readonly #afterCommit: (() => void)[] = [];
  #waiting: [sql: string, values: readonly SqlValue[], note?: (answer: unknown) => void][] = [];
  #waitingBytes = 0;

  constructor(
    private readonly runner: QueryRunner,
    readonly kind: DatabaseLocation['kind'],
    private readonly skipsLocked: boolean,
    /** Whether INSERT … RETURNING is known: SQLite and MariaDB have it, MySQL does not. */
    private readonly returns: boolean,
    /** Whether statements may share a packet, see {@link later}. */
    private readonly bundles: boolean,
  ) {}

  /** TypeORM's manager, bound to this transaction. */
  get manager(): EntityManager {
    return this.runner.manager;
  }

  /** Appended to a SELECT it locks the rows; SQLite, which lets one transaction write at a time, needs no such words. */
  get forUpdate(): string {
    return this.kind === 'mysql' ? ' FOR UPDATE' : '';
  }

  /** Appended to a SELECT it keeps others from changing the rows, but not from keeping them so, too. */
  get forShare(): string {
    return this.kind === 'mysql' ? ' LOCK IN SHARE MODE' : '';
  }

  /** As {@link forUpdate}, but passes over rows that others have locked, where the server can; else it waits for them. */
  get forUpdateOfFree(): string {
    return this.skipsLocked ? `${this.forUpdate} SKIP LOCKED` : this.forUpdate;
  }

  /** Rows of a SELECT, uncommitted ones of this transaction among them. */
  async rows<Row>(sql: string, parameters: readonly SqlValue[] = []): Promise<Row[]> {
    return (await this.#query(sql, parameters)) as Row[];
  }

  /** Runs a statement and tells how many rows it changed. */
  async run(sql: string, parameters: readonly SqlValue[] = []): Promise<number> {
    if (this.#waiting.length > 0)
      return ((await this.#query(sql, parameters)) as { affectedRows?: number }).affectedRows ?? 0;
    const result = await this.runner.query(sql, [...parameters], true);
    return result.affected ?? 0;
  }

  /**
   * Runs a statement whose answer nobody needs. In a bundled transaction it waits for the next one whose answer is needed, or
   * for the commit, and goes out in one packet with it: a round trip costs more than most statements. What it violates is
   * thrown there, and what it answers is noted there.
   */
  async later(sql: string, parameters: readonly SqlValue[] = [], note?: (answer: unknown) => void): Promise<void> {
    if (!this.bundles) {
      const answer: unknown = await this.runner.query(sql, [...parameters]);
      note?.(answer);
      return;
    }
    const bytes = bytesOf(parameters);
    if (this.#waitingBytes + bytes > MAX_STATEMENT_BYTES) await this.#send();
    this.#waiting.push(note ? [sql, parameters, note] : [sql, parameters]);
    this.#waitingBytes += bytes;
  }

  /** Rows of several SELECTs, in their order. In a bundled transaction they go out in one packet, with what waits. */
  async rowsOfEach<Rows extends readonly object[]>(
    ...queries: { readonly [Index in keyof Rows]: readonly [sql: string, parameters: readonly SqlValue[]] }
  ): Promise<{ -readonly [Index in keyof Rows]: Rows[Index][] }> {
    const found: unknown[] = [];
    if (this.bundles) {
      for (const [sql, parameters] of queries) await this.later(sql, parameters);
      found.push(...(await this.#send()).slice(-queries.length));
    } else for (const [sql, parameters] of queries) found.push(await this.rows(sql, parameters));
    return found as { -readonly [Index in keyof Rows]: Rows[Index][] };
  }

  /** Ends the transaction; called by the database. */
  async commit(): Promise<void> {
    await this.#query('COMMIT');
  }

  async #query(sql: string, parameters: readonly SqlValue[] = []): Promise<unknown> {
    if (this.#waiting.length === 0) return this.runner.query(sql, [...parameters]);
    if (this.#waitingBytes + bytesOf(parameters) > MAX_STATEMENT_BYTES) {
      await this.#send();
      return this.runner.query(sql, [...parameters]);
    }
    this.#waiting.push([sql, parameters]);
    return (await this.#send()).at(-1);
  }

  /** Sends what waits in one packet; gives the answer to each statement. */
  async #send(): Promise<unknown[]> {
    const statements = this.#waiting;
    this.#waiting = [];
    this.#waitingBytes = 0;
    const [first] = statements;
    if (!first) return [];
    const sql = statements.map(([each]) => each).join(';\n');
    const values: SqlValue[] = [];
    // Thousands of values: flatMap takes five times as long.
    for (const [, each] of statements) for (const value of each) values.push(value);
    const answer: unknown = await this.runner.query(sql, values);
    const answers = statements.length === 1 ? [answer] : (answer as unknown[]);
    statements.forEach(([, , note], index) => note?.(answers[index]));
    return answers;
  }

  /** Inserts rows that all have the same columns, in as few statements as the limits of both databases allow. */
  async insert(table: string, rows: readonly SqlRow[]): Promise<void> {
    for (const [sql, values] of insertStatements(table, rows)) await this.#query(sql, values);
  }

  /** Inserts rows as {@link insert} does, {@link later}. */
  async insertLater(table: string, rows: readonly SqlRow[], marks?: Readonly<Record<string, string>>): Promise<void> {
    for (const [sql, values] of insertStatements(table, rows, marks)) await this.later(sql, values);
  }

  /** Inserts rows as {@link insert} does and gives the ids that the database gave them, by a column that is unique. */
  async insertForIds(table: string, rows: readonly SqlRow[], key: string): Promise<Map<string, number>> {
    const inserted = await this.insertForRows<IdRow>(table, rows, key, `id, ${key} AS value`);
    return new Map(inserted.map(({ id, value }) => [value, id]));
  }

  /** Inserts rows as {@link insert} does and gives columns of what was stored; `key` is a column that is unique. */
  async insertForRows<Row>(
    table: string,
    rows: readonly SqlRow[],
    key: string,
    columns: string,
    marks?: Readonly<Record<string, string>>,
  ): Promise<Row[]> {
    const inserted: Row[] = [];
    for (const [sql, values] of insertStatements(table, rows, marks)) {
      if (this.returns) inserted.push(...(await this.rows<Row>(`${sql} RETURNING ${columns}`, values)));
      else await this.later(sql, values);
    }
    if (this.returns || rows.length === 0) return inserted;
    return this.rows<Row>(...selectByKey(table, rows, key, columns));
  }

  /**
   * Inserts rows, {@link later}, which the database numbers, and gives their ids by a column that is unique once the packet
   * has gone out. Statements behind it know the id of row `?` as {@link idOfRow}: servers number the rows of one INSERT …
   * VALUES in a row, but whoever relies on that compares it with these ids. Only for MariaDB/MySQL, and for few small rows.
   */
  async insertForIdsLater(table: string, rows: readonly SqlRow[], key: string): Promise<ReadonlyMap<string, number>> {
    const ids = new Map<string, number>();
    const note = (answer: unknown) => (answer as IdRow[]).forEach(({ id, value }) => ids.set(value, id));
    const columns = `id, ${key} AS value`;
    const [[sql, values] = ['', []], ...others] = insertStatements(table, rows);
    if (others.length > 0) throw new RangeError(`Too many rows of ${table} for one statement.`);
    if (this.returns) await this.later(`${sql} RETURNING ${columns}`, values, note);
    else await this.later(sql, values);
    await this.later(`SET @first_of_${table} = LAST_INSERT_ID()`);
    if (!this.returns) await this.later(...selectByKey(table, rows, key, columns), note);
    return ids;
  }

  /** The id of a row of {@link insertForIdsLater}, in SQL; its value is the row's position there. */
  idOfRow(table: string): string {
    return `@first_of_${table} + ? * @@auto_increment_increment`;
  }

  /**
   * Inserts rows, {@link later}, whose `column` continues a counter: a column of a table with one row, which stays locked
   * until the end, so that nobody's numbers become visible before smaller ones.
   */
  async insertNumbered(
    table: string,
    column: string,
    counter: { readonly table: string; readonly column: string },
    rows: readonly SqlRow[],
  ): Promise<void> {
    const numbered = (numberOf: (index: number) => number) =>
      rows.map((row, index) => ({ [column]: numberOf(index), ...row }));
    if (this.kind === 'mysql') {
      // The function keeps its argument for this connection, which saves asking for it and sending it back.
      await this.later(
        `UPDATE ${counter.table} SET ${counter.column} = LAST_INSERT_ID(${counter.column} + ?) WHERE id = 1`,
        [rows.length],
      );
      const marks = { [column]: 'LAST_INSERT_ID() - ?' };
      return this.insertLater(
        table,
        numbered((index) => rows.length - 1 - index),
        marks,
      );
    }
    const [row] = await this.rows<{ last: number }>(
      `UPDATE ${counter.table} SET ${counter.column} = ${counter.column} + ? WHERE id = 1 RETURNING ${counter.column} AS last`,
      [rows.length],
    );
    const first = (row?.last ?? 0) - rows.length + 1;
    return this.insert(
      table,
      numbered((index) => first + index),
    );
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
