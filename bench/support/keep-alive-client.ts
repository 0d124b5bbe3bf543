import { connect, type Socket } from 'node:net';

/** What one round of requests showed. */
export interface Round {
  readonly requestsPerSecond: number;
  /** Duration of each request, ms. */
  readonly times: readonly number[];
}

const HEAD_END = Buffer.from('\r\n\r\n');

/** A request as it goes over the wire. */
export function request(port: number, path: string, body: string, headers: Readonly<Record<string, string>>): Buffer {
  const lines = Object.entries({ host: `127.0.0.1:${port}`, 'content-type': 'application/json', ...headers }).map(
    ([name, value]) => `${name}: ${value}\r\n`,
  );
  return Buffer.from(
    `POST ${path} HTTP/1.1\r\n${lines.join('')}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

/** One kept-alive connection that sends the next request when the answer is whole: cheap, so that the server is what is measured. */
export class Connection {
  readonly #socket: Socket;
  #received: Buffer = Buffer.alloc(0);
  #bodyAt = 0;
  #end = -1;
  #answer: ((body: Buffer) => void) | undefined;
  #fail: ((error: Error) => void) | undefined;

  constructor(port: number) {
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true });
    this.#socket.on('data', (bytes) => this.#take(bytes));
    this.#socket.on('error', (error) => this.#fail?.(error));
    this.#socket.on('close', () => this.#fail?.(new Error('The server closed the connection.')));
  }

  /** Sends a request and gives the body of its answer; fails unless that is 200. */
  send(bytes: Buffer): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      this.#answer = resolve;
      this.#fail = reject;
      this.#socket.write(bytes);
    });
  }

  /** Ends the connection. */
  close(): void {
    this.#fail = undefined;
    this.#socket.destroy();
  }

  #take(bytes: Buffer): void {
    this.#received = this.#received.length === 0 ? bytes : Buffer.concat([this.#received, bytes]);
    if (this.#end < 0) {
      const headEnd = this.#received.indexOf(HEAD_END);
      if (headEnd < 0) return;
      const head = this.#received.toString('latin1', 0, headEnd);
      const length = /^content-length: (\d+)$/im.exec(head)?.[1];
      if (!head.startsWith('HTTP/1.1 200 ') || length === undefined)
        return this.#fail?.(new Error(`Unexpected answer: ${this.#received.toString()}`));
      this.#bodyAt = headEnd + HEAD_END.length;
      this.#end = this.#bodyAt + Number(length);
    }
    if (this.#received.length < this.#end) return;
    const body = this.#received.subarray(this.#bodyAt, this.#end);
    this.#received = Buffer.alloc(0);
    this.#end = -1;
    this.#answer?.(body);
  }
}

/** Sends one request and gives the body of its answer. */
export async function once(port: number, bytes: Buffer): Promise<string> {
  const connection = new Connection(port);
  try {
    return (await connection.send(bytes)).toString();
  } finally {
    connection.close();
  }
}

/** Sends the same request over some connections at once for some time. */
export async function load(port: number, bytes: Buffer, concurrency: number, durationMs: number): Promise<Round> {
  const connections = Array.from({ length: concurrency }, () => new Connection(port));
  const times: number[] = [];
  const startedAt = performance.now();
  const endAt = startedAt + durationMs;
  try {
    await Promise.all(
      connections.map(async (connection) => {
        for (let sentAt = performance.now(); sentAt < endAt;) {
          await connection.send(bytes);
          const now = performance.now();
          times.push(now - sentAt);
          sentAt = now;
        }
      }),
    );
  } finally {
    for (const connection of connections) connection.close();
  }
  return { requestsPerSecond: (times.length / (performance.now() - startedAt)) * 1000, times };
}
