import { Field, ID, InputType, Int } from 'type-graphql';
import type { LdapConnectionSettings } from '../../ldap/connection-settings.js';
import { readSchedule, type Schedule } from '../../services/directory/schedule.js';
import { given } from '../given.js';
import { AddressAttributes, DirectoryPreset, ScheduleKind, TlsMode } from './directory-enums.js';

/** One directory server. */
@InputType({ description: 'One directory server.' })
export class LdapServerInput {
  @Field({ description: 'Host name, as the certificate of the server names it.' })
  host!: string;

  @Field(() => Int, { nullable: true, description: 'Port; null: 636 for LDAPS, 389 otherwise.' })
  port?: number | null;
}

/** Names that differ from those of the preset. */
@InputType({ description: 'Where the directory calls things by other names than its preset says.' })
export class LdapOverridesInput {
  @Field(() => String, { nullable: true, description: 'Filter for people (RFC 4515).' })
  personFilter?: string | null;

  @Field(() => String, { nullable: true, description: 'Filter for groups (RFC 4515).' })
  groupFilter?: string | null;

  @Field(() => String, { nullable: true, description: 'Filter for contacts (RFC 4515).' })
  contactFilter?: string | null;

  @Field(() => String, { nullable: true, description: 'Attribute with the lasting identity, such as entryUUID.' })
  idAttribute?: string | null;

  @Field(() => String, { nullable: true, description: 'Attribute with the account name, such as uid.' })
  loginAttribute?: string | null;

  @Field(() => String, { nullable: true, description: 'Attribute with the name for display.' })
  displayNameAttribute?: string | null;

  @Field(() => String, { nullable: true, description: 'Attribute with the mail address.' })
  mailAttribute?: string | null;

  @Field(() => String, { nullable: true, description: 'Attribute with the members of a group.' })
  memberAttribute?: string | null;
}

/** When a connection is synchronised. */
@InputType({ description: 'When a connection is synchronised (rule L2); give what belongs to the kind.' })
export class ScheduleInput {
  @Field(() => ScheduleKind, { description: 'How often.' })
  kind!: ScheduleKind;

  @Field(() => Int, { nullable: true, description: 'INTERVAL: minutes between two, 1 to 10080.' })
  minutes?: number | null;

  @Field(() => String, { nullable: true, description: 'Time of day, such as 03:30.' })
  time?: string | null;

  @Field(() => Int, { nullable: true, description: 'WEEKLY: Monday is 1, Sunday is 7 (ISO 8601).' })
  weekday?: number | null;

  @Field(() => Int, {
    nullable: true,
    description: 'MONTHLY: 1 to 31; months that lack the day have their last day instead.',
  })
  day?: number | null;

  @Field(() => String, {
    nullable: true,
    description: 'Zone of the IANA database, such as Europe/Berlin; UTC when nothing is said.',
  })
  timeZone?: string | null;
}

/** Everything that is needed to read one directory. */
@InputType({ description: 'Everything that is needed to read one directory (rule L1).' })
export class LdapSettingsInput {
  @Field({ description: "DNS name of the directory's domain." })
  domain!: string;

  @Field(() => [LdapServerInput], {
    defaultValue: [],
    description: 'Servers, tried in this order; empty: found by DNS SRV (RFC 2782).',
  })
  servers!: LdapServerInput[];

  @Field(() => TlsMode, { defaultValue: TlsMode.LDAPS, description: 'How it is protected.' })
  tlsMode!: TlsMode;

  @Field(() => Boolean, { defaultValue: false, description: 'Allows PLAIN, with which passwords are sent readably.' })
  plainAllowed!: boolean;

  @Field(() => String, {
    nullable: true,
    description: 'Certificates (PEM) of the authorities to trust; null: those of the system.',
  })
  caPem?: string | null;

  @Field({ description: 'Where people and groups are searched, such as DC=example,DC=com (RFC 4514).' })
  baseDn!: string;

  @Field({ description: 'Name of the account that reads the directory: DN, user principal name, or DOMAIN\\name.' })
  bindName!: string;

  @Field(() => String, {
    nullable: true,
    description: 'Its password; kept encrypted and never shown (rule L8). In an update null keeps the stored one.',
  })
  bindPassword?: string | null;

