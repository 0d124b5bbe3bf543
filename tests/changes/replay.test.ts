import { createServices, type Services } from '../../src/composition/create-services.js';
import { databaseLocation } from '../../src/composition/places.js';
import { Database } from '../../src/entities/database.js';
import { createLogger } from '../../src/log.js';
import { PersonalAccessPolicy } from '../../src/services/access/personal-access.js';
import { PersonalMessages } from '../../src/services/backup/personal-messages.js';
import { decodeChangeCursor, encodeChangeCursor } from '../../src/services/changes/change-cursor.js';
import { PersonalChanges } from '../../src/services/changes/personal-changes.js';
import { topics } from '../../src/services/changes/topics.js';
import { startTestApp, TEST_AUTHOR, type TestApp } from '../support/app.js';
import type { Client, Events } from '../support/client.js';
import { describeOnBothDatabases } from '../support/databases.js';
import { mail, store, switchTo } from '../support/mail.js';
import { runProgram, settingsFor } from '../support/processes.js';
import { statementsOf } from '../support/statements.js';
import { until } from '../support/until.js';
import { handOverOf, received } from '../support/hand-overs.js';

interface Event {
  readonly cursor: string;
  readonly kind: string;
  readonly mailbox: string | null;
  readonly messageId: string | null;
  readonly message: { readonly subject: string; readonly to: string[]; readonly cc: string[] } | null;
}
interface Change {
  readonly personalBackupChanged: Event;
}
interface GlobalChange {
  readonly backupChanged: { readonly kind: string; readonly message: { readonly subject: string } | null };
}

const FOLLOW =
  'subscription ($after: ChangeCursor) { personalBackupChanged(after: $after) { cursor kind mailbox messageId message { subject to cc } } }';
const FOLLOW_ALL =
  'subscription ($filter: BackupFilter, $after: ChangeCursor) { backupChanged(filter: $filter, after: $after) { kind message { subject } } }';

const placeOf = ({ cursor }: Event) => decodeChangeCursor(cursor).place;
const subjectOf = ({ message }: Event) => message?.subject;

