import { startTestApp, type TestApp } from '../support/app.js';
import type { Client } from '../support/client.js';
import { describeOnBothDatabases } from '../support/databases.js';
import { store, switchTo } from '../support/mail.js';

const OWN =
  'query ($filter: PersonalBackupFilter) { viewer { personalBackup { own { messages(filter: $filter) { nodes { subject } } } } } }';
const ALL = 'query ($filter: BackupFilter) { backup { messages(filter: $filter) { nodes { subject } } } }';

interface Given {
  readonly name: string;
  readonly subject: string;
  readonly messageId?: string;
  readonly padding?: number;
  readonly metadata: Record<string, unknown>;
}

const result = (module: string, status: string) => ({ module, status });
const anna = ['anna@example.com'];

// Newest last. Each differs from the others in what some filter asks for.
const given: Given[] = [
  {
    name: 'spam',
    subject: 'Cheap WATCHES',
    messageId: '<Watches.1@example.net>',
    metadata: {
      sender: 'Offers@Shop.example',
      senderIp: '192.0.2.17',
      recipients: anna,
      gatewayMessageId: 'Q-1',
      node: 'gw-1',
      receivedAt: '2026-01-01T00:00:00Z',
      scanResults: [result('ANTI_SPAM', 'SPAM'), result('ANTI_VIRUS', 'NOT_DETECTED')],
    },
  },
  {
    name: 'virus',
    subject: 'Größe ändern: STRASSE',
    messageId: '<watches.1@example.net>',
    metadata: {
      sender: 'jörg@bücher.example',
      senderIp: '2001:db8::17',
      recipients: [...anna, 'Empfänger@bücher.example'],
      gatewayMessageId: 'q-1',
      node: 'GW-1',
      receivedAt: '2026-01-02T00:00:00.001Z',
      action: 'DISINFECT',
      scanResults: [result('ANTI_SPAM', 'SPAM'), result('ANTI_VIRUS', 'DETECTED')],
    },
  },
  {
    name: 'literal',
    subject: '100% _sure_ of a\\b and [x]!',
    padding: 5_000,
    metadata: {
      sender: 'under_score@example.net',
      senderIp: '192.0.3.1',
      recipients: anna,
      receivedAt: '2026-01-02T00:00:00.002Z',
      action: 'DELETE_ATTACHMENT',
      scanResults: [result('ANTI_VIRUS', 'ENCRYPTED')],
    },
  },
  {
    name: 'lookalike',
    subject: '100 percent, surely',
    padding: 5_001,
    metadata: {
      sender: 'underscore@example.net',
      senderIp: '::ffff:192.0.2.200',
      recipients: anna,
      receivedAt: '2026-01-03T00:00:00Z',
    },
  },
  { name: 'bounce', subject: '', metadata: { sender: null, recipients: anna, receivedAt: '2026-01-04T00:00:00Z' } },
];

const everybody = given.map(({ name }) => name);

type Expectation = readonly [filter: Record<string, unknown>, names: readonly string[]];

