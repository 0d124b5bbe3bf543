import { GatewayAction } from '../../src/entities/vocabulary.js';
import { newGuid } from '../../src/ldap/embedded/entry-store.js';
import { startTestApp, type TestApp } from '../support/app.js';
import type { Client } from '../support/client.js';
import { describeOnBothDatabases } from '../support/databases.js';
import { handOverOf, received } from '../support/hand-overs.js';
import { switchTo } from '../support/mail.js';

interface Page {
  readonly nodes: { readonly subject: string }[];
  readonly edges: { readonly cursor: string }[];
  readonly pageInfo: {
    readonly hasNextPage: boolean;
    readonly hasPreviousPage: boolean;
    readonly startCursor: string | null;
    readonly endCursor: string | null;
  };
}

const PAGE = 'nodes { subject } edges { cursor } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }';
const ARGUMENTS = 'first: $first, after: $after, last: $last, before: $before, orderBy: $orderBy, filter: $filter';
const VARIABLES = '$first: Int, $after: String, $last: Int, $before: String, $orderBy: BackupOrder';
const OWN = `query (${VARIABLES}, $filter: PersonalBackupFilter) { viewer { personalBackup { own { messageCount messages(${ARGUMENTS}) { ${PAGE} } } } } }`;
const GROUP = OWN.replace('own {', 'mailbox(address: "support@example.com") {');
const ALL = `query (${VARIABLES}, $filter: BackupFilter) { backup { messages(${ARGUMENTS}) { ${PAGE} } } }`;

const ADDRESSES = Array.from({ length: 40 }, (_, index) => `many.${index}@example.com`);
const COUNT = 31;
const PAGE_SIZE = 7;

// Few different values, so that every order has ties across page boundaries; letters whose order tells collations apart.
const messages = Array.from({ length: COUNT }, (_, index) => ({
  subject: `${['Äpfel', 'apfel', 'Zebra', 'ångström', '日本', '😀', '100% _sure_', ''][index % 8]}#${index}`,
  sender: ['b@example.net', 'A@example.net', 'ö@example.net', null][index % 4] ?? null,
  receivedAtMs: Date.UTC(2026, 0, 1 + (index % 5)),
  size: 300 + (index % 3) * 100,
}));

