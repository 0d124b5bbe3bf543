import 'reflect-metadata';
import { cpuMs } from './support/cpu.js';
import { option, percentile, printMachine, printTable, residentMiB, round } from './support/figures.js';
import { Connection, request } from './support/keep-alive-client.js';
import { environment, seed } from './support/seed.js';
import { addressOf, sessionToken } from './support/seed-names.js';
import { type Receipt, Subscribers } from './support/subscribers.js';
import { run, type ServerProcess, type Workplace } from './support/workplace.js';

/*
 * Live: npm run bench -- live [sockets=10000] [messages=300] [burst=1000] [data=FOLDER]
 * Every socket is another person's; the server is a process of its own, all clients are this one. Needs `ulimit -n`
 * above the number of sockets, in both processes.
 */

const SOCKETS = option('sockets', 10_000);
const MESSAGES = option('messages', 300);
const BURST = option('burst', 1_000);
const INTAKE_CONNECTIONS = 32;

const SUBSCRIPTION = `subscription { personalBackupChanged { cursor kind mailbox messageId message {
  id sender subject receivedAt size detectedBy viewerCan { previewText { allowed } send { allowed } } } } }`;

/** Moments of commit (or, of the bare server, of sending) by what the receipts name. */
type Commits = readonly (readonly [number, bigint])[];

interface Figures {
  readonly name: string;
  readonly times: number[];
  /** From the first hand-over to the last receipt. */
  readonly wholeMs: number;
  readonly cpuMs: number;
}

const milliseconds = (nanoseconds: bigint) => Number(nanoseconds) / 1e6;

function delays(receipts: readonly Receipt[], commits: Commits, nameOf: (receipt: Receipt) => number): number[] {
  const moments = new Map(commits);
  return receipts.map((receipt) => {
    const committedAt = moments.get(nameOf(receipt));
    if (committedAt === undefined) throw new Error(`An event of nothing that was committed: ${receipt.text}`);
    return milliseconds(receipt.at - committedAt);
  });
}

const messageOf = ({ text }: Receipt): number => {
  const id = /"messageId":"([^"]+)"/.exec(text)?.[1] ?? '';
  return Number(Buffer.from(id, 'base64url').toString().split(':')[1]);
};

let serial = 0;
function handOver(port: number, secret: string, people: readonly number[]): Buffer {
  serial += 1;
  const message = `From: somebody@example.net\r\nSubject: Message ${serial} of the bench\r\nMessage-ID: <${serial}.${process.pid}.${Date.now()}@example.net>\r\n\r\nHello\r\n`;
  return request(port, '/intake/message', message, {
    'content-type': 'message/rfc822',
    authorization: `Bearer ${secret}`,
    'x-mailkeep-metadata': JSON.stringify({
      sender: 'somebody@example.net',
      recipients: people.map(addressOf),
      scanResults: [{ module: 'ANTI_SPAM', status: 'SPAM' }],
    }),
  });
}

async function ofProduct(
  workplace: Workplace,
): Promise<{ figures: Figures[]; frame: object; facts: (string | number)[] }> {
  const mariadb = await workplace.mariadb({ bufferPoolMiB: 1024 });
  const { url, intake } = await workplace.database(mariadb, `live_${SOCKETS}`, (address) =>
    seed(address, workplace.folder, { messages: 10_000, people: SOCKETS, groupMailboxes: 200, sessions: SOCKETS }),
  );
  const server = await workplace.product(environment(url, workplace.folder), ['commit-clock.cjs']);
  const subscribers = new Subscribers(
    `ws://127.0.0.1:${server.port}/graphql`,
    (person) => ({ authorization: `Bearer ${sessionToken(person)}` }),
    () => ({ payload: { query: SUBSCRIPTION } }),
  );
  const facts = await fill(server, subscribers);
  const connections = Array.from({ length: INTAKE_CONNECTIONS }, () => new Connection(server.port));
  const deliver = (index: number, people: readonly number[]) =>
    (connections[index % INTAKE_CONNECTIONS] as Connection).send(handOver(server.port, intake, people));
  const measured = async (name: string, work: () => Promise<Receipt[]>): Promise<Figures> => {
    await server.ask('commits');
    const cpuBefore = cpuMs(server.pid);
    const startedAt = performance.now();
    const receipts = await work();
    const wholeMs = performance.now() - startedAt;
    const used = cpuMs(server.pid) - cpuBefore;
    return { name, times: delays(receipts, await server.ask<Commits>('commits'), messageOf), wholeMs, cpuMs: used };
  };
  const oneByOne = (count: number) => async () => {
    const receipts: Receipt[] = [];
    for (let index = 0; index < count; index += 1) {
      await deliver(0, [(index * 37) % SOCKETS]);
      receipts.push(...(await subscribers.receive(1)));
    }
    return receipts;
  };
  // The subscriptions are in place once the people who subscribed last hear of a message; it warms the process, too.
  await measured('warm-up', oneByOne(100));
  const frame = JSON.parse((await measuredFrame(subscribers, () => deliver(0, [0]))).text) as object;
  const figures = [
    await measured('one message to one mailbox', oneByOne(MESSAGES)),
    await measured(`burst: ${BURST} messages to ${BURST} mailboxes`, async () => {
      let next = 0;
      await Promise.all(
        connections.map(async (_, index) => {
          while (next < BURST) await deliver(index, [next++]);
        }),
      );
      return subscribers.receive(BURST);
    }),
    await measured(`one message to ${BURST} mailboxes`, async () => {
      await deliver(
        0,
        Array.from({ length: BURST }, (_, person) => person),
      );
      return subscribers.receive(BURST);
    }),
  ];
  facts.push(await switchOff(server, subscribers));
  for (const connection of connections) connection.close();
  subscribers.close();
  await server.stop();
  return { figures, frame, facts };
}

