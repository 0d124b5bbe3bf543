import { createServices } from '../../src/composition/create-services.js';
import { Database } from '../../src/entities/database.js';
import { createLogger } from '../../src/log.js';
import { SignInThrottle } from '../../src/services/session/sign-in-throttle.js';
import { PasswordHasher } from '../../src/services/session/password-hasher.js';
import { Accounts } from '../../src/services/session/accounts.js';
import { startTestApp, TEST_AUTHOR, type TestApp } from '../support/app.js';
import type { Client } from '../support/client.js';
import { describeOnBothDatabases } from '../support/databases.js';
import { mail, store, switchTo } from '../support/mail.js';
import { asAccount, asPerson, openSession } from '../support/people.js';

interface Errors {
  readonly userErrors: readonly { readonly code: string; readonly field: string | null }[];
}

const BASE = 'DC=example,DC=com';
const NIGHT_SHIFT = `CN=Night Shift,OU=Groups,${BASE}`;
const HANAKO = `CN=田中 花子,OU=People,${BASE}`;
const PASSWORD = 'long enough to be one';

describeOnBothDatabases('Accounts and roles', (location) => {
  let test: TestApp;
  let admin: Client;

  beforeAll(async () => {
    test = await startTestApp(location(), { signInFailuresPerAddress: 1000 });
    admin = await test.signedIn('admin');
    await switchTo(admin, { enabled: true });
  }, 60_000);
  afterAll(() => test?.stop());

  async function change<Payload extends Errors>(
    name: string,
    input: Record<string, unknown>,
    selection = '',
    by: Client = admin,
  ): Promise<Payload> {
    const type = `${name[0]?.toUpperCase()}${name.slice(1)}Input`;
    const answer = await by.ask<Record<string, Payload>>(
      `mutation ($input: ${type}!) { ${name}(input: $input) { ${selection} userErrors { code field } } }`,
      { input },
    );
    return answer[name] as Payload;
  }
  const refused = async (name: string, input: Record<string, unknown>) => {
    const [error] = (await change(name, input)).userErrors;
    return error && [error.code, error.field];
  };
  const roleNamed = async (name: string) => {
    const { roles } = await admin.ask<{ roles: { id: string; name: string; permissions: string[] }[] }>(
      '{ roles { id name permissions } }',
    );
    const found = roles.find((role) => role.name === name);
    if (!found) throw new Error(`There is no role ${name}.`);
    return found;
  };
  const directoryId = async (search: string) => {
    const { directoryAccounts } = await admin.ask<{ directoryAccounts: { id: string }[] }>(
      'query ($search: String!) { directoryAccounts(search: $search, first: 1) { id } }',
      { search },
    );
    return directoryAccounts[0]?.id ?? '';
  };
  const accountNamed = async (login: string) => {
    const { accounts } = await admin.ask<{ accounts: { nodes: { id: string; login: string }[] } }>(
      '{ accounts(first: 200) { nodes { id login } } }',
    );
    return accounts.nodes.find((account) => account.login === login)?.id ?? '';
  };
  const permissions = async (client: Client) =>
    (await client.ask<{ viewer: { permissions: string[] } | null }>('{ viewer { permissions } }')).viewer?.permissions;
  const assign = async (role: string, search: string) => {
    const roleId = (await roleNamed(role)).id;
    const directoryAccountId = await directoryId(search);
    expect(await change('assignRole', { roleId, directoryAccountId })).toEqual({ userErrors: [] });
    return () => change<Errors & { withdrawn: boolean }>('withdrawRole', { roleId, directoryAccountId }, 'withdrawn');
  };
  const synchronise = async () => {
    for (const { id } of await test.app.services.connections.list())
      await test.app.services.synchronisation.synchronise(id);
  };

  it('V2: has three roles from the start, which nobody can change or delete', async () => {
    expect((await roleNamed('Viewer')).permissions).toEqual(['BACKUP_VIEW', 'SETTINGS_VIEW', 'ACCOUNTS_VIEW']);
    expect((await roleNamed('Helpdesk')).permissions).toEqual([
      'BACKUP_VIEW',
      'BACKUP_READ',
      'BACKUP_SEND_TO_RECIPIENTS',
    ]);
    const { id } = await roleNamed('Administrator');
    expect(await refused('updateRole', { id, permissions: ['BACKUP_VIEW'] })).toEqual(['BAD_USER_INPUT', 'id']);
    expect(await refused('deleteRole', { id })).toEqual(['BAD_USER_INPUT', 'id']);
  });

  it('V2: a local account signs in, and has what its roles say and nothing else', async () => {
    const roleIds = [(await roleNamed('Helpdesk')).id];
    const input = { login: 'Helga', name: 'Helga', password: PASSWORD, roleIds };
    expect(await change('createAccount', input)).toEqual({ userErrors: [] });
    const helga = await test.client().signIn('helga', PASSWORD);
    expect(await permissions(helga)).toEqual(['BACKUP_VIEW', 'BACKUP_READ', 'BACKUP_SEND_TO_RECIPIENTS']);
    expect((await helga.query('{ roles { id } }')).errors[0]?.extensions).toMatchObject({ code: 'FORBIDDEN' });
    // A new password ends her sessions, and so does disabling her.
    const id = await accountNamed('Helga');
    await change('updateAccount', { id, password: `${PASSWORD}, too` });
    expect(await permissions(helga)).toBeUndefined();
    await helga.signIn('helga', `${PASSWORD}, too`);
    await change('updateAccount', { id, disabled: true });
    expect(await permissions(helga)).toBeUndefined();
    expect(await change('deleteAccount', { id })).toEqual({ userErrors: [] });
  }, 30_000);

  it.each<[string, string, Record<string, unknown>, string]>([
    ['a login that looks like a principal name', 'createAccount', { login: 'a@b' }, 'login'],
    ['a login that is taken, in another case', 'createAccount', { login: 'ADMIN' }, 'login'],
    ['an empty name', 'createAccount', { name: ' ' }, 'name'],
    ['a short password', 'createAccount', { password: 'short' }, 'password'],
    ['a role that is none', 'createAccount', { roleIds: ['987654'] }, 'roleIds'],
    ['an id that is none', 'createAccount', { roleIds: ["1' OR '1'='1"] }, 'roleIds'],
    ['a role without a name', 'createRole', { name: '', permissions: ['BACKUP_VIEW'] }, 'name'],
    ['a role that is there already', 'createRole', { name: 'Viewer', permissions: ['BACKUP_VIEW'] }, 'name'],
    ['a role without permissions', 'createRole', { name: 'Nothing', permissions: [] }, 'permissions'],
  ])('refuses %s, naming the field', async (_title, mutation, given, field) => {
    const account = { login: 'new', name: 'New', password: PASSWORD, roleIds: [] };
    expect(await refused(mutation, mutation === 'createAccount' ? { ...account, ...given } : given)).toEqual([
      'BAD_USER_INPUT',
      field,
    ]);
  });

  it.each([
    ['nobody', 'no-such-person'],
    ['text outside ASCII', 'ä'],
    ['nothing', ''],
  ])('refuses to give a role to %s', async (_title, directoryAccountId) => {
    const { id: roleId } = await roleNamed('Viewer');
    expect(await refused('assignRole', { roleId, directoryAccountId })).toEqual([
      'BAD_USER_INPUT',
      'directoryAccountId',
    ]);
    expect(await change('withdrawRole', { roleId, directoryAccountId }, 'withdrawn')).toEqual({
      withdrawn: false,
      userErrors: [],
    });
  });

  it('V2: a person with a role has both: all messages, and their own personal Backup', async () => {
    const clara = await asPerson(test, 'clara');
    expect(await permissions(clara)).toEqual([]);
    expect(
      (await clara.query('{ backup { messages { edges { node { id } } } } }')).errors[0]?.extensions,
    ).toMatchObject({ code: 'FORBIDDEN' });
    const withdraw = await assign('Viewer', 'clara');
    const both = await clara.ask<{
      backup: unknown;
      viewer: { permissions: string[]; personalBackup: { own: { address: string } } };
    }>('{ backup { messages { edges { node { id } } } } viewer { permissions personalBackup { own { address } } } }');
    expect(both).toMatchObject({
      backup: { messages: { edges: [] } },
      viewer: {
        permissions: ['BACKUP_VIEW', 'SETTINGS_VIEW', 'ACCOUNTS_VIEW'],
        personalBackup: { own: { address: 'clara@example.com' } },
      },
    });
    expect(await withdraw()).toMatchObject({ withdrawn: true });
    expect(await withdraw()).toMatchObject({ withdrawn: false });
    expect(await permissions(clara)).toEqual([]);
  });

  it('V2: a role of a group is everybody’s in it, through nested groups and cycles, and follows the directory', async () => {
    const withdraw = await assign('Helpdesk', 'support team');
    for (const name of ['boris', 'anna', 'hanako'])
      expect(await permissions(await asPerson(test, name))).toContain('BACKUP_READ');
    const clara = await asPerson(test, 'clara');
    expect(await permissions(clara)).toEqual([]);
    const members = [`CN=Support Team,OU=Groups,${BASE}`, HANAKO];
    const hanako = await asPerson(test, 'hanako');
    const events = await hanako.subscribe('subscription { backupChanged { kind } }');
    test.directory.entries.modify(NIGHT_SHIFT, { member: [`CN=Clara Fontaine,OU=People,${BASE}`] });
    await synchronise();
    expect(await permissions(hanako)).toEqual([]);
    expect(await permissions(clara)).toContain('BACKUP_READ');
    await events.ended;
    test.directory.entries.modify(NIGHT_SHIFT, { member: members });
    await synchronise();
    expect(await permissions(clara)).toEqual([]);
    expect(await withdraw()).toMatchObject({ withdrawn: true });
    expect(await permissions(await asPerson(test, 'boris'))).toEqual([]);
  });

  it.each<[string, (role: string, holder: string) => Promise<unknown>]>([
    ['is taken away', (roleId, directoryAccountId) => change('withdrawRole', { roleId, directoryAccountId })],
    ['loses its permissions', (id) => change('updateRole', { id, permissions: ['SETTINGS_VIEW'] })],
    ['is deleted', (id) => change('deleteRole', { id })],
  ])('V11: when a role %s, open subscriptions deliver nothing more', async (title, takeAway) => {
    const name = `Watching, until it ${title}`;
    expect(await change('createRole', { name, permissions: ['BACKUP_VIEW'] })).toEqual({ userErrors: [] });
    const { id } = await roleNamed(name);
    await assign(name, 'boris');
    const boris = await asPerson(test, 'boris');
    const events = await boris.subscribe<{ backupChanged: { message: { subject: string } } }>(
      'subscription { backupChanged { message { subject } } }',
    );
    const secret = await test.intakeToken();
    const handOver = (subject: string) =>
      store(test.client(), secret, mail(subject), { sender: null, recipients: ['somebody@example.com'] });
    let follows = false;
    const first = events.next().then(() => (follows = true));
    for (let number = 1; !follows; number += 1) await handOver(`${title} before ${number}`);
    await first;
    await takeAway(id, await directoryId('boris'));
    await handOver(`${title} after`);
    await events.ended;
    expect(JSON.stringify(events.waiting)).not.toContain(' after');
  });

  describe('the last account that can edit accounts', () => {
    it.each<[string, string, (id: string) => Record<string, unknown>]>([
      ['deleted', 'deleteAccount', (id) => ({ id })],
      ['disabled', 'updateAccount', (id) => ({ id, disabled: true })],
      ['without its role', 'updateAccount', (id) => ({ id, roleIds: [] })],
    ])('V2: cannot be %s', async (_title, mutation, input) => {
      expect(await refused(mutation, input(await accountNamed('admin')))).toEqual(['LAST_ADMINISTRATOR', null]);
      expect(await permissions(admin)).toContain('ACCOUNTS_EDIT');
    });

    it('V2: cannot be weakened through its role, and a person of the directory is no substitute', async () => {
      expect(await change('createRole', { name: 'Keeper', permissions: ['ACCOUNTS_EDIT', 'ACCOUNTS_VIEW'] })).toEqual({
        userErrors: [],
      });
      const keeper = await roleNamed('Keeper');
      const withdraw = await assign('Administrator', 'zoe');
      const id = await accountNamed('admin');
      const administrator = await roleNamed('Administrator');
      expect(await change('updateAccount', { id, roleIds: [keeper.id] })).toEqual({ userErrors: [] });
      expect(await refused('updateRole', { id: keeper.id, permissions: ['ACCOUNTS_VIEW'] })).toEqual([
        'LAST_ADMINISTRATOR',
        null,
      ]);
      expect(await refused('deleteRole', { id: keeper.id })).toEqual(['LAST_ADMINISTRATOR', null]);
      expect(await change('updateAccount', { id, roleIds: [administrator.id] })).toEqual({ userErrors: [] });
      expect(await change('deleteRole', { id: keeper.id })).toEqual({ userErrors: [] });
      await withdraw();
    });

    it('V2: stays, when two administrators remove each other at the same moment, in two processes', async () => {
      const other = await asAccount(test, 'second', ['Administrator']);
      const database = test.app.database.kind === 'mysql' ? await Database.open(location()) : test.app.database;
      const throttle = (at: Database) => new SignInThrottle(at, { perAccount: 10, perAddress: 100 });
      const hasher = new PasswordHasher(test.config.passwordCostLog2);
      const feed = createServices(test.config, createLogger('silent'), database).feed;
      const [here, elsewhere] = [
        new Accounts(test.app.database, test.app.services.feed, hasher, throttle(test.app.database)),
        new Accounts(database, feed, hasher, throttle(database)),
      ];
      const [first, second] = [Number(await accountNamed('admin')), Number(await accountNamed('second'))];
      const outcomes = await Promise.allSettled([
        here.update(second, { disabled: true }, TEST_AUTHOR),
        elsewhere.update(first, { disabled: true }, TEST_AUTHOR),
      ]);
      const refusals = outcomes.flatMap((outcome) =>
        outcome.status === 'rejected' ? [outcome.reason as unknown] : [],
      );
      expect(refusals).toEqual([expect.objectContaining({ code: 'LAST_ADMINISTRATOR' })]);
      if (database !== test.app.database) await database.close();
      // Whoever is left lets the other one in again.
      const isFirstLeft = outcomes[0]?.status === 'fulfilled';
      await here.update(isFirstLeft ? second : first, { disabled: false }, TEST_AUTHOR);
      admin.token = (await openSession(test.app, { accountId: first, login: 'admin', name: 'admin' })).token;
      expect(await change('deleteAccount', { id: String(second) })).toEqual({ userErrors: [] });
      expect(await permissions(other)).toBeUndefined();
    });
  });
});
