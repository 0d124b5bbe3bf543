import { Field, ID, ObjectType } from 'type-graphql';
import { EmailAddressScalar } from '../../entities/scalars.js';

/** A person or group of the directory. */
@ObjectType('DirectoryAccount', { description: 'A person or group of the directory, from the LDAP cache.' })
export class DirectoryAccountType {
  @Field(() => ID, { name: 'id', description: 'Lasting identity in the directory (rule L7).' })
  directoryId!: string;

  @Field(() => String, { description: 'PERSON or GROUP.' })
  kind!: string;

  @Field({ description: 'Name for display.' })
  name!: string;

  @Field(() => String, { nullable: true, description: 'Account name, such as sAMAccountName.' })
  accountName!: string | null;

  @Field(() => String, { nullable: true, description: 'User principal name.' })
  userPrincipalName!: string | null;

  @Field(() => EmailAddressScalar, { nullable: true, description: 'Main mail address.' })
  primaryAddress!: string | null;

  @Field({ description: 'DNS name of the domain.' })
  domain!: string;

  @Field({ description: 'Whether the account is disabled; group mailboxes usually are.' })
  disabled!: boolean;
}

/** Accounts that clash. */
@ObjectType('DirectoryClash', {
  description:
    'A name or address that several accounts or groups have; their personal Backup is not available (rule V8).',
})
export class DirectoryClashType {
  @Field({ description: 'The name or address, folded to lower case.' })
  value!: string;

  @Field(() => [DirectoryAccountType], { description: 'Everybody who has it.' })
  accounts!: DirectoryAccountType[];
}

/** A useless delegation. */
@ObjectType('DelegationIssue', { description: 'A name in a delegation attribute that gives nobody access (rule L6).' })
export class DelegationIssueType {
  @Field({ description: "The group mailbox's name." })
  mailboxName!: string;

  @Field(() => EmailAddressScalar, { nullable: true, description: "The group mailbox's main address." })
  mailboxAddress!: string | null;

  @Field({ description: 'The attribute.' })
  attribute!: string;

  @Field({ description: 'The name in it.' })
  value!: string;

  @Field({
    description:
      'UNKNOWN: nobody has this name. AMBIGUOUS: several have it. NOT_A_PERSON: it is a contact. OTHER_DOMAIN: it is somebody of another domain (rule V9).',
  })
  problem!: string;
}
