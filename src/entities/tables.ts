import { Account } from './account.js';
import { ApiToken } from './api-token.js';
import { AuditEntry } from './audit-entry.js';
import { BackupSettings } from './backup-settings.js';
import { LdapConnection } from './ldap-connection.js';
import { PersonalBackupSettings } from './personal-backup-settings.js';
import { Role } from './role.js';
import { RoleAssignment } from './role-assignment.js';
import { Session } from './session.js';

/** The tables that are read and written through TypeORM's repositories; the large ones are reached by SQL from their services. */
export const tables = [
  Account,
  ApiToken,
  AuditEntry,
  BackupSettings,
  LdapConnection,
  PersonalBackupSettings,
  Role,
  RoleAssignment,
  Session,
];
