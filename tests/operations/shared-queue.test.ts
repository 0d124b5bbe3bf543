import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServices, type Services } from '../../src/composition/create-services.js';
import { loadConfig } from '../../src/config.js';
import { Database, type DatabaseLocation, skipsLocked } from '../../src/entities/database.js';
import { DeliveryFormat } from '../../src/entities/delivery-format.js';
import { createLogger } from '../../src/log.js';
import { OperationKind, OperationOutcome, SendingState } from '../../src/services/sending/operation.js';
import { Operations } from '../../src/services/sending/operations.js';
import { SendingQueue, type TakenSending } from '../../src/services/sending/sending-queue.js';
import { describeOnBothDatabases } from '../support/databases.js';
import { handOverOf, received } from '../support/hand-overs.js';

const MESSAGES = 60;
const LEASE_MS = 60_000;

it.each([
  ['10.6.0-MariaDB', true],
  ['10.11.6-MariaDB-0+deb12u1', true],
  ['11.4.2-MariaDB-log', true],
  ['10.5.29-MariaDB-0+deb11u1', false],
  ['10.3.39-MariaDB', false],
  ['8.0.36', true],
  ['8.4.0-commercial', true],
  ['5.7.44-log', false],
  ['', false],
])('%s skips locked rows: %s', (version, expected) => {
  expect(skipsLocked(version)).toBe(expected);
});

