import { newGuid } from '../../src/ldap/embedded/entry-store.js';
import { startTestApp, type TestApp } from '../support/app.js';
import type { Client } from '../support/client.js';
import { describeOnBothDatabases } from '../support/databases.js';

const BASE = 'DC=example,DC=com';
const SEARCH =
  'query ($search: String!, $first: Int) { directoryAccounts(search: $search, first: $first) { name kind domain } }';

describeOnBothDatabases('Looking up accounts by the beginning of a word', (location) => {
  let test: TestApp;
  let admin: Client;

  beforeAll(async () => {
    test = await startTestApp(location());
    admin = await test.signedIn('admin');
  }, 60_000);
  afterAll(() => test?.stop());

  const search = async (text: string, first = 20) =>
    (
      await admin.ask<{ directoryAccounts: { name: string; kind: string }[] }>(SEARCH, { search: text, first })
    ).directoryAccounts.map(({ name }) => name);

  it.each<[string, string, string[]]>([
    ['a first name', 'ann', ['Anna Lindqvist']],
    ['a last name', 'lind', ['Anna Lindqvist']],
    ['capitals', 'ANNA L', ['Anna Lindqvist']],
    ['an address', 'a.lindq', ['Anna Lindqvist']],
    ['an account name', 'svc-', ['Mailkeep Synchronisation', 'Mailkeep Synchronisation']],
    ['Cyrillic', 'Сок', ['Борис Соколов']],
    ['CJK', '花', ['田中 花子']],
    ['umlauts', 'müll', ['Müller, Jörg']],
    ['a letter that was put together from two', 'mu\u0308ll', ['Müller, Jörg']],
    ['an apostrophe within a name', 'neill', ["Zoë O'Neill"]],
    ['a group', 'support t', ['Support Team']],
    ['nothing', '   ', []],
    ['a wildcard of SQL', '%', []],
    ['another wildcard of SQL', '_nna', []],
    ['the middle of a word', 'indqvist', []],
    ['a contact, which is no account', 'hilde', []],
  ])('finds by %s', async (_title, text, names) => {
    expect((await search(text)).sort()).toEqual([...names].sort());
  });

  it('gives as many as asked for, also when many words of one account begin alike, each account once', async () => {
    const aliases = Array.from({ length: 30 }, (_, index) => `smtp:quentin.${index}@example.com`);
    test.directory.entries.add({
      dn: `CN=Quentin A,OU=People,${BASE}`,
      kind: 'user',
      guid: newGuid(),
      attributes: { sAMAccountName: 'quentin', displayName: 'Quentin', proxyAddresses: aliases },
    });
    for (let number = 0; number < 5; number += 1)
      test.directory.entries.add({
        dn: `CN=Quincy ${number},OU=People,${BASE}`,
        kind: 'user',
        guid: newGuid(),
        attributes: { sAMAccountName: `quincy${number}`, displayName: `Quincy ${number}` },
      });
    for (const { id } of await test.app.services.connections.list())
      await test.app.services.synchronisation.synchronise(id, { full: true });
    expect(await search('qu', 2)).toEqual(['Quentin', expect.stringMatching(/^Quincy \d$/)]);
    expect(await search('qu', 20)).toHaveLength(6);
  });

  it.each([0, 101, -1])('refuses first: %i', async (first) => {
    const { errors } = await admin.query(SEARCH, { search: 'a', first });
    expect(errors[0]).toMatchObject({ extensions: { code: 'BAD_USER_INPUT', field: 'first' } });
  });
});
