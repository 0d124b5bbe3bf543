import { type Client as SocketClient, createClient } from 'graphql-ws';
import { WebSocket } from 'ws';

/** An answer of the API as it came over HTTP. */
export interface Answer<Data> {
  readonly status: number;
  readonly data: Data | null | undefined;
  readonly errors: readonly {
    readonly message: string;
    readonly path?: readonly (string | number)[];
    readonly extensions?: Record<string, unknown>;
  }[];
}

/** Events of a subscription, taken one by one. */
export interface Events<Data> {
  /** The next event; fails when the subscription ends first. */
  next(): Promise<Data>;
  /** Resolves with what ended the subscription: completion, or the error the server sent. */
  readonly ended: Promise<unknown>;
  /** Events that arrived and were not taken. */
  readonly waiting: readonly Data[];
  /** Ends the subscription and its socket. */
  close(): Promise<void>;
}

/** A client of the API, over HTTP and WebSocket, as an application outside the browser would be. */
export class Client {
  token: string | undefined;

  constructor(readonly url: string) {}

  /** Signs in and keeps the token. */
  async signIn(login: string, password: string): Promise<this> {
    const { data } = await this.query<{ signIn: { token: string | null; userErrors: unknown[] } }>(
      'mutation ($input: SignInInput!) { signIn(input: $input) { token userErrors { code message } } }',
      { input: { login, password } },
    );
    if (!data?.signIn.token) throw new Error(`${login} was not signed in: ${JSON.stringify(data)}`);
    this.token = data.signIn.token;
    return this;
  }

  /** Sends an operation by HTTP POST. */
  async query<Data = Record<string, unknown>>(
    query: string,
    variables: Record<string, unknown> = {},
    headers: Record<string, string> = {},
  ): Promise<Answer<Data>> {
    const response = await fetch(`${this.url}/graphql`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(this.token ? { authorization: `Bearer ${this.token}` } : {}),
        ...headers,
      },
      body: JSON.stringify({ query, variables }),
    });
    const body = (await response.json()) as { data?: Data; errors?: Answer<Data>['errors'] };
    return { status: response.status, data: body.data, errors: body.errors ?? [] };
  }

  /** Sends an operation and gives its data; fails when the answer has errors. */
  async ask<Data = Record<string, unknown>>(query: string, variables: Record<string, unknown> = {}): Promise<Data> {
    const { data, errors } = await this.query<Data>(query, variables);
    if (errors.length > 0 || !data) throw new Error(`The answer has errors: ${JSON.stringify(errors)}`);
    return data;
  }

  /** Opens a WebSocket for subscriptions, never connecting again by itself. */
  socket(options: { onClosed?: (event: unknown) => void } = {}): SocketClient {
    return createClient({
      url: `${this.url.replace('http', 'ws')}/graphql`,
      webSocketImpl: WebSocket,
      retryAttempts: 0,
      connectionParams: this.token ? { authorization: `Bearer ${this.token}` } : {},
      ...(options.onClosed ? { on: { closed: options.onClosed } } : {}),
    });
  }

  /** Subscribes on a socket of its own and waits until the server follows. */
  async subscribe<Data = Record<string, unknown>>(
    query: string,
    variables: Record<string, unknown> = {},
  ): Promise<Events<Data>> {
    const waiting: Data[] = [];
    const takers: ((data: Data) => void)[] = [];
    let end: (reason: unknown) => void = () => undefined;
    const ended = new Promise<unknown>((resolve) => {
      end = resolve;
    });
    const socket = this.socket({ onClosed: (event) => end(event) });
    socket.subscribe(
      { query, variables },
      {
        next: ({ data, errors }) => {
          const event = (errors ? { errors } : data) as Data;
          const taker = takers.shift();
          if (taker) taker(event);
          else waiting.push(event);
        },
        error: (error) => end(error),
        complete: () => end('complete'),
      },
    );
    return {
      waiting,
      ended,
      next: () => {
        const first = waiting.shift();
        if (first !== undefined) return Promise.resolve(first);
        return Promise.race([
          new Promise<Data>((resolve) => takers.push(resolve)),
          ended.then((reason) => Promise.reject(new Error(`The subscription ended: ${JSON.stringify(reason)}`))),
        ]);
      },
      close: async () => {
        await socket.dispose();
      },
    };
  }

  /** Hands a message over by HTTP intake. */
  async handOver(
    secret: string,
    message: string | Buffer,
    metadata: Record<string, unknown>,
  ): Promise<{ status: number; body: Record<string, unknown> }> {
    const response = await fetch(`${this.url}/intake/message`, {
      method: 'POST',
      headers: {
        'content-type': 'message/rfc822',
        authorization: `Bearer ${secret}`,
        // The bytes of UTF-8, each as one character, which is how fetch takes them.
        'x-mailkeep-metadata': Buffer.from(JSON.stringify(metadata)).toString('latin1'),
      },
      body: message as NonNullable<RequestInit['body']>,
    });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  }
}