const common: Expectation[] = [
  [{}, everybody],
  [{ detectedBy: [] }, everybody],
  [{ detectedBy: ['ANTI_SPAM'] }, ['spam', 'virus']],
  [{ detectedBy: ['ANTI_VIRUS', 'ANTI_SPAM'] }, ['virus']],
  [{ detectedBy: ['SANDBOX'] }, []],
  [{ detectedBy: ['ANTI_VIRUS'] }, ['virus', 'literal']],
  [{ sender: 'shop' }, ['spam']],
  [{ sender: 'OFFERS@SHOP' }, ['spam']],
  [{ sender: 'JÖRG@' }, ['virus']],
  [{ sender: 'bücher' }, ['virus']],
  [{ sender: 'BÜCHER.EXAMPLE' }, ['virus']],
  [{ sender: 'xn--bcher-kva' }, ['virus']],
  [{ sender: '_' }, ['literal']],
  [{ sender: '%' }, []],
  [{ sender: '' }, everybody],
  [{ subject: 'watches' }, ['spam']],
  [{ subject: 'grösse' }, []],
  [{ subject: 'GRÖßE ÄN' }, ['virus']],
  [{ subject: '%' }, ['literal']],
  [{ subject: '_sure_' }, ['literal']],
  [{ subject: 'a\\b' }, ['literal']],
  [{ subject: ']!' }, ['literal']],
  [{ subject: "' OR 1=1 --" }, []],
  [{ receivedFrom: '2026-01-02T00:00:00.002Z' }, ['literal', 'lookalike', 'bounce']],
  [{ receivedTo: '2026-01-02T00:00:00.001Z' }, ['spam', 'virus']],
  [{ receivedFrom: '2026-01-02T01:00:00.001+01:00', receivedTo: '2026-01-02T00:00:00.001Z' }, ['virus']],
  [{ sizeFrom: 5_000 }, ['literal', 'lookalike']],
  [{ sizeTo: 4_999 }, ['spam', 'virus', 'bounce']],
  [{ action: 'DISINFECT' }, ['virus']],
  [{ action: 'DELETE_MESSAGE' }, ['spam', 'lookalike', 'bounce']],
  [{ smtpMessageId: '<Watches.1@example.net>' }, ['spam']],
  [{ smtpMessageId: 'Watches.1@example.net' }, []],
  [{ sent: false }, everybody],
  [{ sent: true }, []],
  [{ sender: 'example.net', sizeFrom: 5_000, subject: '100', detectedBy: ['ANTI_SPAM'] }, []],
  [{ sender: 'example.net', sizeFrom: 5_000, subject: '100', action: 'DELETE_ATTACHMENT' }, ['literal']],
  [{ sender: null, subject: null, detectedBy: null, sent: null }, everybody],
];

const global: Expectation[] = [
  [{ senderIp: '192.0.2.17' }, ['spam']],
  [{ senderIp: '192.0.2.0/24' }, ['spam', 'lookalike']],
  [{ senderIp: '192.0.2.0/23' }, ['spam', 'literal', 'lookalike']],
  [{ senderIp: '0.0.0.0/0' }, ['spam', 'literal', 'lookalike']],
  [{ senderIp: '2001:db8::/32' }, ['virus']],
  [{ senderIp: '2001:DB8:0:0::17' }, ['virus']],
  [{ senderIp: '::/0' }, ['spam', 'virus', 'literal', 'lookalike']],
  [{ recipient: 'EMPFÄNGER' }, ['virus']],
  [{ recipient: 'bücher' }, ['virus']],
  [{ recipient: 'Empfänger@bücher.example' }, ['virus']],
  [{ recipient: 'anna@' }, everybody],
  [{ recipient: '_nna' }, []],
  [{ gatewayMessageId: 'Q-1' }, ['spam']],
  [{ node: 'gw-1' }, ['spam']],
  [{ antiVirusStatus: 'DETECTED' }, ['virus']],
  [{ antiVirusStatus: 'ENCRYPTED' }, ['literal']],
  [{ antiVirusStatus: 'NOT_DETECTED' }, ['spam']],
  [{ antiVirusStatus: 'SCAN_ERROR' }, []],
  [
    {
      senderIp: '192.0.2.0/24',
      recipient: 'anna',
      gatewayMessageId: 'Q-1',
      node: 'gw-1',
      antiVirusStatus: 'NOT_DETECTED',
    },
    ['spam'],
  ],
];

