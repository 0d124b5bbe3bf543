import { readFileSync } from 'node:fs';
import { Attribute, Change, Client as LdapClient } from 'ldapts';
import type { SlapdFacts } from '../../scripts/services/index.cjs';
import { SynchronisationKind, SynchronisationStatus } from '../../src/services/directory/synchronisation-state.js';
import { startTestApp, TEST_AUTHOR, type TestApp } from '../support/app.js';
import { switchTo } from '../support/mail.js';
import { describeWhenPresent, PrivateService } from '../support/services.js';
import { cacheRows } from './cache-rows.js';
import { ConnectionsApi } from './connections-api.js';

const SUFFIX = 'dc=ipa,dc=example';
const ACCOUNTS = `cn=accounts,${SUFFIX}`;
const OLD = 'createTimestamp: 20200101000000Z\nmodifyTimestamp: 20200101000000Z\n';

// What FreeIPA's own schema has of what is read (install/share/60basev2.ldif, 60kerberos.ldif), as far as OpenLDAP takes it.
const TEXT = 'EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15';
const SCHEMA = `include /etc/ldap/schema/nis.schema
attributetype ( 2.16.840.1.113730.3.8.3.1 NAME 'ipaUniqueID' ${TEXT} SINGLE-VALUE )
attributetype ( 2.16.840.1.113719.1.301.6.8.1 NAME 'krbPrincipalName' EQUALITY caseExactIA5Match SYNTAX 1.3.6.1.4.1.1466.115.121.1.26 )
attributetype ( 2.16.840.1.113719.1.301.6.10.1 NAME 'krbPrincipalExpiration' EQUALITY generalizedTimeMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.24 SINGLE-VALUE )
attributetype ( 2.16.840.1.113730.3.1.610 NAME 'nsAccountLock' ${TEXT} SINGLE-VALUE )
objectclass ( 2.16.840.1.113730.3.8.4.4 NAME 'ipaObject' SUP top AUXILIARY MUST ipaUniqueID )
objectclass ( 2.16.840.1.113719.1.301.6.1.1 NAME 'krbPrincipalAux' SUP top AUXILIARY MAY ( krbPrincipalName $ krbPrincipalExpiration $ nsAccountLock ) )
`;

// The order of values means nothing in LDAP.
const BORIS = expect.stringMatching(/^(boris|b\.sokolov)@ipa\.example$/) as string;
const id = (number: number) => `00000000-0000-11ee-8000-${String(number).padStart(12, '0')}`;
const userDn = (uid: string) => `uid=${uid},cn=users,${ACCOUNTS}`;
const groupDn = (cn: string) => `cn=${cn},cn=groups,${ACCOUNTS}`;
const container = (cn: string, above: string) =>
  `dn: cn=${cn},${above}\nobjectClass: applicationProcess\ncn: ${cn}\n${OLD}`;
const user = (uid: string, number: number, more = '') => `dn: ${userDn(uid)}
objectClass: inetOrgPerson
objectClass: posixAccount
objectClass: ipaObject
objectClass: krbPrincipalAux
ipaUniqueID: ${id(number)}
uid: ${uid}
cn: ${uid} of IPA
sn: IPA
displayName: ${uid} of IPA
uidNumber: ${1000 + number}
gidNumber: ${1000 + number}
homeDirectory: /home/${uid}
krbPrincipalName: ${uid}@IPA.EXAMPLE
mail: ${uid}@ipa.example
userPassword: demo
${OLD}${more}`;
const group = (cn: string, number: number, members: readonly string[]) => `dn: ${groupDn(cn)}
objectClass: groupOfNames
objectClass: ipaObject
ipaUniqueID: ${id(number)}
cn: ${cn}
${members.map((member) => `member: ${member}\n`).join('')}${OLD}`;

const LDIF = [
  container('accounts', SUFFIX),
  container('users', ACCOUNTS),
  container('groups', ACCOUNTS),
  user('anna', 1),
  user('boris', 2, 'mail: b.sokolov@ipa.example\n'),
  user('locked', 3, 'nsAccountLock: TRUE\n'),
  user('expired', 4, 'krbPrincipalExpiration: 20200101000000Z\n'),
  user('sales', 5, 'nsAccountLock: TRUE\nbusinessCategory: Support; boris@ipa.example; nobody\n'),
  // Each user has a group alone, called alike: no clash.
  `dn: ${groupDn('anna')}\nobjectClass: posixGroup\ncn: anna\ngidNumber: 1001\n${OLD}`,
  group('inner', 11, [userDn('anna')]),
  group('support', 12, [groupDn('inner')]),
].join('\n');

