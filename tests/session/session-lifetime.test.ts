import { databaseLocation } from '../../src/composition/places.js';
import { Database, type DatabaseLocation } from '../../src/entities/database.js';
import { createLogger } from '../../src/log.js';
import { RoleSubjectKind } from '../../src/entities/role-assignment.js';
import { ChangeFeed } from '../../src/services/changes/change-feed.js';
import { SessionStore } from '../../src/services/session/session-store.js';
import { startTestApp, type TestApp } from '../support/app.js';
import { describeOnBothDatabases } from '../support/databases.js';
import { ALL_ON, asPerson, directoryIdOf, giveRole, openSession, setSwitches } from '../support/people.js';
import { until } from '../support/until.js';
import { WireSocket } from '../support/wire.js';

const IDLE_MS = 600_000;
const FOLLOW = 'subscription { personalBackupChanged { kind message { subject } } }';

describeOnBothDatabases('The life of a session', (location: () => DatabaseLocation) => {
  let test: TestApp;

  beforeAll(async () => {
    test = await startTestApp(location());
    await setSwitches(test.app.database, ALL_ON);
  }, 30_000);
  afterAll(() => test?.stop());

  const open = (lifetimes: Parameters<typeof openSession>[2] = {}) =>
    openSession(test.app, { accountId: 1, login: 'someone' }, { privilegedIdleMs: IDLE_MS, ...lifetimes });
  const change = (sql: string, parameters: number[]) =>
    test.app.database.transaction((transaction) => transaction.run(sql, parameters));
  /** As if the session had been used last so long ago. */
  const age = (sessionId: number, ms: number) =>
    change('UPDATE session SET last_used_at = last_used_at - ? WHERE id = ?', [ms, sessionId]);
  const lives = async (token: string) => {
    const client = test.client();
    client.token = token;
    return (await client.ask<{ viewer: unknown }>('{ viewer { login } }')).viewer !== null;
  };
  const lastUsed = async (sessionId: number) =>
    (
      await test.app.database.rows<{ at: number }>('SELECT last_used_at AS at FROM session WHERE id = ?', [sessionId])
    )[0]?.at;
  const expectEnd = async (socket: WireSocket) =>
    expect(await socket.ended).toEqual({ code: 4403, reason: 'The session has ended. Sign in again.' });

  it('ends after the idle time-out, and each request before it begins the time anew', async () => {
    const { token, sessionId } = await open();
    await age(sessionId, IDLE_MS - 5_000);
    expect(await lives(token)).toBe(true);
    await age(sessionId, IDLE_MS - 5_000);
    expect(await lives(token)).toBe(true);
    await age(sessionId, IDLE_MS + 1);
    expect(await lives(token)).toBe(false);
  });

  it('ends at its absolute age, however much it is used', async () => {
    const { token, sessionId } = await open();
    expect(await lives(token)).toBe(true);
    await change('UPDATE session SET expires_at = ? WHERE id = ?', [Date.now(), sessionId]);
    expect(await lives(token)).toBe(false);
  });

  it('never tells an end behind its absolute age', async () => {
    const { token, sessionId } = await open();
    const endsAtMs = Date.now() + 60_000;
    await change('UPDATE session SET expires_at = ? WHERE id = ?', [endsAtMs, sessionId]);
    const client = test.client();
    client.token = token;
    const { viewer } = await client.ask<{ viewer: { sessionExpiresAt: string } }>('{ viewer { sessionExpiresAt } }');
    expect(viewer.sessionExpiresAt).toBe(new Date(endsAtMs).toISOString());
  });

  it('gives people with a role the shorter time-out, also when the role came after the sign-in', async () => {
    const directoryId = await directoryIdOf(test.app.database, 'joerg');
    const lifetimes = { privilegedIdleMs: 60_000, personalIdleMs: 6_000_000, lifetimeMs: 50_000_000 };
    const sessions = new SessionStore(test.app.database, test.app.services.feed, lifetimes);
    const { viewer } = await sessions.open({ accountId: null, directoryId, login: 'joerg', name: 'J' }, '');
    const left = async () =>
      ((await sessions.revisit(viewer.sessionId))?.expiresAtMs ?? 0) - ((await lastUsed(viewer.sessionId)) ?? 0);
    expect(await left()).toBe(6_000_000);
    await giveRole(test.app.database, RoleSubjectKind.PERSON, directoryId, 'Viewer');
    expect(await left()).toBe(60_000);
  });

  it('is not kept alive by what the server sends: only by what the client does', async () => {
    const { token, sessionId } = await open();
    const socket = await WireSocket.admitted(test.url, token);
    const before = test.app.services.feed.followerCount;
    socket.subscribe('1', 'subscription { backupChanged { message { subject } } }');
    await until('the server follows', () => test.app.services.feed.followerCount > before);
    await age(sessionId, IDLE_MS / 2);
    const used = await lastUsed(sessionId);
    await test
      .client()
      .handOver(await test.intakeToken(), 'Subject: a\r\n\r\n', { sender: null, recipients: ['a@example.com'] });
    expect(await socket.next('next')).toMatchObject({
      payload: { data: { backupChanged: { message: { subject: 'a' } } } },
    });
    expect(await lastUsed(sessionId)).toBe(used);
    await socket.close();
  });

  it('V11: delivers nothing any more once the session has ended by time, and closes the socket', async () => {
    const { token, sessionId } = await open();
    const socket = await WireSocket.admitted(test.url, token);
    const before = test.app.services.feed.followerCount;
    socket.subscribe('1', 'subscription { backupChanged { message { subject } } }');
    await until('the server follows', () => test.app.services.feed.followerCount > before);
    await age(sessionId, IDLE_MS + 1);
    await test
      .client()
      .handOver(await test.intakeToken(), 'Subject: b\r\n\r\n', { sender: null, recipients: ['a@example.com'] });
    await expect(socket.next()).rejects.toThrow('The socket ended with 4403');
  });

  it('closes the socket of a session that ended by time', async () => {
    const { token } = await open({ privilegedIdleMs: 500 });
    const socket = await WireSocket.admitted(test.url, token);
    await expectEnd(socket);
  }, 20_000);

  it('V11: is revoked by another process: sockets close, events end, requests are nobody’s', async () => {
    const client = await asPerson(test, 'clara');
    const socket = await WireSocket.admitted(test.url, client.token);
    const before = test.app.services.feed.followerCount;
    socket.subscribe('1', FOLLOW);
    await until('the server follows', () => test.app.services.feed.followerCount > before);
    const other = await Database.open(databaseLocation(test.config));
    try {
      const feed = new ChangeFeed(other, createLogger('silent'), 1000);
      const sessions = new SessionStore(other, feed, {
        privilegedIdleMs: IDLE_MS,
        personalIdleMs: IDLE_MS,
        lifetimeMs: IDLE_MS,
      });
      const [row] = await other.rows<{ id: number }>("SELECT max(id) AS id FROM session WHERE login = 'clara'");
      await other.transaction((transaction) => sessions.end(transaction, row?.id ?? 0));
      await expectEnd(socket);
      expect((await client.query('{ viewer { login } }')).data).toEqual({ viewer: null });
      await test
        .client()
        .handOver(await test.intakeToken(), 'Subject: c\r\n\r\n', { sender: null, recipients: ['clara@example.com'] });
      await until('nobody follows for it', () => test.app.services.feed.followerCount < before);
    } finally {
      await other.close();
    }
  });

  it('V11: is over for events, too, when its row is gone without a word', async () => {
    const client = await asPerson(test, 'clara');
    const socket = await WireSocket.admitted(test.url, client.token);
    const before = test.app.services.feed.followerCount;
    socket.subscribe('1', FOLLOW);
    await until('the server follows', () => test.app.services.feed.followerCount > before);
    await change("DELETE FROM session WHERE login = 'clara'", []);
    await test
      .client()
      .handOver(await test.intakeToken(), 'Subject: d\r\n\r\n', { sender: null, recipients: ['clara@example.com'] });
    await expect(socket.next()).rejects.toThrow('The socket ended with 4403');
  });
});