describeOnBothDatabases('Filters', (location) => {
  let test: TestApp;
  let person: Client;
  let admin: Client;

  beforeAll(async () => {
    test = await startTestApp(location());
    admin = await test.signedIn('admin');
    await switchTo(admin, { enabled: true });
    person = await test.signedIn('anna');
    const secret = await test.intakeToken();
    for (const { subject, messageId, padding = 0, metadata } of given) {
      const head = [`Subject: ${subject}`, ...(messageId ? [`Message-ID: ${messageId}`] : []), '', ''].join('\r\n');
      const bytes = Buffer.from(head);
      // Header fields travel as bytes, so that fetch takes letters outside latin1.
      await store(
        test.client(),
        secret,
        Buffer.concat([bytes, Buffer.alloc(Math.max(0, padding - bytes.length), '.')]),
        metadata,
      );
    }
  }, 60_000);
  afterAll(() => test?.stop());

  const namesOf = (nodes: { subject: string }[]) =>
    nodes.map(({ subject }) => given.find((each) => each.subject === subject)?.name).reverse();
  const own = async (filter: unknown) =>
    (
      await person.ask<{ viewer: { personalBackup: { own: { messages: { nodes: { subject: string }[] } } } } }>(OWN, {
        filter,
      })
    ).viewer.personalBackup.own.messages.nodes;
  const all = async (filter: unknown) =>
    (await admin.ask<{ backup: { messages: { nodes: { subject: string }[] } } }>(ALL, { filter })).backup.messages
      .nodes;

  it.each(common)('%j lets through %j, for people and administrators alike', async (filter, names) => {
    expect(namesOf(await own(filter))).toEqual(names);
    expect(namesOf(await all(filter))).toEqual(names);
  });

  it.each(global)('%j lets through %j, for administrators', async (filter, names) => {
    expect(namesOf(await all(filter))).toEqual(names);
  });

  it('S4: judges people’s messages by their own action and verdict, and all messages by the strictest', async () => {
    const secret = await test.intakeToken();
    await store(test.client(), secret, 'Subject: Two fates\r\n\r\n', {
      sender: null,
      receivedAt: '2026-02-01T00:00:00Z',
      verdicts: [
        { recipients: anna, action: 'DISINFECT', scanResults: [result('ANTI_SPAM', 'SPAM')] },
        {
          recipients: ['clara@example.com'],
          action: 'DELETE_MESSAGE',
          scanResults: [result('ANTI_VIRUS', 'DETECTED')],
        },
      ],
    });
    const filters = [
      { action: 'DISINFECT' },
      { action: 'DELETE_MESSAGE' },
      { detectedBy: ['ANTI_SPAM'] },
      { detectedBy: ['ANTI_VIRUS'] },
      { detectedBy: ['ANTI_VIRUS', 'ANTI_SPAM'] },
    ].map((filter) => ({ ...filter, subject: 'two fates' }));
    const counts = async (list: typeof own) => Promise.all(filters.map(async (filter) => (await list(filter)).length));
    expect(await counts(own)).toEqual([1, 0, 1, 0, 0]);
    expect(await counts(all)).toEqual([0, 1, 1, 1, 1]);
  });

  it.each([
    [{ senderIp: 'example.com' }, 'filter.senderIp'],
    [{ senderIp: '192.0.2.0/33' }, 'filter.senderIp'],
    [{ senderIp: '192.0.2.0/-1' }, 'filter.senderIp'],
    [{ senderIp: '192.0.2.0/24/1' }, 'filter.senderIp'],
    [{ senderIp: '' }, 'filter.senderIp'],
    [{ sender: 'x'.repeat(999) }, 'filter.sender'],
    [{ subject: 'x'.repeat(999) }, 'filter.subject'],
    [{ recipient: 'x'.repeat(999) }, 'filter.recipient'],
  ])('refuse number %# of what cannot be searched for, and name the field', async (filter, field) => {
    const { errors } = await admin.query(ALL, { filter });
    expect(errors[0]?.extensions).toMatchObject({ code: 'BAD_USER_INPUT', field });
  });

  it('does not offer people the filters that would tell them of others', async () => {
    for (const name of ['recipient', 'node', 'senderIp', 'gatewayMessageId', 'antiVirusStatus']) {
      const { data, errors } = await person.query(OWN, { filter: { [name]: 'DETECTED' } });
      expect(data).toBeUndefined();
      expect(errors[0]?.message).toContain(name);
    }
  });
});
