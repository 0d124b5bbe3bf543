import { Field, ID, Int, ObjectType } from 'type-graphql';
import { DateTimeScalar } from '../../entities/scalars.js';
import {
  type Operation,
  type OperationItem,
  OperationKind,
  OperationOutcome,
  OperationReason,
  OperationState,
} from '../../services/sending/operation.js';
import { connectionTypes } from '../connection.js';
import { UserError } from '../user-error.js';

/** What became of one message of an operation. */
@ObjectType({ description: 'What became of one message of an operation.' })
export class OperationResult {
  constructor(readonly item: OperationItem) {}

  @Field(() => ID, { description: 'The id of the message, as the request gave it.' })
  get messageId(): string {
    return this.item.givenId;
  }

  @Field(() => OperationOutcome, { description: 'What became of it.' })
  get outcome(): OperationOutcome {
    return this.item.outcome;
  }

  @Field(() => OperationReason, { nullable: true, description: 'Why; null where the outcome says it all.' })
  get reason(): OperationReason | null {
    return this.item.reason;
  }

  @Field(() => String, {
    nullable: true,
    description: 'What the relay answered; the least favourable answer where there were several recipients.',
  })
  get smtpAnswer(): string | null {
    return this.item.smtpAnswer;
  }
}

/** A page of what became of the messages. */
export const { ConnectionType: OperationResultConnection } = connectionTypes(
  'OperationResult',
  OperationResult as never,
  'results of an operation, in the order of the request',
);

/** Something that is done with several messages. */
@ObjectType({ description: 'Something that is done with one or many messages, and how far it has come (rule D10).' })
export class BackupOperation {
  constructor(readonly operation: Operation) {}

  @Field(() => ID, { description: 'Opaque, lasting id.' })
  get id(): string {
    return this.operation.publicId;
  }

  @Field(() => OperationKind, { description: 'What is done.' })
  get kind(): OperationKind {
    return this.operation.kind;
  }

  @Field(() => OperationState, {
    description:
      'How far it has come. A sending is FINISHED once every message was tried; those that the relay put off are tried further.',
  })
  get state(): OperationState {
    return this.operation.state;
  }

  @Field(() => Int, { description: 'How many messages it is about; repeated ids count once.' })
  get total(): number {
    return this.operation.total;
  }

  @Field(() => Int, { description: 'How many of them have an outcome, whichever it is.' })
  get done(): number {
    return this.operation.done;
  }

  @Field(() => Int, {
    description: 'How many of these were refused, failed, were cancelled, or have an unknown outcome.',
  })
  get failed(): number {
    return this.operation.failed;
  }

  @Field({ description: 'Whether somebody cancelled what had not started.' })
  get cancelled(): boolean {
    return this.operation.cancelled;
  }

  @Field(() => DateTimeScalar, { description: 'When it was asked for.' })
  get createdAt(): number {
    return this.operation.createdAtMs;
  }

  @Field(() => DateTimeScalar, { nullable: true, description: 'When it began; null while it is queued.' })
  get startedAt(): number | null {
    return this.operation.startedAtMs;
  }

  @Field(() => DateTimeScalar, { nullable: true, description: 'When it finished; null until then.' })
  get finishedAt(): number | null {
    return this.operation.finishedAtMs;
  }
}

/** The outcome of a request. */
@ObjectType({ description: 'The operation that a request began, or why it began none.' })
export class BackupOperationPayload {
  @Field(() => BackupOperation, {
    nullable: true,
    description:
      'The operation; the earlier one when the same request came before (rule D9); null when it was refused.',
  })
  operation!: BackupOperation | null;

  @Field(() => [UserError], {
    description:
      'Why nothing was begun: BAD_USER_INPUT, OPERATION_RUNNING, IDEMPOTENCY_KEY_REUSED or RELAY_NOT_CONFIGURED. Refusals of single messages stand in the results.',
  })
  userErrors!: UserError[];
}
