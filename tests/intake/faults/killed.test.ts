import { existsSync, readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Database } from '../../../src/entities/database.js';
import { createServices } from '../../../src/composition/create-services.js';
import { loadConfig } from '../../../src/config.js';
import { createLogger } from '../../../src/log.js';
import { ApiTokenScope } from '../../../src/entities/api-token.js';
import { expectCountersToBeTrue } from '../../support/counters.js';
import { freePort } from '../../support/free-port.js';
import { Gateways, handOverByHttp, handOverByLmtp } from '../../support/gateways.js';
import { TEST_AUTHOR } from '../../support/app.js';
import { type ServerProcess, type Settings, startServer } from '../../support/processes.js';
import { createDatabase, describeWhenPresent, PrivateService } from '../../support/services.js';
import { until } from '../../support/until.js';

// Fifty take some minutes; the figures are in docs/reliability.md.
const KILLS = Number(process.env['MAILKEEP_TEST_KILLS'] ?? 4);
const upTo = (most: number) => 1 + Math.floor(Math.random() * most);

describeWhenPresent(['mariadb'], 'The whole application, killed under load', () => {
  const mariadb = new PrivateService('mariadb');
  let folder: string;
  let url: string;
  let secret: string;
  let settings: Settings;
  let http: string;
  let lmtp: string;
  let running: ServerProcess | undefined;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'mailkeep-killed-'));
    ({ url } = await createDatabase(await mariadb.start()));
    const database = await Database.open({ kind: 'mysql', url, connections: 2 });
    await database.migrate();
    const services = createServices(loadConfig({}, { dataDir: folder }), createLogger('silent'), database);
    ({ secret } = await services.tokens.create('gateway', [ApiTokenScope.INTAKE], null, TEST_AUTHOR));
    await database.close();
    const [httpPort, lmtpPort] = [await freePort(), await freePort()];
    http = `http://127.0.0.1:${httpPort}`;
    lmtp = `127.0.0.1:${lmtpPort}`;
    settings = {
      MAILKEEP_DATA_DIR: folder,
      MAILKEEP_DATABASE_URL: url,
      MAILKEEP_ADMIN_PASSWORD: 'admin-demo',
      MAILKEEP_HTTP_PORT: String(httpPort),
      MAILKEEP_LMTP_LISTEN: lmtp,
    };
  }, 120_000);
  afterAll(async () => {
    await running?.kill('SIGKILL');
    await mariadb.remove();
    await rm(folder, { recursive: true, force: true });
  }, 60_000);

  const start = async () => {
    running = await startServer(settings, 'dist/main.js');
    return running;
  };

  it(
    'S5, S6: whatever was acknowledged is in Backup, once and whole, also when the database goes and comes meanwhile',
    async () => {
      const gateways = new Gateways();
      gateways.start(
        Array.from({ length: 8 }, (_, index) => ({
          insists: index % 4 < 2,
          handOver: (message) =>
            index % 2 === 0 ? handOverByHttp(http, secret, message) : handOverByLmtp(lmtp, message),
        })),
      );
      let spooled = 0;
      for (let kill = 0; kill < KILLS; kill += 1) {
        const server = await start();
        await gateways.more(upTo(60));
        // One round in three loses the database, and the next one starts without it.
        if (kill % 3 === 1) {
          await mariadb.kill();
          await gateways.more(upTo(60));
        }
        if (kill % 3 === 2) {
          expect(server.waiting).toBe(true);
          spooled += ((await (await fetch(`${http}/readyz`)).json()) as { spool: { entries: number } }).spool.entries;
          await mariadb.start();
          await gateways.more(upTo(60));
        }
        await new Promise((wake) => setTimeout(wake, upTo(40)));
        expect((await server.kill('SIGKILL')).code).toBe(null);
      }
      await mariadb.start();
      await start();
      await gateways.more(8);
      await gateways.stop();
      await until(
        'the spool is empty',
        async () => (await (await fetch(`${http}/readyz`)).json()) as { status: string; spool?: { entries: number } },
        ({ status, spool }) => status === 'ready' && (spool?.entries ?? 0) === 0,
        60_000,
      );
      const database = await Database.open({ kind: 'mysql', url, connections: 2 });
      try {
        const stored = await database.rows<{ id: string; count: number; sha256: string }>(
          `SELECT m.gateway_message_id AS id, count(*) AS count, min(c.sha256) AS sha256
             FROM message m JOIN content c ON c.id = m.content_id GROUP BY m.gateway_message_id`,
        );
        const byId = new Map(stored.map((row) => [row.id, row]));
        expect([...gateways.acknowledged].filter((id) => !byId.has(id))).toEqual([]);
        expect(stored.filter(({ count }) => Number(count) !== 1)).toEqual([]);
        expect(stored.filter(({ id, sha256 }) => gateways.sent.get(id) !== sha256)).toEqual([]);
        expect(gateways.heard.NEVER).toBe(0);
        expect(spooled).toBeGreaterThan(0);
        await expectCountersToBeTrue(database);
        const aside = join(folder, 'spool', 'aside');
        const parts = existsSync(aside) ? readdirSync(aside) : [];
        expect(parts.filter((name) => !name.endsWith('.part'))).toEqual([]);
        if (process.env['MAILKEEP_TEST_KILLS'])
          process.stderr.write(
            `${JSON.stringify({ kills: KILLS, sent: gateways.sent.size, ...gateways.heard, acknowledged: gateways.acknowledged.size, stored: stored.length, spooledAtColdStarts: spooled, unfinished: parts.length })}\n`,
          );
      } finally {
        await database.close();
      }
    },
    60_000 + KILLS * 20_000,
  );
});
