import { join } from 'node:path';
import type { Router } from 'express';
import type { Config } from './config.js';
import { Database, type DatabaseLocation } from './entities/database.js';
import { ContentRouter } from './content-router.js';
import { explorerRouter } from './explorer.js';
import { HttpDoor } from './http.js';
import { intakeRouter } from './intake-router.js';
import type { Logger } from './log.js';
import { OriginPolicy } from './origin-policy.js';
import type { ContextServices } from './resolvers/context.js';
import { DirectoryResolver } from './resolvers/directory/directory-resolver.js';
import { LiveEvents } from './resolvers/live/live-events.js';
import { LiveResolver } from './resolvers/live/live-resolver.js';
import { GlobalBackupMessageResolver, GlobalBackupResolver } from './resolvers/messages/global-backup-resolver.js';
import {
  MailboxBackupResolver,
  PersonalBackupMessageResolver,
  PersonalBackupResolver,
  ViewerBackupResolver,
} from './resolvers/messages/personal-backup-resolver.js';
import { AccountResolver } from './resolvers/people/account-resolver.js';
import { ApiTokenResolver } from './resolvers/people/api-token-resolver.js';
import { SessionResolver } from './resolvers/people/session-resolver.js';
import { createSchema } from './resolvers/schema.js';
import { BackupSettingsResolver } from './resolvers/settings/backup-settings-resolver.js';
import { PersonalBackupSettingsResolver } from './resolvers/settings/personal-backup-settings-resolver.js';
import { loadSecretKey, SecretBox } from './secret-box.js';
import { ContentLinks } from './services/access/content-links.js';
import { PersonalAccessPolicy } from './services/access/personal-access.js';
import { ContentStore } from './services/backup/content-store.js';
import { GlobalMessages } from './services/backup/global-messages.js';
import { MessageContents } from './services/backup/message-contents.js';
import { MessageStore } from './services/backup/message-store.js';
import { PersonalMessages } from './services/backup/personal-messages.js';
import { ChangeFeed } from './services/changes/change-feed.js';
import { GlobalChanges } from './services/changes/global-changes.js';
import { PersonalChanges } from './services/changes/personal-changes.js';
import { LdapConnections } from './services/directory/connections.js';
import { DirectoryAccounts } from './services/directory/directory-accounts.js';
import { DirectorySignIn } from './services/directory/directory-sign-in.js';
import { DirectorySynchronisation } from './services/directory/synchronisation.js';
import { Intake } from './services/intake/intake.js';
import { PreviewRenderer } from './services/preview/preview-renderer.js';
import { AccountList } from './services/session/account-list.js';
import { Accounts } from './services/session/accounts.js';
import { ApiTokens } from './services/session/api-tokens.js';
import { ensureFirstAdministrator } from './services/session/first-administrator.js';
import { Roles } from './services/session/roles.js';
import { SessionStore } from './services/session/session-store.js';
import { SignIn } from './services/session/sign-in.js';
import { SignInThrottle } from './services/session/sign-in-throttle.js';
import { BackupSettingsService } from './services/settings/backup-settings-service.js';
import { PersonalBackupSettingsService } from './services/settings/personal-backup-settings-service.js';
import { WebSocketDoor } from './websocket.js';

const GRAPHQL_PATH = '/graphql';

/** Where the configuration says that the data is. */
export function databaseLocation(config: Config): DatabaseLocation {
  return config.databaseUrl
    ? { kind: 'mysql', url: config.databaseUrl, connections: config.databaseConnections }
    : { kind: 'sqlite', file: join(config.dataDir, 'mailkeep.db') };
}

/** The services that both the server and the operator's commands stand on. */
export function createServices(config: Config, log: Logger, database: Database) {
  const secrets = new SecretBox(loadSecretKey(config.secretKey, config.dataDir));
  const feed = new ChangeFeed(database, log, config.changePollMs);
  const contents = new ContentStore(database);
  const store = new MessageStore(database, contents, feed);
  const connections = new LdapConnections(database, feed, secrets, config.ldapTimeoutMs);
  const synchronisation = new DirectorySynchronisation(database, feed, connections, config.directoryFullPassMs, log);
  return {
    secrets,
    feed,
    contents,
    store,
    connections,
    synchronisation,
    intake: new Intake(store, { messageBytes: config.messageLimitBytes, temporaryFolder: join(config.dataDir, 'tmp') }),
    tokens: new ApiTokens(database),
    personalBackupSettings: new PersonalBackupSettingsService(database, feed),
    backupSettings: new BackupSettingsService(database, feed),
  };
}

/** The services by their names. */
export type Services = ReturnType<typeof createServices>;

/** A running server. */
export interface App {
  readonly database: Database;
  readonly services: Services;
  readonly port: number;
  /** Password that was made up for the first administrator at this start; to be shown once. */
  readonly oneTimePassword: string | undefined;
  /** Ends what runs, takes nothing new, and closes everything. */
  stop(): Promise<void>;
}

