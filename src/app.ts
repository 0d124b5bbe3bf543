import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Router } from 'express';
import type { Config } from './config.js';
import { Database, type DatabaseLocation } from './entities/database.js';
import { ContentRouter } from './content-router.js';
import { explorerRouter } from './explorer.js';
import { HttpDoor } from './http.js';
import type { Logger } from './log.js';
import { Metrics } from './metrics.js';
import { OriginPolicy } from './origin-policy.js';
import type { ContextServices } from './resolvers/context.js';
import { AuditResolver } from './resolvers/audit/audit-resolver.js';
import { DirectoryResolver } from './resolvers/directory/directory-resolver.js';
import { LiveEvents } from './resolvers/live/live-events.js';
import { LiveResolver } from './resolvers/live/live-resolver.js';
import { OperationProgress } from './resolvers/live/operation-progress.js';
import { BackupUseResolver } from './resolvers/messages/backup-use-resolver.js';
import { GlobalBackupMessageResolver, GlobalBackupResolver } from './resolvers/messages/global-backup-resolver.js';
import {
  MailboxBackupResolver,
  PersonalBackupMessageResolver,
  PersonalBackupResolver,
  ViewerBackupResolver,
} from './resolvers/messages/personal-backup-resolver.js';
import { OperationResolver } from './resolvers/operations/operation-resolver.js';
import { SendingResolver } from './resolvers/operations/sending-resolver.js';
import { AccountResolver } from './resolvers/people/account-resolver.js';
import { ApiTokenResolver } from './resolvers/people/api-token-resolver.js';
import { SessionResolver } from './resolvers/people/session-resolver.js';
import { createSchema } from './resolvers/schema.js';
import { BackupSettingsResolver } from './resolvers/settings/backup-settings-resolver.js';
import { PersonalBackupSettingsResolver } from './resolvers/settings/personal-backup-settings-resolver.js';
import { loadSecretKey, SecretBox } from './secret-box.js';
import { ContentLinks } from './services/access/content-links.js';
import { PersonalAccessPolicy } from './services/access/personal-access.js';
import { AuditEntries } from './services/audit/audit-entries.js';
import { BackupUseReader } from './services/backup/backup-use.js';
import { ContentStore } from './services/backup/content-store.js';
import { GlobalMessages } from './services/backup/global-messages.js';
import { MessageContents } from './services/backup/message-contents.js';
import { MessageStore } from './services/backup/message-store.js';
import { PersonalMessages } from './services/backup/personal-messages.js';
import { RetentionWorker } from './services/backup/retention-worker.js';
import { ChangeFeed } from './services/changes/change-feed.js';
import { GlobalChanges } from './services/changes/global-changes.js';
import { PersonalChanges } from './services/changes/personal-changes.js';
import { LdapConnections } from './services/directory/connections.js';
import { DirectoryAccounts } from './services/directory/directory-accounts.js';
import { DirectorySignIn } from './services/directory/directory-sign-in.js';
import { DirectorySynchronisation } from './services/directory/synchronisation.js';
import { Intake } from './services/intake/intake.js';
import type { SpoolState } from './services/intake/spool-settings.js';
import { PreviewRenderer } from './services/preview/preview-renderer.js';
import { BackupOperations } from './services/sending/backup-operations.js';
import { checkAddress } from './services/sending/envelope-address.js';
import { deriveLoopMarkKey } from './services/sending/loop-mark.js';
import { Operations } from './services/sending/operations.js';
import { PersonalOperations } from './services/sending/personal-operations.js';
import { Relay } from './services/sending/relay.js';
import { RELAY_DEFAULTS, type RelaySettings } from './services/sending/relay-settings.js';
import { SendingHistory } from './services/sending/sending-history.js';
import { startSending } from './services/sending/start-sending.js';
import { AccountList } from './services/session/account-list.js';
import { Accounts } from './services/session/accounts.js';
import { ApiTokens } from './services/session/api-tokens.js';
import { ensureFirstAdministrator } from './services/session/first-administrator.js';
import { PasswordHasher } from './services/session/password-hasher.js';
import { Roles } from './services/session/roles.js';
import { SessionStore } from './services/session/session-store.js';
import { SignIn } from './services/session/sign-in.js';
import { SignInThrottle } from './services/session/sign-in-throttle.js';
import { BackupSettingsService } from './services/settings/backup-settings-service.js';
import { PersonalBackupSettingsService } from './services/settings/personal-backup-settings-service.js';
import { startIntake } from './start-intake.js';
import { Upkeep } from './services/upkeep.js';
import { WebSocketDoor } from './websocket.js';

