import 'reflect-metadata';
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createServices } from '../src/composition/create-services.js';
import { loadConfig } from '../src/config.js';
import { Database } from '../src/entities/database.js';
import { GatewayAction } from '../src/entities/vocabulary.js';
import { createLogger } from '../src/log.js';
import { cpuMs } from './support/cpu.js';
import { median, option, percentile, printMachine, printTable, residentMiB, round } from './support/figures.js';
import { Connection, load, once, request } from './support/keep-alive-client.js';
import { environment, seed } from './support/seed.js';
import { sessionToken } from './support/seed-names.js';
import { type Place, Sink } from './support/sink.js';
import { run, type ServerProcess, type Workplace } from './support/workplace.js';

/*
 * Sending: npm run bench -- sending [messages=5000] [bytes=10240] [rounds=3] [postfix=1] [stored=50000] [data=FOLDER]
 * The product sends messages of its Backup as they are, asked for by one request; the opponent is nodemailer's own pool with the
 * same bytes from files, the same relay and as many connections. Rounds of both take turns. The relay is smtp-sink, which takes
 * and forgets; with postfix=1 Postfix as well, which queues on the same disk and discards. Afterwards one person reads lists
 * while the product sends: one list after the other, and with pauses as a person makes.
 */

const MESSAGES = option('messages', 5_000);
const BYTES = option('bytes', 10 * 1024);
const ROUNDS = option('rounds', 3);
const STORED = option('stored', 50_000);
const POSTFIX = option('postfix', 0) === 1;
// Their messages are sent once before anything counts, so that V8 has compiled both.
const WARM_UP = Math.min(MESSAGES, 500);
const CONNECTIONS = 5;
const POLL_MS = 100;
const LIST_MS = 2_000;
const WARM_UP_MS = 1_000;

const SENDER = 'backup@example.com';
const recipientOf = (index: number) => `sent${index}@example.org`;
const LIST = `{ viewer { personalBackup { own { messages(first: 50) { nodes {
  sender subject receivedAt size detectedBy viewerCan { send { allowed } } } } } } } }`;

/** A message of exactly BYTES bytes that does not compress to nothing. */
function messageOf(index: number): Buffer {
  const head = `From: some@example.net\r\nTo: ${recipientOf(index)}\r\nSubject: to be sent ${index}\r\nMessage-ID: <${index}@bench>\r\n\r\n`;
  const line = () => `${randomBytes(54).toString('base64')}\r\n`;
  let text = head;
  while (text.length < BYTES) text += line();
  return Buffer.from(`${text.slice(0, BYTES - 2)}\r\n`, 'latin1');
}

/** Stores the messages in Backup and writes the same bytes into files. */
async function fill(url: string, folder: string): Promise<void> {
  const files = join(folder, 'messages');
  mkdirSync(files, { recursive: true });
  const config = loadConfig({}, { dataDir: folder, databaseUrl: url, secretKey: 'x'.repeat(32), logLevel: 'warn' });
  const database = await Database.open({ kind: 'mysql', url, connections: 4 });
  try {
    const { store } = createServices(config, createLogger('warn'), database);
    const storeOne = (index: number) => {
      const bytes = messageOf(index);
      writeFileSync(join(files, `${index}.eml`), bytes);
      const subject = `to be sent ${index < WARM_UP ? 'first ' : ''}${index}`;
      return store.store({
        handOver: {
          sender: 'some@example.net',
          senderIp: null,
          gatewayMessageId: null,
          node: null,
          receivedAtMs: Date.now(),
          verdicts: [
            {
              ruleName: '',
              action: GatewayAction.DELETE_MESSAGE,
              scanResults: [],
              reason: null,
              recipients: [recipientOf(index)],
            },
          ],
        },
        content: {
          sha256: createHash('sha256').update(bytes).digest('hex'),
          sizeBytes: bytes.length,
          open: async function* () {
            yield await Promise.resolve(bytes);
          },
        },
        summary: {
          subject,
          smtpMessageId: null,
          headerTo: [],
          headerCc: [],
          hasHtml: false,
          hasText: true,
          attachments: [],
          attachmentCount: 0,
          loopMark: null,
          complete: true,
          fault: null,
        },
        source: 'import',
      });
    };
    for (let from = 0; from < MESSAGES; from += 256)
      await Promise.all(Array.from({ length: Math.min(256, MESSAGES - from) }, (_, index) => storeOne(from + index)));
  } finally {
    await database.close();
  }
}

