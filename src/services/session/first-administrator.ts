import { randomBytes } from 'node:crypto';
import { Account } from '../../entities/account.js';
import { type Database, isUniqueViolation, RepeatTransaction } from '../../entities/database.js';
import { Permission } from '../../entities/permission.js';
import { Role } from '../../entities/role.js';
import { RoleAssignment, RoleSubjectKind } from '../../entities/role-assignment.js';
import { renewGrantedRoles } from './granted-roles.js';
import type { PasswordHasher } from './password-hasher.js';
import { loginKey } from './sign-in.js';

/** The roles that every installation has; they can be neither changed nor deleted. */
export const PREDEFINED_ROLES: Readonly<Record<string, readonly Permission[]>> = {
  Administrator: Object.values(Permission),
  Viewer: [Permission.BACKUP_VIEW, Permission.SETTINGS_VIEW, Permission.ACCOUNTS_VIEW],
  Helpdesk: [Permission.BACKUP_VIEW, Permission.BACKUP_READ, Permission.BACKUP_SEND_TO_RECIPIENTS],
};

/**
 * Makes the predefined roles and, as long as there is no local account, the first administrator. Gives the password that
 * was made up for it, to be shown once; undefined when there was nothing to do or the password was configured.
 */
export async function ensureFirstAdministrator(
  database: Database,
  passwords: PasswordHasher,
  login: string,
  configuredPassword: string,
): Promise<string | undefined> {
  const [existing] = await database.rows<{ count: number }>('SELECT count(*) AS count FROM account');
  if (existing?.count) return undefined;
  const password = configuredPassword || randomBytes(15).toString('base64url');
  const passwordHash = await passwords.hash(password);
  return database.transaction(async (transaction) => {
    const accounts = await transaction.rows('SELECT id FROM account LIMIT 1');
    if (accounts.length > 0) return undefined;
    for (const [name, permissions] of Object.entries(PREDEFINED_ROLES)) {
      if (await transaction.manager.existsBy(Role, { name })) continue;
      await transaction.manager
        .insert(Role, { name, permissions: [...permissions], predefined: true })
        .catch((error: unknown) => {
          // Another process starts in the same moment and was first.
          throw isUniqueViolation(error) ? new RepeatTransaction('made by another process', { cause: error }) : error;
        });
    }
    const role = await transaction.manager.findOneByOrFail(Role, { name: 'Administrator' });
    const account = transaction.manager.create(Account, {
      login,
      loginKey: loginKey(login),
      name: login,
      passwordHash,
      disabled: false,
      createdAtMs: Date.now(),
    });
    await transaction.manager.insert(Account, account);
    await transaction.manager.insert(RoleAssignment, {
      roleId: role.id,
      subjectKind: RoleSubjectKind.ACCOUNT,
      subject: String(account.id),
    });
    await renewGrantedRoles(transaction);
    return configuredPassword ? undefined : password;
  });
}
