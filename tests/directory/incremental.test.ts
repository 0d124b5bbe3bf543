import type { LdapConnectionSettings } from '../../src/ldap/connection-settings.js';
import type { EntryStore } from '../../src/ldap/embedded/entry-store.js';
import { SynchronisationKind, SynchronisationStatus } from '../../src/services/directory/synchronisation-state.js';
import { startTestApp, TEST_AUTHOR, type TestApp } from '../support/app.js';
import { describeOnBothDatabases } from '../support/databases.js';
import { guidOf } from '../ldap/example.js';
import { cacheRows } from './cache-rows.js';

const BASE = 'DC=example,DC=com';
const ANNA = `CN=Anna Lindqvist,OU=People,${BASE}`;
const BORIS = `CN=Борис Соколов,OU=People,${BASE}`;
const JOERG = `CN=Müller\\, Jörg,OU=People,${BASE}`;
const SALES = `CN=Sales,OU=Shared Mailboxes,${BASE}`;
const FRONT_DESK = `CN=Front Desk,OU=Groups,${BASE}`;

/** Numbers that are the same in every run (mulberry32), so that a failure can be repeated. */
function randomNumbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** One change at random, as administrators make them. */
function mutate(entries: EntryStore, random: (below: number) => number, step: number): string {
  const pick = <Item>(items: readonly Item[]): Item => items[random(items.length)] as Item;
  const dns = (objectClass: string, ou: string) =>
    [...entries.all()]
      .filter(
        (entry) =>
          !entry.deleted &&
          entry.key.endsWith('dc=example,dc=com') &&
          !entry.key.includes('ou=service accounts') &&
          entry.key.includes(ou) &&
          entries.read(entry, 'objectClass').includes(objectClass),
      )
      .map(({ dn }) => dn);
  const people = dns('user', 'ou=people');
  const groups = dns('group', 'ou=groups');
  const mailboxes = dns('user', 'ou=shared mailboxes');
  const rdn = (dn: string) => /^CN=((?:\\.|[^,\\])*)/.exec(dn)?.[1] ?? '';
  const anybody = [...people, ...groups];
  const some = <Item>(items: readonly Item[]) => items.filter(() => random(3) === 0);
  const changes: Record<string, () => void> = {
    'rename a person': () => entries.rename(pick(people), `CN=Renamed ${step}\\, ${random(9)},OU=People,${BASE}`),
    'move a person': () => {
      const person = pick(people);
      entries.rename(person, `CN=${rdn(person)} ${step},OU=Partners,${BASE}`);
    },
    'rename a group': () => entries.rename(pick(groups), `CN=Group ${step},OU=Groups,${BASE}`),
    'delete a person': () => people.length > 4 && entries.delete(pick(people)),
    'delete a group': () => groups.length > 3 && entries.delete(pick(groups)),
    'add a person': () =>
      entries.add({
        dn: `CN=New ${step},OU=People,${BASE}`,
        kind: 'user',
        guid: guidOf(5000 + step),
        attributes: { sAMAccountName: `new${step}`, displayName: `New Émile ${step}`, mail: `new${step}@example.com` },
      }),
    'add a person under a name that was somebody else’s': () => {
      const gone = pick(people);
      if (people.length < 4) return;
      entries.delete(gone);
      entries.add({
        dn: gone,
        kind: 'user',
        guid: guidOf(5000 + step),
        attributes: { sAMAccountName: `again${step}` },
      });
    },
    'set members': () => entries.modify(pick(groups), { member: some(anybody) }),
    'delegate by link': () => entries.modify(pick(mailboxes), { msExchDelegateListLink: some(anybody) }),
    'delegate by text': () =>
      entries.modify(pick(mailboxes), {
        extensionAttribute1: [`new${step - 1}@example.com; ${pick(anybody).replace(/;/g, '\\;')};boris`],
      }),
    'add an alias': () => entries.modify(pick(people), { proxyAddresses: [`smtp:alias${random(4)}@example.com`] }),
    'disable somebody': () => entries.modify(pick(people), { userAccountControl: ['514'] }),
    'change an account name': () => entries.modify(pick(anybody), { sAMAccountName: [`account${random(6)}`] }),
  };
  const title = pick(Object.keys(changes));
  changes[title]?.();
  return title;
}