describeOnBothDatabases('Lists of messages', (location) => {
  let test: TestApp;
  let admin: Client;
  let anna: Client;
  let many: Client;

  beforeAll(async () => {
    test = await startTestApp(location());
    test.directory.entries.add({
      dn: 'CN=Many Addresses,OU=People,DC=example,DC=com',
      kind: 'user',
      guid: newGuid(),
      password: 'demo',
      attributes: {
        sAMAccountName: 'many',
        userPrincipalName: 'many@example.com',
        mail: ADDRESSES[0] ?? '',
        proxyAddresses: ADDRESSES.map((address) => `smtp:${address}`),
      },
    });
    for (const { id } of await test.app.services.connections.list())
      await test.app.services.synchronisation.synchronise(id);
    admin = await test.signedIn('admin');
    await switchTo(admin, { enabled: true, groupMailboxes: true });
    anna = await test.signedIn('anna');
    many = await test.signedIn('many');
    for (const [index, { subject, sender, receivedAtMs, size }] of messages.entries()) {
      const recipients = [
        // To several addresses of one person, so that one message has several rows.
        ...['anna@example.com', 'anna.lindqvist@example.com'].slice(index % 2),
        'support@example.com',
        ...ADDRESSES.filter((_, position) => position % 8 === index % 8),
      ];
      const bytes = Buffer.alloc(size, `${index} `);
      await test.app.services.store.store(received(subject, handOverOf(recipients, { sender, receivedAtMs }), bytes));
    }
    // Neither of these is in anybody's list (rule V4).
    for (const action of [GatewayAction.SKIP, GatewayAction.REJECT])
      await test.app.services.store.store(
        received(
          action,
          handOverOf([], {
            verdicts: [
              { ruleName: '', action, scanResults: [], reason: null, recipients: ['anna@example.com', ...ADDRESSES] },
            ],
          }),
        ),
      );
  }, 90_000);
  afterAll(() => test?.stop());

  const lists = {
    own: async (variables: Record<string, unknown>) =>
      (await anna.ask<{ viewer: { personalBackup: { own: { messages: Page } } } }>(OWN, variables)).viewer
        .personalBackup.own.messages,
    'own with 40 addresses': async (variables: Record<string, unknown>) =>
      (await many.ask<{ viewer: { personalBackup: { own: { messages: Page } } } }>(OWN, variables)).viewer
        .personalBackup.own.messages,
    group: async (variables: Record<string, unknown>) =>
      (await anna.ask<{ viewer: { personalBackup: { mailbox: { messages: Page } } } }>(GROUP, variables)).viewer
        .personalBackup.mailbox.messages,
    global: async (variables: Record<string, unknown>) =>
      (await admin.ask<{ backup: { messages: Page } }>(ALL, { ...variables, filter: { sizeFrom: 300 } })).backup
        .messages,
  };
  type List = keyof typeof lists;

  const key = (field: string, message: (typeof messages)[number]): string | number => {
    if (field === 'RECEIVED_AT') return message.receivedAtMs;
    if (field === 'SIZE') return message.size;
    const text = field === 'SENDER' ? (message.sender ?? '') : message.subject.normalize('NFKC');
    // Both databases compare the bytes of UTF-8, which is the order of code points.
    return Buffer.from(text.toLowerCase()).toString('hex');
  };
  function expected(field: string, direction: string): string[] {
    const order = messages.map((_, index) => index);
    order.sort((one, other) => {
      const [a, b] = [one, other].map((index) => key(field, messages[index] as (typeof messages)[number]));
      if (a === b || a === undefined || b === undefined) return one - other;
      return a < b ? -1 : 1;
    });
    if (direction === 'DESC') order.reverse();
    return order.map((index) => messages[index]?.subject ?? '');
  }

  const names = Object.keys(lists) as List[];
  const orders = ['RECEIVED_AT', 'SIZE', 'SENDER', 'SUBJECT'].flatMap((field) =>
    ['ASC', 'DESC'].map((direction) => [field, direction] as const),
  );

  it.each(names.flatMap((name) => orders.map(([field, direction]) => [name, field, direction] as const)))(
    'lead through %s by %s %s, both ways, each message once',
    async (name, field, direction) => {
      const orderBy = { field, direction };
      const whole = expected(field, direction);
      const forward: string[] = [];
      const cursors: string[] = [];
      for (let after: string | null = null; ;) {
        const page: Page = await lists[name]({ first: PAGE_SIZE, after, orderBy });
        expect(page.pageInfo.hasPreviousPage).toBe(after !== null);
        forward.push(...page.nodes.map(({ subject }) => subject));
        cursors.push(...page.edges.map(({ cursor }) => cursor));
        if (!page.pageInfo.hasNextPage) break;
        expect(page.nodes).toHaveLength(PAGE_SIZE);
        after = page.pageInfo.endCursor;
      }
      expect(forward).toEqual(whole);

      const backward: string[] = [];
      for (let before: string | null = null; ;) {
        const page: Page = await lists[name]({ last: PAGE_SIZE, before, orderBy });
        expect(page.pageInfo.hasNextPage).toBe(before !== null);
        backward.unshift(...page.nodes.map(({ subject }) => subject));
        if (!page.pageInfo.hasPreviousPage) break;
        before = page.pageInfo.startCursor;
      }
      expect(backward).toEqual(whole);

      // From the middle, where ties lie on both sides, and from the ends.
      for (const place of [0, 13, 14, COUNT - 1]) {
        const [up, down] = await Promise.all([
          lists[name]({ first: 3, after: cursors[place], orderBy }),
          lists[name]({ last: 3, before: cursors[place], orderBy }),
        ]);
        expect(up.nodes.map(({ subject }) => subject)).toEqual(whole.slice(place + 1, place + 4));
        expect(down.nodes.map(({ subject }) => subject)).toEqual(whole.slice(Math.max(0, place - 3), place));
        expect(up.pageInfo.hasNextPage).toBe(place + 4 < COUNT);
        expect(down.pageInfo.hasPreviousPage).toBe(place - 3 > 0);
      }
    },
  );

  it.each(names)(
    'give %s newest first, and nothing but the fact that there is more when nothing is asked for',
    async (name) => {
      const whole = expected('RECEIVED_AT', 'DESC');
      expect((await lists[name]({})).nodes.map(({ subject }) => subject)).toEqual(whole);
      const none = await lists[name]({ first: 0 });
      expect(none).toMatchObject({
        nodes: [],
        pageInfo: { hasNextPage: true, hasPreviousPage: false, startCursor: null, endCursor: null },
      });
      const exact = await lists[name]({ first: COUNT });
      expect(exact.pageInfo).toMatchObject({ hasNextPage: false, hasPreviousPage: false });
      expect((await lists[name]({ last: COUNT })).pageInfo).toMatchObject({
        hasNextPage: false,
        hasPreviousPage: false,
      });
    },
  );

  it('count each message of a section once', async () => {
    const counts = await Promise.all(
      [anna, many].map(
        async (client) =>
          (await client.ask<{ viewer: { personalBackup: { own: { messageCount: number } } } }>(OWN)).viewer
            .personalBackup.own.messageCount,
      ),
    );
    expect(counts).toEqual([COUNT, COUNT]);
  });

  it('go on behind a cursor whose message is gone meanwhile', async () => {
    const { edges, nodes } = await lists.own({ first: 10 });
    const place = 4;
    await test.app.database.transaction((transaction) =>
      transaction.run(
        "UPDATE recipient SET visibility = 2 WHERE mailbox LIKE 'anna%' AND message_id IN (SELECT id FROM message WHERE subject = ?)",
        [nodes[place]?.subject ?? ''],
      ),
    );
    const rest = await lists.own({ first: 5, after: edges[place]?.cursor });
    expect(rest.nodes).toEqual(nodes.slice(place + 1));
    await test.app.database.transaction((transaction) =>
      transaction.run("UPDATE recipient SET visibility = 0 WHERE visibility = 2 AND mailbox LIKE 'anna%'"),
    );
  });

  it.each([
    [{ first: 201 }, 'first'],
    [{ first: 100_000 }, 'first'],
    [{ first: -1 }, 'first'],
    [{ last: 201 }, 'last'],
    [{ first: 1, last: 1 }, 'last'],
    [{ last: 1, after: 'x' }, 'after'],
    [{ after: 'x' }, 'after'],
    [{ after: Buffer.from('["SIZE",1,2]').toString('base64url') }, 'after'],
    [{ after: Buffer.from('["RECEIVED_AT","1",2]').toString('base64url') }, 'after'],
    [{ after: Buffer.from('["RECEIVED_AT",1e308,2]').toString('base64url') }, 'after'],
    [{ after: Buffer.from('null').toString('base64url') }, 'after'],
    [{ before: Buffer.from('[').toString('base64url') }, 'before'],
  ])('refuse %j and name the argument', async (variables, field) => {
    for (const [client, query] of [
      [anna, OWN],
      [admin, ALL],
    ] as const) {
      const { errors } = await client.query(query, variables);
      expect(errors[0]?.extensions).toMatchObject({ code: 'BAD_USER_INPUT', field });
      expect(errors[0]?.message).toContain(field);
    }
  });
});
