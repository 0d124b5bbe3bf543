import { Arg, Authorized, Ctx, Int, Mutation, Query, Resolver } from 'type-graphql';
import { isAscii } from '../../entities/ascii.js';
import { Permission } from '../../entities/permission.js';
import { RoleSubjectKind } from '../../entities/role-assignment.js';
import { BadInputError } from '../../errors.js';
import type { DirectoryAccounts } from '../../services/directory/directory-accounts.js';
import type { AccountList } from '../../services/session/account-list.js';
import type { Accounts } from '../../services/session/accounts.js';
import type { Roles } from '../../services/session/roles.js';
import { connection, type Connection } from '../connection.js';
import type { RequestContext } from '../context.js';
import { attempt } from '../user-error.js';
import {
  AssignRoleInput,
  ChangePasswordInput,
  CreateAccountInput,
  CreateRoleInput,
  DeleteAccountInput,
  DeleteRoleInput,
  UpdateAccountInput,
  UpdateRoleInput,
  WithdrawRoleInput,
} from './account-inputs.js';
import {
  AccountPayload,
  AssignRolePayload,
  ChangePasswordPayload,
  DeleteAccountPayload,
  DeleteRolePayload,
  RolePayload,
  WithdrawRolePayload,
} from './account-payloads.js';
import { AccountConnection, AccountType, RoleType } from './account-types.js';

const MAX_PAGE = 200;

function readId(id: string, what: string, field = 'id'): number {
  if (!/^\d{1,15}$/.test(id)) throw new BadInputError(field, `There is no ${what} with this id.`);
  return Number(id);
}

const cursorOf = (kind: RoleSubjectKind, subject: string) => Buffer.from(`${kind}/${subject}`).toString('base64url');

/** Accounts and roles (rule V2). */
@Resolver()
export class AccountResolver {
  constructor(
    private readonly people: AccountList,
    private readonly accountService: Accounts,
    private readonly roleService: Roles,
    private readonly directory: DirectoryAccounts,
  ) {}

  @Authorized(Permission.ACCOUNTS_VIEW)
  @Query(() => AccountConnection, {
    nullable: true,
    description: 'Local accounts, and people and groups of the directory that were given a role. Needs ACCOUNTS_VIEW.',
  })
  async accounts(
    @Arg('search', () => String, {
      nullable: true,
      description: 'Login or name contains this, without regard to case.',
    })
    search: string | null | undefined,
    @Arg('first', () => Int, { defaultValue: 50, description: 'How many, at most 200.' }) first: number,
    @Arg('after', () => String, { nullable: true, description: 'Start behind this cursor.' })
    after: string | null | undefined,
  ): Promise<Connection<AccountType>> {
    if (first < 0 || first > MAX_PAGE) throw new BadInputError('first', `first must be 0 to ${MAX_PAGE}.`);
    const all = await this.people.list(search ?? '');
    const behind = !after ? -1 : all.findIndex(({ kind, subject }) => cursorOf(kind, subject) === after);
    if (after && behind < 0)
      throw new BadInputError('after', 'after is no cursor of this list. Use one that the list gave, or leave it out.');
    const page = all.slice(behind + 1, behind + 1 + first);
    const roles = await this.#roles();
    const nodes = page.map((account) => new AccountType(account, roles));
    const around = { hasNextPage: behind + 1 + first < all.length, hasPreviousPage: behind >= 0 };
    return connection(nodes, (node) => cursorOf(node.kind, node.id), around);
  }

  @Authorized(Permission.ACCOUNTS_VIEW)
  @Query(() => [RoleType], { nullable: true, description: 'All roles, by name. Needs ACCOUNTS_VIEW.' })
  async roles(): Promise<RoleType[]> {
    return (await this.roleService.list()).map((role) => new RoleType(role));
  }

