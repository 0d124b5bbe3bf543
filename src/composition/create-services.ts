import { join } from 'node:path';
import type { Config } from '../config.js';
import type { Database } from '../entities/database.js';
import type { Logger } from '../log.js';
import { loadSecretKey, SecretBox } from '../secret-box.js';
import { ContentStore } from '../services/backup/content-store.js';
import { MessageStore } from '../services/backup/message-store.js';
import { ChangeFeed } from '../services/changes/change-feed.js';
import { LdapConnections } from '../services/directory/connections.js';
import { DirectorySynchronisation } from '../services/directory/synchronisation.js';
import { Intake } from '../services/intake/intake.js';
import { deriveLoopMarkKey } from '../services/sending/loop-mark.js';
import { ApiTokens } from '../services/session/api-tokens.js';
import { PasswordHasher } from '../services/session/password-hasher.js';
import { BackupSettingsService } from '../services/settings/backup-settings-service.js';
import { PersonalBackupSettingsService } from '../services/settings/personal-backup-settings-service.js';

/** The services that both the server and the operator's commands stand on; nothing is asked of the database yet. */
export function createServices(config: Config, log: Logger, database: Database) {
  const secretKey = loadSecretKey(config.secretKey, config.dataDir);
  const secrets = new SecretBox(secretKey);
  const loopMarkKey = deriveLoopMarkKey(secretKey);
  const feed = new ChangeFeed(database, log, config.changePollMs);
  const contents = new ContentStore(database);
  const store = new MessageStore(database, contents, feed);
  const connections = new LdapConnections(database, feed, secrets, config.ldapTimeoutMs);
  return {
    loopMarkKey,
    secrets,
    feed,
    contents,
    store,
    connections,
    synchronisation: new DirectorySynchronisation(database, feed, connections, config.directoryFullPassMs, log),
    intake: new Intake(
      store,
      { messageBytes: config.messageLimitBytes, temporaryFolder: join(config.dataDir, 'tmp') },
      undefined,
      { keys: [loopMarkKey] },
    ),
    tokens: new ApiTokens(database),
    passwords: new PasswordHasher(config.passwordCostLog2),
    personalBackupSettings: new PersonalBackupSettingsService(database, feed),
    backupSettings: new BackupSettingsService(database, feed),
  };
}

/** The services by their names. */
export type Services = ReturnType<typeof createServices>;
