import { Account } from '../../entities/account.js';
import { type Database, isUniqueViolation, type Transaction } from '../../entities/database.js';
import { Permission } from '../../entities/permission.js';
import { RoleAssignment, RoleSubjectKind } from '../../entities/role-assignment.js';
import { BadInputError, PublicError } from '../../errors.js';
import { type AuditEvent, recordAudit } from '../audit/audit-log.js';
import type { ChangeFeed, NewChange } from '../changes/change-feed.js';
import { topics } from '../changes/topics.js';
import type { ChangeAuthor } from '../settings/personal-backup-settings-service.js';
import { renewGrantedRoles } from './granted-roles.js';
import type { PasswordHasher } from './password-hasher.js';
import type { SignInThrottle } from './sign-in-throttle.js';
import { localSubject, loginKey } from './sign-in.js';

/** What a new local account is to be. */
export interface NewAccount {
  readonly login: string;
  readonly name: string;
  readonly password: string;
  readonly roleIds: readonly number[];
}

/** What can be changed of a local account; what is left out keeps its value. */
export interface AccountChange {
  readonly name?: string | undefined;
  readonly password?: string | undefined;
  readonly disabled?: boolean | undefined;
  readonly roleIds?: readonly number[] | undefined;
}

const MIN_PASSWORD_LENGTH = 10;
const MAX_PASSWORD_LENGTH = 1024;

/** The change would leave nobody who can edit accounts (rule V2). */
export class LastAdministratorError extends PublicError {
  constructor() {
    super(
      'LAST_ADMINISTRATOR',
      'Nobody else could edit accounts after this. Give a local account a role with ACCOUNTS_EDIT first.',
    );
  }
}

const unknownAccount = () => new BadInputError('id', 'There is no local account with this id.');

/** Refuses passwords that are guessed at once (NIST SP 800-63B asks for length and nothing else). */
export function checkNewPassword(field: string, password: string): void {
  if (password.length < MIN_PASSWORD_LENGTH || password.length > MAX_PASSWORD_LENGTH) {
    throw new BadInputError(field, `${field} must have ${MIN_PASSWORD_LENGTH} to ${MAX_PASSWORD_LENGTH} characters.`);
  }
}

/** Local accounts: people who sign in with a password that is kept here. */
export class Accounts {
  constructor(
    private readonly database: Database,
    private readonly changes: ChangeFeed,
    private readonly passwords: PasswordHasher,
    private readonly throttle: SignInThrottle,
  ) {}

