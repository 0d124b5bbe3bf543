import { readFileSync } from 'node:fs';
import { Attribute, Change, Client as LdapClient } from 'ldapts';
import type { SlapdFacts } from '../../scripts/services/index.cjs';
import type { LdapConnectionSettings } from '../../src/ldap/connection-settings.js';
import { guidBytes } from '../../src/ldap/object-guid.js';
import { SynchronisationKind, SynchronisationStatus } from '../../src/services/directory/synchronisation-state.js';
import { startTestApp, TEST_AUTHOR, type TestApp } from '../support/app.js';
import { describeOnBothDatabases } from '../support/databases.js';
import { switchTo } from '../support/mail.js';
import { describeWhenPresent, PrivateService } from '../support/services.js';
import { guidOf } from '../ldap/example.js';
import { cacheRows } from './cache-rows.js';
import { ConnectionsApi } from './connections-api.js';

const SUFFIX = 'dc=real,dc=example';
const PEOPLE = 1200;
const base64 = (text: string | Buffer) => Buffer.from(text).toString('base64');
// What was there long before the tests, unlike what they change.
const OLD = 'createTimestamp: 20200101000000Z\nmodifyTimestamp: 20200101000000Z\n';
const unit = (name: string) => `dn: ou=${name},${SUFFIX}\nobjectClass: organizationalUnit\nou: ${name}\n${OLD}\n`;

function person(cn: string, account: string, number: number, more = ''): string {
  return `dn:: ${base64(`cn=${cn.replace(/,/g, '\\,')},ou=people,${SUFFIX}`)}
objectClass: user
objectCategory: person
objectGUID:: ${base64(guidBytes(guidOf(number)))}
cn:: ${base64(cn)}
sn: x
uid: ${account}
sAMAccountName: ${account}
userPrincipalName: ${account}@real.example
displayName:: ${base64(cn)}
mail: ${account}@real.example
userPassword: demo
${OLD}${more}
`;
}

function group(cn: string, number: number, members: readonly string[]): string {
  return `dn: cn=${cn},ou=groups,${SUFFIX}
objectClass: group
objectCategory: group
objectGUID:: ${base64(guidBytes(guidOf(number)))}
cn: ${cn}
sAMAccountName: ${cn}
${OLD}${members.map((member) => `member:: ${base64(member)}\n`).join('')}
`;
}

const JOERG = `cn=Müller\\, Jörg,ou=people,${SUFFIX}`;
const LDIF = [
  unit('people'),
  unit('groups'),
  person('Müller, Jörg', 'jmueller', 1, 'proxyAddresses: SMTP:joerg.mueller@real.example\n'),
  person('田中 花子', 'tanaka', 2),
  person('Sales', 'orders', 3, `userAccountControl: 514\nmsExchDelegateListLink: cn=Outer,ou=groups,${SUFFIX}\n`),
  ...Array.from({ length: PEOPLE }, (_, index) => person(`P${index}`, `p${index}`, 100 + index)),
  group('Inner', 11, [JOERG, `cn=田中 花子,ou=people,${SUFFIX}`]),
  group('Outer', 12, [`cn=Inner,ou=groups,${SUFFIX}`]),
  group(
    'Everybody',
    13,
    Array.from({ length: PEOPLE }, (_, index) => `cn=P${index},ou=people,${SUFFIX}`),
  ),
].join('\n');

