import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { isIP } from 'node:net';
import { finished } from 'node:stream';
import { ApolloServer } from '@apollo/server';
import {
  ApolloServerPluginCacheControlDisabled,
  ApolloServerPluginLandingPageDisabled,
} from '@apollo/server/plugin/disabled';
import { expressMiddleware } from '@as-integrations/express5';
import cors from 'cors';
import express, { type Express, type RequestHandler, type Router } from 'express';
import { GraphQLError, type GraphQLSchema } from 'graphql';
import helmet from 'helmet';
import proxyAddr from 'proxy-addr';
import { UnavailableError } from './errors.js';
import { costPlugin } from './doors/cost-plugin.js';
import { extentRule, type OperationLimits } from './doors/limits.js';
import type { Logger } from './log.js';
import { maskError } from './doors/mask-error.js';
import type { OriginPolicy } from './doors/origin-policy.js';
import { answerError, boundBody, ForeignOriginError, requireJson } from './doors/request-faults.js';
import { type ContextServices, RequestContext } from './resolvers/context.js';
import type { RightOfWay } from './services/right-of-way.js';
import type { Viewer } from './services/session/viewer.js';
import { refuseUnreadableRequest } from './doors/unreadable-request.js';
import { type CookiePolicy, sessionCookie, sessionToken } from './doors/session-cookie.js';

/** What the HTTP door needs. */
export interface HttpOptions {
  readonly path: string;
  readonly schema: GraphQLSchema;
  readonly services: ContextServices;
  readonly limits: OperationLimits;
  readonly rightOfWay: RightOfWay;
  readonly bodyLimitBytes: number;
  /** What a client may take its time with, ms. */
  readonly times: { readonly headersMs: number; readonly requestMs: number; readonly idleMs: number };
  readonly maxConnections: number;
  readonly introspection: boolean;
  readonly origins: OriginPolicy;
  readonly cookies: CookiePolicy;
  readonly trustedProxies: readonly string[];
  /** Further routes by their prefix. */
  readonly routers: Readonly<Record<string, Router>>;
  /** Routes that only programs use, by their prefix; what browsers are told is left out, for thousands a second come. */
  readonly gateways: Readonly<Record<string, Router>>;
  /** Why the process cannot serve now, by part; empty when it can. */
  notReady(): Promise<Record<string, string>>;
  /** What else an operator wants to know at /readyz. */
  details(): Record<string, unknown>;
  readonly log: Logger;
}

// rspamd sends its verdicts as headers, up to 256 KiB (docs/gateways.md); Node's default of 16 KiB would refuse them.
const MAX_HEADER_BYTES = 272 * 1024;
// Node looks for requests that take too long only so often.
const LONGEST_CHECK_MS = 5_000;
const KEEP_ALIVE_TIMEOUT_MS = 65_000;

/** The HTTP door: GraphQL, intake, the explorer and the health of the process, on one server. */
export class HttpDoor {
  readonly server: Server;
  readonly #apollo: ApolloServer<RequestContext>;
  readonly #app: Express = express();
  /** Of which request each error is, for the log: the formatter of errors is not told. */
  readonly #requestIds = new WeakMap<object, string>();
  readonly #trusted: ReturnType<typeof proxyAddr.compile>;