const ask = async <Answer>({ port }: ServerProcess, query: string, variables: object = {}): Promise<Answer> => {
  const body = JSON.stringify({ query, variables });
  const headers = { authorization: `Bearer ${sessionToken('administrator')}` };
  const answer = JSON.parse(await once(port, request(port, '/graphql', body, headers))) as { data?: Answer };
  if (!answer.data) throw new Error(JSON.stringify(answer));
  return answer.data;
};

interface Operation {
  readonly id: string;
  readonly state: string;
  readonly total: number;
  readonly failed: number;
  readonly createdAt: string;
  readonly finishedAt: string | null;
}

interface Round {
  readonly perSecond: number;
  readonly cpuMsPerMessage: number;
  readonly peakMiB: number;
}

const OPERATION = 'id state total failed createdAt finishedAt';
let requests = 0;

/** One operation over all messages whose subject contains this; `meanwhile` runs as long as it does. */
async function sendAll(
  server: ServerProcess,
  subject: string,
  meanwhile: (over: () => boolean) => Promise<void> = async () => undefined,
): Promise<Round> {
  const cpuBefore = cpuMs(server.pid);
  requests += 1;
  const { sendBackupMessages } = await ask<{ sendBackupMessages: { operation: Operation | null; userErrors: object } }>(
    server,
    `mutation ($input: SendBackupMessagesInput!) { sendBackupMessages(input: $input) { operation { ${OPERATION} } userErrors { message } } }`,
    {
      input: {
        filter: { subject },
        toOriginalRecipients: true,
        deliveryFormat: 'AS_IS',
        idempotencyKey: `bench ${process.pid} ${requests}`,
      },
    },
  );
  const begun = sendBackupMessages.operation;
  if (!begun) throw new Error(JSON.stringify(sendBackupMessages));
  let ended: Operation | undefined;
  let peakMiB = 0;
  const watch = async () => {
    for (;;) {
      await new Promise((wake) => setTimeout(wake, POLL_MS));
      peakMiB = Math.max(peakMiB, residentMiB(server.pid));
      const { operation } = await ask<{ operation: Operation }>(
        server,
        `query ($id: ID!) { operation(id: $id) { ${OPERATION} } }`,
        { id: begun.id },
      );
      if (operation.state !== 'FINISHED') continue;
      ended = operation;
      return;
    }
  };
  await Promise.all([watch(), meanwhile(() => ended !== undefined)]);
  if (!ended?.finishedAt || ended.failed > 0) throw new Error(`Not all were sent: ${JSON.stringify(ended)}`);
  const seconds = (Date.parse(ended.finishedAt) - Date.parse(ended.createdAt)) / 1000;
  return {
    perSecond: ended.total / seconds,
    cpuMsPerMessage: (cpuMs(server.pid) - cpuBefore) / ended.total,
    peakMiB,
  };
}

interface PoolAnswer {
  readonly sent: number;
  readonly seconds: number;
  readonly peakMiB: number;
}

async function ofPool(server: ServerProcess, count: number): Promise<Round> {
  const cpuBefore = cpuMs(server.pid);
  const { sent, seconds, peakMiB } = await server.ask<PoolAnswer>(String(count));
  if (sent !== count) throw new Error(`nodemailer sent ${sent} of ${count}.`);
  return { perSecond: count / seconds, cpuMsPerMessage: (cpuMs(server.pid) - cpuBefore) / count, peakMiB };
}

const column = (rounds: readonly Round[], of: keyof Round) => round(median(rounds.map((each) => each[of])));

/** Reads the list over one connection as long as something lasts; gives the duration of each request, ms. */
type Reading = (port: number, list: Buffer, over: () => boolean) => Promise<readonly number[]>;

const readOn: Reading = async (port, list, over) => {
  const times: number[] = [];
  while (!over()) times.push(...(await load(port, list, 1, POLL_MS)).times);
  return times;
};

const readNowAndThen: Reading = async (port, list, over) => {
  const connection = new Connection(port);
  const times: number[] = [];
  while (!over()) {
    await new Promise((wake) => setTimeout(wake, 5 + Math.random() * 20));
    const sentAt = performance.now();
    await connection.send(list);
    times.push(performance.now() - sentAt);
  }
  connection.close();
  return times;
};

