import 'reflect-metadata';
import { createConnection, type RowDataPacket } from 'mysql2/promise';
import { freePorts } from '../scripts/services/index.cjs';
import { cpuMs } from './support/cpu.js';
import { median, option, percentile, printMachine, printTable, residentMiB, round } from './support/figures.js';
import { type Form, IntakeMail, type Numbered } from './support/intake-mail.js';
import { Connection } from './support/keep-alive-client.js';
import { LmtpConnection } from './support/lmtp-client.js';
import { environment, seed } from './support/seed.js';
import { run, type ServerProcess, type Workplace } from './support/workplace.js';

/*
 * Speed of intake: npm run bench -- intake [messages=1000000] [rounds=5] [ms=4000] [clients=8] [door=multipart] [data=FOLDER]
 * MariaDB commits durably (innodb_flush_log_at_trx_commit=1). The product and both bare handlers are processes of their
 * own, the clients are this one; rounds of all of them take turns. What was answered with 200 is counted in the database.
 */

const MESSAGES = option('messages', 1_000_000);
const ROUNDS = option('rounds', 5);
const ROUND_MS = option('ms', 4_000);
const CLIENTS = option('clients', 8);
const WARM_UP_MS = option('warm', 6_000);
// Part of the name of the doors to measure; all unless given.
const DOOR = process.argv.find((argument) => argument.startsWith('door='))?.slice('door='.length) ?? '';
const TEMPLATES = 25;
const LARGE_BYTES = 100 * 1024 * 1024;

interface Round {
  readonly perSecond: number;
  readonly p99: number;
  readonly cpu: number;
  readonly errors: number;
}

interface Sender {
  send(bytes: Buffer): Promise<unknown>;
  close(): void;
}

interface Target {
  readonly name: string;
  readonly server: ServerProcess;
  readonly form: Form;
  connect(): Promise<Sender>;
  readonly templates: readonly (readonly Numbered[])[];
}

let lastNumber = Date.now() % 1_000_000_000;

function templates(form: Form, port: number, secret: string): Numbered[][] {
  const mail = new IntakeMail();
  return Array.from({ length: CLIENTS }, () =>
    Array.from({ length: TEMPLATES }, () => mail.handOver(form, port, secret)),
  );
}

/** All clients hand over one message after the other for some time; each message is another one. */
async function load(target: Target, durationMs: number): Promise<Round & { accepted: number }> {
  const times: number[] = [];
  let errors = 0;
  const senders = await Promise.all(target.templates.map(() => target.connect()));
  const cpuBefore = cpuMs(target.server.pid);
  const startedAt = performance.now();
  const endAt = startedAt + durationMs;
  await Promise.all(
    senders.map(async (first, client) => {
      let sender = first;
      const own = target.templates[client] ?? [];
      for (let turn = 0, sentAt = performance.now(); sentAt < endAt; turn += 1) {
        lastNumber += 1;
        try {
          await sender.send((own[turn % own.length] as Numbered).number(lastNumber));
          const now = performance.now();
          times.push(now - sentAt);
          sentAt = now;
        } catch {
          errors += 1;
          sender.close();
          sender = await target.connect();
          sentAt = performance.now();
        }
      }
      sender.close();
    }),
  );
  const perSecond = (times.length / (performance.now() - startedAt)) * 1000;
  const cpu = (cpuMs(target.server.pid) - cpuBefore) / times.length;
  return { perSecond, p99: percentile(times, 0.99), cpu, errors, accepted: times.length };
}

const overHttp = (name: string, server: ServerProcess, form: Form, secret: string): Target => ({
  name,
  server,
  form,
  templates: templates(form, server.port, secret),
  connect: () => Promise.resolve(new Connection(server.port)),
});

const overLmtp = (name: string, server: ServerProcess, port: number): Target => ({
  name,
  server,
  form: 'LMTP',
  templates: templates('LMTP', port, ''),
  connect: async () => {
    const connection = new LmtpConnection(port);
    await connection.open();
    return connection;
  },
});

async function count(url: string): Promise<number> {
  const connection = await createConnection({ uri: url });
  try {
    const [[row]] = await connection.query<(RowDataPacket & { count: number })[]>(
      'SELECT count(*) AS count FROM message',
    );
    return row?.count ?? 0;
  } finally {
    await connection.end();
  }
}

/** Resident memory while one message of 100 MiB arrives, above what it was before: each form at a process of its own. */
async function large(start: () => Promise<ServerProcess>, lmtpPort: number, secret: string): Promise<void> {
  const line = Buffer.from(`${'abcdefghij'.repeat(7)}\r\n`);
  const body = Buffer.alloc(LARGE_BYTES, line);
  body.write('\r\n', body.length - 2);
  const rows = [];
  for (const form of ['METADATA', 'RSPAMD_HEADERS', 'RSPAMD_MULTIPART', 'LMTP'] as const) {
    const server = await start();
    lastNumber += 1;
    const wire = largeOn(form, form === 'LMTP' ? lmtpPort : server.port, secret, body);
    const before = residentMiB(server.pid);
    let peak = before;
    const watch = setInterval(() => (peak = Math.max(peak, residentMiB(server.pid))), 20);
    const startedAt = performance.now();
    const sender = form === 'LMTP' ? new LmtpConnection(lmtpPort) : new Connection(server.port);
    if (sender instanceof LmtpConnection) await sender.open();
    await sender.send(wire);
    const seconds = (performance.now() - startedAt) / 1000;
    sender.close();
    clearInterval(watch);
    await server.stop();
    rows.push([form, round(seconds), round(before), round(peak - before)]);
  }
  printTable('One message of 100 MiB', ['form', 'seconds', 'resident MiB before', 'MiB more at the peak'], rows);
}

