import type { Backend } from './create-backend.js';
import type { Services } from './create-services.js';
import type { Database } from '../entities/database.js';
import { AuditResolver } from '../resolvers/audit/audit-resolver.js';
import { DirectoryResolver } from '../resolvers/directory/directory-resolver.js';
import { LiveResolver } from '../resolvers/live/live-resolver.js';
import { BackupUseResolver } from '../resolvers/messages/backup-use-resolver.js';
import { GlobalBackupMessageResolver, GlobalBackupResolver } from '../resolvers/messages/global-backup-resolver.js';
import {
  MailboxBackupResolver,
  PersonalBackupMessageResolver,
  PersonalBackupResolver,
  ViewerBackupResolver,
} from '../resolvers/messages/personal-backup-resolver.js';
import { OperationResolver } from '../resolvers/operations/operation-resolver.js';
import { SendingResolver } from '../resolvers/operations/sending-resolver.js';
import { AccountResolver } from '../resolvers/people/account-resolver.js';
import { ApiTokenResolver } from '../resolvers/people/api-token-resolver.js';
import { SessionResolver } from '../resolvers/people/session-resolver.js';
import { BackupSettingsResolver } from '../resolvers/settings/backup-settings-resolver.js';
import { PersonalBackupSettingsResolver } from '../resolvers/settings/personal-backup-settings-resolver.js';
import type { SpoolState } from '../services/intake/spool-settings.js';
import { BackupOperations } from '../services/sending/backup-operations.js';
import { PersonalOperations } from '../services/sending/personal-operations.js';
import { AccountList } from '../services/session/account-list.js';
import { Accounts } from '../services/session/accounts.js';
import { Roles } from '../services/session/roles.js';

/** GraphQL's face: every resolver with the services that it asks. */
export function createResolvers(
  database: Database,
  services: Services,
  backend: Backend,
  spool: () => SpoolState,
): object[] {
  const { feed } = services;
  const { sessions, directoryAccounts, personalMessages, globalMessages, messageContents, links, operations, relay } =
    backend;
  return [
    new SessionResolver(database, sessions, backend.signIn),
    new AccountResolver(
      new AccountList(database, directoryAccounts),
      new Accounts(database, feed, services.passwords, backend.throttle),
      new Roles(database, feed),
      directoryAccounts,
    ),
    new ApiTokenResolver(services.tokens),
    new ViewerBackupResolver(feed),
    new PersonalBackupResolver(personalMessages),
    new MailboxBackupResolver(personalMessages),
    new PersonalBackupMessageResolver(messageContents, links),
    new GlobalBackupResolver(feed, globalMessages),
    new BackupUseResolver(backend.use, services.backupSettings, spool),
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
    new AuditResolver(backend.auditEntries),
    new LiveResolver(),
  ];
}
