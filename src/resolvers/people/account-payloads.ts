import { Field, ID, ObjectType } from 'type-graphql';
import { UserError } from '../user-error.js';
import { AccountType, RoleType } from './account-types.js';

/** The outcome of creating or changing an account. */
@ObjectType({ description: 'The outcome of creating or changing an account.' })
export class AccountPayload {
  @Field(() => AccountType, { nullable: true, description: 'The account as it is now; null when it was refused.' })
  account!: AccountType | null;

  @Field(() => [UserError], { description: 'Why nothing was changed: BAD_USER_INPUT or LAST_ADMINISTRATOR.' })
  userErrors!: UserError[];
}

/** The outcome of deleting an account. */
@ObjectType({ description: 'The outcome of deleting an account.' })
export class DeleteAccountPayload {
  @Field(() => ID, { nullable: true, description: 'Id of the account that was deleted; null when it was refused.' })
  deletedAccountId!: string | null;

  @Field(() => [UserError], { description: 'Why nothing was deleted: BAD_USER_INPUT or LAST_ADMINISTRATOR.' })
  userErrors!: UserError[];
}

/** The outcome of giving a role. */
@ObjectType({ description: 'The outcome of giving a role.' })
export class AssignRolePayload {
  @Field(() => AccountType, {
    nullable: true,
    description: 'The person or group with its roles; null when it was refused.',
  })
  account!: AccountType | null;

  @Field(() => [UserError], { description: 'Why nothing was changed.' })
  userErrors!: UserError[];
}

/** The outcome of taking a role away. */
@ObjectType({ description: 'The outcome of taking a role away; it acts at once, on open subscriptions, too.' })
export class WithdrawRolePayload {
  @Field({ description: 'Whether the person or group had the role.' })
  withdrawn!: boolean;

  @Field(() => [UserError], { description: 'Why nothing was changed.' })
  userErrors!: UserError[];
}

/** The outcome of creating or changing a role. */
@ObjectType({ description: 'The outcome of creating or changing a role.' })
export class RolePayload {
  @Field(() => RoleType, { nullable: true, description: 'The role as it is now; null when it was refused.' })
  role!: RoleType | null;

  @Field(() => [UserError], { description: 'Why nothing was changed: BAD_USER_INPUT or LAST_ADMINISTRATOR.' })
  userErrors!: UserError[];
}

/** The outcome of deleting a role. */
@ObjectType({ description: 'The outcome of deleting a role.' })
export class DeleteRolePayload {
  @Field(() => ID, { nullable: true, description: 'Id of the role that was deleted; null when it was refused.' })
  deletedRoleId!: string | null;

  @Field(() => [UserError], { description: 'Why nothing was deleted: BAD_USER_INPUT or LAST_ADMINISTRATOR.' })
  userErrors!: UserError[];
}

/** The outcome of changing one's password. */
@ObjectType({ description: "The outcome of changing one's own password." })
export class ChangePasswordPayload {
  @Field({ description: 'Whether the new password holds; other sessions of the account have ended then.' })
  changed!: boolean;

  @Field(() => [UserError], { description: 'Why the old one still holds.' })
  userErrors!: UserError[];
}
