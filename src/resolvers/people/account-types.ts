import { Field, ID, ObjectType } from 'type-graphql';
import { Permission } from '../../entities/permission.js';
import type { Role } from '../../entities/role.js';
import { RoleSubjectKind } from '../../entities/role-assignment.js';
import type { ListedAccount } from '../../services/session/account-list.js';
import { connectionTypes } from '../connection.js';

/** A named set of permissions. */
@ObjectType('Role', { description: 'A named set of permissions (rule V2).' })
export class RoleType {
  constructor(private readonly role: Role) {}

  @Field(() => ID, { description: 'Opaque id.' })
  get id(): string {
    return String(this.role.id);
  }

  @Field({ description: 'What administrators call it.' })
  get name(): string {
    return this.role.name;
  }

  @Field(() => [Permission], { description: 'What it lets its holders do.' })
  get permissions(): Permission[] {
    return this.role.permissions;
  }

  @Field({ description: 'Whether it came with the product; then it can be neither changed nor deleted.' })
  get predefined(): boolean {
    return this.role.predefined;
  }
}

/** Somebody with an account here or a role. */
@ObjectType('Account', { description: 'A local account, or a person or group of the directory that was given a role.' })
export class AccountType {
  constructor(
    private readonly account: ListedAccount,
    private readonly known: ReadonlyMap<number, Role>,
  ) {}

  @Field(() => ID, { description: 'Id of the local account, or the lasting identity in the directory (rule L7).' })
  get id(): string {
    return this.account.subject;
  }

  @Field(() => RoleSubjectKind, { description: 'What it is.' })
  get kind(): RoleSubjectKind {
    return this.account.kind;
  }

  @Field({ description: 'What is typed to sign in; for a group its name.' })
  get login(): string {
    return this.account.login;
  }

  @Field({ description: 'Name for display.' })
  get name(): string {
    return this.account.name;
  }

  @Field({ description: 'Whether it cannot sign in.' })
  get disabled(): boolean {
    return this.account.disabled;
  }

  @Field(() => [RoleType], { description: 'Roles that were given to it itself, not those of its groups.' })
  get roles(): RoleType[] {
    return this.account.roleIds.flatMap((id) => {
      const role = this.known.get(id);
      return role ? [new RoleType(role)] : [];
    });
  }
}

/** A page of accounts. */
export const { ConnectionType: AccountConnection } = connectionTypes('Account', AccountType as never, 'accounts');
