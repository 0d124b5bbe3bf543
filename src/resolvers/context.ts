import DataLoader from 'dataloader';
import type { PersonalAccess, PersonalAccessPolicy } from '../services/access/personal-access.js';
import type { GlobalMessages, StoredRecipient, StoredVerdict } from '../services/backup/global-messages.js';
import type { RecordedSending, SendingHistory, WantedSendings } from '../services/sending/sending-history.js';
import { ForbiddenError, UnauthenticatedError } from '../errors.js';
import type { Permission } from '../entities/permission.js';
import type { LiveEvents } from './live/live-events.js';
import { ReadingBudget } from './reading-budget.js';
import type { SessionStore } from '../services/session/session-store.js';
import { auditActor, type Viewer } from '../services/session/viewer.js';
import type { ChangeAuthor } from '../services/settings/personal-backup-settings-service.js';

/** What the HTTP door does with the session cookie; absent on the WebSocket. */
export interface SessionCookie {
  set(token: string, expiresAtMs: number): void;
  clear(): void;
}

/** What contexts need of the application. */
export interface ContextServices {
  readonly sessions: SessionStore;
  readonly access: PersonalAccessPolicy;
  readonly globalMessages: GlobalMessages;
  readonly sendingHistory: SendingHistory;
  readonly live: LiveEvents;
}

// SQLite and MariaDB take thousands of parameters, yet plans for huge IN lists get slow.
const LOADER_BATCH = 500;

/** One operation: who asks, from where, and what is looked up once for it. A subscription's context lives through many events. */
export class RequestContext {
  // Private by convention of the language only: Apollo Server copies contexts, which loses #private fields.
  private currentViewer: Viewer | undefined;
  private access: Promise<PersonalAccess | null> | undefined;
  private readonly services: ContextServices;

  // Nothing is kept from one event of a subscription to the next, so these only bundle.
  readonly verdicts: DataLoader<number, StoredVerdict[]>;
  readonly recipients: DataLoader<number, StoredRecipient[]>;
  readonly sendings: DataLoader<WantedSendings, RecordedSending[]>;
  /** Contents are read through this. */
  readonly reading = new ReadingBudget();

  constructor(
    services: ContextServices,
    viewer: Viewer | undefined,
    readonly remoteAddress: string,
    readonly requestId: string,
    readonly cookie?: SessionCookie,
  ) {
    this.services = services;
    this.currentViewer = viewer;
    const byMessage = <Row extends { messageId: number }>(load: (ids: readonly number[]) => Promise<Row[]>) =>
      new DataLoader<number, Row[]>(
        async (ids) => {
          const grouped = new Map<number, Row[]>(ids.map((id) => [id, []]));
          for (const row of await load([...grouped.keys()])) grouped.get(row.messageId)?.push(row);
          return ids.map((id) => grouped.get(id) ?? []);
        },
        { cache: false, maxBatchSize: LOADER_BATCH },
      );
    this.verdicts = byMessage((ids) => services.globalMessages.verdicts(ids));
    this.recipients = byMessage((ids) => services.globalMessages.recipients(ids));
    this.sendings = new DataLoader((wanted: readonly WantedSendings[]) => services.sendingHistory.find(wanted), {
      cache: false,
      maxBatchSize: LOADER_BATCH,
    });
  }

  /** The streams behind the subscriptions. */
  get live(): LiveEvents {
    return this.services.live;
  }

  /** Who asks; undefined without a live session. */
  get viewer(): Viewer | undefined {
    return this.currentViewer;
  }

  /** Who asks; throws UNAUTHENTICATED without a live session (rule V1). */
  requireViewer(): Viewer {
    if (!this.currentViewer) throw new UnauthenticatedError();
    return this.currentViewer;
  }

  /** Throws UNAUTHENTICATED or FORBIDDEN unless the viewer holds the permission (rule V2). */
  requirePermission(permission: Permission): Viewer {
    const viewer = this.requireViewer();
    if (!viewer.permissions.has(permission)) throw new ForbiddenError(permission);
    return viewer;
  }

  /** What the viewer's personal Backup is at this moment; decided once for an operation or an event. */
  personalAccess(): Promise<PersonalAccess | null> {
    const directoryId = this.currentViewer?.directoryId;
    this.access ??= directoryId ? this.services.access.forPerson(directoryId) : Promise.resolve(null);
    return this.access;
  }

  /** Takes over a session that was just opened or ended in this operation. */
  become(viewer: Viewer | undefined): void {
    this.currentViewer = viewer;
    this.access = undefined;
  }

  /** Decides anew who asks and what they may see: before each event of a subscription (rule V11). */
  async refresh(): Promise<Viewer | undefined> {
    this.become(this.currentViewer && (await this.services.sessions.revisit(this.currentViewer.sessionId)));
    return this.currentViewer;
  }

  /** The viewer as the author of a change. */
  get author(): ChangeAuthor {
    return { actor: auditActor(this.requireViewer()), remoteAddress: this.remoteAddress };
  }
}