  /** Adds a local account; throws BAD_USER_INPUT that names the field. */
  async create(input: NewAccount, author: ChangeAuthor): Promise<number> {
    const login = input.login.trim();
    const name = input.name.trim();
    if (!/^[^\s\\@]{1,64}$/u.test(login)) {
      // An "@" or a backslash would make it look like somebody of a directory.
      throw new BadInputError('login', 'login must have 1 to 64 characters without spaces, "@" and backslashes.');
    }
    if (name === '' || name.length > 255) throw new BadInputError('name', 'name must have 1 to 255 characters.');
    checkNewPassword('password', input.password);
    const passwordHash = await this.passwords.hash(input.password);
    return this.#change(author, 'ACCOUNT_CREATE', `account:${login}`, async (transaction) => {
      const account = transaction.manager.create(Account, {
        login,
        loginKey: loginKey(login),
        name,
        passwordHash,
        disabled: false,
        createdAtMs: Date.now(),
      });
      await transaction.manager.insert(Account, account).catch((error: unknown) => {
        throw isUniqueViolation(error)
          ? new BadInputError('login', 'There is an account with this login already.')
          : error;
      });
      await assignRoles(transaction, account.id, input.roleIds);
      return { result: account.id };
    });
  }

  /** Changes a local account. A new password, or disabling it, ends its sessions. Throws BAD_USER_INPUT or LAST_ADMINISTRATOR. */
  async update(id: number, change: AccountChange, author: ChangeAuthor): Promise<void> {
    if (change.password !== undefined) checkNewPassword('password', change.password);
    const name = change.name?.trim();
    if (name !== undefined && (name === '' || name.length > 255))
      throw new BadInputError('name', 'name must have 1 to 255 characters.');
    const passwordHash = change.password === undefined ? undefined : await this.passwords.hash(change.password);
    const account = await this.database.manager.findOneBy(Account, { id });
    if (!account) throw unknownAccount();
    const details = {
      fields: Object.keys(change).filter((field) => change[field as keyof AccountChange] !== undefined),
    };
    await this.#change(
      author,
      'ACCOUNT_UPDATE',
      `account:${account.login}`,
      async (transaction) => {
        // Only what was given: somebody else may change the rest at the same time.
        const columns = {
          ...(name === undefined ? {} : { name }),
          ...(passwordHash === undefined ? {} : { passwordHash }),
          ...(change.disabled === undefined ? {} : { disabled: change.disabled }),
        };
        if (!(await transaction.manager.existsBy(Account, { id }))) throw unknownAccount();
        if (Object.keys(columns).length > 0) await transaction.manager.update(Account, { id }, columns);
        if (change.roleIds !== undefined) {
          await transaction.manager.delete(RoleAssignment, {
            subjectKind: RoleSubjectKind.ACCOUNT,
            subject: String(id),
          });
          await assignRoles(transaction, id, change.roleIds);
        }
        const ends = passwordHash !== undefined || change.disabled === true;
        return { result: undefined, news: ends ? await endSessions(transaction, id) : [] };
      },
      details,
    );
  }

  /** Deletes a local account and ends its sessions. Throws BAD_USER_INPUT or LAST_ADMINISTRATOR. */
  async delete(id: number, author: ChangeAuthor): Promise<void> {
    const account = await this.database.manager.findOneBy(Account, { id });
    if (!account) throw unknownAccount();
    await this.#change(author, 'ACCOUNT_DELETE', `account:${account.login}`, async (transaction) => {
      const news = await endSessions(transaction, id);
      await transaction.manager.delete(RoleAssignment, { subjectKind: RoleSubjectKind.ACCOUNT, subject: String(id) });
      await transaction.manager.delete(Account, { id });
      return { result: undefined, news };
    });
  }

  /**
   * Changes one's own password; other sessions of the account end. Throws BAD_USER_INPUT naming the field, and
   * TOO_MANY_REQUESTS: whoever finds a session open must not guess the password here faster than by signing in.
   */
  async changePassword(
    accountId: number,
    sessionId: number,
    current: string,
    next: string,
    author: ChangeAuthor,
  ): Promise<void> {
    checkNewPassword('newPassword', next);
    const account = await this.database.manager.findOneBy(Account, { id: accountId });
    // A longer one was never accepted, and hashing megabytes would cost as much as an attacker likes.
    const possible = current.length <= MAX_PASSWORD_LENGTH;
    const counted = [localSubject(accountId)];
    await this.throttle.begin(counted, author.remoteAddress);
    if (!account || !possible || !(await this.passwords.verify(current, account.passwordHash))) {
      await this.database.transaction((transaction) =>
        recordAudit(transaction, { ...author, event: 'PASSWORD_CHANGE', outcome: 'REFUSED' }),
      );
      throw new BadInputError('currentPassword', 'currentPassword is not right.');
    }
    await this.throttle.succeeded(counted, counted, author.remoteAddress);
    const passwordHash = await this.passwords.hash(next);
    await this.#change(author, 'PASSWORD_CHANGE', `account:${account.login}`, async (transaction) => {
      await transaction.manager.update(Account, { id: accountId }, { passwordHash });
      return { result: undefined, news: await endSessions(transaction, accountId, sessionId) };
    });
  }

  async #change<Result>(
    author: ChangeAuthor,
    event: AuditEvent,
    subject: string,
    work: (transaction: Transaction) => Promise<{ result: Result; news?: NewChange[] }>,
    details: Record<string, unknown> = {},
  ): Promise<Result> {
    return this.database.transaction(async (transaction) => {
      await lockRoles(transaction);
      const { result, news = [] } = await work(transaction);
      const granted = await renewGrantedRoles(transaction);
      await requireAdministrator(transaction);
      await recordAudit(transaction, { ...author, event, outcome: 'DONE', subject, details });
      await this.changes.append(transaction, [...news, ...granted]);
      return result;
    });
  }
}

/** Two changes at once could each leave the other's administrator as the last one: they wait for each other. */
export async function lockRoles(transaction: Transaction): Promise<void> {
  await transaction.rows(`SELECT id FROM role ORDER BY id${transaction.forUpdate}`);
}

/** Throws LAST_ADMINISTRATOR unless an enabled local account holds ACCOUNTS_EDIT: a directory that is away must not lock everybody out. */
export async function requireAdministrator(transaction: Transaction): Promise<void> {
  const rows = await transaction.rows<{ subject: string; permissions: string }>(
    `SELECT g.subject, r.permissions FROM granted_role g JOIN role r ON r.id = g.role_id WHERE g.subject_kind = '${RoleSubjectKind.ACCOUNT}'`,
  );
  const editors = rows
    .filter(({ permissions }) => (JSON.parse(permissions) as Permission[]).includes(Permission.ACCOUNTS_EDIT))
    .map(({ subject }) => Number(subject));
  const enabled = await transaction.rows<{ id: number }>('SELECT id FROM account WHERE disabled = 0');
  if (!enabled.some(({ id }) => editors.includes(id))) throw new LastAdministratorError();
}

async function assignRoles(transaction: Transaction, accountId: number, roleIds: readonly number[]): Promise<void> {
  for (const roleId of new Set(roleIds)) {
    const [role] = await transaction.rows('SELECT id FROM role WHERE id = ?', [roleId]);
    if (!role) throw new BadInputError('roleIds', 'There is no role with one of these ids.');
    await transaction.manager.insert(RoleAssignment, {
      roleId,
      subjectKind: RoleSubjectKind.ACCOUNT,
      subject: String(accountId),
    });
  }
}

async function endSessions(transaction: Transaction, accountId: number, except = -1): Promise<NewChange[]> {
  const sessions = await transaction.rows<{ id: number }>('SELECT id FROM session WHERE account_id = ? AND id <> ?', [
    accountId,
    except,
  ]);
  for (const { id } of sessions) await transaction.run('DELETE FROM session WHERE id = ?', [id]);
  return sessions.map(({ id }) => ({ topic: topics.session(id), kind: 'REMOVED' }));
}
