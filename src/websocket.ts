import { randomUUID } from 'node:crypto';
import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { GraphQLError, GraphQLSchema } from 'graphql';
import {
  CloseCode,
  type ConnectionInitMessage,
  handleProtocols,
  makeServer,
  type Server as GraphQLSocketServer,
} from 'graphql-ws';
import { type ServerOptions, type WebSocket, WebSocketServer } from 'ws';
import type { OperationLimits } from './doors/limits.js';
import type { Logger } from './log.js';
import { maskError } from './doors/mask-error.js';
import type { OriginPolicy } from './doors/origin-policy.js';
import { type ContextServices, RequestContext } from './resolvers/context.js';
import { ownerOf } from './resolvers/operations/operation-owner.js';
import type { ChangeFeed } from './services/changes/change-feed.js';
import type { ChangeFollower } from './services/changes/change-follower.js';
import { topics } from './services/changes/topics.js';
import type { Viewer } from './services/session/viewer.js';
import { type CookiePolicy, sessionToken } from './doors/session-cookie.js';
import { serveSocket, type SocketExtra } from './doors/serve-socket.js';
import { refusal, SubscriptionGate, type SubscriptionRequest } from './doors/subscription-gate.js';

/** What the WebSocket door needs. */
export interface WebSocketOptions {
  readonly path: string;
  readonly schema: GraphQLSchema;
  readonly services: ContextServices;
  readonly feed: ChangeFeed;
  readonly limits: OperationLimits;
  readonly origins: OriginPolicy;
  readonly cookies: CookiePolicy;
  readonly maxSubscriptionsPerSocket: number;
  readonly maxSocketsPerPerson: number;
  readonly bufferLimitBytes: number;
  /** A client that took nothing for so long is closed and resumes with its cursor. */
  readonly stallMs: number;
  remoteAddress(request: IncomingMessage): string;
  readonly log: Logger;
}

// A subscription with its variables is small; stops clients from filling the memory with one frame.
const MAX_FRAME_BYTES = 64 * 1024;
// How often sockets are looked over for slow clients and ended sessions.
const SWEEP_MS = 5_000;

/** Close code for clients that read too slowly; they resume behind their last cursor. */
export const TOO_SLOW = 4413;
const TOO_SLOW_REASON = 'Too slow. Connect again and resume behind the last cursor.';

const SERVER_MESSAGES: ReadonlySet<unknown> = new Set(['connection_ack', 'next', 'error']);

/** Makes graphql-ws refuse what only servers send as no message; it would print it as a fault of ours, as often as a client likes. */
function refuseServerMessages(key: string, value: unknown): unknown {
  const message = key === '' && typeof value === 'object' && value !== null && 'type' in value ? value.type : undefined;
  if (SERVER_MESSAGES.has(message)) throw new Error('Only servers send this.');
  return value;
}

interface Client {
  readonly socket: WebSocket;
  viewer: Viewer;
  watch: ChangeFollower | undefined;
  /** Ids of operations whose streams are being opened; they count although a client may have given them up. */
  readonly opening: Set<string>;
  /** The connection below the socket, which counts what was written. */
  readonly connection: Socket;
  /** Bytes that the client had taken when it was looked at last, and since when it has taken no more. */
  takenBytes: number;
  stalledSinceMs: number | undefined;
}

/** The WebSocket door: graphql-transport-ws, subscriptions only, for live sessions, with the same limits and masking as HTTP. */
export class WebSocketDoor {
  readonly #server: WebSocketServer;
  readonly #clients = new Map<WebSocket, Client>();
  readonly #socketsOf = new Map<string, number>();
  readonly #gate: SubscriptionGate;
  readonly #sweeper: NodeJS.Timeout;
  readonly #graphql: GraphQLSocketServer<SocketExtra>;
  #stopping = false;

