import { createHash } from 'node:crypto';
import { createWriteStream, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { type Connection, createConnection, type RowDataPacket } from 'mysql2/promise';
import { createServices } from '../../src/app.js';
import { loadConfig } from '../../src/config.js';
import { ApiTokenScope } from '../../src/entities/api-token.js';
import { Database } from '../../src/entities/database.js';
import {
  ACTION_CODES,
  GatewayAction,
  Module,
  type ScanResult,
  ScanStatus,
  STATUS_CODES,
} from '../../src/entities/vocabulary.js';
import { connectionsTo } from '../../src/ldap/embedded/example-connections.js';
import { exampleOrganisation } from '../../src/ldap/embedded/organisation.js';
import { createLogger } from '../../src/log.js';
import { ipKey } from '../../src/services/backup/ip-key.js';
import { detectedBits, SORT_KEY_LENGTH } from '../../src/services/backup/message-rows.js';
import { initialVisibility } from '../../src/services/backup/visibility.js';
import { ensureFirstAdministrator } from '../../src/services/session/first-administrator.js';
import { tokenHash } from '../../src/services/session/secret-token.js';

// Encrypts the directory's password in the benches; the servers must know the same one.
const SECRET_KEY = 'a key of the benches, of at least 32 characters';
const IDLE_MS = 30 * 86_400_000;

/** The settings of a server on a database that was filled here; the sessions of a kept one stay valid for a month. */
export const environment = (url: string, dataDir: string): Record<string, string> => ({
  MAILKEEP_DATABASE_URL: url,
  MAILKEEP_DATA_DIR: dataDir,
  MAILKEEP_HTTP_PORT: '0',
  MAILKEEP_SECRET_KEY: SECRET_KEY,
  MAILKEEP_PRIVILEGED_IDLE_MS: String(IDLE_MS),
  MAILKEEP_PERSONAL_IDLE_MS: String(IDLE_MS),
});

/** How much is put into a database. */
export interface Amount {
  readonly messages: number;
  /** People with a mailbox and an alias each. */
  readonly people: number;
  /** Group mailboxes; each person reads one of them. */
  readonly groupMailboxes: number;
  /** How many people are signed in. */
  readonly sessions: number;
}

/** How to come in besides {@link sessionToken}. */
export interface Access {
  /** API token of scope INTAKE. */
  readonly intake: string;
}

const DOMAIN = 'example.com';
const DAY_MS = 86_400_000;
// Longer than anybody keeps a filled database for further runs.
const SESSION_MS = 365 * DAY_MS;
const PERIOD_MS = 30 * DAY_MS;

/** Every hundredth message goes to the first person, so that this mailbox grows with the database. */
export const FIRST_PERSON_SHARE = 100;

const digest = (text: string) => createHash('sha256').update(text).digest('hex');
const directoryId = (index: number) => digest(`person ${index}`).slice(0, 32);
const groupId = (index: number) => digest(`group ${index}`).slice(0, 32);

/** Main address of the person with this number. */
export const addressOf = (index: number): string => `person${index}@${DOMAIN}`;

// A small generator with a fixed seed (xorshift32): every run fills the same data.
let state = 2463534242;
function random(below: number): number {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 0) % below;
}
const pick = <Item>(items: readonly Item[]): Item => items[random(items.length)] as Item;

const WORDS =
  'your invoice parcel account offer meeting report delivery payment order notice reminder security update price list winter summer team contract tender question answer photo video ticket travel bank tax result project minutes plan schedule review draft final urgent confirmation subscription newsletter'.split(
    ' ',
  );
const NODES = ['gateway-1', 'gateway-2', 'gateway-3'];

