import { readFileSync } from 'node:fs';
import { Attribute, Change, Client as LdapClient } from 'ldapts';
import type { SambaFacts } from '../../scripts/services/index.cjs';
import type { LdapConnectionSettings } from '../../src/ldap/connection-settings.js';
import { SynchronisationKind, SynchronisationStatus } from '../../src/services/directory/synchronisation-state.js';
import { startTestApp, TEST_AUTHOR, type TestApp } from '../support/app.js';
import { switchTo } from '../support/mail.js';
import { describeWhenPresent, PrivateService } from '../support/services.js';
import { cacheRows } from './cache-rows.js';
import { ConnectionsApi } from './connections-api.js';

const SUFFIX = 'DC=example,DC=test';
const STAFF = `OU=Staff & Söhne,${SUFFIX}`;
const PASSWORD = 'Demo-2-Staff';
const base64 = (text: string | Buffer) => Buffer.from(text).toString('base64');
const unicodePwd = (password: string) => Buffer.from(`"${password}"`, 'utf16le');
const dnOf = (cn: string) => `CN=${cn.replace(/,/g, '\\,')},${STAFF}`;

function person(cn: string, account: string, more: readonly string[] = [], control = 512): string {
  return `dn:: ${base64(dnOf(cn))}
changetype: add
objectClass: user
sAMAccountName: ${account}
displayName:: ${base64(cn)}
unicodePwd:: ${base64(unicodePwd(PASSWORD))}
userAccountControl: ${control}
${more.join('\n')}
`;
}

function group(cn: string, members: readonly string[]): string {
  return `dn:: ${base64(dnOf(cn))}
changetype: add
objectClass: group
sAMAccountName: ${cn}
${members.map((member) => `member:: ${base64(member)}`).join('\n')}
`;
}

const change = (dn: string, ...lines: readonly string[]) =>
  `dn:: ${base64(dn)}\nchangetype: modify\n${lines.join('\n')}\n-\n`;

const LDIF = [
  `dn:: ${base64(STAFF)}\nchangetype: add\nobjectClass: organizationalUnit\n`,
  person('Synchronisation', 'svc-mailkeep', ['userPrincipalName: svc-mailkeep@example.test']),
  person('Anna Berg', 'anna', [
    'userPrincipalName: anna@example.test',
    'mail: anna.berg@example.test',
    'proxyAddresses: SMTP:anna.berg@example.test',
    'proxyAddresses: smtp:a.berg@example.test',
    'proxyAddresses: X500:/o=Example/cn=anna',
  ]),
  person('Müller, Jörg', 'jmueller', ['userPrincipalName: joerg@firma.example', 'mail: joerg@example.test']),
  person('田中 花子', 'hanako', ['userPrincipalName: hanako@example.test', 'mail: hanako@example.test']),
  // Without a principal name of their own, as many old accounts are.
  person('Otto Ohm', 'otto', ['mail: otto.ohm@example.test']),
  person('Dora Disabled', 'dora', ['mail: dora@example.test'], 514),
  person('Emil Expired', 'emil', ['mail: emil@example.test', 'accountExpires: 132223104000000000']),
  person('Maria Must', 'maria', ['mail: maria@example.test', 'pwdLastSet: 0']),
  person('Lola Locked', 'lola', ['mail: lola@example.test']),
  group('Inner', [dnOf('Müller, Jörg'), dnOf('田中 花子')]),
  group('Outer', [dnOf('Inner')]),
  // A cycle.
  change(dnOf('Inner'), 'add: member', `member:: ${base64(dnOf('Outer'))}`),
  group('Primary', [dnOf('Otto Ohm')]),
  person('Sales', 'sales', ['mail: sales@example.test', `msExchDelegateListLink:: ${base64(dnOf('Outer'))}`], 514),
  person(
    'Support',
    'support',
    [
      'mail: support@example.test',
      'extensionAttribute1: a.berg@example.test; Primary; EXAMPLE\\hanako; OTHER\\jmueller',
    ],
    514,
  ),
  `dn: CN=Contact,${SUFFIX}\nchangetype: add\nobjectClass: contact\nmail: contact@elsewhere.example\n`,
].join('\n');