/** Builds the server and starts it: configuration → database → directory → services → resolvers → doors. */
export async function startApp(config: Config, log: Logger): Promise<App> {
  const database = await Database.open(databaseLocation(config));
  try {
    return await start(config, log, database);
  } catch (error) {
    await database.close();
    throw error;
  }
}

async function start(config: Config, log: Logger, database: Database): Promise<App> {
  await database.migrate();
  const oneTimePassword = await ensureFirstAdministrator(database, config.adminLogin, config.adminPassword);
  const services = createServices(config, log, database);
  const { feed } = services;
  await feed.start();

  const sessions = new SessionStore(database, feed, {
    privilegedIdleMs: config.privilegedIdleMs,
    personalIdleMs: config.personalIdleMs,
    lifetimeMs: config.sessionLifetimeMs,
  });
  const throttle = new SignInThrottle(database, {
    perAccount: config.signInFailuresPerAccount,
    perAddress: config.signInFailuresPerAddress,
  });
  const signIn = new SignIn(
    database,
    sessions,
    throttle,
    new DirectorySignIn(database, feed, services.connections),
    log,
  );
  const directoryAccounts = new DirectoryAccounts(database);
  const personalMessages = new PersonalMessages(database);
  const globalMessages = new GlobalMessages(database);
  const renderer = new PreviewRenderer({ log });
  const messageContents = new MessageContents(database, services.contents, renderer);
  const access = new PersonalAccessPolicy(database);
  const links = new ContentLinks(services.secrets, config.publicUrl.replace(/\/$/, ''));
  const live = new LiveEvents(
    new PersonalChanges(feed, personalMessages),
    new GlobalChanges(feed, globalMessages),
    services.personalBackupSettings,
    services.connections,
  );

  const schema = await createSchema([
    new SessionResolver(database, sessions, signIn),
    new AccountResolver(
      new AccountList(database, directoryAccounts),
      new Accounts(database, feed),
      new Roles(database, feed),
      directoryAccounts,
    ),
    new ApiTokenResolver(services.tokens),
    new ViewerBackupResolver(feed),
    new PersonalBackupResolver(personalMessages),
    new MailboxBackupResolver(personalMessages),
    new PersonalBackupMessageResolver(messageContents, links),
    new GlobalBackupResolver(feed, globalMessages),
    new GlobalBackupMessageResolver(database, messageContents, links),
    new PersonalBackupSettingsResolver(services.personalBackupSettings),
    new BackupSettingsResolver(services.backupSettings),
    new DirectoryResolver(services.connections, services.synchronisation, directoryAccounts),
    new LiveResolver(),
  ]);

  const contextServices: ContextServices = {
    sessions,
    access,
    globalMessages,
    live,
  };
  const contentRouter = new ContentRouter({
    database,
    sessions,
    access,
    links,
    personalMessages,
    globalMessages,
    contents: messageContents,
    frameOrigins: config.allowedOrigins,
    log,
  });
  const routers: Record<string, Router> = {
    '/preview': contentRouter.previews,
    '/download': contentRouter.downloads,
    '/intake': intakeRouter(services.intake, services.tokens, log),
  };
  if (config.explorer) routers['/explorer'] = explorerRouter();
  const origins = new OriginPolicy(config.publicUrl, config.allowedOrigins);
  const shared = {
    path: GRAPHQL_PATH,
    schema,
    services: contextServices,
    limits: {
      maxDepth: config.maxDepth,
      maxAliases: config.maxAliases,
      maxCost: config.maxCost,
      maxTokens: config.maxTokens,
    },
    origins,
    cookies: { secure: config.publicUrl.startsWith('https:') },
    log,
  };
  const http = new HttpDoor({
    ...shared,
    bodyLimitBytes: config.bodyLimitBytes,
    introspection: config.introspection,
    trustedProxies: config.trustedProxies,
    routers,
    notReady: () => reasonsAgainst(database),
  });
  const webSocket = new WebSocketDoor(http.server, {
    ...shared,
    feed,
    maxSubscriptionsPerSocket: config.maxSubscriptionsPerSocket,
    bufferLimitBytes: config.socketBufferLimitBytes,
    stallMs: config.socketStallMs,
    remoteAddress: http.remoteAddress,
  });
  const port = await http.start(config.httpHost, config.httpPort);
  services.synchronisation.start();

  const stop = async () => {
    await services.synchronisation.stop();
    await webSocket.stop(config.stopTimeoutMs);
    await http.stop(config.stopTimeoutMs);
    await services.store.settled();
    await feed.stop();
    await renderer.stop();
    await database.close();
  };
  return { database, services, port, oneTimePassword, stop };
}

async function reasonsAgainst(database: Database): Promise<Record<string, string>> {
  try {
    const pending = await database.pendingMigrations();
    return pending > 0 ? { database: `${pending} migrations are missing; run "mailkeep migrate".` } : {};
  } catch {
    return { database: 'The database does not answer.' };
  }
}
