import { Field, ID, InputType } from 'type-graphql';
import { Permission } from '../../entities/permission.js';

/** A new local account. */
@InputType({ description: 'A new local account.' })
export class CreateAccountInput {
  @Field({ description: 'What is typed to sign in: 1 to 64 characters without spaces, "@" and backslashes.' })
  login!: string;

  @Field({ description: 'Name for display, 1 to 255 characters.' })
  name!: string;

  @Field({ description: 'Password, at least 10 characters; only its scrypt hash is kept.' })
  password!: string;

  @Field(() => [ID], { defaultValue: [], description: 'Roles to give to it.' })
  roleIds!: string[];
}

/** A change of a local account. */
@InputType({ description: 'A change of a local account; what is left out keeps its value.' })
export class UpdateAccountInput {
  @Field(() => ID, { description: "The account's id." })
  id!: string;

  @Field(() => String, { nullable: true, description: 'Name for display.' })
  name?: string | null;

  @Field(() => String, { nullable: true, description: 'A new password; ends its sessions.' })
  password?: string | null;

  @Field(() => Boolean, { nullable: true, description: 'Whether it cannot sign in; ends its sessions.' })
  disabled?: boolean | null;

  @Field(() => [ID], { nullable: true, description: 'All roles that it is to have.' })
  roleIds?: string[] | null;
}

/** Which account. */
@InputType({ description: 'Which local account is to be deleted.' })
export class DeleteAccountInput {
  @Field(() => ID, { description: "The account's id." })
  id!: string;
}

/** A role for somebody of the directory. */
@InputType({
  description:
    'Gives a role to a person or a group of the directory; a group gives it to everybody in it, nested groups included.',
})
export class AssignRoleInput {
  @Field(() => ID, { description: "The role's id." })
  roleId!: string;

  @Field(() => ID, { description: 'Identity of the person or group, as `directoryAccounts` gives it.' })
  directoryAccountId!: string;
}

/** A role that somebody loses. */
@InputType({ description: 'Takes a role from a person or a group of the directory.' })
export class WithdrawRoleInput {
  @Field(() => ID, { description: "The role's id." })
  roleId!: string;

  @Field(() => ID, { description: 'Identity of the person or group.' })
  directoryAccountId!: string;
}

/** A new role. */
@InputType({ description: 'A new role.' })
export class CreateRoleInput {
  @Field({ description: 'What administrators call it, 1 to 64 characters.' })
  name!: string;

  @Field(() => [Permission], { description: 'What it lets its holders do; at least one.' })
  permissions!: Permission[];
}

/** A change of a role. */
@InputType({ description: 'A change of a role that is not predefined; it acts at once, on open subscriptions, too.' })
export class UpdateRoleInput {
  @Field(() => ID, { description: "The role's id." })
  id!: string;

  @Field(() => String, { nullable: true, description: 'What administrators call it.' })
  name?: string | null;

  @Field(() => [Permission], { nullable: true, description: 'All permissions that it is to have.' })
  permissions?: Permission[] | null;
}

/** Which role. */
@InputType({ description: 'Which role is to be deleted; everybody loses it.' })
export class DeleteRoleInput {
  @Field(() => ID, { description: "The role's id." })
  id!: string;
}

/** One's own new password. */
@InputType({ description: "One's own new password; only for local accounts." })
export class ChangePasswordInput {
  @Field({ description: 'The password now.' })
  currentPassword!: string;

  @Field({ description: 'The new one, at least 10 characters.' })
  newPassword!: string;
}