  constructor(
    http: Server,
    private readonly options: WebSocketOptions,
  ) {
    const settings: ServerOptions & { closeTimeout: number } = {
      noServer: true,
      maxPayload: MAX_FRAME_BYTES,
      handleProtocols,
      clientTracking: true,
      // A client that does not read cannot read either that it is closed: it is not waited for much longer.
      closeTimeout: 2 * options.stallMs,
    };
    this.#server = new WebSocketServer(settings);
    this.#gate = new SubscriptionGate(options.schema, options.limits);
    this.#graphql = this.#serve();
    http.on('upgrade', (request, socket: Duplex, head) => this.#upgrade(request, socket, head));
    this.#sweeper = setInterval(() => void this.#sweep(), Math.min(SWEEP_MS, this.options.stallMs / 2));
    this.#sweeper.unref();
  }

  /** How many clients are connected with a live session. */
  get clientCount(): number {
    return this.#clients.size;
  }

  /** Closes every socket with 1001 (RFC 6455, 7.4.1), takes no new ones, and cuts off after `timeoutMs` who does not answer. */
  async stop(timeoutMs: number): Promise<void> {
    this.#stopping = true;
    clearInterval(this.#sweeper);
    for (const socket of this.#server.clients) socket.close(1001, 'The server stops. Connect again and resume.');
    const cutOff = setTimeout(() => {
      for (const socket of this.#server.clients) socket.terminate();
    }, timeoutMs);
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
    clearTimeout(cutOff);
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const refuse = (status: string) =>
      socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
    socket.on('error', (error) => this.options.log.debug({ err: error }, 'a socket failed before it was a WebSocket'));
    if (this.#stopping) refuse('503 Service Unavailable');
    else if ((request.url ?? '').split('?')[0] !== this.options.path) refuse('404 Not Found');
    else if (!this.options.origins.allows(request)) refuse('403 Forbidden');
    else
      this.#server.handleUpgrade(request, socket, head, (client) =>
        serveSocket(this.#graphql, client, request, { onArrival: () => this.#guard(client), log: this.options.log }),
      );
  }

  #serve() {
    const { schema, services, log } = this.options;
    const errorsOf = (errors: readonly GraphQLError[]) => errors.map((error) => maskError(log, error.toJSON(), error));
    return makeServer<ConnectionInitMessage['payload'], SocketExtra>({
      schema,
      context: (context) => {
        const client = this.#clients.get(context.extra.socket);
        return new RequestContext(
          services,
          client?.viewer,
          this.options.remoteAddress(context.extra.request),
          randomUUID(),
        );
      },
      onConnect: async ({ connectionParams, extra }) => this.#enter(extra.socket, extra.request, connectionParams),
      // Not onDisconnect, which is silent about sockets that went away while they were being admitted.
      onClose: ({ extra }) => this.#leave(extra.socket),
      onSubscribe: ({ extra, subscriptions }, id, payload) =>
        this.#accept(extra.socket, id, Object.keys(subscriptions), payload),
      // A stream that ends by itself may do so because the session has: then the socket says so, and not just that it is over.
      onComplete: async ({ extra, subscriptions }, id) => {
        const client = this.#clients.get(extra.socket);
        if (client && id in subscriptions) await this.#lookAgain(client);
      },
      onOperation: ({ extra }, id) => void this.#clients.get(extra.socket)?.opening.delete(id),
      jsonMessageReviver: refuseServerMessages,
      onNext: (_context, _id, _payload, _args, result) =>
        result.errors ? { ...result, errors: errorsOf(result.errors) } : result,
      onError: (_context, _id, _payload, errors) => errorsOf(errors as readonly GraphQLError[]),
    });
  }

  /** Admits holders of a live session (rule V1): by the cookie of the upgrade, or by a token among the connection parameters. */
  async #enter(
    socket: WebSocket,
    request: IncomingMessage,
    parameters: Readonly<Record<string, unknown>> | undefined,
  ): Promise<boolean> {
    const given = parameters?.['authorization'] ?? parameters?.['Authorization'];
    const token =
      typeof given === 'string' ? given.replace(/^Bearer +/i, '') : sessionToken(request, this.options.cookies);
    try {
      const viewer = token ? await this.options.services.sessions.find(token) : undefined;
      if (!viewer) {
        socket.close(CloseCode.Forbidden, 'Sign in first: this needs a session.');
        return true;
      }
      if (socket.readyState !== socket.OPEN) return true;
      const person = ownerOf(viewer);
      const open = this.#socketsOf.get(person) ?? 0;
      if (open >= this.options.maxSocketsPerPerson) {
        socket.close(
          CloseCode.TooManyInitialisationRequests,
          'Too many sockets are open for this account. Close some.',
        );
        return true;
      }
      this.#socketsOf.set(person, open + 1);
      const client: Client = {
        socket,
        viewer,
        watch: undefined,
        opening: new Set(),
        connection: request.socket,
        takenBytes: 0,
        stalledSinceMs: undefined,
      };
      this.#clients.set(socket, client);
      client.watch = await this.options.feed.follow([topics.session(viewer.sessionId)]);
      if (!this.#clients.has(socket)) client.watch?.close();
      if (client.watch) void this.#watch(socket, client.watch);
      return true;
    } catch (error) {
      this.options.log.warn({ err: error }, 'a WebSocket could not be admitted');
      socket.close(1013, 'Try again later.');
      return true;
    }
  }

  /** Closes the socket when its session ends; other news of the session concern its subscriptions. */
  async #watch(socket: WebSocket, follower: ChangeFollower): Promise<void> {
    try {
      for (let changes = await follower.next(); changes; changes = await follower.next()) {
        if (changes.some(({ kind }) => kind === 'REMOVED')) return this.#end(socket);
      }
    } catch (error) {
      this.options.log.warn({ err: error }, 'a session could not be watched');
      socket.close(1013, 'Try again later.');
    }
  }

  #leave(socket: WebSocket): void {
    const client = this.#clients.get(socket);
    if (!client) return;
    client.watch?.close();
    this.#clients.delete(socket);
    const person = ownerOf(client.viewer);
    const open = (this.#socketsOf.get(person) ?? 0) - 1;
    if (open > 0) this.#socketsOf.set(person, open);
    else this.#socketsOf.delete(person);
  }

  #end(socket: WebSocket): void {
    socket.close(CloseCode.Forbidden, 'The session has ended. Sign in again.');
  }

  /** Admits an operation, or says why not. */
  #accept(socket: WebSocket, id: string, open: readonly string[], payload: SubscriptionRequest) {
    const client = this.#clients.get(socket);
    if (!client) return [refusal('UNAUTHENTICATED', 'Sign in first: this needs a session.')];
    // Given up while it was opened and asked for again: graphql-ws would lose sight of the first one and never end it.
    if (client.opening.has(id)) {
      socket.close(CloseCode.SubscriberAlreadyExists, 'This id is in use.');
      return [refusal('BAD_REQUEST', 'This id is in use.')];
    }
    if (new Set([...open, ...client.opening]).size > this.options.maxSubscriptionsPerSocket) {
      return [
        refusal(
          'SUBSCRIPTION_LIMIT',
          `At most ${this.options.maxSubscriptionsPerSocket} subscriptions are open on one socket.`,
        ),
      ];
    }
    const admitted = this.#gate.admit(payload);
    if (!Array.isArray(admitted)) client.opening.add(id);
    return admitted;
  }

  /** Ends clients that go on sending while they take nothing of what waits for them; strangers have less credit. */
  readonly #guard = (socket: WebSocket): void => {
    const limitBytes = this.#clients.has(socket) ? this.options.bufferLimitBytes : MAX_FRAME_BYTES;
    if (socket.bufferedAmount <= limitBytes) return;
    if (socket.readyState === socket.OPEN) socket.close(TOO_SLOW, TOO_SLOW_REASON);
    else socket.terminate();
  };

