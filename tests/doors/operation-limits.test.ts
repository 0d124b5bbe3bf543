import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startTestApp, type TestApp } from '../support/app.js';
import { ALL_ON, asAccount, setSwitches } from '../support/people.js';
import { post, WireSocket } from '../support/wire.js';

const LIMITS = { maxDepth: 4, maxAliases: 150, maxCost: 100, maxTokens: 1500, maxSubscriptionsPerSocket: 3 };

const repeat = (count: number, text: (index: number) => string) =>
  Array.from({ length: count }, (_, index) => text(index)).join(' ');

// 2^12 spreads of two fields each out of a few hundred tokens.
const UNFOLDING = (type: string, field: string) =>
  `fragment f0 on ${type} { ${field} __typename } ${repeat(12, (index) => `fragment f${index + 1} on ${type} { ...f${index} ...f${index} }`)}`;

const MESH = (type: string) =>
  repeat(19, (one) => `fragment f${one} on ${type} { ${repeat(19, (other) => `...f${other}`)} }`);

/** Documents that one limit or rule refuses, for the root field of each door; the same code must come from both. */
const REFUSED: readonly [
  string,
  { query: string; subscription: string; variables?: Record<string, unknown>; code: string; message: string },
][] = [
  [
    'nested too deep',
    {
      query: '{ viewer { personalBackup { own { messages { pageInfo { hasNextPage } } } } } }',
      subscription: 'subscription { personalBackupChanged { message { viewerCan { send { allowed } } } } }',
      code: 'DEPTH_LIMIT',
      message: 'at most 4 are allowed',
    },
  ],
  [
    'nested too deep by fragments',
    {
      query:
        '{ ...q } fragment q on Query { viewer { ...v } } fragment v on Viewer { personalBackup { own { messages { pageInfo { hasNextPage } } } } }',
      subscription:
        'subscription { personalBackupChanged { ...c } } fragment c on PersonalBackupChange { message { ... on PersonalBackupMessage { viewerCan { send { allowed } } } } }',
      code: 'DEPTH_LIMIT',
      message: 'at most 4 are allowed',
    },
  ],
  [
    'too many aliases',
    {
      query: `{ viewer { ${repeat(151, (index) => `a${index}: name`)} } }`,
      subscription: `subscription { personalBackupChanged { ${repeat(151, (index) => `a${index}: kind`)} } }`,
      code: 'ALIAS_LIMIT',
      message: 'at most 150 are allowed',
    },
  ],
  [
    'too many values',
    {
      query: `{ viewer { ${repeat(120, (index) => `a${index}: name`)} } }`,
      subscription: `subscription { personalBackupChanged { ${repeat(120, (index) => `a${index}: kind`)} } }`,
      code: 'COST_LIMIT',
      message: 'at most 100 are allowed',
    },
  ],
  [
    'too many tokens',
    {
      query: `{ viewer { ${repeat(1600, () => 'name')} } }`,
      subscription: `subscription { personalBackupChanged { ${repeat(1600, () => 'kind')} } }`,
      code: 'GRAPHQL_PARSE_FAILED',
      message: 'Pass long lists as variables',
    },
  ],
  [
    'small and unfolding hugely',
    {
      query: `{ viewer { ...f12 } } ${UNFOLDING('Viewer', 'name')}`,
      subscription: `subscription { personalBackupChanged { ...f12 } } ${UNFOLDING('PersonalBackupChange', 'kind')}`,
      code: 'FIELD_LIMIT',
      message: 'more than 5000 fields',
    },
  ],
  [
    'fragments in a circle',
    {
      query: '{ viewer { ...a } } fragment a on Viewer { ...b } fragment b on Viewer { ...a }',
      subscription:
        'subscription { personalBackupChanged { ...a } } fragment a on PersonalBackupChange { ...b } fragment b on PersonalBackupChange { ...a }',
      code: 'GRAPHQL_VALIDATION_FAILED',
      message: 'Cannot spread fragment "a" within itself',
    },
  ],
  [
    // Each names all others: the ways through them are more than any computer could go.
    'fragments that all lead to each other',
    {
      query: `{ viewer { ...f0 } } ${MESH('Viewer')}`,
      subscription: `subscription { personalBackupChanged { ...f0 } } ${MESH('PersonalBackupChange')}`,
      code: 'FIELD_LIMIT',
      message: 'more than 5000 fields',
    },
  ],
  [
    'no GraphQL',
    {
      query: '{ viewer { ',
      subscription: 'subscription { personalBackupChanged { ',
      code: 'GRAPHQL_PARSE_FAILED',
      message: 'Syntax Error',
    },
  ],
  [
    'of a field that does not exist',
    {
      query: '{ viewer { secret } }',
      subscription: 'subscription { personalBackupChanged { secret } }',
      code: 'GRAPHQL_VALIDATION_FAILED',
      message: 'Cannot query field "secret"',
    },
  ],
  [
    'with a variable of the wrong type',
    {
      query: 'query ($id: ID!) { backup { message(id: $id) { id } } }',
      subscription: 'subscription ($id: ChangeCursor) { personalBackupChanged(after: $id) { kind } }',
      variables: { id: { not: 'a text' } },
      code: 'BAD_USER_INPUT',
      message: 'Variable "$id" got invalid value',
    },
  ],
  [
    // To each the names that were perhaps meant would be looked for.
    'with thousands of values that are none',
    {
      query: 'query ($modules: [Module!]) { backup { messages(filter: { detectedBy: $modules }) { nodes { id } } } }',
      subscription: 'subscription ($modules: [Module!]) { backupChanged(filter: { detectedBy: $modules }) { kind } }',
      variables: { modules: Array<string>(3_000).fill('ANTI_SPIM') },
      code: 'BAD_USER_INPUT',
      message: 'Did you mean the enum value "ANTI_SPAM"?',
    },
  ],
  [
    'without a variable that it needs',
    {
      query: 'query ($id: ID!) { backup { message(id: $id) { id } } }',
      subscription: 'subscription ($id: ChangeCursor!) { personalBackupChanged(after: $id) { kind } }',
      code: 'BAD_USER_INPUT',
      message: 'Variable "$id" of required type',
    },
  ],
  [
    'with a broken cursor',
    {
      query: '{ backup { messages(first: 1, after: "nonsense") { pageInfo { endCursor } } } }',
      subscription: 'subscription { personalBackupChanged(after: "nonsense") { kind } }',
      code: 'BAD_USER_INPUT',
      message: 'after is no cursor of',
    },
  ],
  [
    'with an empty cursor',
    {
      query: '{ backup { messages(first: 1, after: "") { pageInfo { endCursor } } } }',
      subscription: 'subscription { personalBackupChanged(after: "") { kind } }',
      code: 'BAD_USER_INPUT',
      message: 'after is no cursor of',
    },
  ],
];