describeWhenPresent(['slapd'], 'With a real OpenLDAP server', () => {
  const slapd = new PrivateService('slapd', { suffix: SUFFIX, ldif: LDIF });
  let facts: SlapdFacts;
  beforeAll(async () => {
    facts = await slapd.start();
  }, 60_000);
  afterAll(() => slapd.remove());

  describe.each<[string, Partial<LdapConnectionSettings>, SynchronisationKind]>([
    [
      'as OpenLDAP',
      { preset: 'OPENLDAP', overrides: { groupFilter: '(objectClass=group)' } },
      SynchronisationKind.INCREMENTAL,
    ],
    // It has no change numbers, so there is nothing but full passes.
    ['as Active Directory', { preset: 'ACTIVE_DIRECTORY', overrides: {} }, SynchronisationKind.FULL],
  ])('read %s', (_title, preset, kind) => {
    describeOnBothDatabases('the cache', (location) => {
      let test: TestApp;
      let api: ConnectionsApi;
      let id: number;

      beforeAll(async () => {
        test = await startTestApp(location());
        const admin = await test.signedIn('admin');
        await switchTo(admin, { enabled: true, groupMailboxes: true });
        api = new ConnectionsApi(admin);
        const { connection, userErrors } = await api.create({
          name: 'real',
          settings: {
            domain: 'real.example',
            servers: [{ host: '127.0.0.1', port: facts.plainPort }],
            tlsMode: 'STARTTLS',
            caPem: readFileSync(facts.caFile, 'utf8'),
            baseDn: SUFFIX,
            bindName: facts.bindDn,
            bindPassword: facts.password,
            delegationAttributes: ['msExchDelegateListLink', 'extensionAttribute1'],
            ...preset,
          },
        });
        expect(userErrors).toEqual([]);
        id = Number(connection?.id);
      }, 60_000);
      afterAll(() => test?.stop());

      const synchronise = async (full = false) => {
        const state = await test.app.services.synchronisation.synchronise(id, { full });
        expect(state).toMatchObject({ status: SynchronisationStatus.SUCCEEDED, error: null });
        return state;
      };
      const write = async (work: (client: LdapClient) => Promise<void>) => {
        const client = new LdapClient({ url: facts.url, tlsOptions: { ca: readFileSync(facts.caFile) } });
        await client.bind(facts.adminDn, facts.password);
        await work(client);
        await client.unbind();
      };
      const replace = (type: string, values: string[]) =>
        new Change({ operation: 'replace', modification: new Attribute({ type, values }) });
      const sections = async (login: string) => {
        const client = await test.signedIn(login);
        const { viewer } = await client.ask<{
          viewer: { personalBackup: { own: { address: string }; groupMailboxes: { address: string }[] } };
        }>('{ viewer { personalBackup { own { address } groupMailboxes { address } } } }');
        return [viewer.personalBackup.own, ...viewer.personalBackup.groupMailboxes].map(({ address }) => address);
      };

      it('L5: holds everybody, beyond its size limit, with nested delegation and names of every kind', async () => {
        await synchronise();
        const { synchronization } = await api.named('real');
        expect(synchronization.counts).toMatchObject({
          people: PEOPLE + 3,
          groups: 3,
          delegations: 1,
          unresolved: 0,
          ambiguous: 2,
        });
        expect(await sections('jmueller@real.example')).toEqual(['joerg.mueller@real.example', 'orders@real.example']);
        expect(await sections('REAL\\tanaka')).toEqual(['tanaka@real.example', 'orders@real.example']);
        expect(await sections('p7')).toEqual(['p7@real.example']);
        const { succeeded, steps } = await api.test({ id: String(id) });
        expect({ succeeded, last: steps.at(-2)?.message }).toEqual({
          succeeded: true,
          last: 'msExchDelegateListLink is filled on 1 mailboxes.',
        });
      });

      it('follows changes, and an incremental pass makes of them what a full one makes', async () => {
        await write(async (client) => {
          await client.modify(`cn=P1,ou=people,${SUFFIX}`, replace('displayName', ['P1 & Söhne']));
          await client.modifyDN(JOERG, `cn=Jörg M,ou=people,${SUFFIX}`);
          await client.modify(`cn=Sales,ou=people,${SUFFIX}`, replace('extensionAttribute1', ['p2; p3@real.example']));
        });
        expect(await synchronise()).toMatchObject({ kind });
        const changed = await cacheRows(test.app.database, id);
        expect(await sections('jmueller')).toContain('orders@real.example');
        expect(await sections('p3')).toContain('orders@real.example');
        await synchronise(true);
        expect(await cacheRows(test.app.database, id)).toEqual(changed);
        await write(async (client) => {
          await client.modifyDN(`cn=Jörg M,ou=people,${SUFFIX}`, JOERG);
          await client.modify(`cn=Sales,ou=people,${SUFFIX}`, replace('extensionAttribute1', []));
        });
        await synchronise();
      });

      it('a deletion, which it does not show, is seen by the next full pass', async () => {
        const gone = `cn=Gone,ou=people,${SUFFIX}`;
        await write((client) =>
          client.add(gone, [
            ...Object.entries({
              objectClass: 'user',
              objectCategory: 'person',
              cn: 'Gone',
              sn: 'x',
              uid: 'gone',
              sAMAccountName: 'gone',
              mail: 'gone@real.example',
              userPassword: 'demo',
            }).map(([type, value]) => new Attribute({ type, values: [value] })),
            new Attribute({ type: 'objectGUID', values: [guidBytes(guidOf(50))] }),
          ]),
        );
        // Not in the cache yet.
        const client = await test.signedIn('gone');
        await synchronise();
        await write((admin) => admin.del(gone));
        // Long enough ago that deletions are looked for.
        await test.app.database.transaction((transaction) =>
          transaction.run('UPDATE ldap_connection SET full_pass_at = full_pass_at - 3600000 WHERE id = ?', [id]),
        );
        expect(await synchronise()).toMatchObject({ kind: SynchronisationKind.FULL });
        const { data } = await client.query<{ viewer: unknown }>('{ viewer { name } }');
        expect(data?.viewer ?? null).toBeNull();
      });

      it('L8: takes a name with an empty password for nobody', async () => {
        const { data } = await test
          .client()
          .query<{ signIn: { token: string | null } }>(
            'mutation { signIn(input: { login: "p7", password: "" }) { token } }',
          );
        expect(data?.signIn.token ?? null).toBeNull();
        await test.app.services.connections.delete(id, TEST_AUTHOR);
      });
    });
  });
});
