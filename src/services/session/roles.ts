import { type Database, isUniqueViolation, type Transaction } from '../../entities/database.js';
import { Permission } from '../../entities/permission.js';
import { Role } from '../../entities/role.js';
import { RoleAssignment, type RoleSubjectKind } from '../../entities/role-assignment.js';
import { BadInputError } from '../../errors.js';
import { type AuditEvent, recordAudit } from '../audit/audit-log.js';
import type { ChangeFeed } from '../changes/change-feed.js';
import type { ChangeAuthor } from '../settings/personal-backup-settings-service.js';
import { lockRoles, requireAdministrator } from './accounts.js';
import { renewGrantedRoles } from './granted-roles.js';

/** What can be changed of a role; what is left out keeps its value. */
export interface RoleChange {
  readonly name?: string | undefined;
  readonly permissions?: readonly Permission[] | undefined;
}

/** Whom a role is given to: a person or a group of the directory; local accounts have theirs by `Accounts`. */
export interface RoleHolder {
  readonly kind: RoleSubjectKind.PERSON | RoleSubjectKind.GROUP;
  /** Lasting identity in the directory (rule L7). */
  readonly directoryId: string;
}

const unknownRole = (field = 'id') => new BadInputError(field, 'There is no role with this id.');

function readName(name: string): string {
  const trimmed = name.trim();
  if (trimmed === '' || trimmed.length > 64) throw new BadInputError('name', 'name must have 1 to 64 characters.');
  return trimmed;
}

function readPermissions(permissions: readonly Permission[]): Permission[] {
  if (permissions.length === 0)
    throw new BadInputError('permissions', 'permissions must name at least one permission.');
  // The order of the vocabulary, so that equal sets are equal texts.
  return Object.values(Permission).filter((permission) => permissions.includes(permission));
}

/** Roles as sets of permissions, and to whom in the directory they are given (rule V2); every change acts at once. */
export class Roles {
  constructor(
    private readonly database: Database,
    private readonly changes: ChangeFeed,
  ) {}

  /** All roles, by name. */
  async list(): Promise<Role[]> {
    return this.database.manager.find(Role, { order: { name: 'ASC' } });
  }

  /** Adds a role; throws BAD_USER_INPUT that names the field. */
  async create(name: string, permissions: readonly Permission[], author: ChangeAuthor): Promise<number> {
    const role = { name: readName(name), permissions: readPermissions(permissions), predefined: false };
    return this.#change(
      author,
      'ROLE_CREATE',
      `role:${role.name}`,
      { permissions: role.permissions },
      async (transaction) => {
        const created = transaction.manager.create(Role, role);
        await transaction.manager.insert(Role, created).catch(refuseTakenName);
        return created.id;
      },
    );
  }

  /** Changes a role that is not predefined. Throws BAD_USER_INPUT or LAST_ADMINISTRATOR. */
  async update(id: number, change: RoleChange, author: ChangeAuthor): Promise<void> {
    const role = await this.#own(id);
    // Only what was given: somebody else may change the rest at the same time.
    const next = {
      ...(change.name === undefined ? {} : { name: readName(change.name) }),
      ...(change.permissions === undefined ? {} : { permissions: readPermissions(change.permissions) }),
    };
    const details = { before: role.permissions, after: next.permissions ?? role.permissions };
    await this.#change(author, 'ROLE_UPDATE', `role:${role.name}`, details, async (transaction) => {
      if (Object.keys(next).length > 0) await transaction.manager.update(Role, { id }, next).catch(refuseTakenName);
      // Holders keep the same roles, so nothing but this tells their open subscriptions.
      await transaction.run('DELETE FROM granted_role WHERE role_id = ?', [id]);
    });
  }

  /** Deletes a role that is not predefined, and takes it from everybody. Throws BAD_USER_INPUT or LAST_ADMINISTRATOR. */
  async delete(id: number, author: ChangeAuthor): Promise<void> {
    const role = await this.#own(id);
    await this.#change(
      author,
      'ROLE_DELETE',
      `role:${role.name}`,
      {},
      async (transaction) => {
        await transaction.manager.delete(RoleAssignment, { roleId: id });
        // The grants go last: they tell whose subscriptions have to be decided anew.
        return undefined;
      },
      async (transaction) => {
        await transaction.manager.delete(Role, { id });
      },
    );
  }

  /** Gives a role to a person or a group of the directory, nested groups included; twice is once. Throws BAD_USER_INPUT. */
  async assign(roleId: number, holder: RoleHolder, author: ChangeAuthor): Promise<void> {
    const role = await this.database.manager.findOneBy(Role, { id: roleId });
    if (!role) throw unknownRole('roleId');
    await this.#change(author, 'ROLE_ASSIGN', `role:${role.name}`, { ...holder }, async (transaction) => {
      const [known] = await transaction.rows(
        `SELECT 1 AS known FROM directory_entry e JOIN ldap_connection c ON c.id = e.connection_id AND c.generation = e.generation
          WHERE e.directory_id = ? AND e.kind = ?`,
        [holder.directoryId, holder.kind],
      );
      if (!known) throw new BadInputError('directoryAccountId', 'The directory has no such person or group.');
      const assignment = { roleId, subjectKind: holder.kind, subject: holder.directoryId };
      if (!(await transaction.manager.existsBy(RoleAssignment, assignment)))
        await transaction.manager.insert(RoleAssignment, assignment);
    });
  }

  /** Takes a role from a person or a group of the directory; false when they did not have it. Throws LAST_ADMINISTRATOR. */
  async withdraw(roleId: number, directoryId: string, author: ChangeAuthor): Promise<boolean> {
    const role = await this.database.manager.findOneBy(Role, { id: roleId });
    if (!role) throw unknownRole('roleId');
    return this.#change(author, 'ROLE_WITHDRAW', `role:${role.name}`, { directoryId }, async (transaction) => {
      const removed = await transaction.run(
        "DELETE FROM role_assignment WHERE role_id = ? AND subject = ? AND subject_kind <> 'ACCOUNT'",
        [roleId, directoryId],
      );
      return removed > 0;
    });
  }

  async #own(id: number): Promise<Role> {
    const role = await this.database.manager.findOneBy(Role, { id });
    if (!role) throw unknownRole();
    if (role.predefined)
      throw new BadInputError('id', 'A predefined role can be neither changed nor deleted; make one of your own.');
    return role;
  }

  async #change<Result>(
    author: ChangeAuthor,
    event: AuditEvent,
    subject: string,
    details: Record<string, unknown>,
    work: (transaction: Transaction) => Promise<Result>,
    last: (transaction: Transaction) => Promise<void> = () => Promise.resolve(),
  ): Promise<Result> {
    return this.database.transaction(async (transaction) => {
      await lockRoles(transaction);
      const result = await work(transaction);
      const news = await renewGrantedRoles(transaction);
      await last(transaction);
      await requireAdministrator(transaction);
      await recordAudit(transaction, { ...author, event, outcome: 'DONE', subject, details });
      await this.changes.append(transaction, news);
      return result;
    });
  }
}

function refuseTakenName(error: unknown): never {
  throw isUniqueViolation(error) ? new BadInputError('name', 'There is a role with this name already.') : error;
}