describe('Limits of operations', () => {
  const folder = mkdtempSync(join(tmpdir(), 'mailkeep-limits-'));
  let test: TestApp;
  let token: string | undefined;

  beforeAll(async () => {
    test = await startTestApp({ kind: 'sqlite', file: join(folder, 'mailkeep.db') }, LIMITS);
    await setSwitches(test.app.database, ALL_ON);
    token = (await asAccount(test, 'root', ['Administrator'])).token;
  }, 30_000);
  afterAll(async () => {
    await test?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const overHttp = async (query: string, variables?: Record<string, unknown>) => {
    const answer = await post(test.url, { query, variables }, { authorization: `Bearer ${token}` });
    const { errors } = JSON.parse(answer.text) as { errors?: { message: string; extensions: { code: string } }[] };
    return { status: answer.status, code: errors?.[0]?.extensions.code, message: errors?.[0]?.message };
  };

  it.each(REFUSED)(
    'refuses an operation %s, alike over HTTP and WebSocket',
    async (_what, { query, subscription, variables, code, message }) => {
      const http = await overHttp(query, variables);
      expect(http).toMatchObject({ code, message: expect.stringContaining(message) as string });
      // Clients and proxies would send again what was answered with 500.
      expect(http.status).toBeLessThan(500);
      const socket = await WireSocket.admitted(test.url, token);
      expect(await socket.refusal(subscription, variables)).toEqual({
        code,
        message: expect.stringContaining(message) as string,
      });
      // The refusal costs the client this operation and not its connection.
      socket.subscribe('ok', 'subscription { personalBackupChanged { kind } }');
      socket.send({ type: 'ping' });
      await socket.next('pong');
      await socket.close();
    },
  );

  it('serves what is within the limits', async () => {
    expect(await overHttp('{ viewer { name personalBackup { own { address } } } }')).toMatchObject({
      status: 200,
      code: undefined,
    });
    expect(await overHttp(`{ viewer { ${repeat(90, (index) => `a${index}: name`)} } }`)).toMatchObject({
      status: 200,
      code: undefined,
    });
  });

  it('counts what lies in introspection, too, so that a small document cannot ask for the schema a hundred times', async () => {
    const many = `{ __schema { ${repeat(151, (index) => `a${index}: types { name }`)} } }`;
    expect(await overHttp(many)).toMatchObject({ status: 400, code: 'ALIAS_LIMIT' });
    expect(
      await overHttp('{ __schema { types { fields { type { ofType { ofType { ofType { name } } } } } } } }'),
    ).toMatchObject({
      status: 200,
      code: undefined,
    });
  });

  it('refuses one subscription too many on a socket, and takes another once one has ended', async () => {
    const socket = await WireSocket.admitted(test.url, token);
    const document = 'subscription { personalBackupChanged { kind } }';
    for (const id of ['1', '2', '3']) socket.subscribe(id, document);
    expect(await socket.refusal(document)).toEqual({
      code: 'SUBSCRIPTION_LIMIT',
      message: 'At most 3 subscriptions are open on one socket.',
    });
    socket.send({ type: 'complete', id: '1' });
    const before = test.app.services.feed.followerCount;
    socket.subscribe('4', document);
    socket.send({ type: 'ping' });
    expect((await socket.next()).type).toBe('pong');
    expect(test.app.services.feed.followerCount).toBeLessThanOrEqual(before + 1);
    await socket.close();
  });
});