  @Field(() => AddressAttributes, {
    defaultValue: AddressAttributes.BOTH,
    description: 'Which attributes hold mail addresses.',
  })
  addressAttributes!: AddressAttributes;

  @Field(() => Boolean, { defaultValue: false, description: 'Whether contacts are read, too.' })
  contacts!: boolean;

  @Field(() => [String], {
    defaultValue: [],
    description: 'Attributes of group mailboxes that name who has access, such as msExchDelegateListLink (rule V9).',
  })
  delegationAttributes!: string[];

  @Field(() => DirectoryPreset, {
    defaultValue: DirectoryPreset.ACTIVE_DIRECTORY,
    description: 'Which kind of directory it is.',
  })
  preset!: DirectoryPreset;

  @Field(() => LdapOverridesInput, { nullable: true, description: 'Names that differ from those of the preset.' })
  overrides?: LdapOverridesInput | null;
}

/** The settings as the directory code has them. */
export function settingsOf(input: LdapSettingsInput): LdapConnectionSettings {
  return {
    domain: input.domain,
    servers: input.servers.map(({ host, port }) => (typeof port === 'number' ? { host, port } : { host })),
    tlsMode: input.tlsMode,
    plainAllowed: input.plainAllowed,
    caPem: input.caPem ?? null,
    baseDn: input.baseDn,
    bindName: input.bindName,
    bindPassword: input.bindPassword ?? '',
    addressAttributes: input.addressAttributes,
    contacts: input.contacts,
    delegationAttributes: input.delegationAttributes,
    preset: input.preset,
    overrides: given<Record<keyof LdapOverridesInput, string>>({ ...input.overrides }),
  };
}

/** The schedule, checked; throws BAD_USER_INPUT that names the field. */
export const scheduleOf = (input: ScheduleInput): Schedule => readSchedule(given({ ...input }));

/** A new connection. */
@InputType({ description: 'A new connection to a directory.' })
export class CreateLdapConnectionInput {
  @Field({ description: 'What administrators call it, 1 to 128 characters.' })
  name!: string;

  @Field(() => LdapSettingsInput, { description: 'How to reach and read it.' })
  settings!: LdapSettingsInput;

  @Field(() => ScheduleInput, {
    nullable: true,
    description: 'When it is synchronised; every 30 minutes when nothing is said (rule L2).',
  })
  schedule?: ScheduleInput | null;
}

/** A change of a connection. */
@InputType({ description: 'A change of a connection; what is left out keeps its value.' })
export class UpdateLdapConnectionInput {
  @Field(() => ID, { description: "The connection's id." })
  id!: string;

  @Field(() => Int, { description: 'The version that the change is based on.' })
  version!: number;

  @Field(() => String, { nullable: true, description: 'What administrators call it.' })
  name?: string | null;

  @Field(() => LdapSettingsInput, { nullable: true, description: 'How to reach and read it, as a whole.' })
  settings?: LdapSettingsInput | null;

  @Field(() => ScheduleInput, { nullable: true, description: 'When it is synchronised.' })
  schedule?: ScheduleInput | null;
}

/** Which connection. */
@InputType({ description: 'Which connection is to be deleted, with its part of the LDAP cache (rule L4).' })
export class DeleteLdapConnectionInput {
  @Field(() => ID, { description: "The connection's id." })
  id!: string;
}

/** What is to be tested. */
@InputType({
  description:
    'What is to be tested: settings that are not stored yet, or a stored connection; with both, the settings with the stored password where they have none.',
})
export class TestLdapConnectionInput {
  @Field(() => ID, { nullable: true, description: 'A stored connection.' })
  id?: string | null;

  @Field(() => LdapSettingsInput, { nullable: true, description: 'Settings to try.' })
  settings?: LdapSettingsInput | null;
}

/** What is to be synchronised. */
@InputType({ description: 'What is to be synchronised now.' })
export class SynchronizeDirectoryInput {
  @Field(() => ID, { description: "The connection's id." })
  id!: string;

  @Field(() => Boolean, { defaultValue: false, description: 'Reads everything even where changes alone would do.' })
  full!: boolean;

  @Field(() => Boolean, {
    defaultValue: false,
    description: 'Takes a result over that was held back because it lost more than half of the people.',
  })
  acceptLoss!: boolean;
}
