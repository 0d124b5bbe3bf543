import { Arg, Authorized, ID, Resolver, Root, Subscription } from 'type-graphql';
import { Permission } from '../../entities/permission.js';
import { PersonalBackupSettings } from '../../entities/personal-backup-settings.js';
import { ChangeCursorScalar } from '../../entities/scalars.js';
import { LdapConnectionType } from '../directory/ldap-connection-type.js';
import type { RequestContext } from '../context.js';
import { BackupFilterInput } from '../messages/message-inputs.js';
import { BackupOperation } from '../operations/operation-types.js';
import { GlobalBackupChange, PersonalBackupChange } from './change-types.js';

interface Following {
  readonly id?: string;
  readonly after?: string | null;
  readonly filter?: BackupFilterInput | null;
}

// The library hands over the context untyped.
const subscriber = (data: { args: unknown; context: unknown }) => ({
  args: data.args as Following,
  context: data.context as RequestContext,
});

const AFTER = { nullable: true, description: 'Continue behind this place; without it, from now on.' } as const;

/** Everything that is pushed; each event is decided by the rights of its moment (rule V11). */
@Resolver()
export class LiveResolver {
  @Authorized('SESSION')
  @Subscription(() => PersonalBackupChange, {
    description:
      'Everything that changes in what the viewer may see. Behind `after` what was missed comes first, in order, at least once; a cursor that is too old gives RESET.',
    subscribe: (data) => {
      const { args, context } = subscriber(data);
      return context.live.personal(context, args.after);
    },
  })
  personalBackupChanged(
    @Root() change: PersonalBackupChange,
    @Arg('after', () => ChangeCursorScalar, AFTER) _after: string | null,
  ): PersonalBackupChange {
    return change;
  }

  @Authorized(Permission.BACKUP_VIEW)
  @Subscription(() => GlobalBackupChange, {
    description:
      'Everything that changes in Backup. Needs BACKUP_VIEW. Behind `after` what was missed comes first, in order, at least once; a cursor that is too old gives RESET.',
    subscribe: (data) => {
      const { args, context } = subscriber(data);
      return context.live.global(context, args.filter ?? {}, args.after);
    },
  })
  backupChanged(
    @Root() change: GlobalBackupChange,
    @Arg('after', () => ChangeCursorScalar, AFTER) _after: string | null,
    @Arg('filter', () => BackupFilterInput, {
      nullable: true,
      description: 'Only messages that it lets through; removals are told for all.',
    })
    _filter: BackupFilterInput | null,
  ): GlobalBackupChange {
    return change;
  }

  @Authorized(Permission.SETTINGS_VIEW)
  @Subscription(() => PersonalBackupSettings, {
    description: 'The settings of personal Backup after each change. Needs SETTINGS_VIEW.',
    subscribe: (data) => {
      const { context } = subscriber(data);
      return context.live.personalBackupSettings(context);
    },
  })
  personalBackupSettingsChanged(@Root() settings: PersonalBackupSettings): PersonalBackupSettings {
    return settings;
  }

  @Authorized(Permission.SETTINGS_VIEW)
  @Subscription(() => LdapConnectionType, {
    description:
      'Each directory connection as it is now, then again whenever its synchronisation moves on or its settings change. Needs SETTINGS_VIEW.',
    subscribe: (data) => {
      const { context } = subscriber(data);
      return context.live.directory(context);
    },
  })
  directoryChanged(@Root() connection: LdapConnectionType): LdapConnectionType {
    return connection;
  }

  @Authorized('SESSION')
  @Subscription(() => BackupOperation, {
    description:
      "How one operation comes along: as it is now, then at most four times a second, and once more when it has finished, which ends the subscription. One's own, or with BACKUP_VIEW anybody's; for others and unknown ones it ends at once, without an event.",
    subscribe: (data) => {
      const { args, context } = subscriber(data);
      return context.live.operation(context, args.id ?? '');
    },
  })
  operationChanged(
    @Root() operation: BackupOperation,
    @Arg('id', () => ID, { description: "The operation's id." }) _id: string,
  ): BackupOperation {
    return operation;
  }
}
