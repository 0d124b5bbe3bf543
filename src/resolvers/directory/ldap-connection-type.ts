import { Field, ID, Int, ObjectType } from 'type-graphql';
import type { LdapConnection as StoredConnection } from '../../entities/ldap-connection.js';
import type { LdapConnectionSettings } from '../../ldap/connection-settings.js';
import { settingsWarnings } from '../../ldap/validate-settings.js';
import type { Schedule as StoredSchedule } from '../../services/directory/schedule.js';
import type { SynchronisationState } from '../../services/directory/synchronisation-state.js';
import { Synchronization } from './synchronization-type.js';
import { AddressAttributes, DirectoryPreset, ScheduleKind, TlsMode } from './directory-enums.js';

/** One directory server. */
@ObjectType({ description: 'One directory server.' })
export class LdapServer {
  @Field({ description: 'Host name, as the certificate of the server names it.' })
  host!: string;

  @Field(() => Int, { nullable: true, description: 'Port; null: 636 for LDAPS, 389 otherwise.' })
  port?: number | null;
}

/** Names that differ from those of the preset. */
@ObjectType({
  description: 'Where the directory calls things by other names than its preset says; null: as the preset.',
})
export class LdapOverridesType {
  @Field(() => String, { nullable: true, description: 'Filter for people (RFC 4515).' })
  personFilter?: string;

  @Field(() => String, { nullable: true, description: 'Filter for groups (RFC 4515).' })
  groupFilter?: string;

  @Field(() => String, { nullable: true, description: 'Filter for contacts (RFC 4515).' })
  contactFilter?: string;

  @Field(() => String, { nullable: true, description: 'Attribute with the lasting identity, such as entryUUID.' })
  idAttribute?: string;

  @Field(() => String, { nullable: true, description: 'Attribute with the account name, such as uid.' })
  loginAttribute?: string;

  @Field(() => String, { nullable: true, description: 'Attribute with the name for display.' })
  displayNameAttribute?: string;

  @Field(() => String, { nullable: true, description: 'Attribute with the mail address.' })
  mailAttribute?: string;

  @Field(() => String, { nullable: true, description: 'Attribute with the members of a group.' })
  memberAttribute?: string;
}

/** When a connection is synchronised. */
@ObjectType({ description: 'When a connection is synchronised (rule L2); what does not belong to the kind is null.' })
export class Schedule {
  @Field(() => ScheduleKind, { description: 'How often.' })
  kind!: ScheduleKind;

  @Field(() => Int, { nullable: true, description: 'INTERVAL: minutes between two.' })
  minutes?: number;

  @Field(() => String, { nullable: true, description: 'Time of day, such as 03:30.' })
  time?: string;

  @Field(() => Int, { nullable: true, description: 'WEEKLY: Monday is 1, Sunday is 7 (ISO 8601).' })
  weekday?: number;

  @Field(() => Int, {
    nullable: true,
    description: 'MONTHLY: 1 to 31; months that lack the day have their last day instead.',
  })
  day?: number;

  @Field(() => String, { nullable: true, description: 'Zone of the IANA database, such as Europe/Berlin.' })
  timeZone?: string;
}

/** A connection without its credential. */
@ObjectType('LdapConnection', {
  description: 'A connection to one directory. The bind password is never shown (rule L8).',
})
export class LdapConnectionType {
  readonly #settings: LdapConnectionSettings;

  constructor(
    readonly connection: StoredConnection,
    private readonly storedSchedule: StoredSchedule,
    private readonly state: SynchronisationState,
  ) {
    this.#settings = {
      ...(connection.settings as unknown as LdapConnectionSettings),
      domain: connection.domain,
      delegationAttributes: connection.delegationAttributes,
      bindPassword: '',
    };
  }

  @Field(() => ID, { description: 'Opaque id.' })
  get id(): string {
    return String(this.connection.id);
  }

  @Field({ description: 'What administrators call it.' })
  get name(): string {
    return this.connection.name;
  }

  @Field(() => Int, { description: 'Grows with each change; an update names the version it is based on.' })
  get version(): number {
    return this.connection.version;
  }

  @Field({ description: "DNS name of the directory's domain; delegation never crosses it (rule V9)." })
  get domain(): string {
    return this.connection.domain;
  }

  @Field(() => [LdapServer], { description: 'Servers, tried in this order; empty: found by DNS SRV (RFC 2782).' })
  get servers(): LdapServer[] {
    return [...this.#settings.servers];
  }

  @Field(() => TlsMode, { description: 'How it is protected.' })
  get tlsMode(): TlsMode {
    return TlsMode[this.#settings.tlsMode];
  }

  @Field({ description: 'Whether a connection without TLS is allowed.' })
  get plainAllowed(): boolean {
    return this.#settings.plainAllowed;
  }

  @Field(() => String, {
    nullable: true,
    description: 'Certificates (PEM) of the authorities to trust; null: those of the system.',
  })
  get caPem(): string | null {
    return this.#settings.caPem;
  }

  @Field({ description: 'Where people and groups are searched (RFC 4514).' })
  get baseDn(): string {
    return this.#settings.baseDn;
  }

  @Field({ description: 'Name of the account that reads the directory: DN, user principal name, or DOMAIN\\name.' })
  get bindName(): string {
    return this.#settings.bindName;
  }

  @Field(() => AddressAttributes, { description: 'Which attributes hold mail addresses.' })
  get addressAttributes(): AddressAttributes {
    return AddressAttributes[this.#settings.addressAttributes];
  }

  @Field({ description: 'Whether contacts are read, too.' })
  get contacts(): boolean {
    return this.#settings.contacts;
  }

  @Field(() => [String], { description: 'Attributes of group mailboxes that name who has access (rule V9).' })
  get delegationAttributes(): string[] {
    return this.connection.delegationAttributes;
  }

  @Field({ description: 'Whether a synchronisation has loaded these attributes since they were configured (rule V9).' })
  get delegationLoaded(): boolean {
    return this.connection.delegationLoaded;
  }

  @Field(() => DirectoryPreset, { description: 'Which kind of directory it is.' })
  get preset(): DirectoryPreset {
    return DirectoryPreset[this.#settings.preset];
  }

  @Field(() => LdapOverridesType, { description: 'Names that differ from those of the preset.' })
  get overrides(): LdapOverridesType {
    return this.#settings.overrides;
  }

  @Field(() => Schedule, { description: 'When it is synchronised.' })
  get schedule(): Schedule {
    return this.storedSchedule as Schedule;
  }

  @Field(() => [String], {
    description: 'What to know about these settings, such as that passwords are sent readably.',
  })
  get warnings(): string[] {
    return settingsWarnings(this.#settings);
  }

  @Field(() => Synchronization, { description: 'The last synchronisation, or the one that runs.' })
  get synchronization(): Synchronization {
    return new Synchronization(this.state, this.connection.nextRunAtMs);
  }
}
