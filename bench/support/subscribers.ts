import { WebSocket } from 'ws';

/** What a subscriber got, and when, in nanoseconds of the machine's monotonic clock. */
export interface Receipt {
  readonly person: number;
  readonly at: bigint;
  readonly text: string;
}

const OPENING_AT_ONCE = 64;

/** Many people, each on a socket of their own, that follow what changes; the protocol is graphql-transport-ws. */
export class Subscribers {
  readonly #sockets: WebSocket[] = [];
  #receipts: Receipt[] = [];
  #awaited = Number.POSITIVE_INFINITY;
  #complete: (() => void) | undefined;

  constructor(
    private readonly url: string,
    private readonly hello: (person: number) => object,
    private readonly subscription: (person: number) => object,
  ) {}

  /** Opens the sockets of people 0 to `count` - 1 and subscribes on each. */
  async open(count: number): Promise<void> {
    let next = 0;
    await Promise.all(
      Array.from({ length: OPENING_AT_ONCE }, async () => {
        while (next < count) await this.#enter(next++);
      }),
    );
  }

  #enter(person: number): Promise<void> {
    return new Promise((entered, failed) => {
      const socket = new WebSocket(this.url, 'graphql-transport-ws', { perMessageDeflate: false });
      this.#sockets.push(socket);
      socket.on('error', failed);
      socket.on('close', (code, reason) => failed(new Error(`A socket was closed: ${code} ${reason.toString()}`)));
      socket.on('open', () => socket.send(JSON.stringify({ type: 'connection_init', payload: this.hello(person) })));
      socket.on('message', (data: Buffer) => {
        const at = process.hrtime.bigint();
        const text = data.toString();
        if (text.startsWith('{"type":"connection_ack"')) {
          socket.send(JSON.stringify({ id: '1', type: 'subscribe', ...this.subscription(person) }));
          entered();
        } else if (text.includes('"type":"next"')) {
          this.#receipts.push({ person, at, text });
          if (this.#receipts.length >= this.#awaited) this.#complete?.();
        } else if (text.includes('"type":"ping"')) socket.send('{"type":"pong"}');
        else throw new Error(`Unexpected frame: ${text}`);
      });
    });
  }

  /** Resolves with the receipts since the last call as soon as there are `count` of them; fails when they take too long. */
  async receive(count: number, patienceMs = 120_000): Promise<Receipt[]> {
    if (this.#receipts.length < count) {
      await new Promise<void>((complete, failed) => {
        const patience = setTimeout(
          () => failed(new Error(`${this.#receipts.length} of ${count} events came within ${patienceMs / 1000} s.`)),
          patienceMs,
        );
        this.#awaited = count;
        this.#complete = () => {
          clearTimeout(patience);
          complete();
        };
      });
    }
    this.#awaited = Number.POSITIVE_INFINITY;
    return this.#receipts.splice(0);
  }

  /** Ends every socket. */
  close(): void {
    for (const socket of this.#sockets) {
      socket.removeAllListeners('close');
      socket.terminate();
    }
  }
}
