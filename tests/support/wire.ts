import { request as httpRequest } from 'node:http';
import { WebSocket } from 'ws';

/** An answer as it came, unparsed. */
export interface RawAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
}

/** Sends a request byte for byte as stated: fetch would set Origin, Host and Content-Length by itself. */
export function send(
  url: string,
  options: { method?: string; headers?: Record<string, string | string[]>; body?: string | Buffer } = {},
): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      url,
      { method: options.method ?? 'GET', headers: options.headers ?? {} },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: Object.fromEntries(
              Object.entries(response.headers).map(([name, value]) => [
                name,
                Array.isArray(value) ? value.join('\n') : (value ?? ''),
              ]),
            ),
            text: Buffer.concat(chunks).toString('utf8'),
          }),
        );
      },
    );
    request.on('error', reject);
    request.end(options.body);
  });
}

/** Sends a GraphQL document by POST and gives the answer unparsed. */
export function post(url: string, body: unknown, headers: Record<string, string> = {}): Promise<RawAnswer> {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return send(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(text)), ...headers },
    body: text,
  });
}

/** A message of graphql-transport-ws. */
export interface WireMessage {
  readonly type: string;
  readonly id?: string;
  readonly payload?: unknown;
}

/** How a socket ended: its close code, or the status with which the upgrade was refused. */
export interface WireEnd {
  readonly code: number;
  readonly reason: string;
}

/** A WebSocket at the level of single messages, for what a well-behaved client library would never send. */
export class WireSocket {
  readonly ended: Promise<WireEnd>;
  readonly #socket: WebSocket;
  readonly #waiting: WireMessage[] = [];
  readonly #takers: ((message: WireMessage) => void)[] = [];

  private constructor(url: string, headers: Record<string, string>) {
    this.#socket = new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws', { headers });
    this.ended = new Promise((resolve) => {
      this.#socket.on('close', (code, reason) => resolve({ code, reason: reason.toString() }));
      this.#socket.on('unexpected-response', (request, response) => {
        resolve({ code: response.statusCode ?? 0, reason: response.statusMessage ?? '' });
        request.destroy();
      });
    });
    // What goes wrong is told by the close event that follows.
    this.#socket.on('error', () => undefined);
    this.#socket.on('message', (data: Buffer) => {
      const message = JSON.parse(data.toString('utf8')) as WireMessage;
      const taker = this.#takers.shift();
      if (taker) taker(message);
      else this.#waiting.push(message);
    });
  }

  /** Opens a socket; resolves when it is open, or has ended before. */
  static async open(url: string, headers: Record<string, string> = {}): Promise<WireSocket> {
    const socket = new WireSocket(url, headers);
    await Promise.race([new Promise((resolve) => socket.#socket.once('open', resolve)), socket.ended]);
    return socket;
  }

  /** Opens a socket and gets it acknowledged with a session's token. */
  static async admitted(url: string, token: string | undefined): Promise<WireSocket> {
    const socket = await WireSocket.open(url);
    socket.send({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } });
    await socket.next('connection_ack');
    return socket;
  }

  send(message: WireMessage | string): void {
    this.#socket.send(typeof message === 'string' ? message : JSON.stringify(message));
  }

  /** Sends an operation under an id. */
  subscribe(id: string, query: string, variables: Record<string, unknown> = {}): void {
    this.send({ type: 'subscribe', id, payload: { query, variables } });
  }

  /** The next message of a type, or of any; pings are answered by the library below. Fails when the socket ends first. */
  async next(...types: string[]): Promise<WireMessage> {
    for (;;) {
      const message =
        this.#waiting.shift() ??
        (await Promise.race([
          new Promise<WireMessage>((resolve) => this.#takers.push(resolve)),
          this.ended.then(({ code, reason }): never => {
            throw new Error(`The socket ended with ${code} ${reason}.`);
          }),
        ]));
      if (types.length === 0 || types.includes(message.type)) return message;
    }
  }

  /** The code and message of the first error that answers an operation. */
  async refusal(query: string, variables: Record<string, unknown> = {}): Promise<{ code: unknown; message: string }> {
    const id = `r${Math.random()}`;
    this.subscribe(id, query, variables);
    const { payload } = await this.next('error', 'next', 'complete');
    const errors = (Array.isArray(payload) ? payload : (payload as { errors?: unknown[] } | undefined)?.errors) as
      { message: string; extensions?: { code?: unknown } }[] | undefined;
    const first = errors?.[0];
    if (!first) throw new Error(`The operation was not refused: ${JSON.stringify(payload)}`);
    return { code: first.extensions?.code, message: first.message };
  }

  /** Ends the connection without a word, as a crash does. */
  terminate(): void {
    this.#socket.terminate();
  }

  async close(): Promise<void> {
    this.#socket.close();
    await this.ended;
  }
}
