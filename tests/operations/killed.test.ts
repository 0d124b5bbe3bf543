import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
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

/** How often the process is killed while it sends; docs/reliability.md has the counts of KILLS=50 KILL_MESSAGES=1000. */
const KILLS = Number(process.env['KILLS'] ?? 3);
const MESSAGES = Number(process.env['KILL_MESSAGES'] ?? 120);
// Those of the first messages at which a kill may come: of what kills make unknown some never arrive, and are not waited for.
const MET = MESSAGES * 0.75;
const PAGE = 100;
// Longest time between that and the kill, ms: about as long as a message takes.
const LATER_MS = 20;
// A start and a lease for each kill, and the sending itself.
const LIMIT_MS = 60_000 + KILLS * 30_000 + MESSAGES * 300;

describeOnBothDatabases('A process that is killed while it sends', (location: () => DatabaseLocation) => {
  const relay = new ScriptedRelay();
  let dataDir = '';
  let server: ServerProcess | undefined;

  beforeAll(async () => {
    const place = location();
    // The process finds a SQLite file by its folder.
    dataDir = place.kind === 'sqlite' ? dirname(place.file) : await mkdtemp(join(tmpdir(), 'mailkeep-killed-'));
    const database = await Database.open(place);
    await database.migrate();
    const { store } = createServices(loadConfig({}, { dataDir }), createLogger('silent'), database);
    await Promise.all(
      Array.from({ length: MESSAGES }, (_, index) =>
        store.store(received(`number-${index}.`, handOverOf([`r${index}@example.com`]))),
      ),
    );
    await database.close();
  }, 120_000);
  afterAll(async () => {
    await server?.kill('SIGKILL');
    await relay.stop();
    await rm(dataDir, { recursive: true, force: true });
  });

  const arrivals = () => {
    const counts = new Map<string, number>();
    for (const { to } of relay.received) counts.set(to[0] ?? '', (counts.get(to[0] ?? '') ?? 0) + 1);
    return counts;
  };
  interface Outcomes {
    readonly backup: {
      readonly messages: {
        readonly nodes: readonly {
          readonly id: string;
          readonly sendings: { readonly nodes: readonly { readonly to: string; readonly state: string }[] };
        }[];
        readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string | null };
      };
    };
  }
  const history = async (client: Client) => {
    const found: Outcomes['backup']['messages']['nodes'][number][] = [];
    for (let after: string | null = null; ;) {
      const { backup }: Outcomes = await client.ask(
        `query ($after: String) { backup { messages(first: ${PAGE}, after: $after) {
           pageInfo { hasNextPage endCursor } nodes { id sendings(first: 9) { nodes { to state } } } } } }`,
        { after },
      );
      found.push(...backup.messages.nodes);
      if (!backup.messages.pageInfo.hasNextPage) return found;
      after = backup.messages.pageInfo.endCursor;
    }
  };

  it(
    `D7, D9: loses no request in ${KILLS} kills, and delivers twice only what was told as unknown and asked for again`,
    async () => {
      const place = await relay.start();
      const settings = {
        ...settingsFor(location(), dataDir),
        MAILKEEP_RELAY_HOST: place.host,
        MAILKEEP_RELAY_PORT: String(place.port),
        MAILKEEP_RELAY_TLS: 'NONE',
        MAILKEEP_SENDER_ADDRESS: 'backup@example.com',
        MAILKEEP_OPERATION_LEASE_MS: '1000',
      };
      const start = async () => {
        server = await startServer(settings);
        return new Client(server.url).signIn('admin', ADMIN_PASSWORD);
      };
      let client = await start();
      const input = { filter: { subject: 'number' }, toOriginalRecipients: true, idempotencyKey: newKey() };
      const { operation } = await request(client, 'sendBackupMessages', input);
      expect(operation?.total).toBe(MESSAGES);
      for (let kill = 1; kill <= KILLS; kill += 1) {
        // At a random message of each stretch, and a moment later: between its arrival and our knowing of it, or thereabouts.
        await relay.messages(Math.floor((MET / (KILLS + 1)) * (kill - 1 + Math.random())) + 1);
        await wait(Math.random() * LATER_MS);
        await server?.kill('SIGKILL');
        client = await start();
      }
      // The request again, as a client sends it that had no answer: it is the same operation.
      const repeated = await request(client, 'sendBackupMessages', input);
      expect(repeated.operation?.id).toBe(operation?.id);
      const ended = await finished(client, operation?.id, LIMIT_MS);
      expect(ended).toMatchObject({ total: MESSAGES, done: MESSAGES });

      const once = arrivals();
      const messages = await history(client);
      const unknown = messages.filter(({ sendings }) => sendings.nodes[0]?.state === 'UNKNOWN');
      expect(ended.failed).toBe(unknown.length);
      expect([...once.values()].filter((count) => count > 1)).toEqual([]);
      const delivered = messages.flatMap(({ sendings }) => sendings.nodes.filter(({ state }) => state === 'DELIVERED'));
      expect(delivered.filter(({ to }) => once.get(to) !== 1)).toEqual([]);
      expect(delivered.length + unknown.length).toBe(MESSAGES);

      if (unknown.length > 0) {
        const again = await request(client, 'sendBackupMessages', {
          ids: unknown.map(({ id }) => id),
          toOriginalRecipients: true,
          idempotencyKey: newKey(),
        });
        await finished(client, again.operation?.id, LIMIT_MS);
      }
      const all = arrivals();
      expect(all.size).toBe(MESSAGES);
      const doubtful = new Set(unknown.flatMap(({ sendings }) => sendings.nodes.map(({ to }) => to)));
      const twice = [...all].filter(([, count]) => count > 1).map(([to]) => to);
      expect(twice.filter((to) => !doubtful.has(to))).toEqual([]);
      if (process.env['KILLS'])
        process.stdout.write(
          `${location().kind}: ${KILLS} kills, ${MESSAGES} messages: ${delivered.length} told as delivered, ` +
            `${unknown.length} as unknown; after these were asked for again ${all.size} arrived, ${twice.length} of them twice\n`,
        );
    },
    LIMIT_MS,
  );
});
