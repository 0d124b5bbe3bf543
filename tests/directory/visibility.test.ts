import { newGuid } from '../../src/ldap/embedded/entry-store.js';
import { startTestApp, TEST_AUTHOR, type TestApp } from '../support/app.js';
import { caughtUp } from '../support/caught-up.js';
import type { Client, Events } from '../support/client.js';
import { describeOnBothDatabases } from '../support/databases.js';
import { mail, store, switchTo } from '../support/mail.js';
import { ConnectionsApi } from './connections-api.js';

const BASE = 'DC=example,DC=com';
const ANNA = `CN=Anna Lindqvist,OU=People,${BASE}`;
const CLARA = `CN=Clara Fontaine,OU=People,${BASE}`;
const SALES = `CN=Sales,OU=Shared Mailboxes,${BASE}`;
const BACKUP = `{ viewer { personalBackup { availability groupMailboxAccess own { address messageCount }
  groupMailboxes { address messages { nodes { subject } } } } } }`;
const FOLLOW = 'subscription ($after: ChangeCursor) { personalBackupChanged(after: $after) { kind mailbox } }';

interface Backup {
  readonly viewer: {
    readonly personalBackup: {
      readonly availability: string;
      readonly groupMailboxAccess: string;
      readonly own: { readonly address: string; readonly messageCount: number } | null;
      readonly groupMailboxes:
        | readonly {
            readonly address: string;
            readonly messages: { readonly nodes: readonly { readonly subject: string }[] };
          }[]
        | null;
    } | null;
  };
}
interface Change {
  readonly personalBackupChanged: { readonly kind: string };
}

