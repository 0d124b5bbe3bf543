import { Permission } from '../../entities/permission.js';
import type { PersonalBackupSettings } from '../../entities/personal-backup-settings.js';
import type { BackupFilter } from '../../services/backup/message-filter.js';
import { decodeChangeCursor, encodeChangeCursor } from '../../services/changes/change-cursor.js';
import type { GlobalChanges, PrivilegedFollower } from '../../services/changes/global-changes.js';
import type { PersonalChanges } from '../../services/changes/personal-changes.js';
import { topics } from '../../services/changes/topics.js';
import type { LdapConnections } from '../../services/directory/connections.js';
import type { PersonalBackupSettingsService } from '../../services/settings/personal-backup-settings-service.js';
import type { RequestContext } from '../context.js';
import { LdapConnectionType } from '../directory/ldap-connection-type.js';
import { ChangeKind } from '../enums.js';
import { copyId, messageId } from '../ids.js';
import { GlobalBackupMessage } from '../messages/global-backup-message.js';
import { PersonalBackupMessage } from '../messages/personal-backup-message.js';
import type { BackupOperation } from '../operations/operation-types.js';
import type { GlobalBackupChange, PersonalBackupChange } from './change-types.js';
import type { OperationProgress } from './operation-progress.js';
import { untilLeft } from './until-left.js';

const place = (after: string | null | undefined) => (typeof after === 'string' ? decodeChangeCursor(after) : undefined);

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
    private readonly connections: LdapConnections,
    private readonly operations: OperationProgress,
  ) {}

  /** How one operation comes along. */
  operation(context: RequestContext, id: string): AsyncGenerator<BackupOperation, void> {
    return this.operations.follow(context, id);
  }

  /** What changes in the viewer's personal Backup; a local account has none and hears nothing. */
  personal(context: RequestContext, after: string | null | undefined): AsyncGenerator<PersonalBackupChange, void> {
    return untilLeft((left) => this.#personal(context, after, left));
  }

  async *#personal(
    context: RequestContext,
    after: string | null | undefined,
    left: AbortSignal,
  ): AsyncGenerator<PersonalBackupChange, void> {
    const viewer = context.requireViewer();
    const follower = {
      sessionId: viewer.sessionId,
      directoryId: viewer.directoryId ?? '',
      refresh: async () => Boolean(await context.refresh()),
      access: () => context.personalAccess(),
    };
    for await (const { cursor, kind, mailbox, concerns, copy, access } of this.personalChanges.follow(
      follower,
      place(after),
      left,
    )) {
      yield {
        cursor: encodeChangeCursor(cursor),
        kind: ChangeKind[kind],
        mailbox,
        messageId: concerns && copyId(concerns),
        message: copy && access ? new PersonalBackupMessage(context, copy, access.switches) : null,
      };
    }
  }

  /** What changes in Backup. */
  global(
    context: RequestContext,
    filter: BackupFilter,
    after: string | null | undefined,
  ): AsyncGenerator<GlobalBackupChange, void> {
    return untilLeft((left) => this.#global(context, filter, after, left));
  }

  async *#global(
    context: RequestContext,
    filter: BackupFilter,
    after: string | null | undefined,
    left: AbortSignal,
  ): AsyncGenerator<GlobalBackupChange, void> {
    const follower = privileged(context, Permission.BACKUP_VIEW);
    for await (const event of this.globalChanges.follow(follower, filter, place(after), left)) {
      yield {
        cursor: encodeChangeCursor(event.cursor),
        kind: ChangeKind[event.kind],
        messageId: event.messageId === null ? null : messageId(event.messageId),
        message: event.message && new GlobalBackupMessage(context, event.message),
      };
    }
  }

  /** The settings of personal Backup after each change. */
  personalBackupSettings(context: RequestContext): AsyncGenerator<PersonalBackupSettings, void> {
    return untilLeft((left) => this.#personalBackupSettings(context, left));
  }

  async *#personalBackupSettings(
    context: RequestContext,
    left: AbortSignal,
  ): AsyncGenerator<PersonalBackupSettings, void> {
    const follower = privileged(context, Permission.SETTINGS_VIEW);
    for await (const _ of this.globalChanges.signals(follower, topics.personalBackupSettings, left))
      yield await this.settings.read();
  }

  /** Each directory connection as it is now, then whenever its synchronisation moved on or its settings changed. */
  directory(context: RequestContext): AsyncGenerator<LdapConnectionType, void> {
    return untilLeft((left) => this.#directory(context, left));
  }

  async *#directory(context: RequestContext, left: AbortSignal): AsyncGenerator<LdapConnectionType, void> {
    const signals = this.globalChanges.signals(privileged(context, Permission.SETTINGS_VIEW), topics.directory, left);
    // Followed before the present state is read, so that nothing falls between the two.
    let signal = signals.next();
    let told = new Map<number, string>();
    do {
      const connections = await this.connections.list();
      const present = new Map(connections.map((connection) => [connection.id, JSON.stringify(connection)]));
      for (const connection of connections) {
        if (told.get(connection.id) === present.get(connection.id)) continue;
        yield new LdapConnectionType(
          connection,
          this.connections.scheduleOf(connection),
          this.connections.stateOf(connection),
        );
      }
      told = present;
      const { done } = await signal;
      if (done) return;
      signal = signals.next();
    } while (!left.aborted);
  }
}
