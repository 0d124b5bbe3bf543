import type { Services } from '../../src/composition/create-services.js';
import { Account } from '../../src/entities/account.js';
import type { Database } from '../../src/entities/database.js';
import { Role } from '../../src/entities/role.js';
import { RoleSubjectKind } from '../../src/entities/role-assignment.js';
import { renewGrantedRoles } from '../../src/services/session/granted-roles.js';
import { type SessionLifetimes, type SessionOwner, SessionStore } from '../../src/services/session/session-store.js';
import type { TestApp } from './app.js';
import type { Client } from './client.js';

const LIFETIMES: SessionLifetimes = { privilegedIdleMs: 600_000, personalIdleMs: 3_600_000, lifetimeMs: 43_200_000 };

/** What this file needs of a server: so that a second process on the same database can be played, too. */
interface Place {
  readonly database: Database;
  readonly services: Pick<Services, 'feed'>;
}

/** The lasting identity of a person of the example organisation, by account name. */
export async function directoryIdOf(database: Database, accountName: string): Promise<string> {
  const [row] = await database.rows<{ id: string }>(
    "SELECT directory_id AS id FROM directory_entry WHERE account_name = ? AND kind = 'PERSON'",
    [accountName],
  );
  if (!row) throw new Error(`${accountName} is not in the LDAP cache.`);
  return row.id;
}

/** Opens a session without a password, which costs no key derivation; gives its token. */
export async function openSession(
  { database, services }: Place,
  owner: Partial<SessionOwner>,
  lifetimes: Partial<SessionLifetimes> = {},
): Promise<{ token: string; sessionId: number }> {
  const sessions = new SessionStore(database, services.feed, { ...LIFETIMES, ...lifetimes });
  const { token, viewer } = await sessions.open(
    { accountId: null, directoryId: null, login: 'test', name: 'Test', ...owner },
    '192.0.2.1',
  );
  return { token, sessionId: viewer.sessionId };
}

/** A client with the session of a person of the directory, opened without a bind. */
export async function asPerson(test: TestApp, accountName: string): Promise<Client> {
  const directoryId = await directoryIdOf(test.app.database, accountName);
  const client = test.client();
  client.token = (await openSession(test.app, { directoryId, login: accountName, name: accountName })).token;
  return client;
}

/** Gives a role, by its name, to a local account or to a person of the directory. */
export async function giveRole(
  database: Database,
  subjectKind: RoleSubjectKind,
  subject: string,
  name: string,
): Promise<void> {
  await database.transaction(async (transaction) => {
    const { id } = await transaction.manager.findOneByOrFail(Role, { name });
    await transaction.insert('role_assignment', [{ role_id: id, subject_kind: subjectKind, subject }]);
    await renewGrantedRoles(transaction);
  });
}

/** Makes a local account that nobody can sign in to, with roles by their names, and opens a session for it. */
export async function asAccount(
  test: TestApp,
  login: string,
  roles: readonly string[],
  disabled = false,
): Promise<Client> {
  const { database } = test.app;
  const id = await database.transaction(async (transaction) => {
    const account = transaction.manager.create(Account, {
      login,
      loginKey: login,
      name: login,
      passwordHash: 'none',
      disabled: false,
      createdAtMs: Date.now(),
    });
    await transaction.manager.insert(Account, account);
    return account.id;
  });
  for (const role of roles) await giveRole(database, RoleSubjectKind.ACCOUNT, String(id), role);
  const client = test.client();
  client.token = (await openSession(test.app, { accountId: id, login, name: login })).token;
  if (disabled) {
    await database.transaction((transaction) => transaction.run('UPDATE account SET disabled = 1 WHERE id = ?', [id]));
  }
  return client;
}

/** The switches of personal Backup as their row holds them. */
export interface Switches {
  readonly enabled: boolean;
  readonly preview: boolean;
  readonly deletion: boolean;
  readonly sending: boolean;
  readonly groupMailboxes: boolean;
}

/** Everything on. */
export const ALL_ON: Switches = { enabled: true, preview: true, deletion: true, sending: true, groupMailboxes: true };

/** Sets the switches without the API, which refuses some of the combinations that rows can hold (rule C1). */
export async function setSwitches(database: Database, switches: Switches): Promise<void> {
  const { enabled, preview, deletion, sending, groupMailboxes } = switches;
  await database.transaction((transaction) =>
    transaction.run(
      'UPDATE personal_backup_settings SET enabled = ?, preview = ?, deletion = ?, sending = ?, group_mailboxes = ? WHERE id = 1',
      [enabled, preview, deletion, sending, groupMailboxes].map(Number),
    ),
  );
}

/** How far a domain's delegation attribute has come (rule V9). */
export type DelegationState = 'NOT_CONFIGURED' | 'NOT_LOADED' | 'LOADED';

/** Puts every connection, or that of one domain, into a state of delegation. */
export async function setDelegation(database: Database, state: DelegationState, domain = '%'): Promise<void> {
  await database.transaction((transaction) =>
    transaction.run('UPDATE ldap_connection SET delegation_attributes = ?, delegation_loaded = ? WHERE domain LIKE ?', [
      state === 'NOT_CONFIGURED' ? '[]' : '["msExchDelegateListLink"]',
      state === 'LOADED' ? 1 : 0,
      domain,
    ]),
  );
}
