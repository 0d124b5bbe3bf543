import { randomUUID } from 'node:crypto';
import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import {
  type DocumentNode,
  GraphQLError,
  type GraphQLSchema,
  getOperationAST,
  OperationTypeNode,
  parse,
  specifiedRules,
  validate,
} from 'graphql';
import { CloseCode } from 'graphql-ws';
import { useServer } from 'graphql-ws/use/ws';
import { type ServerOptions, type WebSocket, WebSocketServer } from 'ws';
import { checkCost, extentRule, type OperationLimits } from './limits.js';
import type { Logger } from './log.js';
import { maskError } from './mask-error.js';
import type { OriginPolicy } from './origin-policy.js';
import { type ContextServices, RequestContext } from './resolvers/context.js';
import type { ChangeFeed } from './services/changes/change-feed.js';
import type { ChangeFollower } from './services/changes/change-follower.js';
import { topics } from './services/changes/topics.js';
import type { Viewer } from './services/session/viewer.js';
import { type CookiePolicy, sessionToken } from './session-cookie.js';

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
  readonly bufferLimitBytes: number;
  /** A client that took nothing for so long is closed and resumes with its cursor. */
  readonly stallMs: number;
  remoteAddress(request: IncomingMessage): string;
  readonly log: Logger;
}

// A subscription with its variables is small; stops clients from filling the memory with one frame.
const MAX_FRAME_BYTES = 64 * 1024;
const KEEP_ALIVE_MS = 12_000;
// How often sockets are looked over for slow clients and ended sessions.
const SWEEP_MS = 5_000;

// Parsed documents that are kept; with MAX_FRAME_BYTES it bounds the memory that ever new texts could take.
const MAX_DOCUMENTS = 100;

/** Close code for clients that read too slowly; they resume behind their last cursor. */
export const TOO_SLOW = 4413;

interface Client {
  readonly socket: WebSocket;
  viewer: Viewer;
  watch: ChangeFollower | undefined;
  /** The connection below the socket, which counts what was written. */
  readonly connection: Socket;
  /** Bytes that the client had taken when it was looked at last, and since when it has taken no more. */
  takenBytes: number;
  stalledSinceMs: number | undefined;
}

const refusal = (code: string, message: string) => new GraphQLError(message, { extensions: { code } });

/** The error with a code, as Apollo Server gives them behind the HTTP door, unless one of our rules gave one already. */
function withCode(error: GraphQLError, code: string): GraphQLError {
  error.extensions['code'] ??= code;
  return error;
}

function parseDocument(query: string, maxTokens: number): DocumentNode {
  try {
    return parse(query, { maxTokens });
  } catch (error) {
    throw error instanceof GraphQLError ? withCode(error, 'GRAPHQL_PARSE_FAILED') : error;
  }
}

/** The WebSocket door: graphql-transport-ws, subscriptions only, for live sessions, with the same limits and masking as HTTP. */
export class WebSocketDoor {
  readonly #server: WebSocketServer;
  readonly #clients = new Map<WebSocket, Client>();
  // All clients of one application send the same few texts; sharing the parsed form saves each time and memory.
  readonly #documents = new Map<string, DocumentNode>();
  readonly #sweeper: NodeJS.Timeout;
  readonly #graphql: { dispose(): void | Promise<void> };
  #stopping = false;

