import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type Connection, createConnection } from 'mysql2/promise';
import { createServices } from '../../src/composition/create-services.js';
import { loadConfig } from '../../src/config.js';
import { ApiTokenScope } from '../../src/entities/api-token.js';
import { Database } from '../../src/entities/database.js';
import { connectionsTo } from '../../src/ldap/embedded/example-connections.js';
import { exampleOrganisation } from '../../src/ldap/embedded/organisation.js';
import { createLogger } from '../../src/log.js';
import { ensureFirstAdministrator } from '../../src/services/session/first-administrator.js';
import { PasswordHasher } from '../../src/services/session/password-hasher.js';
import { tokenHash } from '../../src/services/session/secret-token.js';
import { fillMessages } from './seed-messages.js';
import { addressOf, aliasOf, type Amount, digest, DOMAIN, groupAddressOf, sessionToken } from './seed-names.js';
import { TableFile } from './table-file.js';

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

/** How to come in besides {@link sessionToken}. */
export interface Access {
  /** API token of scope INTAKE. */
  readonly intake: string;
}

const DAY_MS = 86_400_000;
// Longer than anybody keeps a filled database for further runs.
const SESSION_MS = 365 * DAY_MS;

const directoryId = (index: number) => digest(`person ${index}`).slice(0, 32);
const groupId = (index: number) => digest(`group ${index}`).slice(0, 32);

/** Fills an empty database of a MariaDB server that may read our files: schema, directory cache, sessions and messages. */
export async function seed(url: string, folder: string, amount: Amount): Promise<Access> {
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
    await ensureFirstAdministrator(database, new PasswordHasher(17), 'admin', 'bench');
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

async function fillDirectory(
  connection: Connection,
  folder: string,
  { people, groupMailboxes }: Amount,
): Promise<void> {
  const entries = new TableFile(
    folder,
    'directory_entry',
    'connection_id, generation, directory_id, kind, dn, dn_hash, account_name, user_principal_name, display_name, primary_address, disabled, expires_at, address_keys, name_keys, words',
  );
  const identifiers = new TableFile(
    folder,
    'directory_identifier',
    'connection_id, generation, value, kind, directory_id, owner_kind',
  );
  const grants = new TableFile(folder, 'mailbox_access', 'domain, person_id, mailbox_id');
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
      JSON.stringify(addresses),
      JSON.stringify([account]),
      '[]',
    ]);
    for (const address of addresses) await identifiers.add([1, 1, address, 'ADDRESS', id, 'PERSON']);
    await identifiers.add([1, 1, account, 'NAME', id, 'PERSON']);
  };
  for (let index = 0; index < people; index += 1)
    await add(directoryId(index), `person${index}`, [addressOf(index), aliasOf(index)]);
  for (let index = 0; index < groupMailboxes; index += 1)
    await add(groupId(index), `group${index}`, [groupAddressOf(index)]);
  if (groupMailboxes > 0)
    for (let index = 0; index < people; index += 1)
      await grants.add([DOMAIN, directoryId(index), groupId(index % groupMailboxes)]);
  for (const file of [entries, identifiers, grants]) await file.load(connection);
}

async function fillSessions(connection: Connection, folder: string, { sessions }: Amount): Promise<void> {
  const file = new TableFile(
    folder,
    'session',
    'token_hash, subject_kind, subject, account_id, login, name, created_at, last_used_at, expires_at, idle_ms, remote_address',
  );
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
