import type { SqlRow } from '../../src/entities/database.js';
import { topics } from '../../src/services/changes/topics.js';
import { newGuid } from '../../src/ldap/embedded/entry-store.js';
import { startTestApp, type TestApp } from '../support/app.js';
import type { Client, Events } from '../support/client.js';
import { describeOnBothDatabases } from '../support/databases.js';
import { mail, store, switchTo } from '../support/mail.js';

interface Change {
  readonly personalBackupChanged: {
    readonly kind: string;
    readonly mailbox: string | null;
    readonly message: { readonly subject: string } | null;
  };
}
interface GlobalChange {
  readonly backupChanged: { readonly message: { readonly subject: string } | null };
}

const FOLLOW =
  'subscription ($after: ChangeCursor) { personalBackupChanged(after: $after) { kind mailbox message { subject } } }';
const FOLLOW_ALL = 'subscription { backupChanged { kind message { subject } } }';
const SALES = 'CN=Sales,OU=Shared Mailboxes,DC=example,DC=com';
const ANNA = 'CN=Anna Lindqvist,OU=People,DC=example,DC=com';
const MARKER = 'The last one';

/** Number of the message that an event tells of; subjects read like "sales 17". */
const numberOf = (subject: string | undefined) => Number(subject?.split(' ')[1]);

