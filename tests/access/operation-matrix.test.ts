import type { DatabaseLocation } from '../../src/entities/database.js';
import { RoleSubjectKind } from '../../src/entities/role-assignment.js';
import { startTestApp, type TestApp } from '../support/app.js';
import type { Client } from '../support/client.js';
import { describeOnBothDatabases } from '../support/databases.js';
import { ALL_ON, asAccount, asPerson, directoryIdOf, giveRole, setSwitches } from '../support/people.js';
import { until } from '../support/until.js';
import { WireSocket } from '../support/wire.js';
import { POLICY, type PolicyRow, type ViewerKind, VIEWERS } from './policy.js';

const ACCOUNT_DISABLED = { userAccountControl: '514' };

/** A client of every kind; sessions that must have ended were live before. */
async function everyViewer(test: TestApp): Promise<Record<ViewerKind, Client>> {
  const { database, services } = test.app;
  const token = test.client();
  token.token = await test.intakeToken();
  const ended = await asPerson(test, 'hanako');
  await database.transaction((transaction) =>
    transaction.run("UPDATE session SET expires_at = ? WHERE login = 'hanako'", [Date.now()]),
  );
  const disabled = await asPerson(test, 'oscar');
  await giveRole(database, RoleSubjectKind.PERSON, await directoryIdOf(database, 'oscar'), 'Administrator');
  test.directory.entries.modify('CN=Óscar Núñez,OU=People,DC=branch,DC=example', ACCOUNT_DISABLED);
  for (const { id } of await services.connections.list()) await services.synchronisation.synchronise(id);
  await giveRole(database, RoleSubjectKind.PERSON, await directoryIdOf(database, 'zoe'), 'Viewer');
  return {
    'nobody signed in': test.client(),
    'an ended session': ended,
    'an API token': token,
    'a person who was disabled since': disabled,
    'a local account that was disabled since': await asAccount(test, 'gone', ['Administrator'], true),
    'clara, nothing delegated': await asPerson(test, 'clara'),
    'anna, two mailboxes delegated': await asPerson(test, 'anna'),
    'boris, by a nested group': await asPerson(test, 'boris'),
    'dmitri, of the other domain': await asPerson(test, 'dmitri'),
    'frida, ambiguous': await asPerson(test, 'frida'),
    'a local account without a role': await asAccount(test, 'plain', []),
    'zoe, a person with the role Viewer': await asPerson(test, 'zoe'),
    'a local Viewer': await asAccount(test, 'viewer', ['Viewer']),
    'a local Helpdesk': await asAccount(test, 'helpdesk', ['Helpdesk']),
    'the administrator': await asAccount(test, 'root', ['Administrator']),
  };
}

type Outcome = 'DATA' | 'NULL' | 'UNAUTHENTICATED' | 'FORBIDDEN';

function expected(kind: ViewerKind, { demand, withoutSession, allowed = 'DATA' }: PolicyRow): Outcome {
  const permissions: readonly string[] | null = VIEWERS[kind];
  if (demand === 'PUBLIC') return permissions === null ? (withoutSession ?? 'NULL') : 'DATA';
  if (permissions === null) return 'UNAUTHENTICATED';
  if (demand === 'SESSION') return allowed;
  return [demand].flat().some((permission) => permissions.includes(permission)) ? allowed : 'FORBIDDEN';
}

/** Whether the viewer gets at least as far as the guarded field itself. */
function reaches(kind: ViewerKind, field: string): boolean {
  return (
    !field.startsWith('GlobalBackupMessage.') ||
    (VIEWERS[kind] as readonly string[] | null)?.includes('BACKUP_VIEW') === true
  );
}

const valueAt = (data: unknown, path: PolicyRow['path']): unknown =>
  path.reduce<unknown>((value, key) => (value as Record<string | number, unknown> | null | undefined)?.[key], data);

const KINDS = Object.keys(VIEWERS) as ViewerKind[];

