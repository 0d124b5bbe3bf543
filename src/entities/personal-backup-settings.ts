import { Field, Int, ObjectType } from 'type-graphql';
import { Column, Entity, PrimaryColumn } from 'typeorm';
import { DeliveryFormat } from './delivery-format.js';

/** What people may do in their personal Backup; one row (rules, section 8). */
@ObjectType({
  description:
    'What people may do in their personal Backup. While `enabled` is off the other switches keep their values without effect (rules V3, C1).',
})
@Entity('personal_backup_settings')
export class PersonalBackupSettings {
  @PrimaryColumn({ type: 'integer' })
  id!: number;

  @Field(() => Int, {
    description: 'Grows by one with each change; an update names the version it is based on (rule C3).',
  })
  @Column({ type: 'integer' })
  version!: number;

  @Field({ description: 'Whether personal Backup exists at all (rule V3).' })
  @Column({ type: 'boolean' })
  enabled!: boolean;

  @Field({ description: 'Whether people may read the content of their messages (rules P1, P2).' })
  @Column({ type: 'boolean' })
  preview!: boolean;

  @Field({ description: 'Whether people may delete messages from their personal Backup (rule X1).' })
  @Column({ type: 'boolean' })
  deletion!: boolean;

  @Field({ description: 'Whether people may have messages sent to them (rule D1).' })
  @Column({ type: 'boolean' })
  sending!: boolean;

  @Field(() => DeliveryFormat, { description: 'In which form a message is sent to people (rules D4, D5).' })
  @Column({ name: 'delivery_format', type: 'varchar' })
  deliveryFormat!: DeliveryFormat;

  @Field({
    description:
      'Whether the Message-ID field is removed before sending as is (rule D4); can break a DKIM signature that covers it.',
  })
  @Column({ name: 'remove_message_id', type: 'boolean' })
  removeMessageId!: boolean;

  @Field({ description: 'Whether people see the group mailboxes that the directory delegates to them (rule V9).' })
  @Column({ name: 'group_mailboxes', type: 'boolean' })
  groupMailboxes!: boolean;

  @Column({ name: 'updated_at', type: 'integer' })
  updatedAtMs!: number;
}
