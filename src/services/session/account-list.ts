import type { Database } from '../../entities/database.js';
import { RoleSubjectKind } from '../../entities/role-assignment.js';
import type { DirectoryAccounts } from '../directory/directory-accounts.js';

/** Somebody who may come in with a password of ours, or a person or group of the directory that was given a role. */
export interface ListedAccount {
  readonly kind: RoleSubjectKind;
  /** The local account's id, or the lasting identity in the directory. */
  readonly subject: string;
  readonly login: string;
  readonly name: string;
  readonly disabled: boolean;
  readonly roleIds: readonly number[];
}

// Local accounts and role holders are few; more than this is a mistake that a page of them would not show.
const MOST_ACCOUNTS = 10_000;

/** Local accounts, and everybody in the directory who holds a role by an assignment of their own. */
export class AccountList {
  constructor(
    private readonly database: Database,
    private readonly directory: DirectoryAccounts,
  ) {}

  /** Those whose login or name contains the text, by kind and login. */
  async list(search: string): Promise<ListedAccount[]> {
    const assignments = await this.database.rows<{ kind: RoleSubjectKind; subject: string; roleId: number }>(
      `SELECT subject_kind AS kind, subject, role_id AS roleId FROM role_assignment LIMIT ${MOST_ACCOUNTS}`,
    );
    const rolesOf = (kind: RoleSubjectKind, subject: string) =>
      assignments.filter((each) => each.kind === kind && each.subject === subject).map(({ roleId }) => roleId);
    const local = await this.database.rows<{ id: number; login: string; name: string; disabled: number }>(
      `SELECT id, login, name, disabled FROM account ORDER BY login_key LIMIT ${MOST_ACCOUNTS}`,
    );
    const subjects = [
      ...new Set(assignments.filter(({ kind }) => kind !== RoleSubjectKind.ACCOUNT).map(({ subject }) => subject)),
    ];
    const found = await this.directory.find(subjects);
    const accounts: ListedAccount[] = [
      ...local.map(({ id, disabled, ...account }) => ({
        ...account,
        kind: RoleSubjectKind.ACCOUNT,
        subject: String(id),
        disabled: Boolean(disabled),
        roleIds: rolesOf(RoleSubjectKind.ACCOUNT, String(id)),
      })),
      ...found
        .map(({ directoryId, kind, name, accountName, userPrincipalName, disabled }) => ({
          kind: kind === 'GROUP' ? RoleSubjectKind.GROUP : RoleSubjectKind.PERSON,
          subject: directoryId,
          login: userPrincipalName ?? accountName ?? name,
          name,
          disabled,
          roleIds: rolesOf(kind === 'GROUP' ? RoleSubjectKind.GROUP : RoleSubjectKind.PERSON, directoryId),
        }))
        .sort((one, other) => (one.login < other.login ? -1 : 1)),
    ];
    const wanted = search.trim().normalize('NFC').toLowerCase();
    return accounts.filter(({ login, name }) => `${login}\n${name}`.normalize('NFC').toLowerCase().includes(wanted));
  }
}