const GRAPHQL_PATH = '/graphql';
const DAY_MS = 24 * 60 * 60_000;

/** Where the configuration says that the data is. */
export function databaseLocation(config: Config): DatabaseLocation {
  return config.databaseUrl
    ? { kind: 'mysql', url: config.databaseUrl, connections: config.databaseConnections }
    : { kind: 'sqlite', file: join(config.dataDir, 'mailkeep.db') };
}

/** The relay that the configuration names; null when it names none, and sending is refused at once. */
export function relaySettings(config: Config): RelaySettings | null {
  if (!config.relayHost) return null;
  return {
    ...RELAY_DEFAULTS,
    host: config.relayHost,
    port: config.relayPort,
    protocol: config.relayProtocol,
    tls: config.relayTls,
    ...(config.relayCaFile ? { ca: readFileSync(config.relayCaFile, 'utf8') } : {}),
    ...(config.relayServerName ? { serverName: config.relayServerName } : {}),
    ...(config.relayUser ? { auth: { user: config.relayUser, password: config.relayPassword } } : {}),
    clientName: config.relayName,
    connections: config.relayConnections,
    messagesPerConnection: config.relayMessagesPerConnection,
    idleMs: config.relayIdleMs,
    answerTimeoutMs: config.relayAnswerTimeoutMs,
  };
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
  /** Where scanners hand over by LMTP or SMTP; undefined when the listener is off. */
  readonly lmtpAddress: string | undefined;
  /** Where Prometheus reads without a token; undefined when it does not. */
  readonly metricsPort: number | undefined;
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
  const passwords = new PasswordHasher(config.passwordCostLog2);
  const oneTimePassword = await ensureFirstAdministrator(database, passwords, config.adminLogin, config.adminPassword);
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
    passwords,
    log,
  );
  const directoryAccounts = new DirectoryAccounts(database);
  const metrics = new Metrics(log);
  const personalMessages = metrics.timeLists(new PersonalMessages(database), 'personal');
  const globalMessages = metrics.timeLists(new GlobalMessages(database), 'global');
  const use = new BackupUseReader(database);
  const intake = await startIntake({
    config,
    store: services.store,
    direct: services.intake,
    tokens: services.tokens,
    log,
    onOutcome: metrics.countIntake,
  });
  const retention = new RetentionWorker(
    database,
    feed,
    () => services.backupSettings.read(),
    config.retentionIntervalMs,
    log,
  );
  const renderer = new PreviewRenderer({ log });
  const messageContents = new MessageContents(database, services.contents, renderer);
  const access = new PersonalAccessPolicy(database);
  const relay = new Relay(relaySettings(config));
  if (relay.configured) checkAddress('senderAddress', config.senderAddress);
  const operations = new Operations(database, feed, config.senderAddress);
  const links = new ContentLinks(services.secrets, config.publicUrl.replace(/\/$/, ''));
  const globalChanges = new GlobalChanges(feed, globalMessages);
  const live = new LiveEvents(
    new PersonalChanges(feed, personalMessages),
    globalChanges,
    services.personalBackupSettings,
    services.connections,
    new OperationProgress(operations, globalChanges),
  );
  const auditEntries = new AuditEntries(database);
  const upkeep = new Upkeep(
    database,
    auditEntries,
    feed,
    { auditRetentionMs: config.auditRetentionDays * DAY_MS, changeRetentionMs: config.changeRetentionMs },
    log,
  );

  const schema = await createSchema([
    new SessionResolver(database, sessions, signIn),
    new AccountResolver(
      new AccountList(database, directoryAccounts),
      new Accounts(database, feed, passwords),
      new Roles(database, feed),
      directoryAccounts,
    ),
    new ApiTokenResolver(services.tokens),
    new ViewerBackupResolver(feed),
    new PersonalBackupResolver(personalMessages),
    new MailboxBackupResolver(personalMessages),
    new PersonalBackupMessageResolver(messageContents, links),
    new GlobalBackupResolver(feed, globalMessages),
    new BackupUseResolver(use, services.backupSettings, intake.spool),
    new GlobalBackupMessageResolver(database, messageContents, links),
    new PersonalBackupSettingsResolver(services.personalBackupSettings),
    new BackupSettingsResolver(services.backupSettings),
    new DirectoryResolver(services.connections, services.synchronisation, directoryAccounts),
    new OperationResolver(
      operations,
      new PersonalOperations(operations, personalMessages, relay),
      new BackupOperations(database, operations, services.backupSettings, relay),
    ),
    new SendingResolver(),
    new AuditResolver(auditEntries),
    new LiveResolver(),
  ]);

  const contextServices: ContextServices = {
    sessions,
    access,
    globalMessages,
    sendingHistory: new SendingHistory(database),
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
    '/intake': intake.router,
  };
  if (config.metricsToken) routers['/metrics'] = metrics.router(config.metricsToken);
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
    details: () => spoolToShow(intake.spool()),
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
  metrics.measure({
    spool: intake.spool,
    intakeUnderWay: intake.underWay,
    liveClients: () => webSocket.clientCount,
    subscriptions: () => feed.followerCount,
    use: () => use.use(),
    synchronisedAtMs: async () =>
      new Map(
        (await services.connections.list()).map((connection) => [
          connection.id,
          services.connections.stateOf(connection).succeededAtMs,
        ]),
      ),
  });
  const metricsPort = config.metricsListen ? await metrics.listen(config.metricsListen) : undefined;
  services.synchronisation.start();
  retention.start();
  const sending = startSending({
    database,
    feed,
    contents: services.contents,
    operations,
    personalMessages,
    access,
    relay,
    loopMarkKey: deriveLoopMarkKey(loadSecretKey(config.secretKey, config.dataDir)),
    senderName: config.senderName,
    connections: config.relayConnections,
    leaseMs: config.operationLeaseMs,
    retryLimitMs: config.retryLimitMs,
    log,
  });
  upkeep.start();

  const stop = async () => {
    await Promise.all([services.synchronisation.stop(), sending.stop(), upkeep.stop(), retention.stop()]);
    await intake.stopListening();
    await webSocket.stop(config.stopTimeoutMs);
    await http.stop(config.stopTimeoutMs);
    await intake.stop();
    await metrics.stop();
    await services.store.settled();
    await feed.stop();
    await renderer.stop();
    await database.close();
  };
  return { database, services, port, lmtpAddress: intake.lmtpAddress, metricsPort, oneTimePassword, stop };
}

/** Nothing to see while nothing waits or lies aside. */
function spoolToShow(spool: SpoolState): Record<string, unknown> {
  return spool.entries > 0 || spool.setAside > 0 ? { spool } : {};
}

async function reasonsAgainst(database: Database): Promise<Record<string, string>> {
  try {
    const pending = await database.pendingMigrations();
    return pending > 0 ? { database: `${pending} migrations are missing; run "mailkeep migrate".` } : {};
  } catch {
    return { database: 'The database does not answer.' };
  }
}