  @Authorized(Permission.ACCOUNTS_EDIT)
  @Mutation(() => AccountPayload, { description: 'Adds a local account. Needs ACCOUNTS_EDIT.' })
  createAccount(
    @Ctx() context: RequestContext,
    @Arg('input', () => CreateAccountInput, { description: 'The account.' }) input: CreateAccountInput,
  ): Promise<AccountPayload> {
    return attempt(
      async () => {
        const roleIds = input.roleIds.map((id) => readId(id, 'role', 'roleIds'));
        const id = await this.accountService.create({ ...input, roleIds }, context.author);
        return { account: await this.#account(RoleSubjectKind.ACCOUNT, String(id)), userErrors: [] };
      },
      (userErrors): AccountPayload => ({ account: null, userErrors }),
    );
  }

  @Authorized(Permission.ACCOUNTS_EDIT)
  @Mutation(() => AccountPayload, {
    description: 'Changes a local account: name, password, roles, or whether it can sign in. Needs ACCOUNTS_EDIT.',
  })
  updateAccount(
    @Ctx() context: RequestContext,
    @Arg('input', () => UpdateAccountInput, { description: 'The change.' }) input: UpdateAccountInput,
  ): Promise<AccountPayload> {
    return attempt(
      async () => {
        const change = {
          name: input.name ?? undefined,
          password: input.password ?? undefined,
          disabled: input.disabled ?? undefined,
          roleIds: input.roleIds?.map((id) => readId(id, 'role', 'roleIds')),
        };
        await this.accountService.update(readId(input.id, 'local account'), change, context.author);
        return { account: await this.#account(RoleSubjectKind.ACCOUNT, input.id), userErrors: [] };
      },
      (userErrors): AccountPayload => ({ account: null, userErrors }),
    );
  }

  @Authorized(Permission.ACCOUNTS_EDIT)
  @Mutation(() => DeleteAccountPayload, {
    description: 'Deletes a local account and ends its sessions. Needs ACCOUNTS_EDIT.',
  })
  deleteAccount(
    @Ctx() context: RequestContext,
    @Arg('input', () => DeleteAccountInput, { description: 'Which one.' }) { id }: DeleteAccountInput,
  ): Promise<DeleteAccountPayload> {
    return attempt(
      async () => {
        await this.accountService.delete(readId(id, 'local account'), context.author);
        return { deletedAccountId: id, userErrors: [] };
      },
      (userErrors): DeleteAccountPayload => ({ deletedAccountId: null, userErrors }),
    );
  }

  @Authorized(Permission.ACCOUNTS_EDIT)
  @Mutation(() => AssignRolePayload, {
    description: 'Gives a role to a person or a group of the directory. Needs ACCOUNTS_EDIT.',
  })
  assignRole(
    @Ctx() context: RequestContext,
    @Arg('input', () => AssignRoleInput, { description: 'Which role, to whom.' }) input: AssignRoleInput,
  ): Promise<AssignRolePayload> {
    return attempt(
      async () => {
        const [account] = isAscii(input.directoryAccountId)
          ? await this.directory.find([input.directoryAccountId])
          : [];
        if (!account) throw new BadInputError('directoryAccountId', 'The directory has no such person or group.');
        const kind = account.kind === 'GROUP' ? RoleSubjectKind.GROUP : RoleSubjectKind.PERSON;
        await this.roleService.assign(
          readId(input.roleId, 'role', 'roleId'),
          { kind, directoryId: account.directoryId },
          context.author,
        );
        return { account: await this.#account(kind, account.directoryId), userErrors: [] };
      },
      (userErrors): AssignRolePayload => ({ account: null, userErrors }),
    );
  }

  @Authorized(Permission.ACCOUNTS_EDIT)
  @Mutation(() => WithdrawRolePayload, {
    description: 'Takes a role from a person or a group of the directory. Needs ACCOUNTS_EDIT.',
  })
  withdrawRole(
    @Ctx() context: RequestContext,
    @Arg('input', () => WithdrawRoleInput, { description: 'Which role, from whom.' }) input: WithdrawRoleInput,
  ): Promise<WithdrawRolePayload> {
    return attempt(
      async () => ({
        withdrawn:
          isAscii(input.directoryAccountId) &&
          (await this.roleService.withdraw(
            readId(input.roleId, 'role', 'roleId'),
            input.directoryAccountId,
            context.author,
          )),
        userErrors: [],
      }),
      (userErrors): WithdrawRolePayload => ({ withdrawn: false, userErrors }),
    );
  }

  @Authorized(Permission.ACCOUNTS_EDIT)
  @Mutation(() => RolePayload, { description: 'Adds a role. Needs ACCOUNTS_EDIT.' })
  createRole(
    @Ctx() context: RequestContext,
    @Arg('input', () => CreateRoleInput, { description: 'The role.' }) input: CreateRoleInput,
  ): Promise<RolePayload> {
    return attempt(
      async () => this.#rolePayload(await this.roleService.create(input.name, input.permissions, context.author)),
      (userErrors): RolePayload => ({ role: null, userErrors }),
    );
  }

  @Authorized(Permission.ACCOUNTS_EDIT)
  @Mutation(() => RolePayload, { description: 'Changes a role that is not predefined. Needs ACCOUNTS_EDIT.' })
  updateRole(
    @Ctx() context: RequestContext,
    @Arg('input', () => UpdateRoleInput, { description: 'The change.' }) input: UpdateRoleInput,
  ): Promise<RolePayload> {
    return attempt(
      async () => {
        const id = readId(input.id, 'role');
        await this.roleService.update(
          id,
          { name: input.name ?? undefined, permissions: input.permissions ?? undefined },
          context.author,
        );
        return this.#rolePayload(id);
      },
      (userErrors): RolePayload => ({ role: null, userErrors }),
    );
  }

  @Authorized(Permission.ACCOUNTS_EDIT)
  @Mutation(() => DeleteRolePayload, {
    description: 'Deletes a role that is not predefined; everybody loses it. Needs ACCOUNTS_EDIT.',
  })
  deleteRole(
    @Ctx() context: RequestContext,
    @Arg('input', () => DeleteRoleInput, { description: 'Which one.' }) { id }: DeleteRoleInput,
  ): Promise<DeleteRolePayload> {
    return attempt(
      async () => {
        await this.roleService.delete(readId(id, 'role'), context.author);
        return { deletedRoleId: id, userErrors: [] };
      },
      (userErrors): DeleteRolePayload => ({ deletedRoleId: null, userErrors }),
    );
  }

  @Authorized('SESSION')
  @Mutation(() => ChangePasswordPayload, { description: "Changes one's own password; only for local accounts." })
  changePassword(
    @Ctx() context: RequestContext,
    @Arg('input', () => ChangePasswordInput, { description: 'The old and the new one.' }) input: ChangePasswordInput,
  ): Promise<ChangePasswordPayload> {
    return attempt(
      async () => {
        const { accountId, sessionId } = context.requireViewer();
        if (accountId === null)
          throw new BadInputError('currentPassword', 'Your password is kept in the directory. Change it there.');
        await this.accountService.changePassword(
          accountId,
          sessionId,
          input.currentPassword,
          input.newPassword,
          context.author,
        );
        return { changed: true, userErrors: [] };
      },
      (userErrors): ChangePasswordPayload => ({ changed: false, userErrors }),
    );
  }

  async #roles() {
    return new Map((await this.roleService.list()).map((role) => [role.id, role]));
  }

  async #rolePayload(id: number): Promise<RolePayload> {
    const role = (await this.#roles()).get(id);
    return { role: role ? new RoleType(role) : null, userErrors: [] };
  }

  async #account(kind: RoleSubjectKind, subject: string): Promise<AccountType | null> {
    const account = (await this.people.list('')).find((each) => each.kind === kind && each.subject === subject);
    return account ? new AccountType(account, await this.#roles()) : null;
  }
}
