import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { once } from 'node:events';
import { WebSocket } from 'ws';
import { startTestApp, type TestApp } from '../support/app.js';
import type { Client } from '../support/client.js';
import { describeOnBothDatabases } from '../support/databases.js';
import { handOverOf, received } from '../support/hand-overs.js';
import { until } from '../support/until.js';

const FOLLOW =
  'subscription ($after: ChangeCursor) { backupChanged(after: $after) { cursor message { subject scanResults { scannerVerdict } } } }';
// One event is larger than what the sockets of both sides hold together would leave room for a few hundred of.
const COUNT = 400;
const STALL_MS = 1_000;
const WORDS = 'x'.repeat(60_000);

interface Event {
  readonly cursor: string;
  readonly message: { readonly subject: string };
}

/** A client that can stop reading from its connection, as a sleeping laptop does. */
class SleepyClient {
  readonly events: Event[] = [];
  readonly closed: Promise<{ code: number; reason: string }>;

  private constructor(private readonly socket: WebSocket) {
    this.closed = once(socket, 'close').then(([code, reason]: unknown[]) => ({
      code: code as number,
      reason: String(reason),
    }));
    socket.on('message', (text: Buffer) => {
      const message = JSON.parse(text.toString()) as { type: string; payload?: { data: { backupChanged: Event } } };
      if (message.type === 'next' && message.payload) this.events.push(message.payload.data.backupChanged);
    });
  }

  static async follow(url: string, token: string, after?: string): Promise<SleepyClient> {
    const socket = new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
    const client = new SleepyClient(socket);
    await once(socket, 'open');
    socket.send(JSON.stringify({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } }));
    await once(socket, 'message');
    socket.send(JSON.stringify({ id: '1', type: 'subscribe', payload: { query: FOLLOW, variables: { after } } }));
    return client;
  }

  sleep(): void {
    this.socket.pause();
  }
  wake(): void {
    this.socket.resume();
  }
  /** Takes events one by one with a pause of so many ms behind each. */
  napAfterEvents(napMs: number): void {
    this.socket.on('message', () => {
      this.sleep();
      setTimeout(() => this.wake(), napMs);
    });
  }
  close(): void {
    this.socket.close();
  }
  cut(): void {
    this.socket.terminate();
  }
}

/** Bytes in buffers that somebody still holds: without what only waits for the garbage collector. */
function heldBytes(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().arrayBuffers;
}

describeOnBothDatabases('A client that stops reading', (location) => {
  let test: TestApp;
  let admin: Client;

  beforeAll(async () => {
    test = await startTestApp(location(), { socketStallMs: STALL_MS });
    admin = await test.signedIn('admin');
  }, 60_000);
  afterAll(() => test?.stop());

  const storeMany = (from: number, count: number) =>
    Promise.all(
      Array.from({ length: count }, (_, index) =>
        test.app.services.store.store(
          received(
            `Message ${from + index}`,
            handOverOf([], {
              verdicts: [
                {
                  ruleName: '',
                  action: 'DELETE_MESSAGE' as never,
                  scanResults: [
                    { module: 'ANTI_SPAM' as never, status: 'SPAM' as never, scannerVerdict: WORDS, threatNames: [] },
                  ],
                  reason: null,
                  recipients: [`r${from + index}@example.com`],
                },
              ],
            }),
          ),
        ),
      ),
    );
  const followers = () => test.app.services.feed.followerCount;

  /** Sleeps through so many events that what the connection holds is full. */
  async function fallAsleep(number: number): Promise<SleepyClient> {
    const client = await SleepyClient.follow(test.url, admin.token ?? '');
    await until('it follows', followers, (count) => count === 2);
    await storeMany(number, 1);
    await until(
      'it hears',
      () => client.events.length,
      (count) => count === 1,
    );
    client.sleep();
    await storeMany(number + 1, COUNT);
    return client;
  }
  async function expectNothingLost(client: SleepyClient, number: number): Promise<void> {
    const heard = client.events.length;
    expect(heard).toBeLessThan(COUNT);
    const again = await SleepyClient.follow(test.url, admin.token ?? '', client.events.at(-1)?.cursor);
    await until(
      'it has caught up',
      () => again.events.length,
      (count) => heard + count >= COUNT + 1,
      30_000,
    );
    expect([...client.events, ...again.events].map(({ message }) => message.subject).sort()).toEqual(
      Array.from({ length: COUNT + 1 }, (_, index) => `Message ${number + index}`).sort(),
    );
    again.close();
    await until('nobody follows', followers, (count) => count === 0);
  }

  it('is closed with 4413, and resumes behind its last cursor without a loss', async () => {
    const closing = jest.spyOn(WebSocket.prototype, 'close');
    try {
      const client = await fallAsleep(0);
      await until(
        'it is closed',
        () => closing.mock.calls.map(([code]) => code),
        (codes) => codes.includes(4413),
        15_000,
      );
      client.wake();
      expect(await client.closed).toMatchObject({ code: 4413, reason: expect.stringContaining('resume') as string });
      await until('nobody follows', followers, (count) => count === 0);
      await expectNothingLost(client, 0);
    } finally {
      closing.mockRestore();
    }
  }, 90_000);

  it('is forgotten when it never wakes up, and loses nothing when it comes back', async () => {
    const client = await fallAsleep(20_000);
    await until('it is forgotten', followers, (count) => count === 0, 20_000);
    client.wake();
    await client.closed;
    await expectNothingLost(client, 20_000);
  }, 90_000);

  it('costs no more memory the longer it sleeps', async () => {
    // Held asleep, so that its connection is not ended before the memory is measured.
    const closing = jest.spyOn(WebSocket.prototype, 'close').mockImplementation(() => undefined);
    try {
      const client = await fallAsleep(30_000);
      const before = heldBytes();
      await storeMany(40_000, COUNT);
      await storeMany(50_000, COUNT);
      // 48 MB more of events are not delivered; what is kept of them is their places in the feed.
      expect(heldBytes() - before).toBeLessThan(20_000_000);
      expect(followers()).toBe(2);
      client.cut();
      await until('nobody follows', followers, (count) => count === 0);
    } finally {
      closing.mockRestore();
    }
  }, 90_000);

  it('is not closed while it reads, however slowly', async () => {
    const client = await SleepyClient.follow(test.url, admin.token ?? '');
    await until('it follows', followers, (count) => count === 2);
    // After each event it naps: four times the limit in all, and never is nothing waiting for it.
    client.napAfterEvents(10);
    await storeMany(10_000, COUNT);
    await until(
      'it heard everything',
      () => client.events.length,
      (count) => count === COUNT,
      60_000,
    );
    client.close();
    expect((await client.closed).code).toBe(1005);
  }, 90_000);
});
