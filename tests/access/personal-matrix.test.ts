import type { DatabaseLocation } from '../../src/entities/database.js';
import { startTestApp, type TestApp } from '../support/app.js';
import type { Client } from '../support/client.js';
import { describeOnBothDatabases } from '../support/databases.js';
import {
  ALL_ON,
  asAccount,
  asPerson,
  type DelegationState,
  setDelegation,
  setSwitches,
  type Switches,
} from '../support/people.js';

/** Every combination of the five switches. */
const COMBINATIONS: readonly Switches[] = Array.from({ length: 32 }, (_, bits) => ({
  enabled: (bits & 1) !== 0,
  preview: (bits & 2) !== 0,
  deletion: (bits & 4) !== 0,
  sending: (bits & 8) !== 0,
  groupMailboxes: (bits & 16) !== 0,
}));
const STATES: readonly DelegationState[] = ['NOT_CONFIGURED', 'NOT_LOADED', 'LOADED'];

/** What the directory gives each person when everything is on; null: no section at all (rule V8). */
const PEOPLE = {
  clara: { own: 'clara@example.com', groups: [] },
  anna: { own: 'anna@example.com', groups: ['sales@example.com', 'support@example.com'] },
  boris: { own: 'boris@example.com', groups: ['support@example.com'] },
  // Through the cycle Support Team ⊃ Night Shift ⊃ Support Team.
  hanako: { own: 'hanako@example.com', groups: ['support@example.com'] },
  // board@ names anna, too, who is of another domain and does not get it.
  dmitri: { own: 'dmitri@branch.example', groups: ['board@branch.example'] },
  frida: { own: null, groups: null },
} as const;
type Person = keyof typeof PEOPLE;
const NAMES = Object.keys(PEOPLE) as Person[];

const DOCUMENT = `query ($sales: EmailAddress!, $copy: ID!) { viewer { addresses personalBackup {
  availability
  can { preview delete send deliveryFormat }
  groupMailboxAccess
  groupMailboxes { address kind messageCount }
  mailbox(address: $sales) { address }
  message(id: $copy) { subject }
  own { address kind messages { nodes {
    subject text: preview(mode: TEXT) { mode } html: preview(mode: HTML) { mode }
    viewerCan { previewText { allowed reason } previewHtml { allowed reason } send { allowed reason } delete { allowed reason } } } } }
} } }`;

const yes = { allowed: true, reason: null };
const no = (reason: string) => ({ allowed: false, reason });

/** Rules V3, V8, V9, P1 to P3, D1 and X1 in the words of the answer. */
function expected(person: Person, switches: Switches, delegation: DelegationState): unknown {
  const { own, groups } = PEOPLE[person];
  if (!switches.enabled) return { addresses: [], personalBackup: null };
  const access = !switches.groupMailboxes
    ? 'SWITCHED_OFF'
    : { NOT_CONFIGURED: 'DELEGATION_ATTRIBUTE_NOT_CONFIGURED', NOT_LOADED: 'DELEGATION_NOT_LOADED', LOADED: 'GRANTED' }[
        delegation
      ];
  const seen: readonly string[] = access === 'GRANTED' ? (groups ?? []) : [];
  const seesSales = seen.includes('sales@example.com');
  return {
    addresses: own === null ? [] : (expect.arrayContaining([own]) as unknown),
    personalBackup: {
      availability: own === null ? 'ACCOUNT_AMBIGUOUS' : 'AVAILABLE',
      can: {
        preview: switches.preview,
        delete: switches.deletion,
        send: switches.sending,
        deliveryFormat: 'IN_ATTACHMENT',
      },
      groupMailboxAccess: access,
      groupMailboxes:
        access === 'GRANTED' && groups !== null
          ? seen.map((address) => ({ address, kind: 'GROUP', messageCount: 1 }))
          : null,
      mailbox: seesSales ? { address: 'sales@example.com' } : null,
      message: seesSales ? { subject: 'to sales' } : null,
      own: own && {
        address: own,
        kind: 'OWN',
        messages: {
          nodes: [
            {
              subject: `to ${person}`,
              text: switches.preview ? { mode: 'TEXT' } : null,
              html: switches.preview ? { mode: 'HTML' } : null,
              viewerCan: {
                previewText: switches.preview ? yes : no('PREVIEW_SWITCHED_OFF'),
                previewHtml: switches.preview ? yes : no('PREVIEW_SWITCHED_OFF'),
                send: switches.sending ? yes : no('SENDING_SWITCHED_OFF'),
                delete: switches.deletion ? yes : no('DELETION_SWITCHED_OFF'),
              },
            },
          ],
        },
      },
    },
  };
}