describeOnBothDatabases('Incremental synchronisation', (location) => {
  let test: TestApp;
  let id: number;

  beforeAll(async () => {
    test = await startTestApp(location());
    const [connection] = (await test.app.services.connections.list()).filter(({ domain }) => domain === 'example.com');
    if (!connection) throw new Error('There is no example.com.');
    id = connection.id;
    const settings: LdapConnectionSettings = {
      ...test.app.services.connections.settingsOf(connection),
      delegationAttributes: ['msExchDelegateListLink', 'extensionAttribute1'],
    };
    await test.app.services.connections.update(id, connection.version, { settings }, TEST_AUTHOR);
    await synchronise(true);
  }, 60_000);
  afterAll(() => test?.stop());

  const synchronise = async (full = false) => {
    const state = await test.app.services.synchronisation.synchronise(id, { full });
    expect(state).toMatchObject({ status: SynchronisationStatus.SUCCEEDED, error: null });
    return state;
  };
  const access = async (): Promise<string[]> => {
    const rows = await test.app.database.rows<{ person: string; mailbox: string }>(
      `SELECT DISTINCT p.account_name AS person, m.account_name AS mailbox FROM mailbox_access a
         JOIN directory_entry p ON p.directory_id = a.person_id
         JOIN ldap_connection c ON c.id = p.connection_id AND c.generation = p.generation
         JOIN directory_entry m ON m.directory_id = a.mailbox_id AND m.connection_id = c.id AND m.generation = c.generation
        WHERE a.domain = 'example.com'`,
    );
    return rows.map(({ person, mailbox }) => `${person}→${mailbox}`).sort();
  };
  /** What an incremental pass makes of the cache is what a full pass makes of it. */
  const expectSameAsFull = async (title: string) => {
    const incremental = await synchronise();
    expect(`${title}: ${incremental?.kind}`).toBe(`${title}: ${SynchronisationKind.INCREMENTAL}`);
    const rows = await cacheRows(test.app.database, id);
    // Nothing of the cache is believed: everything is read into a new generation.
    await test.app.database.transaction((transaction) =>
      transaction.run('UPDATE ldap_connection SET full_pass_at = NULL WHERE id = ?', [id]),
    );
    const full = await synchronise(true);
    expect({ title, ...(await cacheRows(test.app.database, id)) }).toEqual({ title, ...rows });
    expect({ title, ...full?.counts }).toEqual({ title, ...incremental?.counts });
  };

  it('reads nothing when nothing changed, and says so', async () => {
    expect(await synchronise()).toMatchObject({ kind: SynchronisationKind.INCREMENTAL });
    await expectSameAsFull('nothing');
  });

  it('L7: somebody who is renamed and moved keeps the groups and mailboxes that the directory’s links lead to', async () => {
    const before = await access();
    expect(before).toContain('anna→sales');
    test.directory.entries.rename(ANNA, `CN=Anna Berg,OU=Partners,${BASE}`);
    await expectSameAsFull('rename');
    expect(await access()).toEqual(before);
    test.directory.entries.rename(`CN=Anna Berg,OU=Partners,${BASE}`, ANNA);
    await expectSameAsFull('rename back');
  });

  it('V9: a rename does not carry over text that still names the old DN', async () => {
    test.directory.entries.modify(SALES, { extensionAttribute1: [JOERG] });
    await expectSameAsFull('delegate by text');
    expect(await access()).toContain('joerg→sales');
    test.directory.entries.rename(JOERG, `CN=Jörg M,OU=People,${BASE}`);
    await expectSameAsFull('rename the delegate');
    expect(await access()).not.toContain('joerg→sales');
    test.directory.entries.rename(`CN=Jörg M,OU=People,${BASE}`, JOERG);
    test.directory.entries.modify(SALES, { extensionAttribute1: [] });
    await expectSameAsFull('as before');
  });

  it('V9: somebody new under the DN of somebody who was deleted inherits neither groups nor mailboxes', async () => {
    expect(await access()).toContain('boris→support');
    test.directory.entries.delete(BORIS);
    await expectSameAsFull('deletion');
    test.directory.entries.add({
      dn: BORIS,
      kind: 'user',
      guid: guidOf(4000),
      attributes: { sAMAccountName: 'boris2' },
    });
    await expectSameAsFull('a successor');
    expect((await access()).filter((each) => each.startsWith('boris'))).toEqual([]);
    test.directory.entries.modify(FRONT_DESK, { member: [ANNA, BORIS] });
    await expectSameAsFull('into the group');
    expect(await access()).toContain('boris2→support');
  });

  it.each([
    ['a restored domain controller', () => test.directory.restoreFromBackup()],
    ['a renamed organisational unit', () => test.directory.entries.rename(`OU=Groups,${BASE}`, `OU=Teams,${BASE}`)],
  ])('%s needs a full pass', async (_title, change) => {
    change();
    expect(await synchronise()).toMatchObject({ kind: SynchronisationKind.FULL });
    expect(await synchronise()).toMatchObject({ kind: SynchronisationKind.INCREMENTAL });
    if (test.directory.entries.find(`OU=Teams,${BASE}`))
      test.directory.entries.rename(`OU=Teams,${BASE}`, `OU=Groups,${BASE}`);
    await synchronise();
  });

  it('equals a full pass after any changes', async () => {
    for (let seed = 1; seed <= Number(process.env['TEST_ROUNDS'] ?? 12); seed += 1) {
      const random = randomNumbers(seed);
      const done: string[] = [];
      for (let change = 0; change <= random(5); change += 1)
        done.push(mutate(test.directory.entries, random, seed * 10 + change));
      await expectSameAsFull(`round ${seed} (${done.join(', ')})`);
    }
  }, 120_000);
});
