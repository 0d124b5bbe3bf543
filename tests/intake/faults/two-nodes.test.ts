import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '../../../src/config.js';
import { createServices } from '../../../src/composition/create-services.js';
import { ApiTokenScope } from '../../../src/entities/api-token.js';
import { Database, type DatabaseLocation } from '../../../src/entities/database.js';
import { createLogger } from '../../../src/log.js';
import { TEST_AUTHOR } from '../../support/app.js';
import { expectCountersToBeTrue } from '../../support/counters.js';
import { describeOnBothDatabases } from '../../support/databases.js';
import { handOverByHttp, messageOf } from '../../support/gateways.js';
import { type ServerProcess, type Settings, settingsFor, startServer } from '../../support/processes.js';
import { createDatabase, describeWhenPresent, PrivateService } from '../../support/services.js';
import { until } from '../../support/until.js';

const MESSAGES = 60;

/** Migrates and makes a token, as an operator does before the first start. */
async function prepare(location: DatabaseLocation, dataDir: string): Promise<string> {
  const database = await Database.open(location);
  try {
    await database.migrate();
    const { tokens } = createServices(loadConfig({}, { dataDir }), createLogger('silent'), database);
    return (await tokens.create('gateway', [ApiTokenScope.INTAKE], null, TEST_AUTHOR)).secret;
  } finally {
    await database.close();
  }
}

const stored = (database: Database) =>
  database.rows<{ id: string; count: number }>(
    'SELECT gateway_message_id AS id, count(*) AS count FROM message GROUP BY gateway_message_id ORDER BY 1',
  );

describeOnBothDatabases('The same messages from two nodes at once', (location) => {
  const folders: string[] = [];
  const servers: ServerProcess[] = [];
  let secret: string;

  beforeAll(async () => {
    for (const node of ['a', 'b']) folders.push(await mkdtemp(join(tmpdir(), `mailkeep-node-${node}-`)));
    secret = await prepare(location(), folders[0] as string);
    const place = location();
    for (const folder of folders)
      servers.push(
        await startServer(
          {
            ...settingsFor(place, folder),
            // Both processes on the one file.
            ...(place.kind === 'sqlite' ? { MAILKEEP_DATA_DIR: join(place.file, '..') } : {}),
            MAILKEEP_INTAKE_STORE_LIMIT_MS: '60000',
          },
          'dist/main.js',
        ),
      );
  }, 120_000);
  afterAll(async () => {
    await Promise.all(servers.map((server) => server.kill('SIGTERM')));
    for (const folder of folders) await rm(folder, { recursive: true, force: true });
  }, 60_000);

  it('S5: each gets its 200, each message is stored once, with its bytes once', async () => {
    const messages = Array.from({ length: MESSAGES }, (_, index) => messageOf(`n${String(index).padStart(3, '0')}`));
    let next = 0;
    const heard: string[] = [];
    const gateway = async () => {
      for (let message = messages[next++]; message; message = messages[next++]) {
        const copies = [message, message];
        heard.push(
          ...(await Promise.all(
            copies.map((copy, index) => handOverByHttp((servers[index] as ServerProcess).url, secret, copy)),
          )),
        );
      }
    };
    await Promise.all(Array.from({ length: 8 }, gateway));
    expect(heard).toEqual(Array<string>(2 * MESSAGES).fill('ACKNOWLEDGED'));
    const database = await Database.open(location());
    try {
      expect((await stored(database)).map(({ id, count }) => [id, Number(count)])).toEqual(
        messages.map(({ id }) => [id, 1]),
      );
      const [row] = await database.rows<{ contents: number }>('SELECT count(*) AS contents FROM content');
      expect(Number(row?.contents)).toBe(MESSAGES);
      await expectCountersToBeTrue(database);
    } finally {
      await database.close();
    }
  });
});

describeWhenPresent(['mariadb'], 'Two processes with one folder for the spool', () => {
  const mariadb = new PrivateService('mariadb');
  let folder: string;
  let location: DatabaseLocation;
  let secret: string;
  let settings: Settings;
  const servers: ServerProcess[] = [];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'mailkeep-spool-of-two-'));
    const { url } = await createDatabase(await mariadb.start());
    location = { kind: 'mysql', url, connections: 2 };
    secret = await prepare(location, folder);
    settings = settingsFor(location, folder);
    for (let index = 0; index < 2; index += 1) servers.push(await startServer(settings, 'dist/main.js'));
  }, 120_000);
  afterAll(async () => {
    await Promise.all(servers.map((server) => server.kill('SIGKILL')));
    await mariadb.remove();
    await rm(folder, { recursive: true, force: true });
  }, 60_000);

  it('S5, S6: the same messages spooled by both are stored once, those of a killed one by the other', async () => {
    const [first, second] = servers as [ServerProcess, ServerProcess];
    // Each knows the token: its mirror was taken with this.
    for (const [index, server] of servers.entries())
      expect(await handOverByHttp(server.url, secret, messageOf(`first-${index}`))).toBe('ACKNOWLEDGED');
    await mariadb.kill();
    const ids = Array.from({ length: 20 }, (_, index) => `s${String(index).padStart(3, '0')}`);
    for (const id of ids) {
      const heard = await Promise.all([
        handOverByHttp(first.url, secret, messageOf(id)),
        handOverByHttp(second.url, secret, messageOf(id)),
        handOverByHttp(first.url, secret, messageOf(`${id}-alone`)),
      ]);
      expect(heard).toEqual(['ACKNOWLEDGED', 'ACKNOWLEDGED', 'ACKNOWLEDGED']);
    }
    await first.kill('SIGKILL');
    await mariadb.start();
    const wanted = ['first-0', 'first-1', ...ids, ...ids.map((id) => `${id}-alone`)].sort();
    const database = await Database.open(location);
    try {
      // The living process looks for the dead at every renewal of its own lease.
      const rows = await until(
        'everything is stored',
        () => stored(database),
        (seen) => seen.length >= wanted.length,
        30_000,
      );
      expect(rows.map(({ id, count }) => [id, Number(count)])).toEqual(wanted.map((id) => [id, 1]));
      await expectCountersToBeTrue(database);
    } finally {
      await database.close();
    }
  });
});
