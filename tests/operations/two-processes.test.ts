import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createServices } from '../../src/composition/create-services.js';
import { loadConfig } from '../../src/config.js';
import { Database, type DatabaseLocation } from '../../src/entities/database.js';
import { createLogger } from '../../src/log.js';
import { ADMIN_PASSWORD } from '../support/app.js';
import { Client } from '../support/client.js';
import { describeOnBothDatabases } from '../support/databases.js';
import { handOverOf, received } from '../support/hand-overs.js';
import { type ServerProcess, settingsFor, startServer } from '../support/processes.js';
import { ScriptedRelay } from '../support/scripted-relay.js';
import { finished, newKey, request } from './operation-client.js';

const MESSAGES = 120;
// Before requests were looked for in their order, one of the first rounds failed.
const ROUNDS = 30;

describeOnBothDatabases('Two processes on one database', (location: () => DatabaseLocation) => {
  const relay = new ScriptedRelay();
  const servers: ServerProcess[] = [];
  const clients: Client[] = [];
  let dataDir = '';

  beforeAll(async () => {
    const place = location();
    // The processes find a SQLite file by its folder.
    dataDir = place.kind === 'sqlite' ? dirname(place.file) : await mkdtemp(join(tmpdir(), 'mailkeep-two-'));
    const database = await Database.open(place);
    await database.migrate();
    const { store } = createServices(loadConfig({}, { dataDir }), createLogger('silent'), database);
    const names = ['first', 'second'].flatMap((part) =>
      Array.from({ length: MESSAGES }, (_, index) => `${part}-${index}.`),
    );
    await Promise.all(
      names.map((name) => store.store(received(name, handOverOf([`${name}r@example.com`.replace('.', '')])))),
    );
    await database.close();
    const { host, port } = await relay.start();
    for (const name of ['one.example', 'two.example'])
      servers.push(
        await startServer({
          ...settingsFor(place, dataDir),
          MAILKEEP_RELAY_HOST: host,
          MAILKEEP_RELAY_PORT: String(port),
          MAILKEEP_RELAY_TLS: 'NONE',
          MAILKEEP_RELAY_NAME: name,
          MAILKEEP_RELAY_CONNECTIONS: '2',
          MAILKEEP_SENDER_ADDRESS: 'backup@example.com',
          MAILKEEP_OPERATION_LEASE_MS: '1000',
        }),
      );
    const [first, second] = servers as [ServerProcess, ServerProcess];
    const signedIn = await new Client(first.url).signIn('admin', ADMIN_PASSWORD);
    const other = new Client(second.url);
    // One session for both: the same person.
    other.token = signedIn.token;
    clients.push(signedIn, other);
  }, 120_000);
  afterAll(async () => {
    for (const server of servers) await server.kill('SIGKILL');
    await relay.stop();
    await rm(dataDir, { recursive: true, force: true });
  });

  const counts = () => {
    const found = new Map<string, number>();
    for (const { to } of relay.received) found.set(to[0] ?? '', (found.get(to[0] ?? '') ?? 0) + 1);
    return found;
  };

  it('D7, D9, D10: share one queue: each message once, one operation of a person, one for both of two equal requests', async () => {
    let release: () => void = () => undefined;
    // Nothing ends before both have messages under way.
    relay.script = { hold: new Promise((resolve) => (release = resolve)) };
    const input = { filter: { subject: 'first' }, toOriginalRecipients: true, idempotencyKey: newKey() };
    const asked = await Promise.all(clients.map((client) => request(client, 'sendBackupMessages', input)));
    expect(new Set(asked.map(({ operation }) => operation?.id)).size).toBe(1);
    const [first, second] = clients as [Client, Client];
    for (const client of clients)
      expect(await request(client, 'sendBackupMessages', { ...input, idempotencyKey: newKey() })).toMatchObject({
        userErrors: [{ code: 'OPERATION_RUNNING' }],
      });
    await relay.messages(4);
    expect(new Set(relay.received.map(({ client }) => client))).toEqual(new Set(['one.example', 'two.example']));
    release();
    const ended = await finished(second, asked[0]?.operation?.id, 60_000);
    expect(ended).toMatchObject({ total: MESSAGES, done: MESSAGES, failed: 0 });
    expect((await finished(first, ended.id)).done).toBe(MESSAGES);
    expect(relay.received).toHaveLength(MESSAGES);
    expect(counts().size).toBe(MESSAGES);
  }, 90_000);

  it('D9: know a request that begins in the other one at the same moment, each time', async () => {
    const [first] = clients as [Client];
    for (let round = 0; round < ROUNDS; round += 1) {
      const input = { filter: { subject: 'first-0.' }, addresses: ['again@example.com'], idempotencyKey: newKey() };
      const asked = await Promise.all(
        [...clients, ...clients].map((client) => request(client, 'sendBackupMessages', input)),
      );
      expect(asked.flatMap(({ userErrors }) => userErrors)).toEqual([]);
      expect(new Set(asked.map(({ operation }) => operation?.id)).size).toBe(1);
      await finished(first, asked[0]?.operation?.id);
    }
    expect(relay.received.filter(({ to }) => to[0] === 'again@example.com')).toHaveLength(ROUNDS);
  }, 90_000);

  it('D7: one takes up what the other leaves when it is killed, and tells what may arrive twice', async () => {
    relay.received.splice(0);
    const [first, second] = clients as [Client, Client];
    const { operation } = await request(first, 'sendBackupMessages', {
      filter: { subject: 'second' },
      toOriginalRecipients: true,
      idempotencyKey: newKey(),
    });
    await relay.messages(MESSAGES / 4);
    await servers[0]?.kill('SIGKILL');
    const ended = await finished(second, operation?.id, 60_000);
    expect(ended).toMatchObject({ total: MESSAGES, done: MESSAGES });
    const found = counts();
    expect([...found.values()].filter((count) => count > 1)).toEqual([]);
    // What is unknown has arrived or not; everything else has.
    expect(found.size).toBeGreaterThanOrEqual(MESSAGES - ended.failed);
    const unknown = ended.results.nodes.filter(({ outcome }) => outcome === 'UNKNOWN');
    expect(unknown).toHaveLength(ended.failed);
  }, 90_000);
});
