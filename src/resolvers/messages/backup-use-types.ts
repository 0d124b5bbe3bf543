import { Field, Int, ObjectType } from 'type-graphql';
import { ByteCountScalar, DateTimeScalar } from '../../entities/scalars.js';
import { GatewayAction, Module } from '../../entities/vocabulary.js';

/** Width of the intervals of statistics. */
export enum StatisticsInterval {
  HOUR = 'HOUR',
  DAY = 'DAY',
}

/** Messages that wait outside of the database. */
@ObjectType({
  description: 'Messages that were accepted while the database was away or slow, and wait to be stored (rule S6).',
})
export class IntakeSpool {
  @Field(() => Int, { description: 'Messages that wait, of the process that answers.' })
  waiting!: number;

  @Field(() => ByteCountScalar, { description: 'Bytes that they take on its disk.' })
  waitingBytes!: number;

  @Field(() => DateTimeScalar, { nullable: true, description: 'When the oldest of them was accepted.' })
  oldestAt!: number | null;

  @Field(() => Int, { description: 'Messages that can never be stored and were set aside for the operator.' })
  setAside!: number;
}

/** How much Backup holds, and how much it may. */
@ObjectType({ description: 'How much Backup holds, and how much it may hold (rule S7).' })
export class BackupStorage {
  @Field(() => ByteCountScalar, { description: 'Bytes of the contents as kept: compressed, equal ones once.' })
  usedBytes!: number;

  @Field(() => ByteCountScalar, { description: 'Beyond this the oldest messages are removed.' })
  limitBytes!: number;

  @Field(() => DateTimeScalar, {
    nullable: true,
    description: 'When the gateway took the oldest message; null when there is none.',
  })
  oldestMessageAt!: number | null;

  @Field(() => Int, { description: 'Messages in Backup.' })
  messageCount!: number;

  @Field({ description: 'At least 90 % of the limit are used: the oldest messages are about to be removed.' })
  nearlyFull!: boolean;

  @Field(() => IntakeSpool, { description: 'What waits to be stored.' })
  spool!: IntakeSpool;
}

/** Messages of one interval that met one action and were found by one set of modules. */
@ObjectType({ description: 'Messages of one interval, action and set of modules that found something.' })
export class BackupStatisticsBucket {
  @Field(() => DateTimeScalar, { description: 'Start of the interval, a full hour or day in UTC.' })
  startsAt!: number;

  @Field(() => GatewayAction, { description: 'The strictest over all recipients (rule S4).' })
  action!: GatewayAction;

  @Field(() => [Module], { description: 'The modules that found something; empty when none did.' })
  detectedBy!: readonly Module[];

  @Field(() => Int, { description: 'Messages.' })
  messages!: number;

  @Field(() => ByteCountScalar, { description: 'Bytes of them as received.' })
  size!: number;
}

/** Messages that one module found. */
@ObjectType({ description: 'Messages in which one module found something; one found by two modules counts for both.' })
export class ModuleStatistics {
  @Field(() => Module, { description: 'The module.' })
  module!: Module;

  @Field(() => Int, { description: 'Messages.' })
  messages!: number;

  @Field(() => ByteCountScalar, { description: 'Bytes of them as received.' })
  size!: number;
}

/** Messages that met one action. */
@ObjectType({ description: 'Messages that met one action.' })
export class ActionStatistics {
  @Field(() => GatewayAction, { description: 'The action.' })
  action!: GatewayAction;

  @Field(() => Int, { description: 'Messages.' })
  messages!: number;

  @Field(() => ByteCountScalar, { description: 'Bytes of them as received.' })
  size!: number;
}

/** What Backup holds by module, action and time. */
@ObjectType({
  description:
    'What Backup holds by module, action and the time when the gateway took it; removed messages are not counted.',
})
export class BackupStatistics {
  @Field(() => Int, { description: 'Messages.' })
  messages!: number;

  @Field(() => ByteCountScalar, { description: 'Bytes of them as received.' })
  size!: number;

  @Field(() => [ModuleStatistics], { description: 'By module.' })
  byModule!: ModuleStatistics[];

  @Field(() => [ActionStatistics], { description: 'By action.' })
  byAction!: ActionStatistics[];

  @Field(() => [BackupStatisticsBucket], {
    description: 'By interval, action and modules, oldest first; without empty ones.',
  })
  buckets!: BackupStatisticsBucket[];
}