describeWhenPresent(['samba'], 'With a real domain controller of Active Directory', () => {
  const samba = new PrivateService('samba', { ldif: LDIF });
  let facts: SambaFacts;
  let test: TestApp;
  let api: ConnectionsApi;
  let id: number;

  const settings = (changed: Partial<LdapConnectionSettings> = {}) => ({
    domain: facts.domain,
    servers: [{ host: facts.host }],
    tlsMode: 'LDAPS',
    caPem: readFileSync(facts.caFile, 'utf8'),
    baseDn: SUFFIX,
    bindName: 'svc-mailkeep@example.test',
    bindPassword: PASSWORD,
    contacts: true,
    delegationAttributes: ['msExchDelegateListLink', 'extensionAttribute1'],
    ...changed,
  });

  beforeAll(async () => {
    facts = await samba.start();
    test = await startTestApp({ kind: 'sqlite', file: ':memory:' });
    for (const { id: example } of await test.app.services.connections.list())
      await test.app.services.connections.delete(example, TEST_AUTHOR);
    const admin = await test.signedIn('admin');
    await switchTo(admin, { enabled: true, groupMailboxes: true });
    api = new ConnectionsApi(admin);
    const { connection, userErrors } = await api.create({ name: 'samba', settings: settings() });
    expect(userErrors).toEqual([]);
    id = Number(connection?.id);
  }, 120_000);
  afterAll(async () => {
    await test?.stop();
    await samba.remove();
  });

  const synchronise = async (options: { full?: boolean } = {}) => {
    const state = await test.app.services.synchronisation.synchronise(id, options);
    expect(state).toMatchObject({ status: SynchronisationStatus.SUCCEEDED, error: null });
    return state;
  };
  const administer = async (work: (client: LdapClient) => Promise<unknown>) => {
    const client = new LdapClient({ url: facts.url, tlsOptions: { ca: readFileSync(facts.caFile) } });
    await client.bind(facts.adminDn, facts.password);
    await work(client);
    await client.unbind();
  };
  const replace = (dn: string, type: string, values: (string | Buffer)[]) =>
    administer((client) =>
      client.modify(
        dn,
        new Change({ operation: 'replace', modification: new Attribute({ type, values: values as string[] }) }),
      ),
    );
  const sections = async (login: string) => {
    const client = await test.client().signIn(login, PASSWORD);
    const { viewer } = await client.ask<{
      viewer: { personalBackup: { own: { address: string }; groupMailboxes: { address: string }[] } };
    }>('{ viewer { personalBackup { own { address } groupMailboxes { address } } } }');
    return [viewer.personalBackup.own, ...viewer.personalBackup.groupMailboxes].map(({ address }) => address);
  };
  const signIn = async (login: string, password = PASSWORD) => {
    const { signIn: answer } = await test
      .client()
      .ask<{ signIn: { viewer: { name: string } | null; userErrors: { code: string }[] } }>(
        'mutation ($input: SignInInput!) { signIn(input: $input) { viewer { name } userErrors { code } } }',
        { input: { login, password } },
      );
    return answer.viewer?.name ?? answer.userErrors[0]?.code;
  };
  const refusal = async () => {
    const [entry] = await test.app.database.rows<{ details: string }>(
      "SELECT details FROM audit_entry WHERE event = 'SIGN_IN' AND outcome = 'REFUSED' ORDER BY id DESC LIMIT 1",
    );
    return (JSON.parse(entry?.details ?? '{}') as { reason?: string }).reason;
  };
  /** What the changes before led to by an incremental pass is what a full one makes of them. */
  const expectSameAsFull = async () => {
    expect(await synchronise()).toMatchObject({ kind: SynchronisationKind.INCREMENTAL });
    const changed = await cacheRows(test.app.database, id);
    await synchronise({ full: true });
    expect(await cacheRows(test.app.database, id)).toEqual(changed);
  };

  it('L5, L6: is read whole; delegation leads through nested groups, a cycle, addresses and account names', async () => {
    await synchronise();
    const { synchronization, unresolvedDelegations } = await api.named('samba');
    expect(synchronization.counts).toMatchObject({ contacts: 1, delegations: 5, unresolved: 1, ambiguous: 0 });
    expect(unresolvedDelegations).toMatchObject([{ value: 'OTHER\\jmueller', problem: 'UNKNOWN' }]);
    const { succeeded, steps } = await api.test({ id: String(id) });
    expect({ succeeded, last: steps.slice(-2).map(({ message }) => message) }).toEqual({
      succeeded: true,
      last: ['msExchDelegateListLink is filled on 1 mailboxes.', 'extensionAttribute1 is filled on 1 mailboxes.'],
    });
    expect(await sections('anna')).toEqual(['anna.berg@example.test', 'support@example.test']);
    expect(await sections('jmueller')).toEqual(['joerg@example.test', 'sales@example.test']);
    expect(await sections('hanako')).toEqual(['hanako@example.test', 'sales@example.test', 'support@example.test']);
    expect(await sections('otto')).toEqual(['otto.ohm@example.test', 'support@example.test']);
  });

  it('L3: is read in pages of any size, and an incremental pass without changes changes nothing', async () => {
    const before = await cacheRows(test.app.database, id);
    const connection = await test.app.services.connections.find(id);
    if (!connection) throw new Error('The connection is gone.');
    const { connections } = test.app.services;
    const paged = { ...connections.settingsOf(connection), pageSize: 7 };
    await connections.update(id, connection.version, { settings: paged }, TEST_AUTHOR);
    expect(await synchronise()).toMatchObject({ kind: SynchronisationKind.FULL });
    expect(await cacheRows(test.app.database, id)).toEqual(before);
    expect(await synchronise()).toMatchObject({ kind: SynchronisationKind.INCREMENTAL });
    expect(await cacheRows(test.app.database, id)).toEqual(before);
  });

  it('L7: follows renames, moves, memberships and new people by change numbers', async () => {
    await administer(async (client) => {
      await client.modifyDN(dnOf('Müller, Jörg'), `CN=Jörg M.,CN=Users,${SUFFIX}`);
      await client.modify(
        dnOf('Inner'),
        new Change({
          operation: 'delete',
          modification: new Attribute({ type: 'member', values: [dnOf('田中 花子')] }),
        }),
      );
      await client.add(dnOf('Nora New'), {
        objectClass: 'user',
        sAMAccountName: 'nora',
        mail: 'nora@example.test',
      });
      await client.modify(
        dnOf('Sales'),
        new Change({
          operation: 'add',
          modification: new Attribute({ type: 'msExchDelegateListLink', values: [dnOf('Nora New')] }),
        }),
      );
    });
    await expectSameAsFull();
    expect(await sections('jmueller')).toEqual(['joerg@example.test', 'sales@example.test']);
    expect(await sections('hanako')).toEqual(['hanako@example.test', 'support@example.test']);
    const { synchronization } = await api.named('samba');
    expect(synchronization.counts).toMatchObject({ delegations: 6, unresolved: 1 });
  });

  it('V9: people are members of their primary group, though it does not list them', async () => {
    let token = '';
    await administer(async (client) => {
      const { searchEntries } = await client.search(dnOf('Primary'), {
        scope: 'base',
        attributes: ['primaryGroupToken'],
      });
      token = String(searchEntries[0]?.['primaryGroupToken']);
    });
    await replace(dnOf('Otto Ohm'), 'primaryGroupID', [token]);
    await expectSameAsFull();
    expect(await sections('otto')).toEqual(['otto.ohm@example.test', 'support@example.test']);
    await replace(dnOf('Otto Ohm'), 'primaryGroupID', ['513']);
    await administer((client) =>
      client.modify(
        dnOf('Primary'),
        new Change({
          operation: 'delete',
          modification: new Attribute({ type: 'member', values: [dnOf('Otto Ohm')] }),
        }),
      ),
    );
    await expectSameAsFull();
    expect(await sections('otto')).toEqual(['otto.ohm@example.test']);
  });

  it('a renamed organisational unit needs a full pass', async () => {
    const renamed = `OU=Renamed,${SUFFIX}`;
    await administer((client) => client.modifyDN(STAFF, renamed));
    expect(await synchronise()).toMatchObject({ kind: SynchronisationKind.FULL });
    expect(await sections('anna')).toEqual(['anna.berg@example.test', 'support@example.test']);
    await administer((client) => client.modifyDN(renamed, STAFF));
    expect(await synchronise()).toMatchObject({ kind: SynchronisationKind.FULL });
    expect(await synchronise()).toMatchObject({ kind: SynchronisationKind.INCREMENTAL });
  });

  it.each([
    ['principal name', 'anna@example.test', 'Anna Berg'],
    ['DOMAIN\\name', 'EXAMPLE\\anna', 'Anna Berg'],
    ['DNS name of the domain', 'example.test\\anna', 'Anna Berg'],
    ['account name', 'Anna', 'Anna Berg'],
    ['main address', 'anna.berg@example.test', 'Anna Berg'],
    ['alias', 'A.Berg@Example.Test', 'Anna Berg'],
    ['principal name of another suffix', 'joerg@firma.example', 'Müller, Jörg'],
    ['principal name that nobody wrote down', 'otto@example.test', 'Otto Ohm'],
  ])('lets people in by %s', async (_title, login, name) => {
    expect(await signIn(login)).toBe(name);
  });

  it.each([
    ['wrong', 'anna', 'WRONG_PASSWORD', 'Wrong-3-Staff'],
    ['of nobody', 'stranger', 'UNKNOWN', PASSWORD],
    ['of a disabled account', 'dora', 'DISABLED', PASSWORD],
    ['of an expired account', 'emil', 'EXPIRED', PASSWORD],
    ['that must be changed', 'maria', 'MUST_CHANGE_PASSWORD', PASSWORD],
    ['of a group mailbox', 'sales', 'DISABLED', PASSWORD],
  ])('refuses a password %s, and notes why', async (_title, login, reason, password) => {
    expect(await signIn(login, password)).toBe('CREDENTIALS_REFUSED');
    expect(await refusal()).toBe(reason);
  });

  it('L8: knows nobody by spellings that only the directory takes for a name, as each would be counted apart', async () => {
    // Samba compares up to the NUL.
    for (const login of ['anna\0', 'anna\0once more', 'EXAMPLE\\anna\0', 'anna@example.test\0']) {
      expect(await signIn(login)).toBe('CREDENTIALS_REFUSED');
      expect(await refusal()).toBe('UNKNOWN');
    }
  });

  it('knows by its sub-codes who was disabled or locked since the last synchronisation', async () => {
    await replace(dnOf('Lola Locked'), 'userAccountControl', ['514']);
    expect(await signIn('lola')).toBe('CREDENTIALS_REFUSED');
    expect(await refusal()).toBe('DISABLED');
    await replace(dnOf('Lola Locked'), 'userAccountControl', ['512']);
    for (let guess = 0; guess < 3; guess += 1) await signIn('lola', 'Wrong-3-Staff');
    expect(await signIn('lola')).toBe('CREDENTIALS_REFUSED');
    expect(await refusal()).toBe('LOCKED');
  });

  it('L7: somebody new comes in at once, and is out with the synchronisation after they were disabled', async () => {
    await administer((client) =>
      client.add(
        dnOf('Nils Now'),
        Object.entries({
          objectClass: 'user',
          sAMAccountName: 'nils',
          mail: 'nils@example.test',
          unicodePwd: unicodePwd(PASSWORD),
          userAccountControl: '512',
        }).map(([type, value]) => new Attribute({ type, values: [value] as string[] })),
      ),
    );
    const client = await test.client().signIn('nils@example.test', PASSWORD);
    const name = async () =>
      (await client.query<{ viewer: { name: string } | null }>('{ viewer { name } }')).data?.viewer;
    expect(await name()).toEqual({ name: 'Nils Now' });
    await synchronise();
    expect(await name()).toEqual({ name: 'Nils Now' });
    await replace(dnOf('Nils Now'), 'userAccountControl', ['514']);
    expect(await synchronise()).toMatchObject({ kind: SynchronisationKind.INCREMENTAL });
    expect(await name()).toBeNull();
  });

  it('sees deletions at once where the account may see deleted objects, and by a full pass elsewhere', async () => {
    const holds = async (account: string) =>
      (await test.app.database.rows('SELECT 1 AS held FROM directory_entry WHERE account_name = ?', [account])).length >
      0;
    await administer((client) => client.del(dnOf('Nora New')));
    await synchronise();
    expect(await holds('nora')).toBe(true);
    await synchronise({ full: true });
    expect(await holds('nora')).toBe(false);

    const { version } = await api.named('samba');
    const bind = { bindName: facts.adminDn, bindPassword: facts.password };
    expect(await api.update({ id: String(id), version, settings: settings(bind) })).toMatchObject({ userErrors: [] });
    await synchronise();
    await administer((client) => client.del(dnOf('Nils Now')));
    await expectSameAsFull();
    expect(await holds('nils')).toBe(false);
  });

  it.each([
    ['StartTLS', { tlsMode: 'STARTTLS' as const }, undefined],
    ['LDAPS', {}, undefined],
    ['no TLS', { tlsMode: 'PLAIN' as const, plainAllowed: true }, 'BIND'],
    ['LDAPS and the wrong CA', { caPem: null }, 'TLS'],
    ['a wrong password of its own', { bindPassword: 'nonsense' }, 'BIND'],
    ['a base DN of another directory', { baseDn: 'DC=elsewhere,DC=test' }, 'BASE_DN'],
    ['a base DN that does not exist', { baseDn: `OU=Nowhere,${SUFFIX}` }, 'BASE_DN'],
  ])('is tested with %s', async (_title, changed, failing) => {
    const { steps } = await api.test({ settings: settings(changed) });
    expect(steps.find(({ status }) => status === 'FAILED')?.step).toBe(failing);
  });

  it('L8: takes a name with an empty password for nobody', async () => {
    expect(await signIn('anna', '')).toBe('BAD_USER_INPUT');
  });
});