/** What a reader waits, before and during an operation, and what the operation makes of it; medians of the rounds. */
async function whileReading(who: string, server: ServerProcess, read: Reading, pooled: number): Promise<string[]> {
  const list = request(server.port, '/graphql', JSON.stringify({ query: LIST }), {
    authorization: `Bearer ${sessionToken(0)}`,
  });
  await load(server.port, list, 1, WARM_UP_MS);
  const rounds: {
    readonly quiet: readonly number[];
    readonly during: readonly number[];
    readonly perSecond: number;
  }[] = [];
  // One directly behind the other, each round: the machine may be slower in the next.
  for (let turn = 0; turn < ROUNDS; turn += 1) {
    const until = performance.now() + LIST_MS;
    const quiet = await read(server.port, list, () => performance.now() > until);
    let during: readonly number[] = [];
    const { perSecond } = await sendAll(server, 'to be sent', async (over) => {
      during = await read(server.port, list, over);
    });
    rounds.push({ quiet, during, perSecond });
  }
  const compared = [0.5, 0.99].flatMap((share) => {
    const pairs = rounds.map(({ quiet, during }) => [percentile(quiet, share), percentile(during, share)] as const);
    return [
      round(median(pairs.map(([before]) => before))),
      round(median(pairs.map(([, meanwhile]) => meanwhile))),
      median(pairs.map(([before, meanwhile]) => meanwhile / before)).toFixed(2),
    ];
  });
  const perSecond = median(rounds.map((each) => each.perSecond));
  return [who, ...compared, round(perSecond), (perSecond / pooled).toFixed(2)];
}

async function against(workplace: Workplace, name: string, relay: Place, url: string, files: string): Promise<void> {
  const server = await workplace.product({
    ...environment(url, workplace.folder),
    MAILKEEP_RELAY_HOST: relay.host,
    MAILKEEP_RELAY_PORT: String(relay.port),
    MAILKEEP_RELAY_TLS: 'NONE',
    MAILKEEP_RELAY_CONNECTIONS: String(CONNECTIONS),
    MAILKEEP_SENDER_ADDRESS: SENDER,
  });
  const pool = await workplace.script('bare-sending.ts', {
    RELAY: JSON.stringify({ ...relay, connections: CONNECTIONS }),
    FILES: files,
    SENDER,
  });
  await sendAll(server, 'to be sent first');
  await ofPool(pool, WARM_UP);
  const restMiB = residentMiB(server.pid);
  const ours: Round[] = [];
  const theirs: Round[] = [];
  for (let turn = 0; turn < ROUNDS; turn += 1) {
    ours.push(await sendAll(server, 'to be sent'));
    theirs.push(await ofPool(pool, MESSAGES));
  }
  printTable(
    `${MESSAGES} messages of ${BYTES} bytes to ${name}, ${CONNECTIONS} connections; medians of ${ROUNDS} rounds`,
    ['', 'messages/s', 'CPU ms a message', 'peak resident MiB'],
    [
      ['Backup', column(ours, 'perSecond'), column(ours, 'cpuMsPerMessage'), column(ours, 'peakMiB')],
      ['nodemailer pool', column(theirs, 'perSecond'), column(theirs, 'cpuMsPerMessage'), column(theirs, 'peakMiB')],
    ],
  );
  const ratio = median(ours.map((each, turn) => each.perSecond / (theirs[turn]?.perSecond ?? Number.NaN)));
  console.log(
    `Ratio of the rates: ${ratio.toFixed(2)}. Resident memory before ${round(restMiB)} MiB, peaks ${ours.map(({ peakMiB }) => round(peakMiB)).join(', ')} MiB.`,
  );
  await pool.stop();

  const pooled = median(theirs.map(({ perSecond }) => perSecond));
  const rows = [
    ['nobody', '–', '–', '–', '–', '–', '–', column(ours, 'perSecond'), ratio.toFixed(2)],
    await whileReading('one without a pause', server, readOn, pooled),
    await whileReading('one every 5 to 25 ms', server, readNowAndThen, pooled),
  ];
  printTable(
    `First page of 50 of one person while ${MESSAGES} messages are sent to ${name}`,
    ['who reads', 'p50 quiet', 'sending', 'ratio', 'p99 quiet', 'sending', 'ratio', 'messages/s', "of the pool's"],
    rows,
  );
  await server.stop();
}

run(async (workplace) => {
  printMachine();
  const mariadb = await workplace.mariadb({ bufferPoolMiB: 1024 });
  const files = join(mariadb.folder, 'messages');
  const { url } = await workplace.database(mariadb, `sending_${STORED}_${MESSAGES}_${BYTES}`, async (address) => {
    const access = await seed(address, workplace.folder, {
      messages: STORED,
      people: 1_000,
      groupMailboxes: 0,
      sessions: 10,
    });
    await fill(address, mariadb.folder);
    return access;
  });
  const sink = await Sink.start();
  try {
    await against(workplace, 'smtp-sink', sink.place, url, files);
  } finally {
    await sink.stop();
  }
  if (!POSTFIX) return;
  const postfix = await workplace.postfix();
  await against(workplace, 'Postfix', { host: postfix.host, port: postfix.port }, url, files);
});
