import { Field, Int, ObjectType } from 'type-graphql';
import { DeliveryFormat } from '../../entities/delivery-format.js';
import { DateTimeScalar, EmailAddressScalar } from '../../entities/scalars.js';
import { SendingState } from '../../services/sending/operation.js';
import type { RecordedSending } from '../../services/sending/sending-history.js';
import { connectionTypes } from '../connection.js';

/** Who asked for a sending, as far as a person may know (rule D8). */
export enum SendingAuthor {
  YOU = 'YOU',
  ANOTHER_USER = 'ANOTHER_USER',
}

/** One attempt to send a message to one address. */
@ObjectType({ description: 'One sending of a message from Backup to one address, with all its attempts (rule D8).' })
export class Sending {
  constructor(
    readonly sending: RecordedSending,
    /** The viewer as an owner. */
    private readonly viewer: string,
    /** Whether the viewer may know who else sent it. */
    private readonly named: boolean,
  ) {}

  @Field(() => EmailAddressScalar, { description: 'Where to.' })
  get to(): string {
    return this.sending.address;
  }

  @Field(() => SendingAuthor, { description: 'Who asked for it.' })
  get by(): SendingAuthor {
    return this.sending.owner === this.viewer ? SendingAuthor.YOU : SendingAuthor.ANOTHER_USER;
  }

  @Field(() => String, {
    nullable: true,
    description: 'Who asked for it, as the audit log names them; null in personal Backup.',
  })
  get byName(): string | null {
    return this.named ? this.sending.actor : null;
  }

  @Field(() => DeliveryFormat, { description: 'In which form.' })
  get deliveryFormat(): DeliveryFormat {
    return this.sending.format;
  }

  @Field({ description: 'Whether the Message-ID field was removed.' })
  get messageIdRemoved(): boolean {
    return this.sending.messageIdRemoved;
  }

  @Field(() => SendingState, { description: 'How far it has come.' })
  get state(): SendingState {
    return this.sending.state;
  }

  @Field(() => Int, { description: 'How often it was tried.' })
  get attempts(): number {
    return this.sending.attempts;
  }

  @Field(() => DateTimeScalar, { description: 'When it was asked for.' })
  get requestedAt(): number {
    return this.sending.requestedAtMs;
  }

  @Field(() => DateTimeScalar, { nullable: true, description: 'When it was tried last; null: not yet.' })
  get lastAttemptAt(): number | null {
    return this.sending.lastAttemptAtMs;
  }

  @Field(() => DateTimeScalar, { nullable: true, description: 'When it is tried next; null: not any more.' })
  get nextAttemptAt(): number | null {
    return this.sending.nextAttemptAtMs;
  }

  @Field(() => String, {
    nullable: true,
    description: 'What the relay answered last, or why there was no answer; null before the first attempt.',
  })
  get smtpAnswer(): string | null {
    return this.sending.smtpAnswer;
  }
}

/** A page of a message's sendings. */
export const { ConnectionType: SendingConnection } = connectionTypes(
  'Sending',
  Sending as never,
  'sendings, newest first',
);