describeOnBothDatabases('The change feed', (location) => {
  let test: TestApp;
  let admin: Client;
  let anna: Client;
  let secret: string;
  let databases: Database[];

  beforeAll(async () => {
    // Nobody looks for changes of other processes by himself: the tests say when.
    test = await startTestApp(location(), { changePollMs: 60_000 });
    admin = await test.signedIn('admin');
    anna = await test.signedIn('anna');
    secret = await test.intakeToken();
    databases = [];
    await switchTo(admin, { enabled: true });
  }, 60_000);
  afterAll(async () => {
    for (const database of databases ?? []) await database.close();
    await test?.stop();
  });

  /** The services as another process has them: their changes are committed, and nobody here is told. */
  const elsewhere = async (): Promise<Services> => {
    const database = await Database.open(databaseLocation(test.config));
    databases.push(database);
    return createServices(test.config, createLogger('silent'), database);
  };
  const cursorNow = async () => encodeChangeCursor(await test.app.services.feed.current());
  const take = async (events: Events<Change>, count: number): Promise<Event[]> => {
    const taken: Event[] = [];
    while (taken.length < count) taken.push((await events.next()).personalBackupChanged);
    return taken;
  };

  it('loses nothing of what several processes write at once, and repeats it in the same order behind any cursor', async () => {
    const before = await cursorNow();
    const live = await anna.subscribe<Change>(FOLLOW, { after: before });
    const program = 'tests/changes/writing-child.ts';
    const settings = settingsFor(
      test.app.database.kind === 'mysql' ? location() : { kind: 'sqlite', file: '' },
      test.config.dataDir,
    );
    const names = ['one', 'two', 'three'];
    const children = Promise.all(names.map((name) => runProgram(program, ['anna@example.com', name, '40'], settings)));
    const own = Array.from({ length: 40 }, (_, index) =>
      store(test.client(), secret, mail(`own ${index}`), { sender: null, recipients: ['anna@example.com'] }),
    );
    const looking = setInterval(() => test.app.services.feed.wake(), 20);
    try {
      expect((await children).map(({ code, stderr }) => ({ code, stderr }))).toEqual(
        names.map(() => ({ code: 0, stderr: '' })),
      );
      await Promise.all(own);
      const seen = await take(live, 160);
      expect(new Set(seen.map(subjectOf))).toEqual(
        new Set([...names, 'own'].flatMap((name) => Array.from({ length: 40 }, (_, index) => `${name} ${index}`))),
      );
      expect(seen.map(placeOf)).toEqual(seen.map(placeOf).sort((one, other) => one - other));
      for (const start of [0, 1, 100, 159]) {
        const again = await anna.subscribe<Change>(FOLLOW, { after: start === 0 ? before : seen[start - 1]?.cursor });
        expect(await take(again, 160 - start)).toEqual(seen.slice(start));
        await again.close();
      }
    } finally {
      clearInterval(looking);
      await live.close();
    }
  }, 60_000);

  it('gives places in the order of commits when transactions that began first end last', async () => {
    const { feed } = test.app.services;
    const before = await cursorNow();
    const events = await anna.subscribe<Change>(FOLLOW, { after: before });
    const others = await Promise.all([elsewhere(), elsewhere(), elsewhere()]);
    const change = { topic: topics.personalBackupSettings, kind: 'ACCESS' } as const;
    const commits: number[] = [];
    if (test.app.database.kind === 'mysql') {
      // Each transaction is open and has written before the next one begins; they append and commit the other way round.
      const gates = others.map(() => {
        let open: () => void = () => undefined;
        const passed = new Promise<void>((resolve) => (open = resolve));
        return { open, passed };
      });
      const begun: Promise<void>[] = [];
      const ended = others.map((_, index) => {
        let tell: () => void = () => undefined;
        begun.push(new Promise<void>((resolve) => (tell = resolve)));
        return databases.at(-1 - index)?.transaction(async (transaction) => {
          await transaction.insert('sign_in_failure', [{ subject: `open ${index}`, failed_at: index }]);
          tell();
          await gates[index]?.passed;
          await feed.append(transaction, [change]);
          commits.push(index);
        });
      });
      await Promise.all(begun);
      for (const index of [2, 1, 0]) {
        gates[index]?.open();
        await ended[index];
        feed.wake();
        const [event] = await take(events, 1);
        expect(event?.kind).toBe('ACCESS');
      }
      expect(commits).toEqual([2, 1, 0]);
    }
    // A transaction that is rolled back leaves neither an event nor a gap that would hide later ones.
    await expect(
      test.app.database.transaction(async (transaction) => {
        await feed.append(transaction, [change, change]);
        throw new Error('rolled back');
      }),
    ).rejects.toThrow('rolled back');
    await store(test.client(), secret, mail('Behind the rollback'), { sender: null, recipients: ['anna@example.com'] });
    expect((await take(events, 1)).map(subjectOf)).toEqual(['Behind the rollback']);
    await events.close();
  });

  it('tells of what came to a group mailbox behind the news that it may be seen, however late they are read', async () => {
    const events = await anna.subscribe<Change>(FOLLOW, { after: await cursorNow() });
    await until(
      'Anna follows',
      () => test.app.services.feed.followerCount,
      (count) => count >= 2,
    );
    const other = await elsewhere();
    const { version } = await other.personalBackupSettings.read();
    await other.personalBackupSettings.update(version, { groupMailboxes: true }, TEST_AUTHOR);
    await other.store.store(received('For sales', handOverOf(['sales@example.com'])));
    await other.store.store(received('For Anna', handOverOf(['anna@example.com'])));
    test.app.services.feed.wake();
    const seen: string[] = [];
    while (seen.at(-1) !== 'For Anna') {
      const [event] = await take(events, 1);
      seen.push(event?.message?.subject ?? event?.kind ?? '');
    }
    // At least once: the news themselves may come again.
    expect(seen.filter((each, index) => each !== seen[index - 1])).toEqual(['ACCESS', 'For sales', 'For Anna']);
    await events.close();
  });

  it('loses none of them either when they come while an earlier event is being delivered', async () => {
    const { feed, personalBackupSettings } = test.app.services;
    const { version } = await personalBackupSettings.read();
    await personalBackupSettings.update(version, { groupMailboxes: false }, TEST_AUTHOR);
    const [person] = await test.app.database.rows<{ id: string }>(
      "SELECT DISTINCT directory_id AS id FROM directory_entry WHERE account_name = 'anna'",
    );
    const directoryId = person?.id ?? '';
    const policy = new PersonalAccessPolicy(test.app.database);
    const follower = {
      sessionId: 0,
      directoryId,
      refresh: async () => true,
      access: () => policy.forPerson(directoryId),
    };
    const changes = new PersonalChanges(feed, new PersonalMessages(test.app.database));
    const leaving = new AbortController();
    const events = changes.follow(follower, await feed.current(), leaving.signal);
    const other = await elsewhere();
    const look = async () => {
      feed.wake();
      const { place } = await feed.current();
      await until(
        'the feed has been read',
        () => feed.position.place,
        (seen) => seen === place,
      );
    };
    // The generator is asked for its next event only when all of what follows has arrived.
    const first = events.next();
    await other.store.store(received('Earlier', handOverOf(['anna@example.com'])));
    await look();
    const seen = [(await first).value?.copy?.subject];
    await other.personalBackupSettings.update(version + 1, { groupMailboxes: true }, TEST_AUTHOR);
    await other.store.store(received('For sales too', handOverOf(['sales@example.com'])));
    await other.store.store(received('For Anna too', handOverOf(['anna@example.com'])));
    await look();
    while (seen.at(-1) !== 'For Anna too') {
      const { value } = await events.next();
      seen.push(value ? (value.copy?.subject ?? value.kind) : 'ended');
    }
    expect(seen.filter((each, index) => each !== seen[index - 1])).toEqual([
      'Earlier',
      'ACCESS',
      'For sales too',
      'For Anna too',
    ]);
    leaving.abort();
    await events.return();
  });

  it('V4: tells once of a message to two addresses of one person, under the id that the list shows', async () => {
    const events = await anna.subscribe<Change>(FOLLOW, { after: await cursorNow() });
    await store(test.client(), secret, mail('Twice hers'), {
      sender: null,
      recipients: ['anna.lindqvist@example.com', 'clara@example.com', 'anna@example.com'],
    });
    await store(test.client(), secret, mail('Next'), { sender: null, recipients: ['anna@example.com'] });
    const seen = await take(events, 2);
    expect(seen.map(subjectOf)).toEqual(['Twice hers', 'Next']);
    const { viewer } = await anna.ask<{
      viewer: { personalBackup: { own: { messages: { nodes: { id: string }[] } } } };
    }>('{ viewer { personalBackup { own { messages(filter: { subject: "Twice hers" }) { nodes { id } } } } } }');
    expect(viewer.personalBackup.own.messages.nodes).toEqual([{ id: seen[0]?.messageId }]);
    await events.close();
  });

  it('catches up with far more than fits into a subscriber’s inbox, each change once', async () => {
    const before = await cursorNow();
    const other = await elsewhere();
    const count = 600;
    const events = await anna.subscribe<Change>(FOLLOW, { after: before });
    await until(
      'Anna follows',
      () => test.app.services.feed.followerCount,
      (followers) => followers >= 2,
    );
    await Promise.all(
      Array.from({ length: count }, (_, index) =>
        other.store.store(received(`Burst ${index}`, handOverOf(['anna@example.com']))),
      ),
    );
    test.app.services.feed.wake();
    const seen = await take(events, count);
    expect(new Set(seen.map(subjectOf)).size).toBe(count);
    expect(seen.map(placeOf)).toEqual(seen.map(placeOf).sort((one, two) => one - two));
    expect(events.waiting).toEqual([]);
    await events.close();
  }, 30_000);

  it('V6: tells people nothing of other mailboxes, and of their own messages neither Bcc nor other recipients', async () => {
    const clara = await test.signedIn('clara');
    const boris = await test.signedIn('boris');
    const events = await Promise.all([clara, boris].map((client) => client.subscribe<Change>(FOLLOW)));
    await until(
      'both follow',
      () => test.app.services.feed.followerCount,
      (count) => count >= 4,
    );
    const to = { To: 'clara@example.com', Cc: 'anna@example.com' };
    await store(test.client(), secret, mail('Only Anna', to), {
      sender: null,
      recipients: ['anna@example.com', 'sales@example.com'],
    });
    await store(test.client(), secret, mail('Clara and others', to), {
      sender: null,
      recipients: ['clara@example.com', 'anna@example.com', 'boris@example.com'],
    });
    const seen = await Promise.all(events.map((each) => take(each, 1)));
    const message = { subject: 'Clara and others', to: ['clara@example.com'], cc: ['anna@example.com'] };
    expect(seen.flat()).toMatchObject([
      { mailbox: 'clara@example.com', message },
      { mailbox: 'boris@example.com', message },
    ]);
    expect(JSON.stringify(seen[0])).not.toContain('boris');
    expect(events.map(({ waiting }) => waiting)).toEqual([[], []]);
    for (const each of events) await each.close();
  });

  it('costs only those whose mailbox an event concerns', async () => {
    const names = ['boris', 'clara', 'dmitri', 'joerg', 'zoe', 'hanako'];
    const cost = async (subscribers: Client[], subject: string) => {
      const all = [anna, ...subscribers];
      const events = await Promise.all(all.map((client) => client.subscribe<Change>(FOLLOW)));
      await until(
        'all follow',
        () => test.app.services.feed.followerCount,
        (count) => count === 2 * all.length,
      );
      const statements = await statementsOf(async () => {
        await store(test.client(), secret, mail(subject), { sender: null, recipients: ['anna@example.com'] });
        await events[0]?.next();
      });
      for (const each of events) await each.close();
      await until(
        'nobody follows',
        () => test.app.services.feed.followerCount,
        (count) => count === 0,
      );
      // What timers read beside it is not its cost.
      return statements.filter((sql) =>
        /^\s*SELECT\b[^]*\b(FROM|JOIN) (session|personal_backup_settings|directory_entry|recipient)\b/.test(sql),
      );
    };
    await cost([], 'warm');
    const alone = await cost([], 'cost alone');
    const others = await Promise.all(names.map((name) => test.signedIn(name)));
    expect(await cost(others, 'cost among others')).toEqual(alone);
  }, 20_000);

  it.each([
    ['of another feed', () => ({ epoch: '00000000-0000-4000-8000-000000000000', place: 1 })],
    ['of the future', async () => ({ ...(await test.app.services.feed.current()), place: 999_999 })],
    [
      'whose changes were removed',
      async () => {
        const before = await test.app.services.feed.current();
        await store(test.client(), secret, mail('Soon forgotten'), { sender: null, recipients: ['anna@example.com'] });
        await test.app.database.transaction((transaction) => transaction.run('UPDATE change_event SET changed_at = 1'));
        expect(await test.app.services.feed.prune(1000)).toBeGreaterThan(0);
        expect(await test.app.database.rows('SELECT * FROM change_event')).toEqual([]);
        return before;
      },
    ],
  ])('answers a cursor %s with one RESET, and goes on from there', async (_, cursor) => {
    const after = encodeChangeCursor(await cursor());
    const events = await anna.subscribe<Change>(FOLLOW, { after });
    const all = await admin.subscribe<GlobalChange>(FOLLOW_ALL, { after });
    const [reset] = await take(events, 1);
    expect(reset).toMatchObject({ kind: 'RESET', mailbox: null, messageId: null, message: null });
    expect(await all.next()).toEqual({ backupChanged: { kind: 'RESET', message: null } });
    await store(test.client(), secret, mail('Behind it', { 'X-After': after }), {
      sender: null,
      recipients: ['anna@example.com'],
    });
    const [next] = await take(events, 1);
    expect(next).toMatchObject({ kind: 'STORED', message: { subject: 'Behind it' } });
    expect(await all.next()).toMatchObject({ backupChanged: { kind: 'STORED' } });
    // The cursor of the RESET itself is good.
    const again = await anna.subscribe<Change>(FOLLOW, { after: reset?.cursor });
    expect(await take(again, 1)).toEqual([next]);
    for (const each of [events, all, again]) await each.close();
  });

  it('keeps what is young when it removes what is old, and the cursors behind it', async () => {
    const { feed } = test.app.services;
    const old = await cursorNow();
    await store(test.client(), secret, mail('Old'), { sender: null, recipients: ['anna@example.com'] });
    await test.app.database.transaction((transaction) => transaction.run('UPDATE change_event SET changed_at = 1'));
    const young = await cursorNow();
    await store(test.client(), secret, mail('Young'), { sender: null, recipients: ['anna@example.com'] });
    await feed.prune(60_000);
    const [first, second] = await Promise.all([old, young].map((after) => anna.subscribe<Change>(FOLLOW, { after })));
    expect((await first?.next())?.personalBackupChanged.kind).toBe('RESET');
    expect((await second?.next())?.personalBackupChanged.message?.subject).toBe('Young');
    await first?.close();
    await second?.close();
  });

  it.each([
    'no cursor',
    'YWJj',
    Buffer.from('00000000-0000-4000-8000-000000000000/-1').toString('base64url'),
    'x'.repeat(201),
  ])('refuses broken cursor number %# with a clear error', async (after) => {
    const events = await anna.subscribe<Change>(FOLLOW, { after });
    expect(await events.ended).toMatchObject([{ extensions: { code: 'BAD_USER_INPUT' } }]);
    await events.close();
  });

  it('tells administrators of what their filter lets through, and of every removal', async () => {
    const filter = { recipient: 'CLARA@', detectedBy: ['ANTI_SPAM'], sender: 'Shop' };
    const events = await admin.subscribe<GlobalChange>(FOLLOW_ALL, { filter, after: await cursorNow() });
    const spam = [{ module: 'ANTI_SPAM', status: 'SPAM' }];
    const give = (subject: string, sender: string, recipient: string, scanResults: unknown[]) =>
      store(test.client(), secret, mail(subject), { sender, recipients: [recipient], scanResults });
    await give('Other recipient', 'shop@example.net', 'anna@example.com', spam);
    await give('Nothing found', 'shop@example.net', 'clara@example.com', []);
    await give('Other sender', 'some@example.net', 'clara@example.com', spam);
    await give('It', 'SHOP@example.net', 'Clara@Example.com', spam);
    expect(await events.next()).toEqual({ backupChanged: { kind: 'STORED', message: { subject: 'It' } } });
    await test.app.database.transaction((transaction) =>
      test.app.services.feed.append(transaction, [{ topic: topics.backup, kind: 'REMOVED', messageId: 123_456 }]),
    );
    expect(await events.next()).toEqual({ backupChanged: { kind: 'REMOVED', message: null } });
    await events.close();
  });
});