describeOnBothDatabases('What people see of their personal Backup', (location: () => DatabaseLocation) => {
  let test: TestApp;
  const people = new Map<Person, Client>();
  let copyInSales = '';

  const ask = async (client: Client) =>
    (await client.ask<{ viewer: unknown }>(DOCUMENT, { sales: 'Orders@Example.com', copy: copyInSales })).viewer;

  beforeAll(async () => {
    test = await startTestApp(location());
    const { database } = test.app;
    await setSwitches(database, ALL_ON);
    for (const name of NAMES) people.set(name, await asPerson(test, name));
    const token = await test.intakeToken();
    const boxes = [
      ...NAMES.map((name) => [name, PEOPLE[name].own ?? `${name}@example.com`]),
      ...['sales', 'support'].map((name) => [name, `${name}@example.com`]),
      ['board', 'board@branch.example'],
    ];
    for (const [name, address] of boxes) {
      const message = `Subject: to ${name}\r\nContent-Type: text/html\r\n\r\n<p>Hello ${name}</p>\r\n`;
      const { status } = await test
        .client()
        .handOver(token, message, { sender: 'a@example.net', recipients: [address] });
      if (status !== 200) throw new Error(`The message to ${name} was not stored.`);
    }
    const found = await people
      .get('anna')
      ?.ask<{ viewer: { personalBackup: { mailbox: { messages: { nodes: { id: string }[] } } } } }>(
        '{ viewer { personalBackup { mailbox(address: "sales@example.com") { messages { nodes { id } } } } } }',
      );
    copyInSales = found?.viewer.personalBackup.mailbox.messages.nodes[0]?.id ?? '';
  }, 60_000);
  afterAll(() => test?.stop());

  describe.each(STATES)('with delegation %s', (delegation) => {
    beforeAll(() => setDelegation(test.app.database, delegation));

    it.each(NAMES)(
      'V3, V8, V9, P1, D1, X1: shows %s what each of the 32 combinations of switches allows',
      async (name) => {
        for (const switches of COMBINATIONS) {
          await setSwitches(test.app.database, switches);
          const seen = await ask(people.get(name) as Client);
          expect({ switches, seen }).toEqual({ switches, seen: expected(name, switches, delegation) });
        }
      },
    );
  });

  it('V9: judges the connection of the person’s own domain, not of another', async () => {
    await setSwitches(test.app.database, ALL_ON);
    await setDelegation(test.app.database, 'LOADED');
    await setDelegation(test.app.database, 'NOT_LOADED', 'branch.example');
    expect(await ask(people.get('anna') as Client)).toEqual(expected('anna', ALL_ON, 'LOADED'));
    expect(await ask(people.get('dmitri') as Client)).toEqual(expected('dmitri', ALL_ON, 'NOT_LOADED'));
    await setDelegation(test.app.database, 'NOT_CONFIGURED', 'example.com');
    await setDelegation(test.app.database, 'LOADED', 'branch.example');
    expect(await ask(people.get('anna') as Client)).toEqual(expected('anna', ALL_ON, 'NOT_CONFIGURED'));
    expect(await ask(people.get('dmitri') as Client)).toEqual(expected('dmitri', ALL_ON, 'LOADED'));
    await setDelegation(test.app.database, 'LOADED');
  });

  it('V9: shows no mailbox of another domain, even if a row of the cache gave it', async () => {
    await setSwitches(test.app.database, ALL_ON);
    await test.app.database.transaction((transaction) =>
      transaction.run(
        `INSERT INTO mailbox_access (domain, person_id, mailbox_id)
           SELECT 'example.com', p.directory_id, m.directory_id FROM directory_entry p, directory_entry m
            WHERE p.account_name = 'anna' AND m.account_name = 'board'`,
      ),
    );
    expect(await ask(people.get('anna') as Client)).toEqual(expected('anna', ALL_ON, 'LOADED'));
  });

  it('gives local accounts no personal Backup, whatever their role', async () => {
    await setSwitches(test.app.database, ALL_ON);
    const client = await asAccount(test, 'second', ['Administrator']);
    expect(await ask(client)).toEqual({ addresses: [], personalBackup: null });
  });

  it('V9: shows group mailboxes also to people who have no address of their own', async () => {
    test.directory.entries.add({
      dn: 'CN=Nils Nomail,OU=People,DC=example,DC=com',
      kind: 'user',
      guid: '0d1c37a4-6b7e-4a8e-9b1e-000000000001',
      password: 'demo',
      attributes: { sAMAccountName: 'nils', userPrincipalName: 'nils@example.com', displayName: 'Nils' },
    });
    test.directory.entries.modify('CN=Sales,OU=Shared Mailboxes,DC=example,DC=com', {
      msExchDelegateListLink: [
        'CN=Anna Lindqvist,OU=People,DC=example,DC=com',
        'CN=Nils Nomail,OU=People,DC=example,DC=com',
      ],
    });
    for (const { id } of await test.app.services.connections.list())
      await test.app.services.synchronisation.synchronise(id);
    expect(await ask(await asPerson(test, 'nils'))).toMatchObject({
      personalBackup: {
        availability: 'AVAILABLE',
        own: null,
        groupMailboxAccess: 'GRANTED',
        groupMailboxes: [{ address: 'sales@example.com' }],
        mailbox: { address: 'sales@example.com' },
        message: { subject: 'to sales' },
      },
    });
  });

  it('L4, V7: says that no directory is configured once there is none, and shows nothing', async () => {
    await test.app.database.transaction((transaction) => transaction.run('DELETE FROM ldap_connection'));
    expect(await ask(people.get('anna') as Client)).toMatchObject({
      addresses: [],
      personalBackup: {
        availability: 'DIRECTORY_NOT_CONFIGURED',
        own: null,
        groupMailboxes: null,
        mailbox: null,
        message: null,
      },
    });
  });
});