  constructor(private readonly options: HttpOptions) {
    const { schema, limits, log } = options;
    this.#trusted = proxyAddr.compile([...options.trustedProxies]);
    const { headersMs, requestMs, idleMs } = options.times;
    this.server = createServer(
      {
        maxHeaderSize: MAX_HEADER_BYTES,
        headersTimeout: Math.min(headersMs, requestMs),
        requestTimeout: requestMs,
        connectionsCheckingInterval: Math.min(LONGEST_CHECK_MS, headersMs / 2),
      },
      this.#app,
    );
    this.server.maxConnections = options.maxConnections;
    this.server.setTimeout(idleMs);
    this.server.keepAliveTimeout = KEEP_ALIVE_TIMEOUT_MS;
    this.server.on('clientError', refuseUnreadableRequest);
    this.#apollo = new ApolloServer<RequestContext>({
      schema,
      introspection: options.introspection,
      csrfPrevention: true,
      validationRules: [extentRule(limits)],
      parseOptions: { maxTokens: limits.maxTokens },
      persistedQueries: false,
      includeStacktraceInErrorResponses: false,
      formatError: (formatted, error) => maskError(log, formatted, error, this.#requestIds.get(error as object)),
      // Nothing may be cached anyway, and the cache control plugin would wrap every field of every answer.
      plugins: [
        ApolloServerPluginLandingPageDisabled(),
        ApolloServerPluginCacheControlDisabled(),
        costPlugin(schema, limits),
        {
          requestDidStart: async () => ({
            didEncounterErrors: async ({ errors, contextValue }) => {
              for (const error of errors) this.#requestIds.set(error, contextValue.requestId);
            },
          }),
        },
      ],
      // Signals are the business of main.ts.
      stopOnTerminationSignals: false,
      nodeEnv: 'production',
      logger: {
        debug: (message) => log.debug(message),
        info: (message) => log.info(message),
        warn: (message) => log.warn(message),
        error: (message) => log.error(message),
      },
    });
  }

  /** Builds the routes and listens; gives the port. */
  async start(host: string, port: number): Promise<number> {
    await this.#apollo.start();
    this.#route();
    await new Promise<void>((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen(port, host, () => {
        this.server.off('error', reject);
        resolve();
      });
    });
    const address = this.server.address();
    return typeof address === 'object' && address ? address.port : port;
  }

  /** Takes no new requests, lets running ones end, and cuts them off after `timeoutMs`. */
  async stop(timeoutMs: number): Promise<void> {
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    this.server.closeIdleConnections();
    const cutOff = setTimeout(() => this.server.closeAllConnections(), timeoutMs);
    await closed;
    clearTimeout(cutOff);
    await this.#apollo.stop();
  }

  /** The address of the client, behind the proxies that are trusted. */
  readonly remoteAddress = (request: IncomingMessage): string => {
    const address = proxyAddr(request, this.#trusted);
    // Whoever may speak for a trusted proxy can write anything into X-Forwarded-For.
    return isIP(address) > 0 ? address : (request.socket.remoteAddress ?? '');
  };

  #route(): void {
    const { path, origins, routers, gateways, log } = this.options;
    const app = this.#app;
    app.disable('x-powered-by');
    app.set('trust proxy', [...this.options.trustedProxies]);
    app.set('etag', false);
    app.use((_request, response, next) => {
      response.locals['requestId'] = randomUUID();
      response.set('X-Request-Id', response.locals['requestId'] as string);
      response.set('Cache-Control', 'no-store');
      next();
    });
    for (const [prefix, router] of Object.entries(gateways)) app.use(prefix, forPrograms, router);
    app.use(
      helmet({
        contentSecurityPolicy: { directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] } },
        crossOriginResourcePolicy: { policy: 'same-origin' },
      }),
    );
    app.get('/healthz', (_request, response) => response.json({ status: 'ok' }));
    app.get('/readyz', (_request, response, next) => {
      this.options
        .notReady()
        .then((reasons) => {
          const ready = Object.keys(reasons).length === 0;
          const details = this.options.details();
          response
            .status(ready ? 200 : 503)
            .json(ready ? { status: 'ready', ...details } : { status: 'not ready', reasons, ...details });
        })
        .catch(next);
    });
    for (const [prefix, router] of Object.entries(routers)) app.use(prefix, router);
    app.use(
      path,
      cors({
        origin: (origin, answer) => answer(null, origin !== undefined && origins.isListed(origin)),
        credentials: true,
        maxAge: 600,
      }),
      this.#checkOrigin,
      requireJson,
      boundBody,
      express.json({ limit: this.options.bodyLimitBytes }),
      // From here on: who is slow to ask must not slow anybody's work.
      this.#goFirst,
      expressMiddleware(this.#apollo, {
        context: async ({ req, res }) => {
          return new RequestContext(
            this.options.services,
            await this.#viewerOf(req),
            this.remoteAddress(req),
            res.locals['requestId'] as string,
            sessionCookie(res, this.options.cookies),
          );
        },
      }),
    );
    app.use((_request, response) =>
      response.status(404).json({ error: { code: 'NOT_FOUND', message: 'There is nothing at this address.' } }),
    );
    app.use(answerError(log, this.options.bodyLimitBytes));
  }

  /** Who asks. Without the status Apollo Server would answer 500 while the database is away. */
  async #viewerOf(request: IncomingMessage): Promise<Viewer | undefined> {
    const token = sessionToken(request, this.options.cookies);
    if (!token) return undefined;
    try {
      return await this.options.services.sessions.find(token);
    } catch (error) {
      if (!(error instanceof UnavailableError)) throw error;
      throw new GraphQLError(error.message, { originalError: error, extensions: { http: { status: 503 } } });
    }
  }

  readonly #goFirst: RequestHandler = (_request, response, next) => {
    finished(response, this.options.rightOfWay.enter());
    next();
  };

  readonly #checkOrigin: RequestHandler = (request, _response, next) => {
    next(this.options.origins.allows(request) ? undefined : new ForeignOriginError());
  };
}

/** The little that is left of helmet's where answers are JSON for programs: all of it costs 5 % of a hand-over. */
const forPrograms: RequestHandler = (_request, response, next) => {
  response.setHeader('X-Content-Type-Options', 'nosniff');
  response.setHeader('Content-Security-Policy', "default-src 'none';frame-ancestors 'none'");
  next();
};
