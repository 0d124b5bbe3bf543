import { Field, Int, ObjectType } from 'type-graphql';
import { DateTimeScalar } from '../../entities/scalars.js';
import {
  SynchronisationKind,
  type SynchronisationState,
  SynchronisationStatus,
} from '../../services/directory/synchronisation-state.js';

/** What the cache holds. */
@ObjectType({ description: 'What the LDAP cache of a connection holds, and what was found in it.' })
export class SynchronizationCounts {
  @Field(() => Int, { description: 'People, group mailboxes among them.' })
  people!: number;

  @Field(() => Int, { description: 'Groups.' })
  groups!: number;

  @Field(() => Int, { description: 'Contacts.' })
  contacts!: number;

  @Field(() => Int, { description: 'Mail addresses.' })
  addresses!: number;

  @Field(() => Int, { description: 'Values of delegation attributes.' })
  delegations!: number;

  @Field(() => Int, { description: 'Names in delegation attributes of the domain that give nobody access (rule L6).' })
  unresolved!: number;

  @Field(() => Int, { description: 'Accounts whose names or addresses clash, over all connections (rule V8).' })
  ambiguous!: number;
}

/** Why a synchronisation failed. */
@ObjectType({ description: 'Why a synchronisation failed or was held back.' })
export class SynchronizationError {
  @Field({ description: 'Stable word for programs, such as LDAP_BIND_REFUSED or DIRECTORY_SHRUNK.' })
  code!: string;

  @Field({ description: 'What happened and what to do, in English; no credential.' })
  message!: string;
}

/** The last synchronisation. */
@ObjectType({ description: 'The last synchronisation of a connection, or the one that runs.' })
export class Synchronization {
  constructor(
    private readonly state: SynchronisationState,
    private readonly next: number | null,
  ) {}

  @Field(() => SynchronisationStatus, { description: 'How it went.' })
  get status(): SynchronisationStatus {
    return this.state.status;
  }

  @Field(() => SynchronisationKind, {
    nullable: true,
    description: 'Whether everything was read; null before the first and while that is open.',
  })
  get kind(): SynchronisationKind | null {
    return this.state.kind;
  }

  @Field(() => DateTimeScalar, { nullable: true, description: 'When it began.' })
  get startedAt(): number | null {
    return this.state.startedAtMs;
  }

  @Field(() => DateTimeScalar, { nullable: true, description: 'When it ended; null while it runs.' })
  get finishedAt(): number | null {
    return this.state.finishedAtMs;
  }

  @Field(() => Int, { nullable: true, description: 'How long it took, in milliseconds.' })
  get durationMs(): number | null {
    const { startedAtMs, finishedAtMs } = this.state;
    return startedAtMs !== null && finishedAtMs !== null ? finishedAtMs - startedAtMs : null;
  }

  @Field(() => DateTimeScalar, {
    nullable: true,
    description: 'When the cache was last brought up to date; null: never.',
  })
  get succeededAt(): number | null {
    return this.state.succeededAtMs;
  }

  @Field(() => SynchronizationCounts, {
    nullable: true,
    description: 'What the last success found, or what a running pass has read so far.',
  })
  get counts(): SynchronizationCounts | null {
    const { progress, counts } = this.state;
    return progress ? { ...progress, unresolved: 0, ambiguous: 0 } : counts;
  }

  @Field(() => SynchronizationError, { nullable: true, description: 'Why it failed; null when it did not.' })
  get error(): SynchronizationError | null {
    return this.state.error;
  }

  @Field(() => DateTimeScalar, {
    nullable: true,
    description: 'When the next one is due; null: only by hand, or one is running.',
  })
  get nextRunAt(): number | null {
    return this.state.status === SynchronisationStatus.RUNNING ? null : this.next;
  }
}
