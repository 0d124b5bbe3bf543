import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { loadConfig } from '../../src/config.js';
import { createServices, type Services } from '../../src/composition/create-services.js';
import { Database } from '../../src/entities/database.js';
import { createLogger } from '../../src/log.js';
import { removeMessages } from '../../src/services/backup/remove-messages.js';
import { RetentionWorker } from '../../src/services/backup/retention-worker.js';
import { expectCountersToBeTrue } from '../support/counters.js';
import { describeOnBothDatabases } from '../support/databases.js';
import { handOverOf, received } from '../support/hand-overs.js';
import { settingsFor, startServer } from '../support/processes.js';
import { until } from '../support/until.js';

const DAY_MS = 86_400_000;
const log = createLogger('silent');

describeOnBothDatabases('Retention', (location) => {
  let folder: string;
  let database: Database;
  let services: Services;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'mailkeep-retention-'));
    database = await Database.open(location());
    await database.migrate();
    services = createServices(loadConfig({}, { dataDir: folder }), log, database);
  }, 60_000);
  afterAll(async () => {
    await database?.close();
    await rm(folder, { recursive: true, force: true });
  });

  const change = (sql: string, parameters: (string | number)[] = []) =>
    database.transaction((transaction) => transaction.run(sql, parameters));
  const count = async () => {
    const [row] = await database.rows<{ count: number }>('SELECT count(*) AS count FROM message');
    return Number(row?.count);
  };
  const store = (from: number, to: number) =>
    Promise.all(
      Array.from({ length: to - from }, (_, index) =>
        services.store.store(received(`message ${from + index}`, handOverOf([`p${(from + index) % 7}@example.com`]))),
      ),
    );
  const worker = (limits: { sizeLimitBytes: number; storagePeriodDays: number }) =>
    new RetentionWorker(database, services.feed, async () => limits, DAY_MS, log);
  const age = () => change('UPDATE message SET stored_at = ?', [Date.now() - 40 * DAY_MS]);
  const OLD = { sizeLimitBytes: 2 ** 50, storagePeriodDays: 30 };

  it('S7: leaves the work to the process that holds the lease, and takes it over when that has been silent for a minute', async () => {
    await store(0, 30);
    await age();
    await change(
      "UPDATE worker_lease SET owner = 'a process that was killed', lease_until = ? WHERE name = 'retention'",
      [Date.now() + 60_000],
    );
    expect(await worker(OLD).run()).toBe(0);
    expect(await count()).toBe(30);
    await change("UPDATE worker_lease SET lease_until = ? WHERE name = 'retention'", [Date.now() - 1]);
    expect(await worker(OLD).run()).toBe(30);
    expect(await count()).toBe(0);
    await expectCountersToBeTrue(database);
  });

  it('S7: keeps counts and statistics true while messages come, come again, are deleted and expire at once', async () => {
    await store(100, 400);
    const limit = { sizeLimitBytes: 4_000, storagePeriodDays: 30 };
    const removing = worker(limit);
    const [some] = await database.rows<{ id: number }>('SELECT max(id) AS id FROM message');
    const deleted = Array.from({ length: 40 }, (_, index) => (some?.id ?? 0) - index * 3);
    await Promise.all([
      store(400, 700),
      store(300, 500),
      removing.run(),
      worker(limit).run(),
      ...deleted.map((id) =>
        database.transaction(async (transaction) => {
          const { changes } = await removeMessages(transaction, [id]);
          await services.feed.append(transaction, changes);
        }),
      ),
    ]);
    await expectCountersToBeTrue(database);
    await removing.run();
    const [total] = await database.rows<{ bytes: number }>('SELECT used_bytes AS bytes FROM backup_total');
    expect(Number(total?.bytes)).toBeLessThanOrEqual(limit.sizeLimitBytes);
    expect(await database.rows('SELECT id FROM content WHERE id NOT IN (SELECT content_id FROM message)')).toEqual([]);
    await expectCountersToBeTrue(database);
  }, 120_000);

  it('S7: reads nothing but the oldest, however many messages share a content', async () => {
    // With a join MariaDB read both tables whole for the first hundred.
    const { kind } = database;
    const plan = JSON.stringify(
      await database.rows(
        `EXPLAIN ${kind === 'sqlite' ? 'QUERY PLAN ' : ''}SELECT id, stored_at, content_id FROM message ORDER BY id LIMIT 100`,
      ),
    );
    expect(plan).not.toMatch(/temp|filesort/i);
  });

  it('S7: a process that is killed in the middle leaves whole messages, and true counts', async () => {
    await store(1_000, 2_500);
    const before = await count();
    await age();
    const [feed] = await database.rows<{ place: number }>('SELECT last_place AS place FROM change_feed');
    const place = location();
    const server = await startServer(
      {
        ...settingsFor(place, place.kind === 'sqlite' ? dirname(place.file) : folder),
        MAILKEEP_RETENTION_INTERVAL_MS: '100',
      },
      'dist/main.js',
    );
    await until('some were removed', count, (seen) => seen < before, 20_000);
    await server.kill('SIGKILL');
    await expectCountersToBeTrue(database);
    const left = await count();
    const [told] = await database.rows<{ count: number }>(
      "SELECT count(*) AS count FROM change_event WHERE topic = 'backup' AND kind = 'REMOVED' AND place > ?",
      [feed?.place ?? 0],
    );
    expect(Number(told?.count)).toBe(before - left);
    for (const table of ['recipient', 'verdict'])
      expect(
        await database.rows(`SELECT message_id FROM ${table} WHERE message_id NOT IN (SELECT id FROM message)`),
      ).toEqual([]);
    await change("UPDATE worker_lease SET lease_until = 0 WHERE name = 'retention'");
    await worker(OLD).run();
    expect(await count()).toBe(0);
    await expectCountersToBeTrue(database);
  }, 120_000);
});