  /** Closes clients that take nothing, and those whose session has ended by time. */
  async #sweep(): Promise<void> {
    const now = Date.now();
    for (const client of [...this.#clients.values()]) {
      const { socket } = client;
      // A client that reads slowly but reads is left alone, however long it takes to catch up.
      const takenBytes = client.connection.bytesWritten - socket.bufferedAmount;
      if (socket.bufferedAmount === 0 || takenBytes !== client.takenBytes) client.stalledSinceMs = undefined;
      else client.stalledSinceMs ??= now;
      client.takenBytes = takenBytes;
      const stalled = client.stalledSinceMs !== undefined && now - client.stalledSinceMs >= this.options.stallMs;
      if (stalled || socket.bufferedAmount > this.options.bufferLimitBytes) {
        socket.close(TOO_SLOW, TOO_SLOW_REASON);
        continue;
      }
      if (client.viewer.expiresAtMs <= now) await this.#lookAgain(client);
    }
  }

  /** Closes the socket of a client whose session has ended. */
  async #lookAgain(client: Client): Promise<void> {
    try {
      const viewer = await this.options.services.sessions.revisit(client.viewer.sessionId);
      if (viewer) client.viewer = viewer;
      else this.#end(client.socket);
    } catch (error) {
      this.options.log.warn({ err: error }, 'a session could not be looked up');
    }
  }
}
