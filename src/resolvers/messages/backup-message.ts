import { Field, ID, InterfaceType } from 'type-graphql';
import { ByteCountScalar, DateTimeScalar, EmailAddressScalar } from '../../entities/scalars.js';
import { GatewayAction, Module } from '../../entities/vocabulary.js';
import { AttachmentType, ScanResultType } from './scan-result.js';

/** What is told of a message to people and to administrators alike; a value may be a promise. */
@InterfaceType({
  description:
    'What is told of a message to people and to administrators alike; sender and recipients are those of the envelope (rule S2).',
})
export abstract class BackupMessage {
  @Field(() => ID, { description: 'Opaque, lasting id.' })
  id!: string;

  @Field(() => DateTimeScalar, { description: 'When the gateway took the message.' })
  receivedAt!: number;

  @Field(() => EmailAddressScalar, {
    nullable: true,
    description: 'Envelope sender (RFC 5321 MAIL FROM); null: the empty reverse-path.',
  })
  sender!: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'Address of the client that the gateway took the message from; null when not told.',
  })
  senderIp!: string | null;

  @Field({ description: 'The Subject field, decoded; empty when there is none.' })
  subject!: string;

  @Field(() => ByteCountScalar, { description: 'Size as received, in bytes.' })
  size!: number;

  @Field(() => String, { nullable: true, description: 'Id that the gateway gave; null when not told.' })
  gatewayMessageId!: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'The Message-ID field (RFC 5322), as written; null when there is none.',
  })
  smtpMessageId!: string | null;

  @Field(() => [Module], { description: 'The modules that found something.' })
  detectedBy!: Module[];

  @Field(() => GatewayAction, {
    description: 'What the gateway did: for the person, or the strictest over all recipients (rule S4).',
  })
  action!: GatewayAction;

  @Field(() => [ScanResultType], { description: 'What each module said: for the person, or over all recipients.' })
  scanResults!: readonly ScanResultType[] | Promise<ScanResultType[]>;

  @Field(() => [AttachmentType], { description: 'Attachments, at most 200.' })
  attachments!: readonly AttachmentType[];

  @Field({ description: 'Whether it was sent from Backup at least once: to the mailbox, or to anybody (rule D8).' })
  sentFromBackup!: boolean;
}
