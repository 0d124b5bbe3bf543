import { Arg, Authorized, Ctx, Field, InputType, Int, Mutation, ObjectType, Query, Resolver } from 'type-graphql';
import { DeliveryFormat } from '../../entities/delivery-format.js';
import { Permission } from '../../entities/permission.js';
import { PersonalBackupSettings } from '../../entities/personal-backup-settings.js';
import { ConflictError } from '../../errors.js';
import {
  type PersonalBackupSettingsService,
  type PersonalBackupSwitches,
  SettingsWarning,
} from '../../services/settings/personal-backup-settings-service.js';
import type { RequestContext } from '../context.js';
import { given } from '../given.js';
import { attempt, UserError } from '../user-error.js';

/** A change of the switches. */
@InputType({ description: 'A change of personal Backup; what is left out keeps its value.' })
export class UpdatePersonalBackupSettingsInput {
  @Field(() => Int, { description: 'The version that the change is based on (rule C3).' })
  version!: number;

  @Field(() => Boolean, { nullable: true, description: 'Whether personal Backup exists at all.' })
  enabled?: boolean | null;

  @Field(() => Boolean, { nullable: true, description: 'Whether people may read content.' })
  preview?: boolean | null;

  @Field(() => Boolean, { nullable: true, description: 'Whether people may delete.' })
  deletion?: boolean | null;

  @Field(() => Boolean, { nullable: true, description: 'Whether people may have messages sent.' })
  sending?: boolean | null;

  @Field(() => DeliveryFormat, { nullable: true, description: 'The form in which messages are sent.' })
  deliveryFormat?: DeliveryFormat | null;

  @Field(() => Boolean, {
    nullable: true,
    description: 'Whether the Message-ID is removed; only with AS_IS (rule C2).',
  })
  removeMessageId?: boolean | null;

  @Field(() => Boolean, { nullable: true, description: 'Whether people see delegated group mailboxes.' })
  groupMailboxes?: boolean | null;
}

/** The outcome of a change. */
@ObjectType({ description: 'The outcome of a change of personal Backup.' })
export class UpdatePersonalBackupSettingsPayload {
  @Field(() => PersonalBackupSettings, {
    nullable: true,
    description: 'The settings as they are now, also after a CONFLICT (rule C3); null after other refusals.',
  })
  settings!: PersonalBackupSettings | null;

  @Field(() => [SettingsWarning], { description: 'What to know about the change that was made (rule C4).' })
  warnings!: SettingsWarning[];

  @Field(() => [UserError], { description: 'Why nothing was changed: CONFLICT or BAD_USER_INPUT.' })
  userErrors!: UserError[];
}

/** The switches of personal Backup. */
@Resolver()
export class PersonalBackupSettingsResolver {
  constructor(private readonly settings: PersonalBackupSettingsService) {}

  @Authorized(Permission.SETTINGS_VIEW)
  @Query(() => PersonalBackupSettings, {
    nullable: true,
    description: 'What people may do in personal Backup. Needs SETTINGS_VIEW.',
  })
  personalBackupSettings(): Promise<PersonalBackupSettings> {
    return this.settings.read();
  }

  @Authorized(Permission.SETTINGS_EDIT)
  @Mutation(() => UpdatePersonalBackupSettingsPayload, {
    description: 'Changes what people may do; open subscriptions hear of it at once. Needs SETTINGS_EDIT.',
  })
  updatePersonalBackupSettings(
    @Ctx() context: RequestContext,
    @Arg('input', () => UpdatePersonalBackupSettingsInput, { description: 'The change.' })
    { version, ...change }: UpdatePersonalBackupSettingsInput,
  ): Promise<UpdatePersonalBackupSettingsPayload> {
    return attempt(
      async () => ({
        ...(await this.settings.update(version, given<PersonalBackupSwitches>(change), context.author)),
        userErrors: [],
      }),
      async (userErrors, error): Promise<UpdatePersonalBackupSettingsPayload> => ({
        settings: error instanceof ConflictError ? await this.settings.read() : null,
        warnings: [],
        userErrors,
      }),
    );
  }
}
