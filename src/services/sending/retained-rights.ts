import type { Database } from '../../entities/database.js';
import type { Permission } from '../../entities/permission.js';
import { RoleSubjectKind } from '../../entities/role-assignment.js';
import { messageCapabilities } from '../access/message-capabilities.js';
import type { PersonalAccess, PersonalAccessPolicy } from '../access/personal-access.js';
import type { PersonalMessages } from '../backup/personal-messages.js';
import { OperationReason } from './operation.js';

/** The person behind the owner of an operation; null for a local account. */
export const directoryIdOf = (owner: string): string | null => (owner.startsWith('person:') ? owner.slice(7) : null);

/** Looks, at the moment of execution, whether somebody may still do what was asked for earlier. */
export class RetainedRights {
  constructor(
    private readonly database: Database,
    private readonly access: PersonalAccessPolicy,
    private readonly messages: PersonalMessages,
  ) {}

  /** What the person may see now; null for local accounts. */
  async accessOf(owner: string): Promise<PersonalAccess | null> {
    const directoryId = directoryIdOf(owner);
    return directoryId === null ? null : this.access.forPerson(directoryId);
  }

  /** Why a person may not have this copy sent any more; null when they may (rules D1, D2). */
  async againstPersonalSending(owner: string, messageId: number, recipient: number): Promise<OperationReason | null> {
    const access = await this.accessOf(owner);
    const [copy] = access ? await this.messages.find(access, [{ messageId, recipient }]) : [];
    if (!access || !copy) return OperationReason.ACCESS_GONE;
    const { reason } = messageCapabilities(access.switches, copy.facts).send;
    return reason === null ? null : OperationReason[reason as keyof typeof OperationReason];
  }

  /** Whether the owner still holds one of the permissions; a disabled account holds none. */
  async holds(owner: string, permissions: readonly Permission[]): Promise<boolean> {
    const directoryId = directoryIdOf(owner);
    const rows = await this.database.rows<{ permissions: string }>(
      `SELECT r.permissions FROM granted_role g JOIN role r ON r.id = g.role_id
         LEFT JOIN account a ON g.subject_kind = 'ACCOUNT' AND a.id = ?
        WHERE g.subject_kind = ? AND g.subject = ? AND (g.subject_kind <> 'ACCOUNT' OR a.disabled = 0)`,
      directoryId === null
        ? [Number(owner.slice('account:'.length)), RoleSubjectKind.ACCOUNT, owner.slice('account:'.length)]
        : [0, RoleSubjectKind.PERSON, directoryId],
    );
    const held = rows.flatMap((row) => JSON.parse(row.permissions) as Permission[]);
    return permissions.some((permission) => held.includes(permission));
  }
}
