import { Field, Int, ObjectType } from 'type-graphql';
import { Column, Entity, PrimaryColumn } from 'typeorm';
import { ByteCountScalar } from './scalars.js';
import { DeliveryFormat } from './delivery-format.js';

/** Limits of Backup and presets for sending by administrators; one row (rules S7, D6). */
@ObjectType({
  description: 'Limits of Backup, and what is preset when an administrator sends a message (rules S7, D6).',
})
@Entity('backup_settings')
export class BackupSettings {
  @PrimaryColumn({ type: 'integer' })
  id!: number;

  @Field(() => Int, {
    description: 'Grows by one with each change; an update names the version it is based on (rule C3).',
  })
  @Column({ type: 'integer' })
  version!: number;

  @Field(() => ByteCountScalar, {
    description:
      'Most bytes that Backup may hold, at least 1024 MiB; above it the oldest messages are removed (rule S7).',
  })
  @Column({ name: 'size_limit_bytes', type: 'integer' })
  sizeLimitBytes!: number;

  @Field(() => Int, { description: 'Days that a message is kept, 1 to 1100 (rule S7).' })
  @Column({ name: 'storage_period_days', type: 'integer' })
  storagePeriodDays!: number;

  @Field(() => DeliveryFormat, { description: 'Preset form of messages that administrators send (rule D6).' })
  @Column({ name: 'delivery_format', type: 'varchar' })
  deliveryFormat!: DeliveryFormat;

  @Field({ description: 'Preset for removing the Message-ID field when an administrator sends as is (rules D4, D6).' })
  @Column({ name: 'remove_message_id', type: 'boolean' })
  removeMessageId!: boolean;

  @Column({ name: 'updated_at', type: 'integer' })
  updatedAtMs!: number;
}
