import { Field, ID, InputType } from 'type-graphql';
import { DeliveryFormat } from '../../entities/delivery-format.js';
import { EmailAddressScalar } from '../../entities/scalars.js';
import { SendDestination } from '../../services/sending/personal-operations.js';
import { BackupFilterInput } from '../messages/message-inputs.js';

const KEY =
  'A text of 1 to 128 characters that the client makes up for each new request, such as a UUID; the same request with the same key acts once (rule D9).';

/** Which messages a person wants sent, and where to. */
@InputType({ description: 'Which messages of personal Backup are to be sent, and where to.' })
export class SendPersonalMessagesInput {
  @Field(() => [ID], { description: 'Ids of 1 to 5000 messages; repeated ones count once.' })
  ids!: string[];

  @Field(() => SendDestination, { defaultValue: SendDestination.MAILBOX, description: 'Where to (rule D3).' })
  destination!: SendDestination;

  @Field({ description: KEY })
  idempotencyKey!: string;
}

/** Which messages a person deletes. */
@InputType({ description: 'Which messages are to be deleted from personal Backup.' })
export class DeletePersonalMessagesInput {
  @Field(() => [ID], { description: 'Ids of 1 to 5000 messages; repeated ones count once.' })
  ids!: string[];

  @Field(() => String, { nullable: true, description: KEY })
  idempotencyKey?: string | null;
}

/** Which deletions a person takes back. */
@InputType({ description: 'Which deletions from personal Backup are to be taken back (rule X5).' })
export class RestorePersonalMessagesInput {
  @Field(() => [ID], { description: 'Ids of 1 to 5000 deleted messages; `messages(deleted: true)` lists them.' })
  ids!: string[];

  @Field(() => String, { nullable: true, description: KEY })
  idempotencyKey?: string | null;
}

/** Which messages an administrator sends, to whom and how. */
@InputType({ description: 'Which messages of Backup are to be sent, to whom and in which form (rule D6).' })
export class SendBackupMessagesInput {
  @Field(() => [ID], { nullable: true, description: 'Ids of 1 to 5000 messages; or `filter`.' })
  ids?: string[] | null;

  @Field(() => BackupFilterInput, {
    nullable: true,
    description: 'All messages that it lets through, at most 5000; or `ids`. Needs BACKUP_VIEW.',
  })
  filter?: BackupFilterInput | null;

  @Field({
    defaultValue: false,
    description:
      'To the envelope recipients, but for those who were given the message as it was (action SKIP). Needs BACKUP_SEND_TO_RECIPIENTS.',
  })
  toOriginalRecipients!: boolean;

  @Field(() => [EmailAddressScalar], {
    defaultValue: [],
    description: 'To these addresses, at most 100. Needs BACKUP_SEND_TO_ANYONE.',
  })
  addresses!: string[];

  @Field(() => DeliveryFormat, {
    nullable: true,
    description: 'In which form; null: as the settings of Backup preset it.',
  })
  deliveryFormat?: DeliveryFormat | null;

  @Field(() => Boolean, {
    nullable: true,
    description: 'Whether the Message-ID field is removed, only with AS_IS; null: as the settings of Backup preset it.',
  })
  removeMessageId?: boolean | null;

  @Field({ description: KEY })
  idempotencyKey!: string;
}

/** Which messages an administrator deletes. */
@InputType({ description: 'Which messages of Backup are to be deleted for everybody (rule X4).' })
export class DeleteBackupMessagesInput {
  @Field(() => [ID], { nullable: true, description: 'Ids of 1 to 5000 messages; or `filter`.' })
  ids?: string[] | null;

  @Field(() => BackupFilterInput, {
    nullable: true,
    description: 'All messages that it lets through, at most 5000; or `ids`. Needs BACKUP_VIEW.',
  })
  filter?: BackupFilterInput | null;

  @Field(() => String, { nullable: true, description: KEY })
  idempotencyKey?: string | null;
}

/** Which operation is cancelled. */
@InputType({ description: 'Which operation is to be cancelled.' })
export class CancelOperationInput {
  @Field(() => ID, { description: "The operation's id." })
  id!: string;
}
