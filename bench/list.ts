import 'reflect-metadata';
import { createConnection, type RowDataPacket } from 'mysql2/promise';
import { cpuMs } from './support/cpu.js';
import { median, option, percentile, printMachine, printTable, residentMiB, round } from './support/figures.js';
import { load, once, request } from './support/keep-alive-client.js';
import { environment, seed } from './support/seed.js';
import { sessionToken } from './support/seed-names.js';
import { run, type ServerProcess, type Workplace } from './support/workplace.js';

/*
 * Speed of lists: npm run bench -- list [messages=1000000] [people=20000] [rounds=15] [ms=700] [data=FOLDER]
 * The product runs as its own process, the bare handler as another, the client is this one; rounds of both take turns.
 */

const MESSAGES = option('messages', 1_000_000);
const PEOPLE = option('people', 20_000);
// Many short turns: what else runs on the machine then meets both alike.
const ROUNDS = option('rounds', 15);
const ROUND_MS = option('ms', 700);
// Both are compiled by V8 while they run; a few hundred requests are needed until it is done.
const WARM_UP_MS = 8_000;
const CONCURRENCIES = [1, 8, 32];
const GROUP_MAILBOXES = 200;

const FIELDS = `sender subject receivedAt size detectedBy
  viewerCan { previewText { allowed reason } previewHtml { allowed reason } send { allowed reason } delete { allowed reason } }`;
const FIRST_PAGE = `{ viewer { personalBackup { own { messages(first: 50) { nodes { ${FIELDS} } } } } } }`;
const GLOBAL_PAGE = `query ($first: Int, $after: String, $filter: BackupFilter, $orderBy: BackupOrder) {
  backup { messages(first: $first, after: $after, filter: $filter, orderBy: $orderBy) {
    pageInfo { hasNextPage endCursor } nodes { id sender subject receivedAt size detectedBy action recipients { address } } } } }`;
const GLOBAL_CURSOR = `query ($first: Int, $after: String, $orderBy: BackupOrder) {
  backup { messages(first: $first, after: $after, orderBy: $orderBy) { pageInfo { endCursor } } } }`;

const graphql = (server: ServerProcess, who: number | 'administrator', query: string, variables: object = {}) =>
  request(server.port, '/graphql', JSON.stringify({ query, variables }), {
    authorization: `Bearer ${sessionToken(who)}`,
  });

/** The SELECTs that one request of the product sends, as its database saw them; the bare handler sends the same. */
async function statementsOf(url: string, send: () => Promise<unknown>): Promise<string[]> {
  const connection = await createConnection({ uri: url });
  try {
    await send();
    await connection.query("SET GLOBAL log_output = 'TABLE'");
    await connection.query('TRUNCATE mysql.general_log');
    await connection.query('SET GLOBAL general_log = ON');
    await send();
    await connection.query('SET GLOBAL general_log = OFF');
    const [rows] = await connection.query<(RowDataPacket & { sql: string })[]>(
      "SELECT convert(argument USING utf8mb4) AS `sql` FROM mysql.general_log WHERE command_type = 'Query' ORDER BY event_time",
    );
    return rows
      .map(({ sql }) => sql)
      .filter((sql) => /^\s*SELECT/i.test(sql) && !/FROM (change_event|ldap_connection WHERE)|general_log/.test(sql));
  } finally {
    await connection.end();
  }
}

interface Place {
  readonly server: ServerProcess;
  readonly url: string;
}

async function place(workplace: Workplace, messages: number): Promise<Place> {
  const mariadb = await workplace.mariadb({ bufferPoolMiB: 3072, settings: ['--innodb-log-file-size=1G'] });
  const database = await workplace.database(mariadb, `list_${messages}_${PEOPLE}`, (url) =>
    seed(url, workplace.folder, { messages, people: PEOPLE, groupMailboxes: GROUP_MAILBOXES, sessions: 100 }),
  );
  const server = await workplace.product(environment(database.url, workplace.folder));
  return { server, url: database.url };
}