describeOnBothDatabases('Who may do what', (location: () => DatabaseLocation) => {
  let test: TestApp;
  let viewers: Record<ViewerKind, Client>;

  beforeAll(async () => {
    test = await startTestApp(location());
    await setSwitches(test.app.database, ALL_ON);
    viewers = await everyViewer(test);
    const stored = await test.client().handOver(await test.intakeToken(), 'Subject: one\r\n\r\nbody\r\n', {
      sender: null,
      recipients: ['clara@example.com'],
    });
    expect(stored.status).toBe(200);
  }, 60_000);
  afterAll(() => test?.stop());

  const operations = Object.entries(POLICY).filter(([field]) => !field.startsWith('Subscription.'));

  describe.each(operations)('%s', (field, row) => {
    it.each(KINDS)('V1, V2: answers %s as its demand says', async (kind) => {
      const { data, errors } = await viewers[kind].query(row.document);
      const value = valueAt(data, row.path);
      const outcome = errors[0]?.extensions?.['code'] ?? (value === null || value === undefined ? 'NULL' : 'DATA');
      expect(outcome).toBe(expected(kind, row));
      // Whoever is refused gets the field's name and the reason, and nothing else.
      if (errors.length > 0) {
        expect(value ?? null).toBeNull();
        expect(errors).toHaveLength(1);
        expect(errors[0]?.path).toEqual(reaches(kind, field) ? row.path : row.path.slice(0, 1));
      }
    });
  });

  const subscriptions = Object.entries(POLICY).filter(([field]) => field.startsWith('Subscription.'));

  describe.each(subscriptions)('%s', (_field, row) => {
    it.each(KINDS.filter((kind) => VIEWERS[kind] !== null))('V2: lets %s in as its demand says', async (kind) => {
      const socket = await WireSocket.admitted(test.url, viewers[kind].token);
      if (expected(kind, row) === 'NULL') {
        socket.subscribe('1', row.document);
        expect(await socket.next()).toEqual({ type: 'complete', id: '1' });
      } else if (expected(kind, row) === 'DATA') {
        const before = test.app.services.feed.followerCount;
        socket.subscribe('1', row.document);
        // Nothing is sent until something happens: that the server follows is the sign of its consent.
        await until('the server follows', () => test.app.services.feed.followerCount > before);
      } else {
        expect((await socket.refusal(row.document)).code).toBe('FORBIDDEN');
      }
      await socket.close();
    });
  });

  it.each(KINDS.filter((kind) => VIEWERS[kind] === null))('V1: closes the WebSocket of %s with 4403', async (kind) => {
    const socket = await WireSocket.open(test.url);
    const { token } = viewers[kind];
    socket.send({ type: 'connection_init', ...(token ? { payload: { authorization: `Bearer ${token}` } } : {}) });
    expect(await socket.ended).toEqual({ code: 4403, reason: 'Sign in first: this needs a session.' });
  });

  it('V2, V11: the content in an event needs BACKUP_READ as it does in a query', async () => {
    const document = 'subscription { backupChanged { kind message { subject preview(mode: TEXT) { content } } } }';
    const sockets = await Promise.all(
      (['a local Viewer', 'a local Helpdesk'] as const).map((kind) =>
        WireSocket.admitted(test.url, viewers[kind].token),
      ),
    );
    const before = test.app.services.feed.followerCount;
    for (const socket of sockets) socket.subscribe('1', document);
    await until('the server follows for both', () => test.app.services.feed.followerCount === before + 2);
    await test.client().handOver(await test.intakeToken(), 'Subject: live\r\n\r\nreadable\r\n', {
      sender: null,
      recipients: ['clara@example.com'],
    });
    const [viewer, helpdesk] = await Promise.all(sockets.map(async (socket) => (await socket.next('next')).payload));
    expect(viewer).toMatchObject({
      data: { backupChanged: { message: { subject: 'live', preview: null } } },
      errors: [{ extensions: { code: 'FORBIDDEN', permission: 'BACKUP_READ' } }],
    });
    expect(helpdesk).toEqual({
      data: {
        backupChanged: {
          kind: 'STORED',
          message: { subject: 'live', preview: { content: expect.stringContaining('readable') as string } },
        },
      },
    });
    await Promise.all(sockets.map((socket) => socket.close()));
  });
});