describeWhenPresent(['slapd'], 'A directory as FreeIPA has it', () => {
  const slapd = new PrivateService('slapd', { suffix: SUFFIX, ldif: LDIF, schema: SCHEMA });
  let facts: SlapdFacts;
  let test: TestApp;
  let api: ConnectionsApi;
  let connection: number;

  beforeAll(async () => {
    facts = await slapd.start();
    test = await startTestApp({ kind: 'sqlite', file: ':memory:' });
    for (const { id: example } of await test.app.services.connections.list())
      await test.app.services.connections.delete(example, TEST_AUTHOR);
    const admin = await test.signedIn('admin');
    await switchTo(admin, { enabled: true, groupMailboxes: true });
    api = new ConnectionsApi(admin);
    const created = await api.create({
      name: 'ipa',
      settings: {
        domain: 'ipa.example',
        servers: [{ host: '127.0.0.1', port: facts.port }],
        caPem: readFileSync(facts.caFile, 'utf8'),
        baseDn: ACCOUNTS,
        bindName: facts.bindDn,
        bindPassword: facts.password,
        delegationAttributes: ['businessCategory'],
        preset: 'FREEIPA',
      },
    });
    expect(created.userErrors).toEqual([]);
    connection = Number(created.connection?.id);
  }, 60_000);
  afterAll(async () => {
    await test?.stop();
    await slapd.remove();
  });

  const synchronise = async (full = false) => {
    const state = await test.app.services.synchronisation.synchronise(connection, { full });
    expect(state).toMatchObject({ status: SynchronisationStatus.SUCCEEDED, error: null });
    return state;
  };
  const sections = async (login: string) => {
    const client = await test.signedIn(login);
    const { viewer } = await client.ask<{
      viewer: { personalBackup: { own: { address: string }; groupMailboxes: { address: string }[] } };
    }>('{ viewer { personalBackup { own { address } groupMailboxes { address } } } }');
    return [viewer.personalBackup.own, ...viewer.personalBackup.groupMailboxes].map(({ address }) => address);
  };

  it('L5, L6, V8: is read by its own names, groups by cn; a group of one user alone is no clash', async () => {
    await synchronise();
    const { synchronization, unresolvedDelegations } = await api.named('ipa');
    expect(synchronization.counts).toMatchObject({ people: 5, groups: 2, delegations: 3, unresolved: 1, ambiguous: 0 });
    expect(unresolvedDelegations).toMatchObject([{ value: 'nobody', problem: 'UNKNOWN' }]);
    expect((await api.test({ id: String(connection) })).succeeded).toBe(true);
    expect(await sections('anna')).toEqual(['anna@ipa.example', 'sales@ipa.example']);
    expect(await sections('boris@IPA.EXAMPLE')).toEqual([BORIS, 'sales@ipa.example']);
    expect(await sections('IPA\\boris')).toHaveLength(2);
    expect(await sections('b.sokolov@ipa.example')).toHaveLength(2);
  });

  it.each(['locked', 'expired', 'sales'])('L7: refuses the account that is %s', async (login) => {
    await expect(test.signedIn(login)).rejects.toThrow('CREDENTIALS_REFUSED');
  });

  it('follows changes, and an incremental pass makes of them what a full one makes', async () => {
    const client = new LdapClient({ url: facts.url, tlsOptions: { ca: readFileSync(facts.caFile) } });
    await client.bind(facts.adminDn, facts.password);
    const replace = (dn: string, type: string, values: string[]) =>
      client.modify(dn, new Change({ operation: 'replace', modification: new Attribute({ type, values }) }));
    await replace(groupDn('inner'), 'member', [userDn('boris')]);
    await replace(userDn('sales'), 'businessCategory', ['support']);
    await client.unbind();
    expect(await synchronise()).toMatchObject({ kind: SynchronisationKind.INCREMENTAL });
    const changed = await cacheRows(test.app.database, connection);
    expect(await sections('anna')).toEqual(['anna@ipa.example']);
    expect(await sections('boris')).toEqual([BORIS, 'sales@ipa.example']);
    await synchronise(true);
    expect(await cacheRows(test.app.database, connection)).toEqual(changed);
  });
});
