import { Field, InputType } from 'type-graphql';
import { ByteCountScalar, DateTimeScalar } from '../../entities/scalars.js';
import { GatewayAction, Module, ScanStatus } from '../../entities/vocabulary.js';
import type { BackupFilter, PersonalBackupFilter } from '../../services/backup/message-filter.js';
import { BackupOrderField, type MessageOrder, OrderDirection } from '../../services/backup/message-order.js';

/** The order of a list of messages. */
@InputType({
  description: 'The order of a list of messages; equal ones follow in the order in which they were stored.',
})
export class BackupOrder implements MessageOrder {
  @Field(() => BackupOrderField, { description: 'What to order by.' })
  field!: BackupOrderField;

  @Field(() => OrderDirection, { description: 'Which way.' })
  direction!: OrderDirection;
}

/** Criteria for a section of personal Backup. */
@InputType('PersonalBackupFilter', {
  description: 'Narrows a section of personal Backup; every given criterion must hold.',
})
export class PersonalBackupFilterInput implements PersonalBackupFilter {
  @Field(() => [Module], { nullable: true, description: 'All of these modules found something.' })
  detectedBy?: Module[] | null;

  @Field(() => String, { nullable: true, description: 'The envelope sender contains this, without regard to case.' })
  sender?: string | null;

  @Field(() => String, { nullable: true, description: 'The subject contains this, without regard to case.' })
  subject?: string | null;

  @Field(() => DateTimeScalar, { nullable: true, description: 'Received at this moment or later.' })
  receivedFrom?: Date | null;

  @Field(() => DateTimeScalar, { nullable: true, description: 'Received at this moment or earlier.' })
  receivedTo?: Date | null;

  @Field(() => ByteCountScalar, { nullable: true, description: 'At least so many bytes.' })
  sizeFrom?: number | null;

  @Field(() => ByteCountScalar, { nullable: true, description: 'At most so many bytes.' })
  sizeTo?: number | null;

  @Field(() => GatewayAction, { nullable: true, description: 'What the gateway did.' })
  action?: GatewayAction | null;

  @Field(() => String, {
    nullable: true,
    description: 'The Message-ID field is exactly this, angle brackets included.',
  })
  smtpMessageId?: string | null;

  @Field(() => Boolean, { nullable: true, description: 'Sent from Backup at least once, or never.' })
  sent?: boolean | null;
}

/** Criteria for all messages. */
@InputType('BackupFilter', { description: 'Narrows the list of all messages; every given criterion must hold.' })
export class BackupFilterInput extends PersonalBackupFilterInput implements BackupFilter {
  @Field(() => String, { nullable: true, description: 'The client address is this, or lies in this network (CIDR).' })
  senderIp?: string | null;

  @Field(() => String, { nullable: true, description: 'An envelope recipient contains this, without regard to case.' })
  recipient?: string | null;

  @Field(() => String, { nullable: true, description: "The gateway's message id is exactly this." })
  gatewayMessageId?: string | null;

  @Field(() => ScanStatus, {
    nullable: true,
    description: 'Anti-Virus reported this status for at least one recipient.',
  })
  antiVirusStatus?: ScanStatus | null;

  @Field(() => String, { nullable: true, description: 'The gateway node is exactly this.' })
  node?: string | null;
}