describeOnBothDatabases('Rights that end while messages come in', (location) => {
  let test: TestApp;
  let admin: Client;
  let anna: Client;
  let secret: string;

  beforeAll(async () => {
    test = await startTestApp(location());
    admin = await test.signedIn('admin');
    secret = await test.intakeToken();
    await switchTo(admin, { enabled: true, groupMailboxes: true });
  }, 60_000);
  beforeEach(async () => {
    anna = await test.signedIn('anna');
  });
  afterAll(() => test?.stop());

  const synchronise = async () => {
    for (const { id } of await test.app.services.connections.list())
      await test.app.services.synchronisation.synchronise(id);
  };
  const change = (sql: string) => test.app.database.transaction((transaction) => transaction.run(sql));
  const handOver = (recipient: string, number: number) =>
    store(test.client(), secret, mail(`${recipient.split('@')[0]} ${number}`), {
      sender: null,
      recipients: [recipient],
    });

  /** Runs writers to these mailboxes while `work` takes something away; gives the first number that was stored after it. */
  async function whileWriting(recipients: readonly string[], before: Promise<unknown>, work: () => Promise<unknown>) {
    let number = 0;
    let going = true;
    const write = async (recipient: string) => {
      // On until something was certainly handed over after the change.
      for (let more = 5; going || more > 0; more -= going ? 0 : 1) await handOver(recipient, (number += 1));
    };
    const writers = recipients.map(write);
    await before;
    await work();
    const firstAfter = number + recipients.length;
    going = false;
    await Promise.all(writers);
    return firstAfter;
  }

  async function eventsUntilMarker(events: Events<Change>): Promise<Change['personalBackupChanged'][]> {
    const seen: Change['personalBackupChanged'][] = [];
    for (;;) {
      const { personalBackupChanged: event } = await events.next();
      if (event.message?.subject === MARKER) return seen;
      seen.push(event);
    }
  }
  /** Events up to and with so many that tell of changed rights. */
  async function eventsUntilAccess(events: Events<Change>, count: number): Promise<Change['personalBackupChanged'][]> {
    const seen: Change['personalBackupChanged'][] = [];
    while (seen.filter(({ kind }) => kind === 'ACCESS').length < count)
      seen.push((await events.next()).personalBackupChanged);
    return seen;
  }
  const expectSilenceBehindFirstAccess = (seen: Change['personalBackupChanged'][], after: number) => {
    const news = seen.findIndex(({ kind }) => kind === 'ACCESS');
    expect(seen.slice(news).filter(({ kind }) => kind !== 'ACCESS')).toEqual([]);
    expect(seen.filter(({ message }) => numberOf(message?.subject) > after)).toEqual([]);
  };
  /** News for Anna that come behind everything else, so that all before them was decided before they came. */
  const barrier = async () => {
    const [person] = await test.app.database.rows<{ id: string }>(
      "SELECT DISTINCT directory_id AS id FROM directory_entry WHERE account_name = 'anna'",
    );
    await test.app.database.transaction((transaction) =>
      test.app.services.feed.append(transaction, [{ topic: topics.person(person?.id ?? ''), kind: 'ACCESS' }]),
    );
  };
  const first = (events: Events<Change>) => events.next();
  const marker = () =>
    store(test.client(), secret, mail(MARKER, { 'X-Nonce': String(Math.random()) }), {
      sender: null,
      recipients: ['anna@example.com'],
    });

  it('V11: group mailboxes that are switched off are silent at once, and the own section goes on', async () => {
    const events = await anna.subscribe<Change>(FOLLOW);
    const after = await whileWriting(['sales@example.com', 'anna@example.com'], first(events), () =>
      switchTo(admin, { groupMailboxes: false }),
    );
    await marker();
    const seen = await eventsUntilMarker(events);
    const sales = seen.filter(({ mailbox }) => mailbox === 'sales@example.com');
    expect(sales.filter(({ message }) => numberOf(message?.subject) > after)).toEqual([]);
    // Behind the news that rights changed there is nothing of the section any more.
    const news = seen.findIndex(({ kind }) => kind === 'ACCESS');
    expect(news).toBeGreaterThanOrEqual(0);
    expect(seen.slice(news).filter(({ mailbox }) => mailbox === 'sales@example.com')).toEqual([]);
    expect(seen.slice(news).some(({ mailbox }) => mailbox === 'anna@example.com')).toBe(true);
    await events.close();
    await switchTo(admin, { groupMailboxes: true });
  });

  it('V11: personal Backup that is switched off is silent at once, and silent about what came meanwhile', async () => {
    const events = await anna.subscribe<Change>(FOLLOW);
    const after = await whileWriting(['anna@example.com', 'sales@example.com'], first(events), () =>
      switchTo(admin, { enabled: false }),
    );
    await barrier();
    const seen = await eventsUntilAccess(events, 2);
    expectSilenceBehindFirstAccess(seen, after);
    await switchTo(admin, { enabled: true });
    await marker();
    expect((await eventsUntilMarker(events)).map(({ kind }) => kind)).toEqual(['ACCESS']);
    await events.close();
  });

  it('V9, V11: a delegation that the directory withdrew ends with the synchronisation', async () => {
    const events = await anna.subscribe<Change>(FOLLOW);
    const after = await whileWriting(['sales@example.com', 'anna@example.com'], first(events), async () => {
      test.directory.entries.modify(SALES, { msExchDelegateListLink: [] });
      await synchronise();
    });
    await marker();
    const seen = await eventsUntilMarker(events);
    const news = seen.findIndex(({ kind }) => kind === 'ACCESS');
    expect(news).toBeGreaterThanOrEqual(0);
    expect(seen.slice(news).filter(({ mailbox }) => mailbox === 'sales@example.com')).toEqual([]);
    expect(
      seen.filter(({ mailbox, message }) => mailbox === 'sales@example.com' && numberOf(message?.subject) > after),
    ).toEqual([]);

    // Given back, messages come again on the same subscription.
    test.directory.entries.modify(SALES, { msExchDelegateListLink: ANNA });
    await synchronise();
    expect(await events.next()).toMatchObject({ personalBackupChanged: { kind: 'ACCESS' } });
    await handOver('sales@example.com', 0);
    expect(await events.next()).toMatchObject({ personalBackupChanged: { mailbox: 'sales@example.com' } });
    await events.close();
  });

  it('V8, V11: an account that becomes ambiguous hears nothing more until the clash is resolved', async () => {
    const events = await anna.subscribe<Change>(FOLLOW);
    const twin = 'CN=Another Anna,OU=People,DC=example,DC=com';
    const after = await whileWriting(['anna@example.com'], first(events), async () => {
      test.directory.entries.add({
        dn: twin,
        kind: 'user',
        guid: newGuid(),
        attributes: { sAMAccountName: ['anna2'], mail: ['anna.lindqvist@example.com'] },
      });
      await synchronise();
    });
    await barrier();
    const seen = await eventsUntilAccess(events, 2);
    expectSilenceBehindFirstAccess(seen, after);
    test.directory.entries.delete(twin);
    await synchronise();
    await marker();
    expect((await eventsUntilMarker(events)).map(({ kind }) => kind)).toEqual(['ACCESS']);
    await events.close();
  });

  it('V11: a session that ends takes its socket with it, and nothing more is delivered', async () => {
    const events = await anna.subscribe<Change>(FOLLOW);
    const after = await whileWriting(['anna@example.com'], first(events), () =>
      anna.ask('mutation { signOut { signedOut } }'),
    );
    expect(await events.ended).toMatchObject({ code: 4403 });
    expect(
      events.waiting.filter(({ personalBackupChanged: { message } }) => numberOf(message?.subject) > after),
    ).toEqual([]);
  });

  it('V11: a session whose time ran out delivers nothing more, although no event tells of it', async () => {
    const events = await anna.subscribe<Change>(FOLLOW);
    const after = await whileWriting(['anna@example.com'], first(events), () =>
      change("UPDATE session SET expires_at = 1 WHERE subject_kind = 'PERSON'"),
    );
    expect(await events.ended).toMatchObject({ code: 4403 });
    expect(
      events.waiting.filter(({ personalBackupChanged: { message } }) => numberOf(message?.subject) > after),
    ).toEqual([]);
  });

  it('V2, V11: a role that is taken away ends the subscription to all messages, although no event tells of it', async () => {
    const events = await admin.subscribe<GlobalChange>(FOLLOW_ALL);
    const roles = await test.app.database.rows<SqlRow>('SELECT * FROM granted_role');
    const after = await whileWriting(['anna@example.com'], events.next(), () => change('DELETE FROM granted_role'));
    const end = await events.ended;
    expect(JSON.stringify(end)).toContain('FORBIDDEN');
    expect(events.waiting.filter(({ backupChanged: { message } }) => numberOf(message?.subject) > after)).toEqual([]);
    await test.app.database.transaction((transaction) => transaction.insert('granted_role', roles));
    await events.close();
  });
});