const measuredFrame = async (subscribers: Subscribers, work: () => Promise<unknown>): Promise<Receipt> => {
  await work();
  return (await subscribers.receive(1))[0] as Receipt;
};

/** Opens all sockets; tells how fast that went and what a subscriber costs in memory. */
async function fill(server: ServerProcess, subscribers: Subscribers): Promise<(string | number)[]> {
  await server.ask('gc');
  const before = residentMiB(server.pid);
  const startedAt = performance.now();
  await subscribers.open(SOCKETS);
  const seconds = (performance.now() - startedAt) / 1000;
  await new Promise((wake) => setTimeout(wake, 2_000));
  await server.ask('gc');
  await server.ask('gc');
  const after = residentMiB(server.pid);
  return [round(SOCKETS / seconds), round(after), round(((after - before) * 1024) / SOCKETS)];
}

/** A change of a switch concerns everybody: how long until the last of all subscribers has heard of it. */
async function switchOff(server: ServerProcess, subscribers: Subscribers): Promise<string> {
  const connection = new Connection(server.port);
  const ask = async (query: string) =>
    JSON.parse(
      (
        await connection.send(
          request(server.port, '/graphql', JSON.stringify({ query }), {
            authorization: `Bearer ${sessionToken('administrator')}`,
          }),
        )
      ).toString(),
    ) as { data: { personalBackupSettings: { version: number; sending: boolean } } };
  const { version, sending } = (await ask('{ personalBackupSettings { version sending } }')).data
    .personalBackupSettings;
  const startedAt = performance.now();
  await ask(
    `mutation { updatePersonalBackupSettings(input: { version: ${version}, sending: ${!sending} }) { userErrors { message } } }`,
  );
  await subscribers.receive(SOCKETS);
  const time = performance.now() - startedAt;
  connection.close();
  return round(time);
}

async function ofBare(
  workplace: Workplace,
  frame: object,
): Promise<{ figures: Figures[]; facts: (string | number)[] }> {
  const server = await workplace.script('bare-live.ts');
  const subscribers = new Subscribers(
    `ws://127.0.0.1:${server.port}`,
    () => ({}),
    (person) => ({ person }),
  );
  const facts = await fill(server, subscribers);
  const measured = async (name: string, work: () => Promise<Receipt[]>): Promise<Figures> => {
    await server.ask('commits');
    const cpuBefore = cpuMs(server.pid);
    const startedAt = performance.now();
    const receipts = await work();
    const wholeMs = performance.now() - startedAt;
    const used = cpuMs(server.pid) - cpuBefore;
    return {
      name,
      times: delays(receipts, await server.ask<Commits>('commits'), ({ person }) => person),
      wholeMs,
      cpuMs: used,
    };
  };
  // A person hears once in each run, so that the moments of sending can be told apart.
  const oneByOne = (count: number) => async () => {
    const receipts: Receipt[] = [];
    for (let index = 0; index < count; index += 1) {
      server.tell({ people: [(index * 37) % SOCKETS], frame });
      receipts.push(...(await subscribers.receive(1)));
    }
    return receipts;
  };
  const all = Array.from({ length: BURST }, (_, person) => person);
  const toAll = () => {
    server.tell({ people: all, frame });
    return subscribers.receive(BURST);
  };
  await measured('warm-up', oneByOne(100));
  const figures = [
    await measured('one', oneByOne(Math.min(MESSAGES, SOCKETS))),
    await measured('burst', toAll),
    await measured('all', toAll),
  ];
  facts.push('–');
  subscribers.close();
  await server.stop();
  return { figures, facts };
}

run(async (workplace) => {
  printMachine();
  const product = await ofProduct(workplace);
  const bare = await ofBare(workplace, product.frame);
  printTable(
    `${SOCKETS} sockets of ${SOCKETS} people; from the commit (bare: from the sending) to the receipt`,
    ['', 'p50 ms', 'p99 ms', 'whole ms', 'CPU ms per event', 'bare p50 ms', 'bare p99 ms', 'bare CPU ms per event'],
    product.figures.map(({ name, times, wholeMs, cpuMs: used }, index) => {
      const other = bare.figures[index] as Figures;
      return [
        name,
        round(percentile(times, 0.5)),
        round(percentile(times, 0.99)),
        round(wholeMs),
        round(used / times.length),
        round(percentile(other.times, 0.5)),
        round(percentile(other.times, 0.99)),
        round(other.cpuMs / other.times.length),
      ];
    }),
  );
  printTable(
    'Subscribing and staying',
    ['', 'sockets/s', 'resident MiB', 'KiB a subscriber', 'a switch is known to all after ms'],
    [
      ['product', ...product.facts],
      ['bare ws', ...bare.facts],
    ],
  );
});
