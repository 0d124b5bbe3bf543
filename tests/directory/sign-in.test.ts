import { newGuid } from '../../src/ldap/embedded/entry-store.js';
import { startTestApp, TEST_AUTHOR, type TestApp } from '../support/app.js';
import { describeOnBothDatabases } from '../support/databases.js';
import { switchTo } from '../support/mail.js';

const BASE = 'DC=example,DC=com';
const CLARA = `CN=Clara Fontaine,OU=People,${BASE}`;
const SIGN_IN =
  'mutation ($input: SignInInput!) { signIn(input: $input) { token viewer { name addresses } userErrors { code } } }';

interface SignInAnswer {
  readonly signIn: {
    readonly token: string | null;
    readonly viewer: { readonly name: string; readonly addresses: readonly string[] } | null;
    readonly userErrors: readonly { readonly code: string }[];
  };
}

describeOnBothDatabases('Sign-in against the directory', (location) => {
  let test: TestApp;

  beforeAll(async () => {
    test = await startTestApp(location(), { signInFailuresPerAddress: 1000, ldapTimeoutMs: 1_000 });
    await switchTo(await test.signedIn('admin'), { enabled: true });
  }, 60_000);
  afterEach(() => {
    test.directory.faults = {};
  });
  afterAll(() => test?.stop());

  const attempt = async (login: string, password = 'demo') => {
    const { signIn } = await test.client().ask<SignInAnswer>(SIGN_IN, { input: { login, password } });
    return { name: signIn.viewer?.name, code: signIn.userErrors[0]?.code };
  };
  const lastRefusal = async () => {
    const [entry] = await test.app.database.rows<{ details: string }>(
      "SELECT details FROM audit_entry WHERE event = 'SIGN_IN' AND outcome = 'REFUSED' ORDER BY id DESC LIMIT 1",
    );
    return (JSON.parse(entry?.details ?? '{}') as { reason?: string }).reason;
  };
  const addPerson = (name: string, attributes: Record<string, string | string[]>, password = 'demo') =>
    test.directory.entries.add({
      dn: `CN=${name},OU=People,${BASE}`,
      kind: 'user',
      guid: newGuid(),
      password,
      attributes,
    });
  const inCache = async (accountName: string) =>
    (
      await test.app.database.rows(
        'SELECT 1 AS known FROM directory_entry e JOIN ldap_connection c ON c.id = e.connection_id AND c.generation = e.generation WHERE e.account_name = ?',
        [accountName],
      )
    ).length;
  const synchronise = async () => {
    for (const { id } of await test.app.services.connections.list())
      await test.app.services.synchronisation.synchronise(id);
  };

  it.each([
    ['account name', 'clara'],
    ['account name in capitals', 'CLARA'],
    ['principal name', 'clara@example.com'],
    ['DOMAIN\\name', 'EXAMPLE\\clara'],
    ['the DNS name before the backslash', 'example.com\\clara'],
    ['an alias', 'clara.fontaine@example.com'],
  ])('by %s', async (_title, login) => {
    expect(await attempt(login)).toEqual({ name: 'Clara Fontaine', code: undefined });
  });

  it.each([
    ['a wrong password', 'clara', 'nonsense', 'WRONG_PASSWORD'],
    ['nobody', 'nobody', 'demo', 'UNKNOWN'],
    ['another domain before the backslash', 'BRANCH\\clara', 'demo', 'UNKNOWN'],
    ['a domain that does not exist', 'NOWHERE\\clara', 'demo', 'UNKNOWN'],
    ['a disabled account', 'emil', 'demo', 'DISABLED'],
    ['an expired account', 'gustav', 'demo', 'EXPIRED'],
    ['a group mailbox', 'sales@example.com', 'demo', 'DISABLED'],
    ['a group', 'Support Team', 'demo', 'UNKNOWN'],
    ['a contact', 'hilde@partner.example', 'demo', 'UNKNOWN'],
    ['a filter', '*', 'demo', 'UNKNOWN'],
    ['a filter within a name', 'clara)(objectClass=*', 'demo', 'UNKNOWN'],
  ])('refuses %s with one answer for all, and notes why', async (_title, login, password, reason) => {
    expect(await attempt(login, password)).toEqual({ name: undefined, code: 'CREDENTIALS_REFUSED' });
    expect(await lastRefusal()).toBe(reason);
  });

  it.each([
    ['locked', { lockoutTime: ['133500000000000000'] }, 'LOCKED'],
    ['with a password that must be changed', { pwdLastSet: ['0'] }, 'MUST_CHANGE_PASSWORD'],
    ['disabled since the last synchronisation', { userAccountControl: ['514'] }, 'DISABLED'],
    ['expired since then', { accountExpires: ['132223104000000000'] }, 'EXPIRED'],
  ])('refuses an account that is %s', async (_title, attributes, reason) => {
    const before = { lockoutTime: ['0'], pwdLastSet: ['1'], userAccountControl: ['512'], accountExpires: ['0'] };
    test.directory.entries.modify(CLARA, attributes);
    expect(await attempt('clara')).toMatchObject({ code: 'CREDENTIALS_REFUSED' });
    expect(await lastRefusal()).toBe(reason);
    test.directory.entries.modify(CLARA, before);
    expect(await attempt('clara')).toMatchObject({ name: 'Clara Fontaine' });
  });

  it('L8: never asks the directory with an empty password', async () => {
    expect(await attempt('clara', '')).toMatchObject({ code: 'BAD_USER_INPUT' });
  });

  it('a person who is not in the cache yet is fetched at once, and has a personal Backup', async () => {
    addPerson('Nina Neu', {
      sAMAccountName: 'nina',
      displayName: 'Nina Neu',
      userPrincipalName: 'nina@example.com',
      mail: 'nina@example.com',
      proxyAddresses: ['smtp:n.neu@example.com', 'SMTP:Nina.Neu@Example.com'],
    });
    expect(await attempt('nina', 'wrong')).toMatchObject({ code: 'CREDENTIALS_REFUSED' });
    expect(await inCache('nina')).toBe(0);
    const nina = await test.signedIn('nina');
    expect(await nina.ask('{ viewer { name addresses } }')).toEqual({
      viewer: { name: 'Nina Neu', addresses: ['Nina.Neu@Example.com', 'n.neu@example.com', 'nina@example.com'] },
    });
    expect(await inCache('nina')).toBe(1);
    const [{ people: before } = { people: 0 }] = await peopleCounts();
    await synchronise();
    expect(await peopleCounts()).toMatchObject([{ people: before }]);
    expect(await nina.ask('{ viewer { name } }')).toEqual({ viewer: { name: 'Nina Neu' } });
  });

  const peopleCounts = async () =>
    (await test.app.services.connections.list())
      .filter(({ domain }) => domain === 'example.com')
      .map((connection) => test.app.services.connections.stateOf(connection).counts ?? { people: -1 });

  it.each(['otto', 'OTTO@example.com', 'EXAMPLE\\otto', 'otto.mail@example.com'])(
    'fetches somebody new by %s',
    async (login) => {
      const dn = `CN=Otto,OU=People,${BASE}`;
      addPerson('Otto', {
        sAMAccountName: 'otto',
        displayName: 'Otto',
        userPrincipalName: 'otto@example.com',
        mail: 'otto.mail@example.com',
      });
      expect(await attempt(login)).toMatchObject({ name: 'Otto' });
      test.directory.entries.delete(dn);
      await synchronise();
      expect(await inCache('otto')).toBe(0);
    },
  );

  it('somebody new whose login is not unique is not fetched', async () => {
    for (const name of ['Twin One', 'Twin Two']) addPerson(name, { sAMAccountName: name, mail: 'twins@example.com' });
    expect(await attempt('twins@example.com')).toMatchObject({ code: 'CREDENTIALS_REFUSED' });
    expect(await lastRefusal()).toBe('UNKNOWN');
    expect(await inCache('Twin One')).toBe(0);
  });

  it('L7: somebody who was renamed and moved since the last synchronisation signs in all the same', async () => {
    const moved = `CN=Clara Muster,OU=Partners,${BASE}`;
    test.directory.entries.rename(CLARA, moved);
    expect(await attempt('clara')).toMatchObject({ name: 'Clara Fontaine' });
    test.directory.entries.rename(moved, CLARA);
    await synchronise();
  });

  it('L7: somebody who is allowed again since the last synchronisation signs in, and stays signed in', async () => {
    test.directory.entries.modify(CLARA, { userAccountControl: ['514'] });
    await synchronise();
    test.directory.entries.modify(CLARA, { userAccountControl: ['512'] });
    const clara = await test.signedIn('clara');
    await synchronise();
    expect(await clara.ask('{ viewer { name } }')).toEqual({ viewer: { name: 'Clara Fontaine' } });
  });

  it('V8: two people with one address both sign in by it, each with their own password', async () => {
    test.directory.entries.setPassword(`CN=Finn Berg,OU=People,${BASE}`, 'finns-own');
    expect(await attempt('berg@example.com', 'finns-own')).toMatchObject({ name: 'Finn Berg' });
    expect(await attempt('berg@example.com', 'demo')).toMatchObject({ name: 'Frida Berg' });
  });

  it('the short name of a domain is the one that the directory gives, not the first label of its DNS name', async () => {
    const partitions = `CN=EXAMPLE,CN=Partitions,CN=Configuration,${BASE}`;
    const configuration = (
      test.directory as unknown as {
        state: { configuration: { dn: string; attributes: Map<string, { values: string[] }> }[] };
      }
    ).state.configuration;
    const name = configuration.find(({ dn }) => dn === partitions)?.attributes.get('netbiosname');
    name?.values.splice(0, 1, 'CORP');
    // A change of the connection makes what was known of it worth nothing.
    for (const { id, version, name: title } of await test.app.services.connections.list())
      await test.app.services.connections.update(id, version, { name: `${title}.` }, TEST_AUTHOR);
    expect(await attempt('CORP\\clara')).toMatchObject({ name: 'Clara Fontaine' });
    expect(await attempt('CORP\\dmitri')).toMatchObject({ code: 'CREDENTIALS_REFUSED' });
  });

  it('while one of several directories is away, nobody who is refused learns where their account is, or that there is one', async () => {
    const [first] = await test.app.services.connections.list();
    if (!first) throw new Error('There is no connection.');
    const settings = {
      ...test.app.services.connections.settingsOf(first),
      domain: 'away.example',
      servers: [{ host: '127.0.0.1', port: 1 }],
    };
    const { id } = await test.app.services.connections.create('away', settings, TEST_AUTHOR);
    for (const login of ['FOREST\\stranger', 'clara', 'emil', 'admin', 'stranger'])
      expect({ login, ...(await attempt(login, 'wrong')) }).toEqual({
        login,
        name: undefined,
        code: 'DIRECTORY_UNAVAILABLE',
      });
    // Those that are there have judged, so it is a failure like any other.
    expect(await lastRefusal()).toBe('UNKNOWN');
    expect(await attempt('EXAMPLE\\clara', 'wrong')).toMatchObject({ code: 'CREDENTIALS_REFUSED' });
    expect(await attempt('clara')).toMatchObject({ name: 'Clara Fontaine' });
    await test.app.services.connections.delete(id, TEST_AUTHOR);
  }, 30_000);

  it('by a principal name that nobody wrote down: account name and DNS name of the domain', async () => {
    addPerson('Rolf Old', { sAMAccountName: 'rolf', displayName: 'Rolf Old', mail: 'r.old@example.com' });
    expect(await attempt('rolf@example.com')).toMatchObject({ name: 'Rolf Old' });
    await synchronise();
    expect(await attempt('Rolf@Example.com')).toMatchObject({ name: 'Rolf Old' });
    expect(await attempt('rolf@branch.example')).toMatchObject({ code: 'CREDENTIALS_REFUSED' });
  });

  it('a directory that is away is told, to people known and unknown, and says nothing about passwords', async () => {
    test.directory.faults = { busy: true };
    // Binds still work; only the look-up of strangers does not.
    expect(await attempt('clara')).toMatchObject({ name: 'Clara Fontaine' });
    expect(await attempt('stranger')).toMatchObject({ code: 'DIRECTORY_UNAVAILABLE' });
    test.directory.faults = {};
    await test.directory.stop();
    for (const login of ['clara', 'stranger', 'EXAMPLE\\stranger', 'stranger@example.com'])
      expect(await attempt(login)).toMatchObject({ code: 'DIRECTORY_UNAVAILABLE' });
    // Local accounts do not need it.
    expect(await attempt('admin', 'admin-demo')).toMatchObject({ code: undefined });
    for (const { id } of await test.app.services.connections.list())
      await test.app.services.connections.delete(id, TEST_AUTHOR);
    expect(await attempt('clara')).toMatchObject({ code: 'CREDENTIALS_REFUSED' });
  });
});
