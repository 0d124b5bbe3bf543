import type { GraphQLSchema } from 'graphql';
import type { DatabaseLocation } from '../../src/entities/database.js';
import { copyId, messageId } from '../../src/resolvers/ids.js';
import { createSchema } from '../../src/resolvers/schema.js';
import { Visibility } from '../../src/services/backup/visibility.js';
import { startTestApp, type TestApp } from '../support/app.js';
import { caughtUp } from '../support/caught-up.js';
import type { Client } from '../support/client.js';
import { describeOnBothDatabases } from '../support/databases.js';
import { ALL_ON, asAccount, asPerson, setSwitches } from '../support/people.js';
import { selectEverything } from '../support/select-everything.js';
import { post, WireSocket } from '../support/wire.js';

// Words that stand only in what people must not learn.
const SECRETS = [
  'boris@example.com',
  'hidden.bcc@example.net',
  'gateway-node-7',
  'secret-rule',
  'verdict-for-boris',
  'reason-for-boris',
  'EICAR-of-boris',
];

const MAIL =
  'From: a@example.net\r\nTo: clara@example.com\r\nCc: joerg@example.com\r\nSubject: To several\r\n' +
  'Content-Type: text/html\r\n\r\n<p>Hello</p>\r\n';

const SEVERAL = {
  sender: 'a@example.net',
  node: 'gateway-node-7',
  verdicts: [
    {
      ruleName: 'secret-rule',
      action: 'DISINFECT',
      reason: 'reason-for-boris',
      recipients: ['boris@example.com', 'hidden.bcc@example.net'],
      scanResults: [
        {
          module: 'ANTI_VIRUS',
          status: 'DETECTED',
          scannerVerdict: 'verdict-for-boris',
          threatNames: ['EICAR-of-boris'],
        },
      ],
    },
    {
      ruleName: 'secret-rule',
      action: 'DELETE_MESSAGE',
      recipients: ['clara@example.com', 'joerg@example.com'],
      scanResults: [{ module: 'ANTI_SPAM', status: 'SPAM' }],
    },
  ],
};

const copyTo = (message: number, mailbox: string) => copyId({ messageId: message, mailbox: `${mailbox}@example.com` });