  constructor(
    http: Server,
    private readonly options: WebSocketOptions,
  ) {
    const settings: ServerOptions & { closeTimeout: number } = {
      noServer: true,
      maxPayload: MAX_FRAME_BYTES,
      clientTracking: true,
      // A client that does not read cannot read either that it is closed: it is not waited for much longer.
      closeTimeout: 2 * options.stallMs,
    };
    this.#server = new WebSocketServer(settings);
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
    await this.#graphql.dispose();
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
      this.#server.handleUpgrade(request, socket, head, (client) => {
        this.#server.emit('connection', client, request);
        // graphql-ws prints whatever clients do wrong to the console, where anybody could flood it; ws itself closes the socket.
        client.removeAllListeners('error');
        client.on('error', (error) => this.options.log.debug({ err: error }, 'a WebSocket failed'));
      });
  }

  #serve() {
    const { schema, services, log } = this.options;
    const errorsOf = (errors: readonly GraphQLError[]) => errors.map((error) => maskError(log, error.toJSON(), error));
    return useServer(
      {
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
        onSubscribe: ({ extra, subscriptions }, _id, payload) =>
          this.#accept(extra.socket, Object.keys(subscriptions).length, payload),
        onNext: (_context, _id, _payload, _args, result) =>
          result.errors ? { ...result, errors: errorsOf(result.errors) } : result,
        onError: (_context, _id, _payload, errors) => errorsOf(errors as readonly GraphQLError[]),
        isProd: true,
      },
      this.#server,
      KEEP_ALIVE_MS,
    );
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
      const client: Client = {
        socket,
        viewer,
        watch: undefined,
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
    this.#clients.get(socket)?.watch?.close();
    this.#clients.delete(socket);
  }

  #end(socket: WebSocket): void {
    socket.close(CloseCode.Forbidden, 'The session has ended. Sign in again.');
  }

  /** Validates an operation as the HTTP door does, and refuses everything but subscriptions. */
  #accept(
    socket: WebSocket,
    open: number,
    payload: {
      query: string;
      operationName?: string | null | undefined;
      variables?: Record<string, unknown> | null | undefined;
    },
  ) {
    const { schema, limits } = this.options;
    if (!this.#clients.has(socket)) return [refusal('UNAUTHENTICATED', 'Sign in first: this needs a session.')];
    if (open > this.options.maxSubscriptionsPerSocket) {
      return [
        refusal(
          'SUBSCRIPTION_LIMIT',
          `At most ${this.options.maxSubscriptionsPerSocket} subscriptions are open on one socket.`,
        ),
      ];
    }
    try {
      const document = this.#documents.get(payload.query) ?? parseDocument(payload.query, limits.maxTokens);
      const errors = this.#documents.has(payload.query)
        ? []
        : validate(schema, document, [...specifiedRules, extentRule(limits)]);
      if (errors.length > 0) return errors.map((error) => withCode(error, 'GRAPHQL_VALIDATION_FAILED'));
      this.#keep(payload.query, document);
      const operation = getOperationAST(document, payload.operationName);
      if (!operation) {
        return [refusal('OPERATION_RESOLUTION_FAILURE', 'operationName names none of the operations of the document.')];
      }
      if (operation.operation !== OperationTypeNode.SUBSCRIPTION) {
        return [
          refusal('BAD_REQUEST', 'Only subscriptions run over the WebSocket. Send queries and mutations by HTTP POST.'),
        ];
      }
      checkCost(schema, limits, document, operation, payload.variables ?? {});
      // Given the whole, graphql-ws neither parses nor validates a second time.
      return {
        schema,
        document,
        operationName: payload.operationName,
        variableValues: payload.variables,
      };
    } catch (error) {
      if (error instanceof GraphQLError) return [error];
      throw error;
    }
  }

  /** Keeps a valid document for the next client of the same application, and forgets the one that was not sent for longest. */
  #keep(query: string, document: DocumentNode): void {
    this.#documents.delete(query);
    this.#documents.set(query, document);
    if (this.#documents.size <= MAX_DOCUMENTS) return;
    for (const oldest of this.#documents.keys()) {
      this.#documents.delete(oldest);
      return;
    }
  }

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
        socket.close(TOO_SLOW, 'Too slow. Connect again and resume behind the last cursor.');
        continue;
      }
      if (client.viewer.expiresAtMs > now) continue;
      try {
        const viewer = await this.options.services.sessions.revisit(client.viewer.sessionId);
        if (viewer) client.viewer = viewer;
        else this.#end(socket);
      } catch (error) {
        this.options.log.warn({ err: error }, 'a session could not be looked up');
      }
    }
  }
}
