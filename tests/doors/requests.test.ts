import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { startTestApp, type TestApp } from '../support/app.js';
import { LogLines } from '../support/log-lines.js';
import { ALL_ON, asAccount, asPerson, setSwitches } from '../support/people.js';
import { post, type RawAnswer, send, WireSocket } from '../support/wire.js';

const VIEWER = { query: '{ viewer { login } }' };
const STUDIO = 'https://studio.apollographql.com';

/** Code and message of the first error of an answer. */
function firstError({ text }: RawAnswer): { code: unknown; message: string } {
  const { errors } = JSON.parse(text) as { errors: { message: string; extensions?: { code?: unknown } }[] };
  return { code: errors[0]?.extensions?.code, message: errors[0]?.message ?? '' };
}

describe('The HTTP door', () => {
  const folder = mkdtempSync(join(tmpdir(), 'mailkeep-requests-'));
  const log = new LogLines();
  let test: TestApp;
  let admin: string;

  beforeAll(async () => {
    test = await startTestApp(
      { kind: 'sqlite', file: join(folder, 'mailkeep.db') },
      { allowedOrigins: [`${STUDIO}/`], bodyLimitBytes: 10_000, logLevel: 'info' },
      log,
    );
    await setSwitches(test.app.database, ALL_ON);
    admin = (await asAccount(test, 'root', ['Administrator'])).token ?? '';
  }, 30_000);
  afterAll(async () => {
    await test?.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  beforeEach(() => log.clear());
  // No refusal of this file is a fault of ours; the log must not say so.
  afterEach(() => expect(log.entries.filter(({ level }) => Number(level) >= 50)).toEqual([]));

  const raw = (body: string | Buffer, headers: Record<string, string>) =>
    send(`${test.url}/graphql`, { method: 'POST', headers: { authorization: `Bearer ${admin}`, ...headers }, body });

  describe('bad requests', () => {
    const json = { 'content-type': 'application/json' };
    it.each<[string, string | Buffer, Record<string, string>, number, string]>([
      ['no JSON', '{"query": ', json, 400, 'BAD_REQUEST'],
      [
        'JSON in another character set',
        JSON.stringify(VIEWER),
        { 'content-type': 'application/json; charset=iso-8859-1' },
        400,
        'BAD_REQUEST',
      ],
      [
        'an unknown content encoding',
        JSON.stringify(VIEWER),
        { ...json, 'content-encoding': 'zstd-9' },
        400,
        'BAD_REQUEST',
      ],
      [
        'broken compression',
        Buffer.from('this is no gzip'),
        { ...json, 'content-encoding': 'gzip' },
        400,
        'BAD_REQUEST',
      ],
      [
        'compression cut off',
        gzipSync(JSON.stringify(VIEWER)).subarray(0, 20),
        { ...json, 'content-encoding': 'gzip' },
        400,
        'BAD_REQUEST',
      ],
      ['more bytes than allowed', JSON.stringify({ query: ' '.repeat(20_000) }), json, 413, 'BODY_TOO_LARGE'],
      [
        'few bytes that unpack to more than allowed',
        gzipSync(JSON.stringify({ query: ' '.repeat(5_000_000) })),
        { ...json, 'content-encoding': 'gzip' },
        413,
        'BODY_TOO_LARGE',
      ],
      ['a plain text', JSON.stringify(VIEWER), { 'content-type': 'text/plain' }, 415, 'UNSUPPORTED_MEDIA_TYPE'],
      [
        'a form, as other sites can post it',
        'query=%7B__typename%7D',
        { 'content-type': 'application/x-www-form-urlencoded' },
        415,
        'UNSUPPORTED_MEDIA_TYPE',
      ],
      ['a type that is no JSON', '<query/>', { 'content-type': 'application/xml' }, 415, 'UNSUPPORTED_MEDIA_TYPE'],
      ['no type at all', JSON.stringify(VIEWER), {}, 415, 'UNSUPPORTED_MEDIA_TYPE'],
      ['an array of operations', JSON.stringify([VIEWER, VIEWER]), json, 400, 'BAD_REQUEST'],
      ['an empty object', '{}', json, 400, 'BAD_REQUEST'],
      ['nothing', '', json, 400, 'BAD_REQUEST'],
      ['null', 'null', json, 400, 'BAD_REQUEST'],
      ['a number for a document', '{"query": 7}', json, 400, 'BAD_REQUEST'],
      ['variables that are no object', '{"query": "{ __typename }", "variables": "x"}', json, 400, 'BAD_REQUEST'],
      [
        'an operation that is not in the document',
        '{"query": "query a { __typename }", "operationName": "b"}',
        json,
        400,
        'OPERATION_RESOLUTION_FAILURE',
      ],
      ['a subscription', '{"query": "subscription { backupChanged { kind } }"}', json, 400, 'BAD_REQUEST'],
      [
        'a variable of the wrong type',
        '{"query": "query ($first: Int) { viewer { personalBackup { own { messages(first: $first) { nodes { id } } } } } }", "variables": {"first": "x"}}',
        json,
        400,
        'BAD_USER_INPUT',
      ],
      [
        'a required variable that is missing',
        '{"query": "query ($id: ID!) { operation(id: $id) { id } }"}',
        json,
        400,
        'BAD_USER_INPUT',
      ],
      [
        'a persisted query',
        '{"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "00"}}}',
        json,
        200,
        'PERSISTED_QUERY_NOT_SUPPORTED',
      ],
    ])('refuses %s with a code', async (_what, body, headers, status, code) => {
      const answer = await raw(body, { ...headers, 'content-length': String(Buffer.byteLength(body)) });
      expect({ status: answer.status, ...firstError(answer) }).toEqual({
        status,
        code,
        message: expect.stringMatching(/^[A-Z`].{10,}/) as string,
      });
    });

    it.each(['PUT', 'DELETE', 'PATCH', 'HEAD'])('answers %s as no way to ask', async (method) => {
      const { status } = await send(`${test.url}/graphql`, { method, headers: { 'apollo-require-preflight': '1' } });
      expect(status).toBe(405);
    });

    it('refuses mutations by GET, which caches and links could repeat', async () => {
      const url = `${test.url}/graphql?query=${encodeURIComponent('mutation { signOut { signedOut } }')}`;
      const answer = await send(url, {
        headers: { 'apollo-require-preflight': '1', authorization: `Bearer ${admin}` },
      });
      expect(answer.status).toBe(405);
      expect((await test.client().query('{ __typename }')).status).toBe(200);
    });

    it.each([
      '/',
      '/graphql/',
      '/graphql/x',
      '/%E0%A4%A',
      '/explorer/%E0%A4%A',
      '/explorer/../../package.json',
      '/intake',
      '/.env',
    ])('answers %s with 404 or a way to go, and no stack', async (path) => {
      const { status, text } = await send(`${test.url}${path}`);
      expect([308, 400, 404]).toContain(status);
      expect(text).not.toMatch(/\bat .*\.(ts|js)|node_modules|Error:/);
    });
  });

  describe('pages of lists', () => {
    it.each([
      ['first: 100000', 'first must be 0 to 200'],
      ['first: -1', 'first must be 0 to 200'],
      ['last: 201', 'last must be 0 to 200'],
      ['first: 1, last: 1', 'first and last cannot be given together'],
      ['first: 1, before: "x"', 'before goes with last'],
      ['last: 1, after: "x"', 'after goes with first'],
      ['after: "x"', 'after is no cursor of this list and order'],
      ['after: ""', 'after is no cursor of this list and order'],
      [
        'orderBy: { field: SIZE, direction: ASC }, before: "WyJTRU5ERVIiLCJ4IiwxXQ"',
        'before is no cursor of this list and order',
      ],
    ])('%s is refused with the name of the argument', async (page, message) => {
      const anna = await asPerson(test, 'anna');
      const { data, errors } = await anna.query(
        `{ viewer { personalBackup { own { messages(${page}) { __typename } } } } }`,
      );
      expect(data).toMatchObject({ viewer: { personalBackup: { own: null } } });
      const field = /(\w+): [^:]*$/.exec(page)?.[1];
      expect(errors).toMatchObject([
        { message: expect.stringContaining(message) as string, extensions: { code: 'BAD_USER_INPUT', field } },
      ]);
    });

    it('a value that a filter cannot mean is refused with its place', async () => {
      const client = test.client();
      client.token = admin;
      const ask = async (filter: string) =>
        (await client.query(`{ backup { messages(filter: ${filter}) { __typename } } }`)).errors[0];
      expect(await ask('{ senderIp: "300.1.1.1" }')).toMatchObject({
        extensions: { code: 'BAD_USER_INPUT', field: 'filter.senderIp' },
      });
      expect(await ask(`{ sender: "${'x'.repeat(999)}" }`)).toMatchObject({
        extensions: { code: 'BAD_USER_INPUT', field: 'filter.sender' },
      });
      expect(await ask('{ sizeFrom: -1 }')).toMatchObject({
        message: expect.stringContaining('ByteCount must be') as string,
      });
      expect(await ask('{ receivedFrom: "2026-02-30T00:00:00Z" }')).toMatchObject({
        message: expect.stringContaining('RFC 3339') as string,
      });
      expect(await ask('{ action: BURN }')).toMatchObject({ message: expect.stringContaining('"BURN"') as string });
    });
  });

  describe('pages of other sites', () => {
    const own = () => test.url;
    it('serves our own origin, listed ones, and programs that have none', async () => {
      for (const headers of [{}, { origin: own() }, { origin: STUDIO }] as Record<string, string>[]) {
        expect((await post(test.url, VIEWER, headers)).status).toBe(200);
      }
    });

    it.each([
      'https://evil.example',
      'null',
      'https://studio.apollographql.com.evil.example',
      'http://studio.apollographql.com',
      'https://127.0.0.1',
      'file://',
    ])('refuses the origin %s over HTTP and WebSocket, and sends it no CORS headers', async (origin) => {
      const answer = await post(test.url, VIEWER, { origin, authorization: `Bearer ${admin}` });
      expect({ status: answer.status, code: firstError(answer).code }).toEqual({ status: 403, code: 'FOREIGN_ORIGIN' });
      expect(answer.headers['access-control-allow-origin']).toBeUndefined();
      const preflight = await send(`${test.url}/graphql`, {
        method: 'OPTIONS',
        headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'content-type' },
      });
      expect(preflight.status).toBe(403);
      expect(preflight.headers['access-control-allow-origin']).toBeUndefined();
      const socket = await WireSocket.open(test.url, { origin });
      expect(await socket.ended).toEqual({ code: 403, reason: 'Forbidden' });
    });

    it('lets a listed origin in with credentials, and no other on its back', async () => {
      const preflight = await send(`${test.url}/graphql`, {
        method: 'OPTIONS',
        headers: {
          origin: STUDIO,
          'access-control-request-method': 'POST',
          'access-control-request-headers': 'content-type',
        },
      });
      expect(preflight).toMatchObject({
        status: 204,
        headers: {
          'access-control-allow-origin': STUDIO,
          'access-control-allow-credentials': 'true',
          vary: expect.stringContaining('Origin') as string,
        },
      });
      const answer = await post(test.url, VIEWER, { origin: STUDIO });
      expect(answer.headers['access-control-allow-origin']).toBe(STUDIO);
      const socket = await WireSocket.open(test.url, { origin: STUDIO });
      await socket.close();
    });

    it('believes no header that names another host', async () => {
      const headers = {
        origin: 'https://evil.example',
        'x-forwarded-host': 'evil.example',
        forwarded: 'host=evil.example',
      };
      expect((await post(test.url, VIEWER, headers)).status).toBe(403);
    });
  });

  it('sends security headers with every answer', async () => {
    const answers = await Promise.all([
      post(test.url, VIEWER),
      send(`${test.url}/healthz`),
      send(`${test.url}/nothing`),
      raw('{', { 'content-type': 'application/json' }),
    ]);
    for (const { headers } of answers) {
      expect(headers).toMatchObject({
        'content-security-policy': expect.stringMatching(/default-src 'none'.*frame-ancestors 'none'/) as string,
        'x-content-type-options': 'nosniff',
        'referrer-policy': 'no-referrer',
        'cross-origin-resource-policy': 'same-origin',
        'strict-transport-security': expect.stringContaining('max-age') as string,
        'cache-control': 'no-store',
        'x-request-id': expect.stringMatching(/^[0-9a-f-]{36}$/) as string,
      });
      expect(headers['x-powered-by']).toBeUndefined();
      expect(headers['etag']).toBeUndefined();
    }
  });

  it('serves the explorer from its own files, under a policy that loads nothing from elsewhere', async () => {
    const redirect = await send(`${test.url}/explorer`);
    expect(redirect).toMatchObject({ status: 308, headers: { location: 'explorer/' } });
    const page = await send(`${test.url}/explorer/`);
    expect([200, 503]).toContain(page.status);
    expect(page.headers['content-security-policy']).toContain("default-src 'none'; script-src 'self'");
    expect(page.text).not.toMatch(/(src|href)="(https?:)?\/\//);
  });
});