const result = (module: Module, status: ScanStatus, ...threatNames: string[]): ScanResult => ({
  module,
  status,
  scannerVerdict: null,
  threatNames,
});
const CLEAN = result(Module.ANTI_VIRUS, ScanStatus.NOT_DETECTED);
const VERDICTS = [
  { action: GatewayAction.DELETE_MESSAGE, results: [CLEAN, result(Module.ANTI_SPAM, ScanStatus.SPAM)] },
  { action: GatewayAction.DELETE_MESSAGE, results: [CLEAN, result(Module.ANTI_SPAM, ScanStatus.PROBABLE_SPAM)] },
  {
    action: GatewayAction.DELETE_MESSAGE,
    results: [CLEAN, result(Module.ANTI_PHISHING, ScanStatus.DETECTED, 'Phishing.Bank')],
  },
  { action: GatewayAction.DELETE_ATTACHMENT, results: [result(Module.ANTI_VIRUS, ScanStatus.DETECTED, 'Eicar-Test')] },
  { action: GatewayAction.DISINFECT, results: [result(Module.ANTI_VIRUS, ScanStatus.DISINFECTED, 'Macro.Generic')] },
  { action: GatewayAction.SKIP, results: [CLEAN, result(Module.ANTI_SPAM, ScanStatus.MASS_MAIL)] },
].map(({ action, results }) => {
  const status = (module: Module) => {
    const found = results.find((each) => each.module === module);
    return found ? STATUS_CODES.indexOf(found.status) : null;
  };
  return {
    action: ACTION_CODES.indexOf(action),
    visibility: initialVisibility(action) as number,
    bits: detectedBits(results),
    json: JSON.stringify(results),
    statuses: [status(Module.ANTI_VIRUS), status(Module.ANTI_PHISHING), status(Module.LINK_SCANNING)],
  };
});
// Half of the mail put aside is spam, a sixth of it is never in personal Backup.
const WEIGHTED = [0, 0, 0, 0, 1, 1, 2, 2, 3, 4, 5, 5].map((index) => VERDICTS[index] as (typeof VERDICTS)[number]);

type Value = string | number | null;
const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n' };
const field = (value: Value) =>
  value === null
    ? '\\N'
    : typeof value === 'number'
      ? String(value)
      : value.replace(/[\\\t\n]/g, (each) => ESCAPES[each] ?? each);

/** Fills one table from a file; the indexes are built behind it, sorted once, which is several times faster than row by row. */
class TableFile {
  readonly #path: string;
  readonly #stream;
  #lines: string[] = [];

  constructor(
    folder: string,
    private readonly table: string,
    private readonly columns: readonly string[],
  ) {
    this.#path = join(folder, `${table}.tsv`);
    this.#stream = createWriteStream(this.#path, { mode: 0o644 });
  }