describeOnBothDatabases('A queue that several processes share', (location: () => DatabaseLocation) => {
  const databases: Database[] = [];
  let dataDir = '';
  let services: Services;
  let operations: Operations;
  let requests = 0;

  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'mailkeep-queue-'));
    // A process has connections of its own. Those of SQLite would wait for each other without letting each other go on here;
    // two-processes.test.ts has real processes.
    const processes = location().kind === 'mysql' ? 3 : 1;
    for (let process = 0; process < processes; process += 1) databases.push(await Database.open(location()));
    const [database] = databases as [Database];
    await database.migrate();
    services = createServices(loadConfig({}, { dataDir }), createLogger('silent'), database);
    operations = new Operations(database, services.feed, 'backup@example.com');
  }, 60_000);
  afterAll(async () => {
    for (const database of databases) await database.close();
    await rm(dataDir, { recursive: true, force: true });
  });

  /** A request to send one message to each of these addresses, by another person each time. */
  async function queued(count: number) {
    requests += 1;
    const owner = { owner: `account:${requests}`, actor: 'account:test', remoteAddress: '' };
    const stored = await Promise.all(
      Array.from({ length: count }, (_, index) =>
        services.store.store(received(`q${requests}.${index}`, handOverOf([`r${index}@example.com`]))),
      ),
    );
    return operations.begin(
      { kind: OperationKind.SEND, scope: 'GLOBAL', owner, idempotencyKey: null, input: requests },
      stored.map(({ messageId }, index) => ({
        givenId: String(messageId),
        messageId,
        recipient: null,
        refusal: null,
        deliveries: [{ address: `r${index}@example.com`, format: DeliveryFormat.AS_IS, removeMessageId: false }],
      })),
    );
  }
  const queueOf = (process: number) =>
    new SendingQueue(databases[process % databases.length] as Database, services.feed, LEASE_MS);
  const delivered = (sending: TakenSending) => ({
    sending,
    state: SendingState.DELIVERED as const,
    smtpReply: '250 Ok',
    reason: null,
    nextAttemptAtMs: null,
  });
  const lapse = () =>
    (databases[0] as Database).transaction((transaction) =>
      transaction.run("UPDATE sending SET lease_until = 1 WHERE state = 'SENDING'"),
    );
  const outcomes = async (operationId: number) =>
    (await operations.items(operationId, { size: 200, from: null } as never)).items.map(({ outcome }) => outcome);

  it.each([true, false])(
    'D7: gives each delivery to one taker, with SKIP LOCKED where there is one: %s',
    async (may) => {
      for (const database of databases)
        Object.defineProperty(database, 'skipsLocked', { value: may && database.kind === 'mysql', configurable: true });
      const { id } = await queued(MESSAGES);
      const taken: TakenSending[] = [];
      await Promise.all(
        [0, 1, 2].map(async (process) => {
          for (;;) {
            const some = await queueOf(process).claim(7);
            if (some.length === 0) return;
            taken.push(...some);
          }
        }),
      );
      // Whoever found only rows that others were taking went away empty-handed; it would look again after a second.
      for (const left = await queueOf(0).claim(100); left.length > 0; left.length = 0) taken.push(...left);
      expect(taken).toHaveLength(MESSAGES);
      expect(new Set(taken.map((sending) => sending.id)).size).toBe(MESSAGES);
      await queueOf(1).settle(taken.map(delivered));
      expect(await operations.items(id, { size: 1, from: null } as never)).toMatchObject({
        items: [{ outcome: OperationOutcome.DONE }],
      });
    },
  );

  it('D7: a taking that lapsed may neither send its last bytes nor tell its result, though the same process took it again', async () => {
    const { id } = await queued(1);
    const queue = queueOf(0);
    const [first] = (await queue.claim(1)) as [TakenSending];
    await lapse();
    expect(await queueOf(1).recover()).toBe(1);
    const [second] = (await queue.claim(1)) as [TakenSending];
    expect(second.id).toBe(first.id);
    expect(await queue.markCompleting([first, second])).toEqual([false, true]);
    await queue.settle([{ ...delivered(first), state: SendingState.FAILED }]);
    expect(await outcomes(id)).toEqual([OperationOutcome.PENDING]);
    await queue.settle([delivered(second)]);
    expect(await outcomes(id)).toEqual([OperationOutcome.DONE]);
  });

  it('D7: leaves to a process what it still holds, however late it is, and takes up what a dead one left', async () => {
    const { id } = await queued(2);
    const [live, dead] = (await queueOf(0).claim(2)) as [TakenSending, TakenSending];
    await queueOf(0).markCompleting([dead]);
    await lapse();
    expect(await queueOf(0).recover([live.lease])).toBe(0);
    expect(await queueOf(1).recover()).toBe(2);
    expect(await outcomes(id)).toEqual([OperationOutcome.PENDING, OperationOutcome.UNKNOWN]);
    const again = await queueOf(1).claim(2);
    expect(again.map((sending) => sending.id)).toEqual([live.id]);
    await queueOf(1).settle(again.map(delivered));
    expect(await outcomes(id)).toEqual([OperationOutcome.DONE, OperationOutcome.UNKNOWN]);
  });

  it('D10: a cancellation ends what has not been handed over whole, and lets no other attempt follow', async () => {
    const { publicId, id } = await queued(4);
    const queue = queueOf(0);
    const [put, early, sent] = (await queue.claim(3)) as [TakenSending, TakenSending, TakenSending];
    expect(await queue.markCompleting([put, sent])).toEqual([true, true]);
    const operation = await operations.find(publicId);
    if (!operation) throw new Error('The operation is gone.');
    expect(await operations.cancel(operation, { actor: 'account:test', remoteAddress: '' })).toMatchObject({
      state: 'RUNNING',
      cancelled: true,
      done: 2,
      failed: 2,
    });
    expect(await queue.markCompleting([early])).toEqual([false]);
    await queue.settle([
      { ...delivered(put), state: SendingState.QUEUED, smtpReply: '450 Later', nextAttemptAtMs: Date.now() },
      delivered(early),
      delivered(sent),
    ]);
    expect(await queue.claim(4)).toEqual([]);
    expect((await outcomes(id)).sort()).toEqual([
      OperationOutcome.CANCELLED,
      OperationOutcome.CANCELLED,
      OperationOutcome.CANCELLED,
      OperationOutcome.DONE,
    ]);
    expect(await operations.find(publicId)).toMatchObject({ state: 'FINISHED', done: 4, failed: 3 });
  });
});
