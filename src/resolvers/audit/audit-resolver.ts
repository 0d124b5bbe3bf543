import { Arg, Authorized, Field, ID, InputType, Int, ObjectType, Query, Resolver } from 'type-graphql';
import { Permission } from '../../entities/permission.js';
import { DateTimeScalar } from '../../entities/scalars.js';
import { AuditEvent, AuditOutcome } from '../../services/audit/audit-log.js';
import type { AuditEntries, AuditFilter, StoredAuditEntry } from '../../services/audit/audit-entries.js';
import { DEFAULT_ORDER, encodeMessageCursor, readPage } from '../../services/backup/message-order.js';
import { connection, type Connection, connectionTypes } from '../connection.js';

/** Something that somebody did, or tried to do. */
@ObjectType('AuditEntry', {
  description: 'Something that somebody did, or tried to do; never changed, removed only by age.',
})
export class AuditEntryType {
  constructor(readonly entry: StoredAuditEntry) {}

  @Field(() => ID, { description: 'Opaque id.' })
  get id(): string {
    return String(this.entry.id);
  }

  @Field(() => DateTimeScalar, { description: 'When.' })
  get at(): number {
    return this.entry.atMs;
  }

  @Field({ description: 'Who: account:<login>, person:<login>, token:<name> or system.' })
  get actor(): string {
    return this.entry.actor;
  }

  @Field({ description: 'Address of the client; empty for the program itself.' })
  get remoteAddress(): string {
    return this.entry.remoteAddress;
  }

  @Field(() => AuditEvent, { description: 'What was done.' })
  get event(): AuditEvent {
    return this.entry.event;
  }

  @Field(() => AuditOutcome, { description: 'How it went.' })
  get outcome(): AuditOutcome {
    return this.entry.outcome;
  }

  @Field({ description: 'What it was done to, such as message:42 or operation:<id>; empty when the event says it.' })
  get subject(): string {
    return this.entry.subject;
  }

  @Field({ description: 'Further facts as a JSON object.' })
  get details(): string {
    return this.entry.details;
  }
}

/** Criteria for the audit log. */
@InputType('AuditFilter', { description: 'Narrows the audit log; every given criterion must hold.' })
export class AuditFilterInput implements AuditFilter {
  @Field(() => String, { nullable: true, description: 'Done by exactly this one.' })
  actor?: string | null;

  @Field(() => AuditEvent, { nullable: true, description: 'This was done.' })
  event?: AuditEvent | null;

  @Field(() => AuditOutcome, { nullable: true, description: 'It went so.' })
  outcome?: AuditOutcome | null;

  @Field(() => String, { nullable: true, description: 'It was done to exactly this.' })
  subject?: string | null;

  @Field(() => String, { nullable: true, description: 'From exactly this address.' })
  remoteAddress?: string | null;

  @Field(() => DateTimeScalar, { nullable: true, description: 'At this moment or later.' })
  from?: Date | null;

  @Field(() => DateTimeScalar, { nullable: true, description: 'At this moment or earlier.' })
  to?: Date | null;
}

const { ConnectionType: AuditEntryConnection } = connectionTypes(
  'AuditEntry',
  AuditEntryType as never,
  'entries of the audit log, newest first',
);

/** The audit log: read only. */
@Resolver()
export class AuditResolver {
  constructor(private readonly entries: AuditEntries) {}

  @Authorized(Permission.AUDIT_VIEW)
  @Query(() => AuditEntryConnection, {
    nullable: true,
    description: 'The audit log, newest first. Needs AUDIT_VIEW.',
  })
  async auditLog(
    @Arg('filter', () => AuditFilterInput, { nullable: true, description: 'Narrows it.' })
    filter: AuditFilterInput | null,
    @Arg('first', () => Int, { defaultValue: 50, description: 'How many, 0 to 200.' }) first: number,
    @Arg('after', () => String, { nullable: true, description: 'Start behind this cursor.' }) after: string | null,
  ): Promise<Connection<AuditEntryType>> {
    const found = await this.entries.list(filter ?? {}, readPage(DEFAULT_ORDER, { first, after }));
    return connection(
      found.items.map((entry) => new AuditEntryType(entry)),
      ({ entry }) => encodeMessageCursor(DEFAULT_ORDER, { value: entry.atMs, messageId: entry.id }),
      found,
    );
  }
}
