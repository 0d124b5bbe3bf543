import { Arg, Authorized, Ctx, Field, InputType, Int, Mutation, ObjectType, Query, Resolver } from 'type-graphql';
import { BackupSettings } from '../../entities/backup-settings.js';
import { DeliveryFormat } from '../../entities/delivery-format.js';
import { Permission } from '../../entities/permission.js';
import { ByteCountScalar } from '../../entities/scalars.js';
import { ConflictError } from '../../errors.js';
import type { BackupSettingsChange, BackupSettingsService } from '../../services/settings/backup-settings-service.js';
import type { RequestContext } from '../context.js';
import { given } from '../given.js';
import { attempt, UserError } from '../user-error.js';

/** A change of limits and presets. */
@InputType({ description: 'A change of limits and presets of Backup; what is left out keeps its value.' })
export class UpdateBackupSettingsInput {
  @Field(() => Int, { description: 'The version that the change is based on (rule C3).' })
  version!: number;

  @Field(() => ByteCountScalar, {
    nullable: true,
    description: 'Most bytes that Backup may hold, at least 1024 MiB (rule S7).',
  })
  sizeLimitBytes?: number | null;

  @Field(() => Int, { nullable: true, description: 'Days that a message is kept, 1 to 1100 (rule S7).' })
  storagePeriodDays?: number | null;

  @Field(() => DeliveryFormat, {
    nullable: true,
    description: 'Preset form of messages that administrators send (rule D6).',
  })
  deliveryFormat?: DeliveryFormat | null;

  @Field(() => Boolean, {
    nullable: true,
    description: 'Preset for removing the Message-ID; only with AS_IS (rule C2).',
  })
  removeMessageId?: boolean | null;
}

/** The outcome of a change. */
@ObjectType({ description: 'The outcome of a change of limits and presets.' })
export class UpdateBackupSettingsPayload {
  @Field(() => BackupSettings, {
    nullable: true,
    description: 'The settings as they are now, also after a CONFLICT (rule C3); null after other refusals.',
  })
  settings!: BackupSettings | null;

  @Field(() => [UserError], { description: 'Why nothing was changed: CONFLICT or BAD_USER_INPUT.' })
  userErrors!: UserError[];
}

/** Limits and presets of Backup. */
@Resolver()
export class BackupSettingsResolver {
  constructor(private readonly settings: BackupSettingsService) {}

  @Authorized(Permission.SETTINGS_VIEW)
  @Query(() => BackupSettings, { nullable: true, description: 'Limits and presets of Backup. Needs SETTINGS_VIEW.' })
  backupSettings(): Promise<BackupSettings> {
    return this.settings.read();
  }

  @Authorized(Permission.SETTINGS_EDIT)
  @Mutation(() => UpdateBackupSettingsPayload, { description: 'Changes limits and presets. Needs SETTINGS_EDIT.' })
  updateBackupSettings(
    @Ctx() context: RequestContext,
    @Arg('input', () => UpdateBackupSettingsInput, { description: 'The change.' })
    { version, ...change }: UpdateBackupSettingsInput,
  ): Promise<UpdateBackupSettingsPayload> {
    return attempt(
      async () => ({
        settings: await this.settings.update(version, given<Required<BackupSettingsChange>>(change), context.author),
        userErrors: [],
      }),
      async (userErrors, error): Promise<UpdateBackupSettingsPayload> => ({
        settings: error instanceof ConflictError ? await this.settings.read() : null,
        userErrors,
      }),
    );
  }
}
