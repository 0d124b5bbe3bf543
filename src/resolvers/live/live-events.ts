import { Permission } from '../../entities/permission.js';
import type { PersonalBackupSettings } from '../../entities/personal-backup-settings.js';
import type { BackupFilter } from '../../services/backup/message-filter.js';
import { decodeChangeCursor, encodeChangeCursor } from '../../services/changes/change-cursor.js';
import type { GlobalChanges, PrivilegedFollower } from '../../services/changes/global-changes.js';
import type { PersonalChanges } from '../../services/changes/personal-changes.js';
import { topics } from '../../services/changes/topics.js';
import type { PersonalBackupSettingsService } from '../../services/settings/personal-backup-settings-service.js';
import type { RequestContext } from '../context.js';
import { ChangeKind } from '../enums.js';
import { copyId, messageId } from '../ids.js';
import { GlobalBackupMessage } from '../messages/global-backup-message.js';
import { PersonalBackupMessage } from '../messages/personal-backup-message.js';
import type { GlobalBackupChange, PersonalBackupChange } from './change-types.js';

const place = (after: string | null | undefined) => (after ? decodeChangeCursor(after) : undefined);

/** A follower whose session and permission are looked up anew before each event (rule V11). */
function privileged(context: RequestContext, permission: Permission): PrivilegedFollower {
  return {
    sessionId: context.requirePermission(permission).sessionId,
    refresh: async () => {
      if (!(await context.refresh())) return false;
      context.requirePermission(permission);
      return true;
    },
  };
}

/** The streams behind the subscriptions, in the words of the API. */
export class LiveEvents {
  constructor(
    private readonly personalChanges: PersonalChanges,
    private readonly globalChanges: GlobalChanges,
    private readonly settings: PersonalBackupSettingsService,
  ) {}

  /** What changes in the viewer's personal Backup; a local account has none and hears nothing. */
  async *personal(
    context: RequestContext,
    after: string | null | undefined,
  ): AsyncGenerator<PersonalBackupChange, void> {
    const viewer = context.requireViewer();
    const follower = {
      sessionId: viewer.sessionId,
      directoryId: viewer.directoryId ?? '',
      refresh: async () => Boolean(await context.refresh()),
      access: () => context.personalAccess(),
    };
    for await (const { cursor, kind, mailbox, copyId: id, copy, access } of this.personalChanges.follow(
      follower,
      place(after),
    )) {
      yield {
        cursor: encodeChangeCursor(cursor),
        kind: ChangeKind[kind],
        mailbox,
        messageId: id && copyId(id.messageId, id.recipient),
        message: copy && access ? new PersonalBackupMessage(context, copy, access.switches) : null,
      };
    }
  }

  /** What changes in Backup. */
  async *global(
    context: RequestContext,
    filter: BackupFilter,
    after: string | null | undefined,
  ): AsyncGenerator<GlobalBackupChange, void> {
    const follower = privileged(context, Permission.BACKUP_VIEW);
    for await (const event of this.globalChanges.follow(follower, filter, place(after))) {
      yield {
        cursor: encodeChangeCursor(event.cursor),
        kind: ChangeKind[event.kind],
        messageId: event.messageId === null ? null : messageId(event.messageId),
        message: event.message && new GlobalBackupMessage(context, event.message),
      };
    }
  }

  /** The settings of personal Backup after each change. */
  async *personalBackupSettings(context: RequestContext): AsyncGenerator<PersonalBackupSettings, void> {
    const follower = privileged(context, Permission.SETTINGS_VIEW);
    for await (const _ of this.globalChanges.signals(follower, topics.personalBackupSettings))
      yield await this.settings.read();
  }
}