async function againstBare(workplace: Workplace, { server, url }: Place): Promise<void> {
  const query = graphql(server, 0, FIRST_PAGE);
  const statements = await statementsOf(url, () => once(server.port, query));
  const bare = await workplace.script('bare-list.ts', { URL: url, STATEMENTS: JSON.stringify(statements) });
  const bareQuery = request(bare.port, '/', JSON.stringify({ query: FIRST_PAGE }), {});
  const [ours, theirs] = [await once(server.port, query), await once(bare.port, bareQuery)];
  if (ours !== theirs)
    throw new Error(`The bare handler answers something else.\n${ours.slice(0, 2_000)}\n${theirs.slice(0, 2_000)}`);
  console.log(`\nA page costs ${statements.length} statements and has ${Buffer.byteLength(ours)} bytes.`);
  await load(server.port, query, 8, WARM_UP_MS);
  await load(bare.port, bareQuery, 8, WARM_UP_MS);
  const rows = [];
  for (const concurrency of CONCURRENCIES) {
    const figures = { ours: [] as number[][], bare: [] as number[][] };
    const measure = async ({ port, pid }: ServerProcess, bytes: Buffer) => {
      const cpuBefore = cpuMs(pid);
      const { requestsPerSecond, times } = await load(port, bytes, concurrency, ROUND_MS);
      const cpu = (cpuMs(pid) - cpuBefore) / times.length;
      return [requestsPerSecond, percentile(times, 0.5), percentile(times, 0.99), cpu];
    };
    for (let turn = 0; turn < ROUNDS; turn += 1) {
      figures.ours.push(await measure(server, query));
      figures.bare.push(await measure(bare, bareQuery));
    }
    const column = (which: 'ours' | 'bare', index: number) => median(figures[which].map((each) => each[index] ?? 0));
    const ratio = median(figures.ours.map((each, turn) => (each[0] ?? 0) / (figures.bare[turn]?.[0] ?? 1)));
    rows.push([
      concurrency,
      ...[0, 1, 2, 3].map((index) => round(column('ours', index))),
      ...[0, 1, 2, 3].map((index) => round(column('bare', index))),
      ratio.toFixed(2),
    ]);
  }
  printTable(
    `First page of 50 of one person, ${MESSAGES} messages, ${PEOPLE} people; medians of ${ROUNDS} rounds`,
    ['connections', 'pages/s', 'p50 ms', 'p99 ms', 'CPU ms', 'bare pages/s', 'p50 ms', 'p99 ms', 'CPU ms', 'ratio'],
    rows,
  );
  console.log(`Resident memory: ${round(residentMiB(server.pid))} MiB, bare ${round(residentMiB(bare.pid))} MiB`);
  await bare.stop();
}

async function bySize(places: readonly (Place & { messages: number })[]): Promise<void> {
  const figures = places.map(() => [] as number[]);
  for (let turn = 0; turn <= ROUNDS; turn += 1) {
    for (const [index, { server }] of places.entries()) {
      const { times } = await load(server.port, graphql(server, 0, FIRST_PAGE), 1, turn > 0 ? ROUND_MS : WARM_UP_MS);
      // The first round warms the process and the caches.
      if (turn > 0) figures[index]?.push(percentile(times, 0.5));
    }
  }
  printTable(
    'The same page by the size of Backup, one connection; medians of the rounds',
    ['messages', 'p50 ms', 'against the smallest'],
    places.map(({ messages }, index) => [
      messages,
      round(median(figures[index] ?? [])),
      round(median((figures[index] ?? []).map((time, turn) => time / (figures[0]?.[turn] ?? Number.NaN)))),
    ]),
  );
}

