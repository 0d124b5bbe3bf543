import { Attribute, Change, Client } from 'ldapts';
import { checkPassword } from '../../src/ldap/check-password.js';
import type { LdapConnectionSettings } from '../../src/ldap/connection-settings.js';
import { DirectoryClient } from '../../src/ldap/directory-client.js';
import { requireFilter } from '../../src/ldap/filter-text.js';
import { findPerson } from '../../src/ldap/find-person.js';
import { readChanges, readServerState, type DirectoryChanges } from '../../src/ldap/read-changes.js';
import { readDirectory } from '../../src/ldap/read-directory.js';
import { testConnection } from '../../src/ldap/test-connection.js';
import { describeWithSlapd, managerLdif, SLAPD_SUFFIX, startSlapd, type Slapd } from '../support/slapd.js';
import { collect, named } from './example.js';

const PEOPLE = 1200;
// What was there long before the tests, unlike what they change.
const OLD = 'createTimestamp: 20200101000000Z\nmodifyTimestamp: 20200101000000Z\n';
const unit = (name: string): string =>
  `dn: ou=${name},${SLAPD_SUFFIX}\nobjectClass: organizationalUnit\nou: ${name}\n${OLD}\n`;
const base64 = (text: string): string => Buffer.from(text, 'utf8').toString('base64');

function person(cn: string, rdn: string, account: string, more = ''): string {
  return `dn:: ${base64(`cn=${rdn},ou=people,${SLAPD_SUFFIX}`)}
objectClass: inetOrgPerson
objectClass: adUser
cn:: ${base64(cn)}
sn: x
sAMAccountName: ${account}
mail: ${account}@example.com
userPassword: demo
${OLD}${more}
`;
}

const LDIF = [
  managerLdif,
  unit('people'),
  unit('groups'),
  person(
    'Anna',
    'Anna',
    'anna',
    'userPrincipalName: anna@example.com\nproxyAddresses: SMTP:anna.main@example.com\nproxyAddresses: X500:/o=x\n',
  ),
  person('Müller, Jörg', 'Müller\\, Jörg', 'joerg'),
  person('田中 花子', '田中 花子', 'hanako', 'userAccountControl: 514\n'),
  person(
    'Sales',
    'Sales',
    'sales',
    `msExchDelegateListLink:: ${base64(`cn=Müller\\, Jörg,ou=people,${SLAPD_SUFFIX}`)}\n`,
  ),
  ...Array.from({ length: PEOPLE }, (_, index) => person(`P${index}`, `P${index}`, `p${index}`)),
  `dn: cn=Everybody,ou=groups,${SLAPD_SUFFIX}\nobjectClass: groupOfNames\nobjectClass: adGroup\ncn: Everybody\nsAMAccountName: Everybody\n${OLD}`,
  ...Array.from({ length: PEOPLE }, (_, index) => `member: cn=P${index},ou=people,${SLAPD_SUFFIX}\n`),
  `member:: ${base64(`cn=Müller\\, Jörg,ou=people,${SLAPD_SUFFIX}`)}\n\n`,
].join('');