describeOnBothDatabases('Messages of others', (location: () => DatabaseLocation) => {
  let test: TestApp;
  let clara: Client;
  let schema: GraphQLSchema;
  let several = 0;
  let skipped = 0;
  let hidden = 0;
  let inSales = 0;

  async function store(metadata: Record<string, unknown>): Promise<number> {
    const { body } = await test.client().handOver(await test.intakeToken(), MAIL, metadata);
    return Number(body['id']);
  }

  beforeAll(async () => {
    test = await startTestApp(location());
    schema = await createSchema();
    await setSwitches(test.app.database, ALL_ON);
    clara = await asPerson(test, 'clara');
    several = await store(SEVERAL);
    skipped = await store({ sender: null, action: 'SKIP', recipients: ['clara@example.com'] });
    hidden = await store({ sender: null, recipients: ['clara@example.com'], gatewayMessageId: 'hidden' });
    inSales = await store({ sender: null, recipients: ['sales@example.com'] });
    await test.app.database.transaction((transaction) =>
      transaction.run('UPDATE recipient SET visibility = ? WHERE message_id = ?', [
        Visibility.HIDDEN_FROM_OWNER,
        hidden,
      ]),
    );
  }, 60_000);
  afterAll(() => test?.stop());

  const everything = () => selectEverything(schema, 'PersonalBackupMessage', { mode: 'HTML' });

  it('V6: foreign, hidden and unknown ids get one and the same answer, byte for byte', async () => {
    const query = `query ($id: ID!) { viewer { personalBackup { message(id: $id) ${everything()} } } }`;
    const ask = async (id: string) =>
      (await post(test.url, { query, variables: { id } }, { authorization: `Bearer ${clara.token}` })).text;
    const mine = await ask(copyTo(several, 'clara'));
    expect(JSON.parse(mine)).toMatchObject({
      data: { viewer: { personalBackup: { message: { subject: 'To several' } } } },
    });
    const ids: Record<string, string> = {
      'foreign, of the same message': copyTo(several, 'boris'),
      'foreign, of another message': copyTo(inSales, 'sales'),
      'hidden by herself': copyTo(hidden, 'clara'),
      'never personal (V4)': copyTo(skipped, 'clara'),
      'no such recipient': copyTo(several, 'nobody'),
      'no such message': copyTo(999_999_999, 'clara'),
      'an administrator’s id': messageId(several),
      'no id': 'x',
      empty: '',
      'almost one': Buffer.from('copy:1:').toString('base64url'),
      'by its position': Buffer.from(`copy:${several}:2`).toString('base64url'),
      negative: Buffer.from('copy:-1:AAAAAAAAAAAAAAAA').toString('base64url'),
      SQL: Buffer.from('copy:1 OR 1=1:AAAAAAAAAAAAAAAA').toString('base64url'),
      'far too great': Buffer.from(`copy:${'9'.repeat(40)}:AAAAAAAAAAAAAAAA`).toString('base64url'),
      long: 'A'.repeat(5000),
    };
    const answers: Record<string, string> = {};
    for (const [what, id] of Object.entries(ids)) answers[what] = await ask(id);
    const absent = '{"data":{"viewer":{"personalBackup":{"message":null}}}}\n';
    expect(answers).toEqual(Object.fromEntries(Object.keys(ids).map((what) => [what, absent])));
  });

  it('V6: mailboxes of others, and those that do not exist, get one and the same answer', async () => {
    const query =
      'query ($address: EmailAddress!) { viewer { personalBackup { mailbox(address: $address) { address name kind messageCount messages { nodes { id } } } } } }';
    const ask = async (address: string) =>
      (await post(test.url, { query, variables: { address } }, { authorization: `Bearer ${clara.token}` })).text;
    expect(JSON.parse(await ask('Clara.Fontaine@EXAMPLE.com'))).toMatchObject({
      data: { viewer: { personalBackup: { mailbox: { address: 'clara@example.com', kind: 'OWN' } } } },
    });
    const addresses = [
      'sales@example.com',
      'board@branch.example',
      'anna@example.com',
      'all@example.com',
      'hilde@partner.example',
      'nobody@example.com',
      "x'or'1@example.com",
      '%@%',
    ];
    const answers = await Promise.all(addresses.map(ask));
    expect(new Set(answers)).toEqual(new Set(['{"data":{"viewer":{"personalBackup":{"mailbox":null}}}}\n']));
  });

  it('administrators get one answer for ids that are unknown, malformed or of the other kind', async () => {
    const admin = await asAccount(test, 'reader', ['Administrator']);
    const query = 'query ($id: ID!) { backup { message(id: $id) { subject } } }';
    const ask = async (id: string) =>
      (await post(test.url, { query, variables: { id } }, { authorization: `Bearer ${admin.token}` })).text;
    expect(await ask(messageId(several))).toBe('{"data":{"backup":{"message":{"subject":"To several"}}}}\n');
    const answers = await Promise.all([messageId(999_999_999), copyTo(several, 'clara'), 'x', ''].map(ask));
    expect(new Set(answers)).toEqual(new Set(['{"data":{"backup":{"message":null}}}\n']));
  });

  it('V6: no field that people can reach tells of Bcc, of other recipients’ states, of rules, or of the node', async () => {
    const below = selectEverything(
      schema,
      'Viewer',
      { mode: 'HTML', address: '"clara@example.com"', id: `"${copyTo(several, 'clara')}"`, first: '2' },
      // The page is read by its nodes; the edges hold the same.
      ['PersonalBackupMessageConnection.edges'],
    );
    const { status, text } = await post(
      test.url,
      { query: `{ viewer ${below} }` },
      { authorization: `Bearer ${clara.token}` },
    );
    expect(status).toBe(200);
    expect(JSON.parse(text)).toMatchObject({
      data: {
        viewer: {
          personalBackup: {
            message: {
              subject: 'To several',
              to: ['clara@example.com'],
              cc: ['joerg@example.com'],
              action: 'DELETE_MESSAGE',
              detectedBy: ['ANTI_SPAM'],
            },
          },
        },
      },
    });
    for (const secret of SECRETS) expect(text).not.toContain(secret);
  });

  it('V6: nor does any field of a live event, and other recipients’ events never come', async () => {
    const below = selectEverything(schema, 'PersonalBackupChange', { mode: 'HTML' });
    const socket = await WireSocket.admitted(test.url, clara.token);
    await caughtUp(test.app);
    const { viewer } = await clara.ask<{ viewer: { personalBackup: { changeCursor: string } } }>(
      '{ viewer { personalBackup { changeCursor } } }',
    );
    await store({ ...SEVERAL, gatewayMessageId: 'again' });
    await store({ sender: null, recipients: ['boris@example.com', 'sales@example.com'] });
    await store({ sender: null, gatewayMessageId: 'last', recipients: ['clara@example.com'] });
    socket.subscribe('1', `subscription ($after: ChangeCursor) { personalBackupChanged(after: $after) ${below} }`, {
      after: viewer.personalBackup.changeCursor,
    });
    const events = [await socket.next('next'), await socket.next('next')];
    expect(events).toMatchObject([
      {
        payload: {
          data: {
            personalBackupChanged: { kind: 'STORED', mailbox: 'clara@example.com', message: { subject: 'To several' } },
          },
        },
      },
      { payload: { data: { personalBackupChanged: { kind: 'STORED', message: { gatewayMessageId: 'last' } } } } },
    ]);
    for (const secret of SECRETS) expect(JSON.stringify(events)).not.toContain(secret);
    await socket.close();
  });

  it('V6: neither ids nor addresses of contents tell how many other recipients there are', async () => {
    const alone = await store({ sender: null, gatewayMessageId: 'alone', recipients: ['clara@example.com'] });
    const query = 'query ($id: ID!) { viewer { personalBackup { message(id: $id) { id previewUrl(mode: TEXT) } } } }';
    const told = async (message: number) => {
      const { viewer } = await clara.ask<{
        viewer: { personalBackup: { message: { id: string; previewUrl: string } } };
      }>(query, { id: copyTo(message, 'clara') });
      const { id, previewUrl } = viewer.personalBackup.message;
      const payload = previewUrl.split('/').at(-1)?.split('.')[0] ?? '';
      return [id, payload].map((text) =>
        Buffer.from(text, 'base64url')
          .toString()
          .replace(/(?<=^copy:|"messageId":)\d+|(?<="expiresAtMs":)\d+/g, '…'),
      );
    };
    expect(await told(several)).toEqual(await told(alone));
  });

  it('V6: an interface opens no door to what administrators see', async () => {
    const query = `query ($id: ID!) { viewer { personalBackup { message(id: $id) { ... on BackupMessage { subject ... on GlobalBackupMessage { node recipients { address } } } } } } }`;
    const { text } = await post(
      test.url,
      { query, variables: { id: copyTo(several, 'clara') } },
      { authorization: `Bearer ${clara.token}` },
    );
    expect(text).toBe('{"data":{"viewer":{"personalBackup":{"message":{"subject":"To several"}}}}}\n');
  });

  it('V6: a filter finds nothing by what it must not tell', async () => {
    const query = (filter: string) =>
      `{ viewer { personalBackup { own { messages(filter: ${filter}) { nodes { subject } } } } } }`;
    for (const field of ['node', 'recipient', 'senderIp', 'antiVirusStatus', 'gatewayMessageId']) {
      const { errors } = await clara.query(query(`{ ${field}: "x" }`));
      expect(errors[0]?.message).toContain(`Field "${field}" is not defined by type "PersonalBackupFilter"`);
    }
    // boris' copy was disinfected by Anti-Virus; clara's was not.
    for (const filter of ['{ action: DISINFECT }', '{ detectedBy: [ANTI_VIRUS] }']) {
      expect(await clara.ask(query(filter))).toEqual({
        viewer: { personalBackup: { own: { messages: { nodes: [] } } } },
      });
    }
  });
});