function largeOn(form: Form, port: number, secret: string, body: Buffer): Buffer {
  const small = new IntakeMail().handOver(form, port, secret).number(lastNumber);
  // The small message's own end stays the end of the form or of the dialogue.
  const marker = Buffer.from('<html><body>');
  const at = small.indexOf(marker) + marker.length;
  const grown = Buffer.concat([small.subarray(0, at), body, small.subarray(at)]);
  const head = grown.subarray(0, 4096).toString('latin1');
  const length = /Content-Length: (\d+)/.exec(head);
  if (!length) return grown;
  const start = length.index + 'Content-Length: '.length;
  return Buffer.concat([
    grown.subarray(0, start),
    Buffer.from(String(Number(length[1]) + body.length)),
    grown.subarray(start + (length[1] ?? '').length),
  ]);
}

async function at(workplace: Workplace, messages: number, isLast: boolean): Promise<void> {
  const mariadb = await workplace.mariadb({
    durable: true,
    bufferPoolMiB: 3072,
    settings: ['--innodb-log-file-size=1G', '--max-allowed-packet=64M'],
  });
  const { url, intake } = await workplace.database(mariadb, `intake_${messages}`, (empty) =>
    seed(empty, workplace.folder, { messages, people: 20_000, groupMailboxes: 200, sessions: 1 }),
  );
  const [lmtpPort = 0] = await freePorts(1);
  const start = () =>
    workplace.product({
      ...environment(url, workplace.folder),
      MAILKEEP_LMTP_LISTEN: `127.0.0.1:${lmtpPort}`,
      // What the bench fills must not be removed while it runs.
      MAILKEEP_RETENTION_INTERVAL_MS: '86400000',
    });
  const server = await start();
  const bareDatabase = await workplace.script('bare-intake.ts', { URL: url });
  const bareFile = await workplace.script('bare-intake.ts', { FOLDER: `${workplace.folder}/files` });
  const ours = [
    overHttp('rspamd, headers', server, 'RSPAMD_HEADERS', intake),
    overHttp('rspamd, multipart', server, 'RSPAMD_MULTIPART', intake),
    overHttp('/intake/message', server, 'METADATA', intake),
    overLmtp('amavis, LMTP', server, lmtpPort),
  ].filter(({ name }) => name.includes(DOOR));
  const bare = [
    overHttp('bare: one INSERT each', bareDatabase, 'RSPAMD_HEADERS', ''),
    overHttp('bare: one synced file each', bareFile, 'RSPAMD_HEADERS', ''),
  ];
  const before = await count(url);
  let accepted = 0;
  for (const target of [...ours, ...bare]) {
    const round = await load(target, WARM_UP_MS / (target.server === server ? 2 : 4));
    if (target.server === server) accepted += round.accepted;
  }
  const figures = new Map<Target, Round[]>([...ours, ...bare].map((target) => [target, []]));
  for (let turn = 0; turn < ROUNDS; turn += 1) {
    for (const [target, rounds] of figures) {
      const done = await load(target, ROUND_MS);
      if (target.server === server) accepted += done.accepted;
      rounds.push(done);
    }
  }
  const all = (target: Target, what: keyof Round) => (figures.get(target) ?? []).map((each) => each[what]);
  const insert = bare[0] as Target;
  printTable(
    `${messages} messages stored before, ${CLIENTS} clients; medians of ${ROUNDS} rounds of ${ROUND_MS / 1000} s`,
    ['door', 'messages/s', 'p99 ms', 'CPU ms', 'errors', 'of one INSERT each'],
    [...figures.keys()].map((target) => [
      target.name,
      round(median(all(target, 'perSecond'))),
      round(median(all(target, 'p99'))),
      round(median(all(target, 'cpu'))),
      all(target, 'errors').reduce((sum, each) => sum + each, 0),
      round(
        median(all(target, 'perSecond').map((each, turn) => each / (all(insert, 'perSecond')[turn] ?? Number.NaN))),
      ),
    ]),
  );
  const stored = (await count(url)) - before;
  console.log(`\nAccepted ${accepted}, stored ${stored}. Resident memory: ${round(residentMiB(server.pid))} MiB.`);
  if (stored !== accepted) throw new Error('What was accepted is not what is stored.');
  for (const each of [server, bareDatabase, bareFile]) await each.stop();
  if (isLast) await large(start, lmtpPort, intake);
}

run(async (workplace) => {
  printMachine();
  const sizes = [...new Set([0, 50_000, MESSAGES])].filter((messages) => messages <= MESSAGES);
  for (const messages of sizes) await at(workplace, messages, messages === sizes.at(-1));
});