  async add(values: readonly Value[]): Promise<void> {
    this.#lines.push(values.map(field).join('\t'));
    if (this.#lines.length >= 5_000) await this.#flush();
  }

  async #flush(): Promise<void> {
    const text = this.#lines.map((line) => `${line}\n`).join('');
    this.#lines = [];
    if (!this.#stream.write(text)) await new Promise<void>((drained) => this.#stream.once('drain', () => drained()));
  }

  async load(connection: Connection): Promise<void> {
    await this.#flush();
    this.#stream.end();
    await finished(this.#stream);
    const indexes = await secondaryIndexes(connection, this.table);
    if (indexes.length > 0)
      await connection.query(`ALTER TABLE ${this.table} ${indexes.map(({ name }) => `DROP INDEX ${name}`).join(', ')}`);
    await connection.query(
      `LOAD DATA INFILE ? INTO TABLE ${this.table} CHARACTER SET utf8mb4 (${this.columns.join(', ')})`,
      [this.#path],
    );
    if (indexes.length > 0)
      await connection.query(
        `ALTER TABLE ${this.table} ${indexes.map(({ definition }) => `ADD ${definition}`).join(', ')}`,
      );
    rmSync(this.#path);
  }
}

async function secondaryIndexes(
  connection: Connection,
  table: string,
): Promise<{ name: string; definition: string }[]> {
  const [rows] = await connection.query<(RowDataPacket & { name: string; nonUnique: number; columns: string })[]>(
    `SELECT index_name AS name, non_unique AS nonUnique, group_concat(column_name ORDER BY seq_in_index) AS columns
       FROM information_schema.statistics WHERE table_schema = database() AND table_name = ? AND index_name <> 'PRIMARY'
      GROUP BY index_name, non_unique`,
    [table],
  );
  return rows.map(({ name, nonUnique, columns }) => ({
    name,
    definition: `${nonUnique ? '' : 'UNIQUE '}INDEX ${name} (${columns})`,
  }));
}

/** Fills an empty database of a MariaDB server that may read our files: schema, directory cache, sessions and messages. */
export async function seed(url: string, folder: string, amount: Amount): Promise<Access> {
  state = 2463534242;
  const scratch = join(folder, `seed-${new URL(url).pathname.slice(1)}`);
  mkdirSync(scratch, { recursive: true, mode: 0o755 });
  const access = await prepare(url, scratch, amount);
  const connection = await createConnection({ uri: url });
  try {
    await connection.query("SET unique_checks = 0, foreign_key_checks = 0, SESSION sql_mode = ''");
    await fillDirectory(connection, scratch, amount);
    await fillSessions(connection, scratch, amount);
    await fillMessages(connection, scratch, amount);
    await connection.query(
      'ANALYZE TABLE message, recipient, verdict, directory_entry, directory_identifier, mailbox_access, session',
    );
  } finally {
    await connection.end();
    rmSync(scratch, { recursive: true, force: true });
  }
  return access;
}

/** What needs the product's own code: the schema, the first administrator, one directory connection and an API token. */
async function prepare(url: string, scratch: string, amount: Amount): Promise<Access> {
  const config = loadConfig({}, { dataDir: scratch, databaseUrl: url, secretKey: SECRET_KEY, logLevel: 'warn' });
  const log = createLogger(config.logLevel);
  const database = await Database.open({ kind: 'mysql', url, connections: 2 });
  try {
    await database.migrate();
    await ensureFirstAdministrator(database, 'admin', 'bench');
    const services = createServices(config, log, database);
    const author = { actor: 'system', remoteAddress: '' } as const;
    const [settings] = connectionsTo(exampleOrganisation, 1);
    if (!settings) throw new Error('The example organisation has no domain.');
    await services.connections.create('bench', settings, author);
    const { secret } = await services.tokens.create('bench', [ApiTokenScope.INTAKE], null, author);
    await database.transaction(async (transaction) => {
      // No directory answers here: the cache below is all there is.
      await transaction.run(
        `UPDATE ldap_connection SET domain = ?, generation = 1, delegation_attributes = '["publicDelegates"]', delegation_loaded = 1, next_run_at = NULL`,
        [DOMAIN],
      );
      await transaction.run('UPDATE personal_backup_settings SET enabled = 1, group_mailboxes = ?', [
        amount.groupMailboxes > 0 ? 1 : 0,
      ]);
    });
    return { intake: secret };
  } finally {
    await database.close();
  }
}

/** Bearer token of the person with this number, or of the administrator. */
export const sessionToken = (of: number | 'administrator'): string => digest(`token of ${of}`);

async function fillDirectory(
  connection: Connection,
  folder: string,
  { people, groupMailboxes }: Amount,
): Promise<void> {
  const entries = new TableFile(folder, 'directory_entry', [
    'connection_id',
    'generation',
    'directory_id',
    'kind',
    'dn',
    'dn_hash',
    'account_name',
    'user_principal_name',
    'display_name',
    'primary_address',
    'disabled',
    'expires_at',
  ]);
  const identifiers = new TableFile(folder, 'directory_identifier', [
    'connection_id',
    'generation',
    'value',
    'kind',
    'directory_id',
    'owner_kind',
  ]);
  const grants = new TableFile(folder, 'mailbox_access', ['domain', 'person_id', 'mailbox_id']);
  const add = async (id: string, account: string, addresses: readonly string[]) => {
    const dn = `cn=${account},ou=people,dc=example,dc=com`;
    await entries.add([
      1,
      1,
      id,
      'PERSON',
      dn,
      digest(dn).slice(0, 40),
      account,
      addresses[0] ?? null,
      `Name of ${account}`,
      addresses[0] ?? null,
      0,
      null,
    ]);
    for (const address of addresses) await identifiers.add([1, 1, address, 'ADDRESS', id, 'PERSON']);
    await identifiers.add([1, 1, account, 'NAME', id, 'PERSON']);
  };
  for (let index = 0; index < people; index += 1)
    await add(directoryId(index), `person${index}`, [addressOf(index), `alias${index}@${DOMAIN}`]);
  for (let index = 0; index < groupMailboxes; index += 1)
    await add(groupId(index), `group${index}`, [`group${index}@${DOMAIN}`]);
  if (groupMailboxes > 0)
    for (let index = 0; index < people; index += 1)
      await grants.add([DOMAIN, directoryId(index), groupId(index % groupMailboxes)]);
  for (const file of [entries, identifiers, grants]) await file.load(connection);
}

async function fillSessions(connection: Connection, folder: string, { sessions }: Amount): Promise<void> {
  const file = new TableFile(folder, 'session', [
    'token_hash',
    'subject_kind',
    'subject',
    'account_id',
    'login',
    'name',
    'created_at',
    'last_used_at',
    'expires_at',
    'idle_ms',
    'remote_address',
  ]);
  const now = Date.now();
  const life = [now, now, now + SESSION_MS, IDLE_MS, '127.0.0.1'];
  await file.add([tokenHash(sessionToken('administrator')), 'ACCOUNT', '1', 1, 'admin', 'admin', ...life]);
  for (let index = 0; index < sessions; index += 1)
    await file.add([
      tokenHash(sessionToken(index)),
      'PERSON',
      directoryId(index),
      null,
      `person${index}`,
      `Name of person${index}`,
      ...life,
    ]);
  await file.load(connection);
}

const CONTENTS = 10_000;

async function fillMessages(
  connection: Connection,
  folder: string,
  { messages, people, groupMailboxes }: Amount,
): Promise<void> {
  const contents = new TableFile(folder, 'content', ['id', 'sha256', 'size_bytes', 'stored_bytes']);
  const chunks = new TableFile(folder, 'content_chunk', ['content_id', 'position', 'deflated', 'bytes']);
  const text = 'Content-Type: text/plain\r\n\r\nThe lists do not read contents, so a few serve all messages.\r\n';
  for (let id = 1; id <= CONTENTS; id += 1) {
    await contents.add([id, digest(`content ${id}`), text.length, text.length]);
    await chunks.add([id, 0, 0, text]);
  }
  const message = new TableFile(folder, 'message', [
    'id',
    'hand_over_key',
    'content_id',
    'source',
    'received_at',
    'stored_at',
    'sender',
    'sender_key',
    'sender_ip',
    'sender_ip_key',
    'subject',
    'subject_key',
    'size_bytes',
    'gateway_message_id',
    'smtp_message_id',
    'node',
    'action',
    'detected_by',
    'has_html',
    'attachments',
    'sent_at',
  ]);
  const verdict = new TableFile(folder, 'verdict', [
    'message_id',
    'position',
    'rule_name',
    'action',
    'detected_by',
    'anti_virus',
    'anti_phishing',
    'link_scanning',
    'scan_results',
    'reason',
  ]);
  const recipient = new TableFile(folder, 'recipient', [
    'message_id',
    'position',
    'verdict',
    'mailbox',
    'address',
    'kind',
    'action',
    'visibility',
    'received_at',
    'sent_at',
  ]);
  const firstAt = Date.now() - PERIOD_MS;
  for (let id = 1; id <= messages; id += 1) {
    const receivedAt = firstAt + Math.floor((id / messages) * PERIOD_MS);
    const number = random(50_000);
    const sender = `sender${number}@site${number % 3_000}.example.net`;
    const ip = `198.${18 + random(2)}.${random(256)}.${random(256)}`;
    const subject = `${pick(WORDS)} ${pick(WORDS)} ${pick(WORDS)} ${random(100_000)}`;
    const found = pick(WEIGHTED);
    const size = 2_000 + Math.floor(2 ** (random(1_100) / 100) * 400);
    await message.add([
      id,
      digest(`hand-over ${id}`),
      1 + random(CONTENTS),
      'http',
      receivedAt,
      receivedAt + 200,
      sender,
      sender,
      ip,
      ipKey(ip),
      subject,
      subject.slice(0, SORT_KEY_LENGTH),
      size,
      `queue-${id}`,
      `<${id}.${number}@site${number % 3_000}.example.net>`,
      pick(NODES),
      found.action,
      found.bits,
      random(3) > 0 ? 1 : 0,
      '[]',
      null,
    ]);
    await verdict.add([id, 0, 'default', found.action, found.bits, ...found.statuses, found.json, null]);
    const mailboxes = new Set<string>();
    if (id % FIRST_PERSON_SHARE === 0) mailboxes.add(addressOf(0));
    else mailboxes.add(addressOf(1 + random(people - 1)));
    // One message in five has a second recipient, one in twenty goes to a group mailbox or an alias, too.
    if (random(5) === 0) mailboxes.add(addressOf(1 + random(people - 1)));
    if (random(20) === 0)
      mailboxes.add(
        groupMailboxes > 0 && random(2) === 0
          ? `group${random(groupMailboxes)}@${DOMAIN}`
          : `alias${1 + random(people - 1)}@${DOMAIN}`,
      );
    let position = 0;
    for (const address of mailboxes) {
      await recipient.add([
        id,
        position,
        0,
        address,
        address,
        position === 0 ? 'TO' : 'CC',
        found.action,
        found.visibility,
        receivedAt,
        null,
      ]);
      position += 1;
    }
  }
  for (const file of [contents, chunks, message, verdict, recipient]) await file.load(connection);
}
