import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startTestApp, type TestApp } from '../support/app.js';
import { describeWhenPresent, PrivateService, createDatabase } from '../support/services.js';
import { LogLines } from '../support/log-lines.js';
import { ALL_ON, asAccount, openSession, setSwitches } from '../support/people.js';
import { until } from '../support/until.js';
import { post, send, WireSocket } from '../support/wire.js';

const REFERENCE = /^Something went wrong on our side\. Reference: ([0-9a-f-]{36})$/;
// What an answer must never show of our inside.
const INSIDE = /SELECT|sqlite|no such table|\bER_|mysql|\.ts\b|\.js\b|node_modules|stack|recipient_broken|NONSENSE/i;

describe('Faults of ours', () => {
  const folder = mkdtempSync(join(tmpdir(), 'mailkeep-faults-'));
  const log = new LogLines();
  let test: TestApp;
  let token: string;

  beforeAll(async () => {
    test = await startTestApp({ kind: 'sqlite', file: join(folder, 'mailkeep.db') }, { logLevel: 'info' }, log);
    await setSwitches(test.app.database, ALL_ON);
    token = (await asAccount(test, 'root', ['Administrator'])).token ?? '';
    await store('first');
  }, 30_000);
  beforeEach(() => log.clear());
  afterAll(async () => {
    await test?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  async function store(subject: string): Promise<void> {
    const recipients = ['clara@example.com'];
    await test
      .client()
      .handOver(await test.intakeToken(), `Subject: ${subject}\r\n\r\nsecret body\r\n`, { sender: null, recipients });
  }

  const change = (sql: string) => test.app.database.transaction((transaction) => transaction.run(sql));

  /** Looks at one masked error: in the answer only a reference, under that reference everything in the log. */
  function expectMasked(error: unknown, inLog: string): void {
    expect(error).toEqual({
      message: expect.stringMatching(REFERENCE) as string,
      locations: expect.anything() as unknown,
      path: expect.anything() as unknown,
      extensions: { code: 'INTERNAL_SERVER_ERROR', reference: expect.any(String) as string },
    });
    expect(JSON.stringify(error)).not.toMatch(INSIDE);
    const { reference } = (error as { extensions: { reference: string } }).extensions;
    const entry = log.entries.find((each) => each['reference'] === reference);
    expect(entry).toMatchObject({ level: 50, msg: 'internal error' });
    expect(JSON.stringify(entry)).toContain(inLog);
  }

  it('masks a fault of the database behind a reference, over HTTP', async () => {
    await change('ALTER TABLE recipient RENAME TO recipient_broken');
    try {
      const query = '{ backup { messages { nodes { subject recipients { address } } } } }';
      const answer = await post(test.url, { query }, { authorization: `Bearer ${token}` });
      expect(answer.status).toBe(200);
      const { data, errors } = JSON.parse(answer.text) as { data: unknown; errors: unknown[] };
      expect(data).toEqual({ backup: null });
      expectMasked(errors[0], 'no such table');
      expect(answer.text).not.toMatch(INSIDE);
    } finally {
      await change('ALTER TABLE recipient_broken RENAME TO recipient');
    }
  });

  it('masks a value that its type cannot represent: that is our fault, not the client’s', async () => {
    await change("UPDATE recipient SET kind = 'XXX'");
    try {
      const query = '{ backup { messages { nodes { recipients { kind } } } } }';
      const { text } = await post(test.url, { query }, { authorization: `Bearer ${token}` });
      expectMasked((JSON.parse(text) as { errors: unknown[] }).errors[0], 'cannot represent value');
    } finally {
      await change("UPDATE recipient SET kind = 'TO'");
    }
  });

  it('masks the same faults in live events, and keeps the socket', async () => {
    const socket = await WireSocket.admitted(test.url, token);
    const before = test.app.services.feed.followerCount;
    socket.subscribe('1', 'subscription { backupChanged { kind message { subject recipients { kind address } } } }');
    await until('the server follows', () => test.app.services.feed.followerCount > before);
    // Broken by the commit that is told of, so that no race decides what the event sees.
    await change("CREATE TRIGGER breaks AFTER INSERT ON recipient BEGIN UPDATE recipient SET kind = 'XXX'; END");
    await store('second');
    const { payload } = await socket.next('next');
    await change('DROP TRIGGER breaks');
    await change("UPDATE recipient SET kind = 'TO'");
    expectMasked((payload as { errors: unknown[] }).errors[0], 'cannot represent value');
    await store('third');
    expect(await socket.next('next')).toMatchObject({
      payload: { data: { backupChanged: { message: { subject: 'third' } } } },
    });
    await socket.close();
  });

  it('masks a fault while the session is looked up, before GraphQL begins', async () => {
    await change('ALTER TABLE session RENAME TO session_broken');
    try {
      const answer = await post(test.url, { query: '{ viewer { login } }' }, { authorization: `Bearer ${token}` });
      expect(answer.status).toBe(500);
      expect(answer.text).toMatch(/Something went wrong on our side/);
      expect(answer.text).not.toMatch(INSIDE);
      expect(log.text).toContain('no such table');
      const socket = await WireSocket.open(test.url);
      socket.send({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } });
      expect(await socket.ended).toEqual({ code: 1013, reason: 'Try again later.' });
    } finally {
      await change('ALTER TABLE session_broken RENAME TO session');
    }
  });

  it('L8: logs no credential, no address, no subject and no content, whatever goes wrong', async () => {
    const credentials = { login: 'anna@example.com', password: 'wrong-Passw0rd' };
    await test
      .client()
      .query('mutation ($i: SignInInput!) { signIn(input: $i) { token userErrors { code } } }', { i: credentials });
    await post(
      test.url,
      { query: 'query ($x: Int!) { viewer { login } }', variables: { x: 'private-variable' } },
      { authorization: `Bearer ${token}` },
    );
    await post(test.url, '{"query": "private-query', {
      authorization: `Bearer ${token}`,
      cookie: 'mailkeep=private-cookie',
    });
    await test.client().handOver('mk_private-token', 'Subject: private-subject\r\n\r\nprivate-body', {
      recipients: ['private@example.com'],
    });
    await test.client().handOver(await test.intakeToken(), 'Subject: private-subject\r\n\r\nprivate-body', {
      recipients: ['private@example.com'],
      sender: 7,
    });
    expect(log.entries.length).toBeGreaterThan(0);
    expect(log.text).not.toMatch(/wrong-Passw0rd|private|anna@example\.com/);
    expect(log.text).not.toContain(token);
  });
});

describeWhenPresent(['mariadb'], 'While the database is away', () => {
  const server = new PrivateService('mariadb');
  let test: TestApp;
  let token: string;

  beforeAll(async () => {
    const database = await createDatabase(await server.start());
    test = await startTestApp({ kind: 'mysql', url: database.url, connections: 4 });
    token = (await openSession(test.app, { accountId: 1 })).token;
  }, 120_000);
  afterAll(async () => {
    await test?.stop();
    await server.remove();
  }, 60_000);

  it('says so with a code everywhere, stays alive, and serves again once it is back', async () => {
    const ask = () => post(test.url, { query: '{ viewer { login } }' }, { authorization: `Bearer ${token}` });
    const ready = () => send(`${test.url}/readyz`);
    expect(await ready()).toMatchObject({ status: 200, text: '{"status":"ready"}' });
    expect((await ask()).status).toBe(200);
    await server.kill();
    expect(await ready()).toMatchObject({
      status: 503,
      text: '{"status":"not ready","reasons":{"database":"The database does not answer."}}',
    });
    expect((await send(`${test.url}/healthz`)).text).toBe('{"status":"ok"}');
    const signIn = await test
      .client()
      .query('mutation { signIn(input: { login: "admin", password: "x" }) { token userErrors { code } } }');
    expect(signIn.data).toEqual({ signIn: { token: null, userErrors: [{ code: 'DATABASE_UNAVAILABLE' }] } });
    const away = await ask();
    expect({ status: away.status, body: JSON.parse(away.text) as unknown }).toMatchObject({
      status: 503,
      body: {
        errors: [
          { message: 'The database does not answer. Try again later.', extensions: { code: 'DATABASE_UNAVAILABLE' } },
        ],
      },
    });
    const stored = await test.client().handOver('mk_x', 'Subject: x\r\n\r\n', { recipients: ['a@example.com'] });
    expect(stored).toMatchObject({ status: 503, body: { error: { code: 'DATABASE_UNAVAILABLE' } } });
    const socket = await WireSocket.open(test.url);
    socket.send({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } });
    expect((await socket.ended).code).toBe(1013);
    await server.start();
    await until('it is ready again', async () => (await ready()).status === 200, Boolean, 20_000);
    expect((await ask()).status).toBe(200);
  }, 60_000);
});