describeOnBothDatabases('What the directory decides about personal Backup', (location) => {
  let test: TestApp;
  let admin: Client;
  let api: ConnectionsApi;
  let secret: string;

  beforeAll(async () => {
    test = await startTestApp(location());
    admin = await test.signedIn('admin');
    api = new ConnectionsApi(admin);
    secret = await test.intakeToken();
    await switchTo(admin, { enabled: true, groupMailboxes: true });
  }, 60_000);
  afterAll(() => test?.stop());

  const synchronise = async (options = {}) => {
    for (const { id } of await test.app.services.connections.list())
      await test.app.services.synchronisation.synchronise(id, options);
  };
  const backup = async (client: Client) => (await client.ask<Backup>(BACKUP)).viewer.personalBackup;
  const sections = async (client: Client) =>
    (await backup(client))?.groupMailboxes?.map(({ address }) => address) ?? null;
  const nextAccess = async (events: Events<Change>) => {
    for (;;) if ((await events.next()).personalBackupChanged.kind === 'ACCESS') return;
  };
  /** Follows from now on, also what happens before the socket is open. */
  const follow = async (client: Client): Promise<Events<Change>> => {
    await caughtUp(test.app);
    const { viewer } = await client.ask<{ viewer: { personalBackup: { changeCursor: string } } }>(
      '{ viewer { personalBackup { changeCursor } } }',
    );
    return client.subscribe<Change>(FOLLOW, { after: viewer.personalBackup.changeCursor });
  };
  const settingsOf = async (name: string) => {
    const connection = (await test.app.services.connections.list()).find((each) => each.name === name);
    if (!connection) throw new Error(`There is no ${name}.`);
    return { connection, settings: test.app.services.connections.settingsOf(connection) };
  };
  const configure = async (name: string, delegationAttributes: readonly string[]) => {
    const { connection, settings } = await settingsOf(name);
    await test.app.services.connections.update(
      connection.id,
      connection.version,
      { settings: { ...settings, delegationAttributes } },
      TEST_AUTHOR,
    );
  };

  it.each<[string, string[], string[]]>([
    ['a DN', [CLARA], ['clara']],
    ['a DN in another spelling', ['cn=CLARA fontaine, ou=People,dc=Example,DC=com'], ['clara']],
    ['a DN with an escaped comma', [`CN=Müller\\, Jörg,OU=People,${BASE}`], ['joerg']],
    ['a DN outside ASCII', [`CN=田中 花子,OU=People,${BASE}`], ['hanako']],
    ['an address', ['Clara.Fontaine@EXAMPLE.com'], ['clara']],
    ['a principal name', ['boris@example.com'], ['boris']],
    ['an account name', ['CLARA'], ['clara']],
    ['several in one value', ['clara; boris@example.com ;'], ['boris', 'clara']],
    ['a DN and a name in one value', [`CN=Müller\\, Jörg,OU=People,${BASE};boris`], ['boris', 'joerg']],
    ['a group by DN', [`CN=Front Desk,OU=Groups,${BASE}`], ['anna', 'boris']],
    ['a group by name, nested and with a cycle', ['Support Team'], ['anna', 'boris', 'hanako']],
    ['a group by address', ['all@example.com'], ['anna', 'boris', 'clara', 'hanako', 'joerg', 'zoe']],
  ])('L6: takes %s as a delegate', async (_title, values, people) => {
    await configure('example.com', ['extensionAttribute1']);
    test.directory.entries.modify(SALES, { extensionAttribute1: values });
    await synchronise();
    const rows = await test.app.database.rows<{ name: string }>(
      `SELECT DISTINCT p.account_name AS name FROM mailbox_access a JOIN directory_entry p ON p.directory_id = a.person_id
         JOIN ldap_connection c ON c.id = p.connection_id AND c.generation = p.generation
         JOIN directory_entry m ON m.directory_id = a.mailbox_id AND m.account_name = 'sales' WHERE a.domain = 'example.com'`,
    );
    expect(rows.map(({ name }) => name).sort()).toEqual(people);
    expect((await api.named('example.com')).unresolvedDelegations).toEqual([]);
  });

  it('L6, V9: names that lead to nobody are counted and listed, each with its reason', async () => {
    test.directory.entries.modify(SALES, {
      extensionAttribute1: [
        'nobody',
        'berg@example.com',
        'hilde@partner.example',
        'dmitri@branch.example',
        'CN=Gone,DC=example,DC=com',
      ],
    });
    await synchronise();
    const { unresolvedDelegations, synchronization } = await api.named('example.com');
    expect(Object.fromEntries(unresolvedDelegations.map(({ value, problem }) => [value, problem]))).toEqual({
      nobody: 'UNKNOWN',
      'berg@example.com': 'AMBIGUOUS',
      'hilde@partner.example': 'NOT_A_PERSON',
      'dmitri@branch.example': 'OTHER_DOMAIN',
      'CN=Gone,DC=example,DC=com': 'UNKNOWN',
    });
    expect(synchronization.counts).toMatchObject({ unresolved: 5, delegations: 5 });
    test.directory.entries.modify(SALES, { extensionAttribute1: [] });
    await configure('example.com', ['msExchDelegateListLink']);
    await synchronise();
    expect((await api.named('example.com')).synchronization.counts).toMatchObject({ unresolved: 0 });
  });

  it('V9: each missing condition has its own reason, and comes live', async () => {
    const anna = await test.signedIn('anna');
    const reason = async () => (await backup(anna))?.groupMailboxAccess;
    expect(await sections(anna)).toEqual(['sales@example.com', 'support@example.com']);
    const events = await follow(anna);

    await switchTo(admin, { groupMailboxes: false });
    await nextAccess(events);
    expect(await reason()).toBe('SWITCHED_OFF');
    expect(await sections(anna)).toBeNull();
    await switchTo(admin, { groupMailboxes: true });
    await nextAccess(events);

    await configure('example.com', []);
    await nextAccess(events);
    expect(await reason()).toBe('DELEGATION_ATTRIBUTE_NOT_CONFIGURED');
    await configure('example.com', ['msExchDelegateListLink']);
    expect(await reason()).toBe('DELEGATION_NOT_LOADED');
    expect(await sections(anna)).toBeNull();
    // A synchronisation that fails does not load it.
    test.directory.faults = { busy: true };
    await synchronise();
    expect(await reason()).toBe('DELEGATION_NOT_LOADED');
    test.directory.faults = {};
    await synchronise();
    await nextAccess(events);
    expect(await reason()).toBe('GRANTED');
    expect(await sections(anna)).toEqual(['sales@example.com', 'support@example.com']);
    await events.close();
  });

  it('V9: nobody of another domain, and nobody without the attribute, gets a group mailbox', async () => {
    const dmitri = await test.signedIn('dmitri');
    expect(await sections(dmitri)).toEqual(['board@branch.example']);
    // Anna is named by board@branch.example, too.
    expect(await sections(await test.signedIn('anna'))).not.toContain('board@branch.example');
    expect(await sections(await test.signedIn('clara'))).toEqual([]);
    await configure('branch.example', []);
    expect((await backup(dmitri))?.groupMailboxAccess).toBe('DELEGATION_ATTRIBUTE_NOT_CONFIGURED');
    expect(await sections(await test.signedIn('anna'))).toEqual(['sales@example.com', 'support@example.com']);
    await configure('branch.example', ['msExchDelegateListLink']);
    await synchronise();
    expect(await sections(dmitri)).toEqual(['board@branch.example']);
  });

  it('V9, V11: a delegation that ends or begins is told at once by an incremental synchronisation', async () => {
    const clara = await test.signedIn('clara');
    const anna = await test.signedIn('anna');
    const [claraEvents, annaEvents] = [await follow(clara), await follow(anna)];
    test.directory.entries.modify(SALES, { msExchDelegateListLink: [CLARA] });
    await synchronise();
    await Promise.all([nextAccess(claraEvents), nextAccess(annaEvents)]);
    expect(await sections(clara)).toEqual(['sales@example.com']);
    expect(await sections(anna)).toEqual(['support@example.com']);
    test.directory.entries.modify(SALES, { msExchDelegateListLink: [ANNA] });
    await synchronise();
    await Promise.all([nextAccess(claraEvents), nextAccess(annaEvents)]);
    expect(await sections(clara)).toEqual([]);
    await Promise.all([claraEvents.close(), annaEvents.close()]);
  });

  it('V12: what was hidden in a group mailbox stays hidden when access is lost and regained', async () => {
    const anna = await test.signedIn('anna');
    for (const subject of ['Kept', 'Hidden'])
      await store(test.client(), secret, mail(subject), { sender: null, recipients: ['sales@example.com'] });
    const subjects = async () =>
      (await backup(anna))?.groupMailboxes
        ?.find(({ address }) => address === 'sales@example.com')
        ?.messages.nodes.map(({ subject }) => subject);
    expect(await subjects()).toEqual(['Hidden', 'Kept']);
    // What a deletion from a group section writes (rule X3); the synchronisation must not touch it.
    await test.app.database.transaction((transaction) =>
      transaction.run(
        "UPDATE recipient SET visibility = 2 WHERE message_id IN (SELECT id FROM message WHERE subject = 'Hidden')",
      ),
    );
    expect(await subjects()).toEqual(['Kept']);
    test.directory.entries.modify(SALES, { msExchDelegateListLink: [] });
    await synchronise();
    expect(await subjects()).toBeUndefined();
    test.directory.entries.modify(SALES, { msExchDelegateListLink: [ANNA] });
    await synchronise({ full: true });
    expect(await subjects()).toEqual(['Kept']);
  });

  it('V8: accounts that clash lose their personal Backup, administrators see over what, and it comes back', async () => {
    const clara = await test.signedIn('clara');
    const events = await follow(clara);
    const clashes = async () =>
      (
        await admin.ask<{ directoryClashes: { value: string; accounts: { name: string; domain: string }[] }[] }>(
          '{ directoryClashes { value accounts { name domain } } }',
        )
      ).directoryClashes;
    expect(await clashes()).toMatchObject([{ value: 'berg@example.com' }]);
    expect(await backup(await test.signedIn('frida'))).toMatchObject({ availability: 'ACCOUNT_AMBIGUOUS', own: null });

    // In the other domain, by the account name alone.
    const other = 'CN=Other Clara,OU=People,DC=branch,DC=example';
    test.directory.entries.add({
      dn: other,
      kind: 'user',
      guid: newGuid(),
      attributes: { sAMAccountName: 'CLARA', displayName: 'Other Clara' },
    });
    await synchronise();
    await nextAccess(events);
    expect(await backup(clara)).toMatchObject({ availability: 'ACCOUNT_AMBIGUOUS', own: null });
    expect((await clashes()).find(({ value }) => value === 'clara')?.accounts).toHaveLength(2);
    await store(test.client(), secret, mail('Meanwhile'), { sender: null, recipients: ['clara@example.com'] });

    test.directory.entries.delete(other);
    await synchronise();
    await nextAccess(events);
    expect(await backup(clara)).toMatchObject({ availability: 'AVAILABLE', own: { messageCount: 1 } });

    // A group that takes a person's address; a contact that has it is no clash.
    test.directory.entries.modify(`CN=Front Desk,OU=Groups,${BASE}`, { mail: ['clara.fontaine@example.com'] });
    await synchronise();
    expect(await backup(clara)).toMatchObject({ availability: 'ACCOUNT_AMBIGUOUS' });
    test.directory.entries.modify(`CN=Front Desk,OU=Groups,${BASE}`, { mail: [] });
    test.directory.entries.modify(`CN=Hilde Partner,OU=Partners,${BASE}`, { mail: ['clara.fontaine@example.com'] });
    await synchronise();
    expect(await backup(clara)).toMatchObject({ availability: 'AVAILABLE' });
    await events.close();
  });

  it('V8: a principal name and an address are one, also in an international domain', async () => {
    test.directory.entries.modify(CLARA, { userPrincipalName: ['clara@bücher.example'] });
    test.directory.entries.modify(ANNA, { proxyAddresses: ['smtp:clara@xn--bcher-kva.example'] });
    await synchronise();
    expect(await backup(await test.signedIn('clara'))).toMatchObject({ availability: 'ACCOUNT_AMBIGUOUS' });
    test.directory.entries.modify(CLARA, { userPrincipalName: ['clara@example.com'] });
    await synchronise();
  });

  it('V7: says that there is no directory when there is none, and that somebody is not in it', async () => {
    const clara = await test.signedIn('clara');
    await test.app.database.transaction((transaction) =>
      transaction.run('UPDATE directory_entry SET directory_id = ? WHERE account_name = ?', ['else', 'clara']),
    );
    expect(await backup(clara)).toMatchObject({ availability: 'ACCOUNT_NOT_IN_DIRECTORY' });
    await synchronise({ full: true });
  });

  it.each<[string, () => void]>([
    ['disabled', () => test.directory.entries.modify(CLARA, { userAccountControl: ['514'] })],
    ['removed', () => test.directory.entries.delete(CLARA)],
  ])('L7: the session of somebody who was %s ends with the next synchronisation', async (_title, end) => {
    const clara = await test.signedIn('clara');
    const events = await follow(clara);
    end();
    await synchronise();
    expect(await events.ended).toMatchObject({ code: 4403 });
    const { data } = await clara.query<{ viewer: unknown }>('{ viewer { name } }');
    expect(data?.viewer ?? null).toBeNull();
    if (test.directory.entries.find(CLARA)?.deleted === false)
      test.directory.entries.modify(CLARA, { userAccountControl: ['512'] });
    await synchronise();
  });

  it('L7: the session of somebody whose account expires ends with the next synchronisation, though the directory changes nothing', async () => {
    const zoe = await test.signedIn('zoe');
    await test.app.database.transaction((transaction) =>
      transaction.run('UPDATE directory_entry SET expires_at = ? WHERE account_name = ?', [Date.now() - 1, 'zoe']),
    );
    const events = await follow(zoe);
    await synchronise();
    expect(await events.ended).toMatchObject({ code: 4403 });
  });
});
