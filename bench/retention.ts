import 'reflect-metadata';
import { createConnection, type RowDataPacket } from 'mysql2/promise';
import { cpuMs } from './support/cpu.js';
import { median, option, percentile, printMachine, printTable, residentMiB, round } from './support/figures.js';
import { load, request } from './support/keep-alive-client.js';
import { environment, seed } from './support/seed.js';
import { sessionToken } from './support/seed-names.js';
import { run, type ServerProcess } from './support/workplace.js';

/*
 * Lists while retention works: npm run bench -- retention [messages=1000000] [removed=100000] [seconds=30] [longest=240] [data=FOLDER]
 * The oldest messages, each with bytes of its own, pass the storage period; the built product removes them while clients read.
 * The data of a kept folder serve once for so many removals: each run removes the next oldest.
 */

const MESSAGES = option('messages', 1_000_000);
const REMOVED = option('removed', 100_000);
const SECONDS = option('seconds', 30);
const LONGEST_S = option('longest', 240);
const PEOPLE = 20_000;
const CONNECTIONS = 8;
const ROUND_MS = 1_000;
const WARM_UP_MS = 8_000;
const STORED_BYTES = 4_096;
const KEPT_DAYS = 35;
const DAY_MS = 86_400_000;

const FIELDS = 'sender subject receivedAt size detectedBy viewerCan { previewText { allowed reason } }';
const LISTS = {
  'one person': [0, `{ viewer { personalBackup { own { messages(first: 50) { nodes { ${FIELDS} } } } } } }`],
  'all messages': [
    'administrator',
    '{ backup { messages(first: 50) { nodes { id sender subject receivedAt size action recipients { address } } } } }',
  ],
} as const;

/** Gives the oldest messages bytes of their own and an age beyond the storage period, and counts anew what was filled past the program. */
async function makeOld(url: string): Promise<number> {
  const connection = await createConnection({ uri: url });
  try {
    const [[first]] = await connection.query<(RowDataPacket & { id: number })[]>('SELECT min(id) AS id FROM message');
    const from = first?.id ?? 1;
    const those = `id BETWEEN ${from} AND ${from + REMOVED - 1}`;
    await connection.query(
      `INSERT IGNORE INTO content (id, sha256, size_bytes, stored_bytes)
       SELECT 1000000000 + id, SHA2(CONCAT('own ', id), 256), 9000, ${STORED_BYTES} FROM message WHERE ${those}`,
    );
    await connection.query(
      `INSERT IGNORE INTO content_chunk (content_id, position, deflated, bytes)
       SELECT 1000000000 + id, 0, 0, REPEAT(SHA2(CONCAT('own ', id), 256), ${STORED_BYTES / 64}) FROM message WHERE ${those}`,
    );
    await connection.query(
      `UPDATE message SET content_id = 1000000000 + id, stored_at = ${Date.now() - (KEPT_DAYS + 5) * DAY_MS} WHERE ${those}`,
    );
    await connection.query(
      'UPDATE backup_total SET messages = (SELECT count(*) FROM message), used_bytes = (SELECT SUM(stored_bytes) FROM content)',
    );
    await connection.query('DELETE FROM backup_statistic');
    await connection.query(
      `INSERT INTO backup_statistic (hour_at, action, detected_by, messages, size_bytes)
       SELECT received_at - received_at % 3600000, action, detected_by, count(*), SUM(size_bytes) FROM message
        GROUP BY received_at - received_at % 3600000, action, detected_by`,
    );
    await keepFor(connection, 1_100);
    return from;
  } finally {
    await connection.end();
  }
}

const keepFor = (connection: { query(sql: string): Promise<unknown> }, days: number) =>
  connection.query(
    `UPDATE backup_settings SET storage_period_days = ${days}, size_limit_bytes = ${2 ** 50}, version = version + 1`,
  );

run(async (workplace) => {
  printMachine();
  const mariadb = await workplace.mariadb({ bufferPoolMiB: 3072, settings: ['--innodb-log-file-size=1G'] });
  const { url } = await workplace.database(mariadb, `retention_${MESSAGES}`, (empty) =>
    seed(empty, workplace.folder, { messages: MESSAGES, people: PEOPLE, groupMailboxes: 200, sessions: 100 }),
  );
  await makeOld(url);
  const server = await workplace.product({
    ...environment(url, workplace.folder),
    MAILKEEP_RETENTION_INTERVAL_MS: '500',
  });
  const connection = await createConnection({ uri: url });
  const remaining = async () => {
    const [[row]] = await connection.query<(RowDataPacket & { messages: number })[]>(
      'SELECT messages FROM backup_total',
    );
    return row?.messages ?? 0;
  };
  const queries = Object.entries(LISTS).map(([name, [who, query]]) => ({
    name,
    bytes: request(server.port, '/graphql', JSON.stringify({ query }), {
      authorization: `Bearer ${sessionToken(who)}`,
    }),
    before: [] as number[],
    during: [] as number[],
  }));
  for (const { bytes } of queries) await load(server.port, bytes, CONNECTIONS, WARM_UP_MS);
  const measure = async (into: 'before' | 'during', goesOn: () => Promise<boolean>) => {
    do
      for (const query of queries) {
        const { times } = await load(server.port, query.bytes, CONNECTIONS, ROUND_MS);
        query[into].push(...times);
      }
    while (await goesOn());
  };
  const endAt = performance.now() + SECONDS * 1_000;
  await measure('before', async () => performance.now() < endAt);

  const total = await remaining();
  const startedAt = performance.now();
  const cpuBefore = cpuMs(server.pid);
  await keepFor(connection, KEPT_DAYS);
  let removed = 0;
  let seconds = 0;
  await measure('during', async () => {
    removed = total - (await remaining());
    seconds = (performance.now() - startedAt) / 1_000;
    return removed < REMOVED && seconds < LONGEST_S;
  });
  await report(server, queries, { removed, seconds, cpuMs: cpuMs(server.pid) - cpuBefore });
  await connection.end();
});

async function report(
  server: ServerProcess,
  queries: readonly { name: string; before: number[]; during: number[] }[],
  { removed, seconds, cpuMs: cpu }: { removed: number; seconds: number; cpuMs: number },
): Promise<void> {
  printTable(
    `First pages at ${CONNECTIONS} connections, ${MESSAGES} messages, before and while the oldest are removed`,
    ['list', 'p50 before ms', 'p99 before ms', 'p50 during ms', 'p99 during ms', 'ratio of p99'],
    queries.map(({ name, before, during }) => [
      name,
      round(median(before)),
      round(percentile(before, 0.99)),
      round(median(during)),
      round(percentile(during, 0.99)),
      (percentile(during, 0.99) / percentile(before, 0.99)).toFixed(2),
    ]),
  );
  console.log(
    `\n${removed} messages were removed in ${seconds.toFixed(0)} s while clients read: ${round(removed / seconds)} a second, process at ${round(cpu / seconds / 10)} % of a core, ${round(residentMiB(server.pid))} MiB.`,
  );
}
