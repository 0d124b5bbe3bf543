import type { Config } from '../config.js';
import type { Services } from './create-services.js';
import type { Database } from '../entities/database.js';
import type { Logger } from '../log.js';
import type { Metrics } from '../metrics.js';
import { relaySettings } from './places.js';
import { LiveEvents } from '../resolvers/live/live-events.js';
import { OperationProgress } from '../resolvers/live/operation-progress.js';
import { ContentLinks } from '../services/access/content-links.js';
import { PersonalAccessPolicy } from '../services/access/personal-access.js';
import { AuditEntries } from '../services/audit/audit-entries.js';
import { BackupUseReader } from '../services/backup/backup-use.js';
import { GlobalMessages } from '../services/backup/global-messages.js';
import { MessageContents } from '../services/backup/message-contents.js';
import { PersonalMessages } from '../services/backup/personal-messages.js';
import { RetentionWorker } from '../services/backup/retention-worker.js';
import { GlobalChanges } from '../services/changes/global-changes.js';
import { PersonalChanges } from '../services/changes/personal-changes.js';
import { DirectoryAccounts } from '../services/directory/directory-accounts.js';
import { DirectorySignIn } from '../services/directory/directory-sign-in.js';
import { PreviewRenderer } from '../services/preview/preview-renderer.js';
import { checkAddress } from '../services/sending/envelope-address.js';
import { Operations } from '../services/sending/operations.js';
import { Relay } from '../services/sending/relay.js';
import { SendingHistory } from '../services/sending/sending-history.js';
import { SessionStore } from '../services/session/session-store.js';
import { RightOfWay } from '../services/right-of-way.js';
import { SignInThrottle } from '../services/session/sign-in-throttle.js';
import { SignIn } from '../services/session/sign-in.js';
import { Upkeep } from '../services/upkeep.js';

const DAY_MS = 24 * 60 * 60_000;

/** What only the server needs beside {@link Services}: sessions, lists, operations and workers; nothing runs yet. */
export function createBackend(config: Config, log: Logger, database: Database, services: Services, metrics: Metrics) {
  const { feed } = services;
  const sessions = new SessionStore(database, feed, {
    privilegedIdleMs: config.privilegedIdleMs,
    personalIdleMs: config.personalIdleMs,
    lifetimeMs: config.sessionLifetimeMs,
  });
  const throttle = new SignInThrottle(database, {
    perAccount: config.signInFailuresPerAccount,
    perAddress: config.signInFailuresPerAddress,
  });
  const personalMessages = metrics.timeLists(new PersonalMessages(database), 'personal');
  const globalMessages = metrics.timeLists(new GlobalMessages(database), 'global');
  const renderer = new PreviewRenderer({ log });
  const relay = new Relay(relaySettings(config));
  if (relay.configured) checkAddress('senderAddress', config.senderAddress);
  const operations = new Operations(database, feed, config.senderAddress);
  const globalChanges = new GlobalChanges(feed, globalMessages);
  const auditEntries = new AuditEntries(database);
  return {
    sessions,
    throttle,
    signIn: new SignIn(
      database,
      sessions,
      throttle,
      new DirectorySignIn(database, feed, services.connections),
      services.passwords,
      log,
    ),
    directoryAccounts: new DirectoryAccounts(database),
    access: new PersonalAccessPolicy(database),
    personalMessages,
    globalMessages,
    use: new BackupUseReader(database),
    renderer,
    messageContents: new MessageContents(database, services.contents, renderer),
    links: new ContentLinks(services.secrets, config.publicUrl.replace(/\/$/, '')),
    relay,
    rightOfWay: new RightOfWay(),
    operations,
    sendingHistory: new SendingHistory(database),
    live: new LiveEvents(
      new PersonalChanges(feed, personalMessages),
      globalChanges,
      services.personalBackupSettings,
      services.connections,
      new OperationProgress(operations, globalChanges),
    ),
    auditEntries,
    retention: new RetentionWorker(
      database,
      feed,
      () => services.backupSettings.read(),
      config.retentionIntervalMs,
      log,
    ),
    upkeep: new Upkeep(
      database,
      auditEntries,
      feed,
      { auditRetentionMs: config.auditRetentionDays * DAY_MS, changeRetentionMs: config.changeRetentionMs },
      log,
    ),
  };
}

/** The server's own services by their names. */
export type Backend = ReturnType<typeof createBackend>;
