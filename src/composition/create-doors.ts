import type { Router } from 'express';
import type { GraphQLSchema } from 'graphql';
import type { Config } from '../config.js';
import { ContentRouter } from '../doors/content-router.js';
import type { Backend } from './create-backend.js';
import type { Services } from './create-services.js';
import type { Database } from '../entities/database.js';
import { explorerRouter } from '../doors/explorer.js';
import { HttpDoor } from '../http.js';
import type { Logger } from '../log.js';
import type { Metrics } from '../metrics.js';
import { OriginPolicy } from '../doors/origin-policy.js';
import type { SpoolState } from '../services/intake/spool-settings.js';
import type { RunningIntake } from './start-intake.js';
import { WebSocketDoor } from '../websocket.js';

const GRAPHQL_PATH = '/graphql';

/** What stands behind the doors. */
export interface DoorParts {
  readonly config: Config;
  readonly log: Logger;
  readonly database: Database;
  readonly services: Services;
  readonly backend: Backend;
  readonly intake: RunningIntake;
  readonly metrics: Metrics;
  readonly schema: GraphQLSchema;
  /** Why the database cannot be used since the start; undefined when it can. */
  readonly waitingFor: () => string | undefined;
}

/** Builds the doors, HTTP and WebSocket on one server, with everything that is served there; they open with their start. */
export function createDoors(parts: DoorParts): { http: HttpDoor; webSocket: WebSocketDoor } {
  const { config, log, database, services, backend, intake, metrics } = parts;
  const { sessions, access, globalMessages, personalMessages, links, live, sendingHistory, rightOfWay } = backend;
  const contents = new ContentRouter({
    database,
    sessions,
    access,
    links,
    personalMessages,
    globalMessages,
    contents: backend.messageContents,
    frameOrigins: config.allowedOrigins,
    rightOfWay,
    log,
  });
  const routers: Record<string, Router> = {
    '/preview': contents.previews,
    '/download': contents.downloads,
  };
  if (config.metricsToken) routers['/metrics'] = metrics.router(config.metricsToken);
  if (config.explorer) routers['/explorer'] = explorerRouter();
  const shared = {
    path: GRAPHQL_PATH,
    schema: parts.schema,
    services: { sessions, access, globalMessages, sendingHistory, live },
    limits: {
      maxDepth: config.maxDepth,
      maxAliases: config.maxAliases,
      maxCost: config.maxCost,
      maxTokens: config.maxTokens,
    },
    origins: new OriginPolicy(config.publicUrl, config.allowedOrigins),
    cookies: { secure: config.publicUrl.startsWith('https:') },
    log,
  };
  const http = new HttpDoor({
    ...shared,
    rightOfWay,
    bodyLimitBytes: config.bodyLimitBytes,
    times: { headersMs: config.headersTimeoutMs, requestMs: config.intakeTransferMs, idleMs: config.clientIdleMs },
    maxConnections: config.httpMaxConnections,
    introspection: config.introspection,
    trustedProxies: config.trustedProxies,
    routers,
    gateways: { '/intake': intake.router },
    notReady: () => reasonsAgainst(database, parts.waitingFor()),
    details: () => spoolToShow(intake.spool()),
  });
  const webSocket = new WebSocketDoor(http.server, {
    ...shared,
    feed: services.feed,
    maxSubscriptionsPerSocket: config.maxSubscriptionsPerSocket,
    maxSocketsPerPerson: config.maxSocketsPerPerson,
    bufferLimitBytes: config.socketBufferLimitBytes,
    stallMs: config.socketStallMs,
    remoteAddress: http.remoteAddress,
  });
  metrics.measure({
    spool: intake.spool,
    isReady: async () => Object.keys(await reasonsAgainst(database, parts.waitingFor())).length === 0,
    intakeUnderWay: intake.underWay,
    intakeWaiting: () => services.store.waitingCount,
    lmtpConnections: intake.lmtpConnections,
    sendingQueue: async () => {
      const [row] = await database.rows<{ count: number }>(
        "SELECT count(*) AS count FROM sending WHERE state IN ('QUEUED', 'SENDING')",
      );
      return Number(row?.count);
    },
    liveClients: () => webSocket.clientCount,
    subscriptions: () => services.feed.followerCount,
    use: async () => {
      const [use, { sizeLimitBytes }] = await Promise.all([backend.use.use(), services.backupSettings.read()]);
      return { ...use, limitBytes: sizeLimitBytes };
    },
    synchronisedAtMs: async () =>
      new Map(
        (await services.connections.list()).map((connection) => [
          connection.id,
          services.connections.stateOf(connection).succeededAtMs,
        ]),
      ),
  });
  return { http, webSocket };
}

/** Nothing to see while nothing waits or lies aside. */
function spoolToShow(spool: SpoolState): Record<string, unknown> {
  return spool.entries > 0 || spool.setAside > 0 ? { spool } : {};
}

/** Why the process is not ready, for whoever may ask /readyz. */
async function reasonsAgainst(database: Database, waitingFor: string | undefined): Promise<Record<string, string>> {
  if (waitingFor !== undefined)
    return {
      database: `The database could not be used since the start (${waitingFor}). Hand-overs go to the spool; everything else comes up by itself.`,
    };
  try {
    const pending = await database.pendingMigrations();
    return pending > 0 ? { database: `${pending} migrations are missing; run "mailkeep migrate".` } : {};
  } catch {
    return { database: 'The database does not answer.' };
  }
}