describeWithSlapd('a real OpenLDAP server', () => {
  let slapd: Slapd;
  beforeAll(async () => {
    slapd = await startSlapd(LDIF);
  }, 30_000);
  afterAll(() => slapd.stop());

  it('L1: is read whole over StartTLS and LDAPS, page by page beyond its size limit of 1000', async () => {
    for (const settings of [slapd.settings, slapd.ldapsSettings]) {
      const entries = await collect(readDirectory(settings));
      expect(entries.filter(({ kind }) => kind === 'PERSON')).toHaveLength(PEOPLE + 4);
      expect(new Set(entries.map(({ id }) => id)).size).toBe(entries.length);
      expect(named(entries, 'anna')).toMatchObject({
        id: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f-]{27}$/),
        userPrincipalName: 'anna@example.com',
        addresses: [
          { address: 'anna.main@example.com', primary: true },
          { address: 'anna@example.com', primary: false },
        ],
      });
      expect(named(entries, 'hanako')).toMatchObject({
        dnKey: `cn=田中 花子,ou=people,${SLAPD_SUFFIX}`,
        disabled: true,
      });
    }
  });

  it('L6: names members and delegates in the same form as the entries themselves, commas and umlauts included', async () => {
    const entries = await collect(readDirectory(slapd.settings));
    const joerg = named(entries, 'joerg');
    expect(joerg.dnKey).toBe(`cn=müller\\, jörg,ou=people,${SLAPD_SUFFIX}`);
    expect(named(entries, 'Everybody').members).toHaveLength(PEOPLE + 1);
    expect(named(entries, 'Everybody').members).toContain(joerg.dnKey);
    expect(named(entries, 'sales').delegations).toHaveLength(1);
  });

  it('refuses to be searched without pages beyond its limit', async () => {
    const client = await DirectoryClient.bind(slapd.settings);
    const query = { filter: requireFilter('filter', '(objectClass=inetOrgPerson)'), attributes: ['cn'] };
    await expect(client.find(SLAPD_SUFFIX, query)).rejects.toMatchObject({ kind: 'SIZE_LIMIT' });
    client.close();
  });

  it('finds what filters with escaped letters mean', async () => {
    const client = await DirectoryClient.bind(slapd.settings);
    for (const filter of ['(cn=M\\c3\\bcller\\2c J\\c3\\b6rg)', '(cn=Müller, J*)', '(cn=M\\c3\\bcl*rg)']) {
      expect(
        await client.find(SLAPD_SUFFIX, { filter: requireFilter('filter', filter), attributes: ['cn'] }),
      ).toHaveLength(1);
    }
    client.close();
  });

  it.each<[string, (slapd: Slapd) => Partial<LdapConnectionSettings>, string]>([
    ['a password without TLS', () => ({ tlsMode: 'PLAIN', plainAllowed: true }), 'TLS_REQUIRED'],
    ['another CA', ({ certificates }) => ({ caPem: certificates.otherCa }), 'TLS_REFUSED'],
    ['a wrong password', () => ({ bindPassword: 'wrong' }), 'BIND_REFUSED'],
    ['a bind name that does not exist', () => ({ bindName: `cn=nobody,${SLAPD_SUFFIX}` }), 'BIND_REFUSED'],
    ['a base DN that does not exist', () => ({ baseDn: `ou=nowhere,${SLAPD_SUFFIX}` }), 'BASE_DN_NOT_FOUND'],
    ['a base DN in another directory', () => ({ baseDn: 'dc=other,dc=net' }), 'BASE_DN_NOT_FOUND'],
    ['a page that is too large', () => ({ pageSize: 5000 }), 'SIZE_LIMIT'],
  ])('%s is an error of its own', async (_title, change, kind) => {
    await expect(collect(readDirectory({ ...slapd.settings, ...change(slapd) }))).rejects.toMatchObject({ kind });
  });

  it('tells a base DN that is misspelt from one in another directory, and names what the server holds', async () => {
    const messageFor = (baseDn: string) =>
      collect(readDirectory({ ...slapd.settings, baseDn })).catch((error: unknown) => (error as Error).message);
    expect(await messageFor(`ou=nowhere,${SLAPD_SUFFIX}`)).toMatch(/does not exist in this directory/);
    expect(await messageFor('dc=other,dc=net')).toMatch(new RegExp(`another directory: .* holds ${SLAPD_SUFFIX}`));
  });

  it('L8: accepts a name with an empty password, which therefore never reaches it', async () => {
    const dn = `cn=Anna,ou=people,${SLAPD_SUFFIX}`;
    const bare = new Client({
      url: `ldaps://127.0.0.1:${slapd.ldapsSettings.servers[0]?.port}`,
      tlsOptions: { ca: slapd.certificates.ca },
    });
    await expect(bare.bind(dn, '')).resolves.toBeUndefined();
    await bare.unbind();
    expect(await checkPassword(slapd.settings, dn, '')).toEqual({ outcome: 'WRONG_CREDENTIALS' });
    expect(await checkPassword(slapd.settings, dn, 'wrong')).toEqual({ outcome: 'WRONG_CREDENTIALS' });
    expect(await checkPassword(slapd.settings, dn, 'demo')).toEqual({ outcome: 'OK' });
    expect(await checkPassword(slapd.settings, `cn=Müller\\, Jörg,ou=people,${SLAPD_SUFFIX}`, 'demo')).toEqual({
      outcome: 'OK',
    });
  });

  it('finds one person by account name and by mail address', async () => {
    expect(await findPerson(slapd.settings, 'joerg')).toMatchObject({
      outcome: 'FOUND',
      entry: { displayName: 'Müller, Jörg' },
    });
    expect(await findPerson(slapd.settings, 'anna.main@example.com')).toMatchObject({
      outcome: 'FOUND',
      entry: { accountName: 'anna' },
    });
    expect(await findPerson(slapd.settings, 'p*')).toEqual({ outcome: 'NOT_FOUND' });
  });

  it('passes the connection test, schema and delegation included', async () => {
    const steps = await collect(testConnection(slapd.settings));
    expect(steps.map(({ status }) => status)).toEqual(Array.from({ length: 8 }, () => 'OK'));
    expect(steps.at(-1)?.message).toBe('msExchDelegateListLink is filled on 1 mailboxes.');
    const unknown = await collect(testConnection({ ...slapd.settings, delegationAttributes: ['msExchNothing'] }));
    expect(unknown.at(-1)).toMatchObject({
      status: 'WARNING',
      message: expect.stringContaining('no attribute msExchNothing'),
    });
  });

  describe('changes by modifyTimestamp', () => {
    const changing = async (baseDn: string, change: (client: Client) => Promise<void>): Promise<DirectoryChanges> => {
      const { mark } = await readServerState(slapd.settings);
      if (mark?.kind !== 'TIME') throw new Error('not a mark of time');
      const client = new Client({
        url: `ldaps://127.0.0.1:${slapd.ldapsSettings.servers[0]?.port}`,
        tlsOptions: { ca: slapd.certificates.ca },
      });
      await client.bind(slapd.settings.bindName, slapd.settings.bindPassword);
      await change(client);
      await client.unbind();
      return readChanges({ ...slapd.settings, baseDn }, mark, { maxChanges: 100 });
    };

    it('reads what changed and nothing else; deletions wait for a full pass', async () => {
      const gone = await findPerson(slapd.settings, 'p4');
      const changes = await changing(`ou=people,${SLAPD_SUFFIX}`, async (client) => {
        const modification = new Attribute({ type: 'displayName', values: ['Anna Berg'] });
        await client.modify(`cn=Anna,ou=people,${SLAPD_SUFFIX}`, new Change({ operation: 'replace', modification }));
        await client.modifyDN(`cn=P1,ou=people,${SLAPD_SUFFIX}`, `cn=P1 renamed,ou=people,${SLAPD_SUFFIX}`);
        await client.del(`cn=P2,ou=people,${SLAPD_SUFFIX}`);
        await client.modifyDN(`cn=P4,ou=people,${SLAPD_SUFFIX}`, `cn=P4,ou=groups,${SLAPD_SUFFIX}`);
      });
      if (changes.outcome !== 'CHANGES') throw new Error(changes.explanation);
      expect(changes.upserted.map(({ displayName, accountName }) => [displayName, accountName])).toEqual([
        ['Anna Berg', 'anna'],
        ['P1 renamed', 'p1'],
      ]);
      // Moved away from the base DN.
      expect(changes.removedIds).toContain(gone.outcome === 'FOUND' && gone.entry.id);
      expect(changes.deletionsSeen).toBe(false);
    });

    it('need a full pass when an organisational unit was renamed', async () => {
      const changes = await changing(SLAPD_SUFFIX, async (client) => {
        await client.modifyDN(`ou=groups,${SLAPD_SUFFIX}`, `ou=teams,${SLAPD_SUFFIX}`);
      });
      expect(changes).toMatchObject({ outcome: 'FULL_PASS_NEEDED', reason: 'CONTAINER_CHANGED' });
    });
  });
});