/** Follows cursors over `pages` pages of 50, in strides of 200 to save time: the cursor behind them is the same. */
async function walk(server: ServerProcess, orderBy: object, pages: number): Promise<string | null> {
  let after: string | null = null;
  for (let done = 0; done < pages * 50; done += 200) {
    const answer = await once(
      server.port,
      graphql(server, 'administrator', GLOBAL_CURSOR, { first: Math.min(200, pages * 50 - done), after, orderBy }),
    );
    after = (JSON.parse(answer) as { data: { backup: { messages: { pageInfo: { endCursor: string | null } } } } }).data
      .backup.messages.pageInfo.endCursor;
  }
  return after;
}

async function timed(server: ServerProcess, variables: object): Promise<[number, number]> {
  const bytes = graphql(server, 'administrator', GLOBAL_PAGE, { first: 50, ...variables });
  const answer = JSON.parse(await once(server.port, bytes)) as {
    data?: { backup: { messages: { nodes: unknown[] } } };
    errors?: unknown;
  };
  if (!answer.data || answer.errors) throw new Error(JSON.stringify(answer));
  const { times } = await load(server.port, bytes, 1, ROUND_MS / 2);
  return [median(times), answer.data.backup.messages.nodes.length];
}

async function administrators({ server }: Place): Promise<void> {
  const rows = [];
  const pages = Math.min(2_000, Math.floor(MESSAGES / 100));
  for (const field of ['RECEIVED_AT', 'SIZE', 'SENDER', 'SUBJECT']) {
    for (const direction of ['DESC', 'ASC']) {
      const orderBy = { field, direction };
      const [first] = await timed(server, { orderBy });
      const [deep] = await timed(server, { orderBy, after: await walk(server, orderBy, pages) });
      rows.push([`${field} ${direction}`, round(first), round(deep), round(deep / first)]);
    }
  }
  printTable(
    `All messages, pages of 50 with recipients; page ${pages} by cursors`,
    ['order', 'first page ms', `page ${pages} ms`, 'ratio'],
    rows,
  );

  const day = (ago: number) => new Date(Date.now() - ago * 86_400_000).toISOString();
  const filters: Record<string, object> = {
    'sender contains, common': { sender: 'site12' },
    'sender contains, one sender': { sender: 'sender4711@' },
    'sender contains, nothing': { sender: 'nobody@nowhere' },
    'subject contains, common': { subject: 'invoice' },
    'subject contains, nothing': { subject: 'no such subject' },
    'recipient contains, everybody': { recipient: '@example.com' },
    'recipient contains, one mailbox': { recipient: 'person4711@' },
    'recipient contains, nothing': { recipient: 'nobody@nowhere' },
    'detected by one module': { detectedBy: ['ANTI_VIRUS'] },
    'received on one day': { receivedFrom: day(15), receivedTo: day(14) },
    'size between': { sizeFrom: 100_000, sizeTo: 101_000 },
    action: { action: 'DISINFECT' },
    sent: { sent: true },
    'Anti-Virus status': { antiVirusStatus: 'DISINFECTED' },
    'sender address': { senderIp: '198.18.7.9' },
    'sender network /24': { senderIp: '198.18.7.0/24' },
    'sender network /16': { senderIp: '198.18.0.0/16' },
    'gateway message id': { gatewayMessageId: 'queue-4711' },
    'SMTP message id, unknown': { smtpMessageId: '<unknown@example.net>' },
    node: { node: 'gateway-2' },
  };
  const filtered = [];
  for (const [name, filter] of Object.entries(filters)) {
    const [time, found] = await timed(server, { filter });
    filtered.push([name, found, round(time)]);
  }
  printTable('All messages, first page of 50 of a filtered list, newest first', ['filter', 'rows', 'p50 ms'], filtered);
}

run(async (workplace) => {
  printMachine();
  const sizes = [...new Set([10_000, 100_000, MESSAGES])].filter((messages) => messages <= MESSAGES);
  const places = [];
  for (const messages of sizes) places.push({ ...(await place(workplace, messages)), messages });
  const largest = places.at(-1) as Place;
  await bySize(places);
  for (const { server } of places.slice(0, -1)) await server.stop();
  await againstBare(workplace, largest);
  await administrators(largest);
});
