import type { Database } from '../../entities/database.js';
import { mailboxKey } from '../../entities/mailbox-key.js';
import { Permission } from '../../entities/permission.js';
import { RoleSubjectKind } from '../../entities/role-assignment.js';
import { ACTION_CODES, GatewayAction } from '../../entities/vocabulary.js';
import { messageCapabilities } from '../access/message-capabilities.js';
import type { PersonalAccess, PersonalAccessPolicy } from '../access/personal-access.js';
import type { PersonalMessages } from '../backup/personal-messages.js';
import { gather } from '../gather.js';
import { OperationReason } from './operation.js';

/** The person behind the owner of an operation; null for a local account. */
export const directoryIdOf = (owner: string): string | null => (owner.startsWith('person:') ? owner.slice(7) : null);

const GATHERED = 100;

/** Looks, at the moment of execution, whether somebody may still do what was asked for earlier. */
export class RetainedRights {
  // Deliveries that were taken together are mostly one owner's.
  readonly #permissions = gather(GATHERED, async (owners: readonly string[]) => {
    const distinct = [...new Set(owners)];
    const held = await Promise.all(distinct.map((owner) => this.#readPermissions(owner)));
    return new Map(distinct.map((owner, index) => [owner, held[index]]));
  });

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

  /**
   * Why a person may not have this copy sent to this address any more; null when they may (rules D1 to D3): it goes to the mailbox
   * of its section, or to an own address.
   */
  async againstPersonalSending(
    owner: string,
    messageId: number,
    recipient: number,
    address: string,
  ): Promise<OperationReason | null> {
    const access = await this.accessOf(owner);
    const copies = access ? await this.messages.copiesOf(access, [messageId]) : [];
    const copy = copies.find((each) => each.recipient === recipient);
    if (!access || !copy) return OperationReason.ACCESS_GONE;
    const allowed = [...copy.section.mailboxKeys, ...(access.own?.mailboxKeys ?? [])];
    if (!allowed.includes(mailboxKey(address))) return OperationReason.ACCESS_GONE;
    const { reason } = messageCapabilities(access.switches, copy.facts).send;
    return reason === null ? null : OperationReason[reason as keyof typeof OperationReason];
  }

  /** Whether an administrator may still send this message to this address: to any, or to those whose copy was put aside (rule D6). */
  async allowsSending(owner: string, messageId: number, mailbox: string): Promise<boolean> {
    const held = await this.permissionsOf(owner);
    if (held.has(Permission.BACKUP_SEND_TO_ANYONE)) return true;
    if (!held.has(Permission.BACKUP_SEND_TO_RECIPIENTS)) return false;
    const [original] = await this.database.rows(
      `SELECT 1 FROM recipient WHERE message_id = ? AND mailbox = ? AND action <> ${ACTION_CODES.indexOf(GatewayAction.SKIP)}`,
      [messageId, mailbox],
    );
    return original !== undefined;
  }

  /** Which permissions the owner holds now; a disabled account holds none. */
  async permissionsOf(owner: string): Promise<ReadonlySet<Permission>> {
    return (await this.#permissions(owner)).get(owner) ?? new Set();
  }

  async #readPermissions(owner: string): Promise<ReadonlySet<Permission>> {
    const directoryId = directoryIdOf(owner);
    const rows = await this.database.rows<{ permissions: string }>(
      `SELECT r.permissions FROM granted_role g JOIN role r ON r.id = g.role_id
         LEFT JOIN account a ON g.subject_kind = 'ACCOUNT' AND a.id = ?
        WHERE g.subject_kind = ? AND g.subject = ? AND (g.subject_kind <> 'ACCOUNT' OR a.disabled = 0)`,
      directoryId === null
        ? [Number(owner.slice('account:'.length)), RoleSubjectKind.ACCOUNT, owner.slice('account:'.length)]
        : [0, RoleSubjectKind.PERSON, directoryId],
    );
    return new Set(rows.flatMap((row) => JSON.parse(row.permissions) as Permission[]));
  }
}
