import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Request, type Response, Router } from 'express';
import { readByteRange, sliceBytes } from './byte-range.js';
import type { Database } from './entities/database.js';
import { Permission } from './entities/permission.js';
import type { Logger } from './log.js';
import { type AuditEvent, recordAudit } from './services/audit/audit-log.js';
import type { ContentLinks, LinkTarget } from './services/access/content-links.js';
import { messageCapabilities } from './services/access/message-capabilities.js';
import type { PersonalAccessPolicy } from './services/access/personal-access.js';
import type { GlobalMessages, StoredMessage } from './services/backup/global-messages.js';
import type { MessageContents, ReadablePreview } from './services/backup/message-contents.js';
import type { PersonalMessages } from './services/backup/personal-messages.js';
import { PREVIEW_CONTENT_SECURITY_POLICY } from './services/preview/html-document.js';
import type { RenderedPreview } from './services/preview/preview-renderer.js';
import type { SessionStore } from './services/session/session-store.js';
import { auditActor, type Viewer } from './services/session/viewer.js';

/** What serving contents needs. */
export interface ContentRouterOptions {
  readonly database: Database;
  readonly sessions: SessionStore;
  readonly access: PersonalAccessPolicy;
  readonly links: ContentLinks;
  readonly personalMessages: PersonalMessages;
  readonly globalMessages: GlobalMessages;
  readonly contents: MessageContents;
  /** Origins whose pages may show previews in a frame, besides our own. */
  readonly frameOrigins: readonly string[];
  readonly log: Logger;
}

type Target<Kind extends LinkTarget['kind']> = Extract<LinkTarget, { kind: Kind }>;

/** Previews for sandboxed frames and downloads for administrators, by signed addresses; every right is decided when the address is used. */
export class ContentRouter {
  readonly #policy: string;

  constructor(private readonly options: ContentRouterOptions) {
    const ancestors = ["'self'", ...options.frameOrigins].join(' ');
    this.#policy = PREVIEW_CONTENT_SECURITY_POLICY.replace("frame-ancestors 'self'", `frame-ancestors ${ancestors}`);
  }

  /** The routes below /preview. */
  get previews(): Router {
    return this.#routes(['PERSONAL_PREVIEW', 'PREVIEW'], (target, viewer, request, response) =>
      this.#preview(target, viewer, request, response),
    );
  }

  /** The routes below /download. */
  get downloads(): Router {
    return this.#routes(['SOURCE', 'ATTACHMENT'], (target, viewer, request, response) =>
      this.#download(target, viewer, request, response),
    );
  }

  #routes(
    kinds: readonly LinkTarget['kind'][],
    serve: (target: LinkTarget, viewer: Viewer, request: Request, response: Response) => Promise<boolean>,
  ): Router {
    const router = Router();
    router.get('/:link', (request, response, next) => {
      const target = this.options.links.read(request.params.link);
      const work = async () => {
        const viewer =
          target && kinds.includes(target.kind) ? await this.options.sessions.revisit(target.sessionId) : undefined;
        // Forged, old, foreign, forbidden and gone give one answer (rule V6).
        if (target && viewer && (await serve(target, viewer, request, response))) return;
        response.status(404).type('text/plain').send('This address leads nowhere, or no longer. Ask for a new one.\n');
      };
      work().catch((error: unknown) => {
        if (!response.headersSent) return next(error);
        // The client left, or the content broke off: a cut connection tells it that something is missing.
        this.options.log.info({ err: error }, 'a content was not sent whole');
        response.destroy();
      });
    });
    return router;
  }

  async #preview(target: LinkTarget, viewer: Viewer, request: Request, response: Response): Promise<boolean> {
    const rendered =
      target.kind === 'PERSONAL_PREVIEW'
        ? await this.#personalPreview(target, viewer)
        : target.kind === 'PREVIEW'
          ? await this.#globalPreview(target, viewer, request.ip ?? '')
          : undefined;
    if (!rendered) return false;
    response.set({
      'Content-Security-Policy': this.#policy,
      'Referrer-Policy': 'no-referrer',
      'X-Content-Type-Options': 'nosniff',
      'Cache-Control': 'private, no-store',
      'Cross-Origin-Resource-Policy': 'cross-origin',
    });
    // The policy's frame-ancestors says who may show it; this older header cannot name origins.
    response.removeHeader('X-Frame-Options');
    response
      .type(rendered.mode === 'HTML' ? 'text/html; charset=utf-8' : 'text/plain; charset=utf-8')
      .send(rendered.content);
    return true;
  }

  async #personalPreview(
    { copy: id, mode }: Target<'PERSONAL_PREVIEW'>,
    viewer: Viewer,
  ): Promise<RenderedPreview | undefined> {
    const access = viewer.directoryId === null ? null : await this.options.access.forPerson(viewer.directoryId);
    const [copy] = await this.options.personalMessages.find(access, [id]);
    if (!copy || !access) return undefined;
    const can = messageCapabilities(access.switches, copy.facts);
    const { allowed } = mode === 'HTML' ? can.previewHtml : can.previewText;
    return allowed ? this.options.contents.preview(copy.contentId, mode) : undefined;
  }

  async #globalPreview(
    { messageId, mode }: Target<'PREVIEW'>,
    viewer: Viewer,
    remoteAddress: string,
  ): Promise<ReadablePreview | undefined> {
    const message = await this.#message(viewer, messageId, Permission.BACKUP_READ);
    if (!message) return undefined;
    await this.#audit(viewer, remoteAddress, 'MESSAGE_READ', messageId, { mode });
    return this.options.contents.previewForAll(message, await this.options.globalMessages.verdicts([messageId]), mode);
  }

  async #download(target: LinkTarget, viewer: Viewer, request: Request, response: Response): Promise<boolean> {
    if (target.kind !== 'SOURCE' && target.kind !== 'ATTACHMENT') return false;
    const message = await this.#message(viewer, target.messageId, Permission.BACKUP_DOWNLOAD);
    if (!message) return false;
    const attachment =
      target.kind === 'ATTACHMENT' ? await this.options.contents.attachment(message.contentId, target.partId) : null;
    if (target.kind === 'ATTACHMENT' && !attachment) return false;
    const sizeBytes = attachment ? attachment.description.sizeBytes : message.sizeBytes;
    // RFC 6266: a name in ASCII for old clients and the true one beside it.
    response.attachment(attachment ? attachment.description.name : `message-${target.messageId}.eml`);
    // A fixed type: what a sender declares must not make a browser do anything with it.
    response.set({
      'Content-Type': attachment ? 'application/octet-stream' : 'message/rfc822',
      'X-Content-Type-Options': 'nosniff',
      'Cache-Control': 'private, no-store',
      'Accept-Ranges': 'bytes',
    });
    const range = readByteRange(request.get('range'), sizeBytes);
    if (!range) {
      response.status(416).set('Content-Range', `bytes */${sizeBytes}`).end();
      return true;
    }
    if (range.length < sizeBytes)
      response.status(206).set('Content-Range', `bytes ${range.first}-${range.first + range.length - 1}/${sizeBytes}`);
    response.set('Content-Length', String(range.length));
    const details = attachment ? { part: attachment.description.partId } : {};
    await this.#audit(viewer, request.ip ?? '', 'MESSAGE_DOWNLOAD', target.messageId, details);
    const bytes = attachment
      ? sliceBytes(attachment.bytes, range)
      : sliceBytes(this.options.contents.source(message.contentId, range.first), { first: 0, length: range.length });
    await pipeline(Readable.from(bytes), response);
    return true;
  }

  async #message(viewer: Viewer, messageId: number, permission: Permission): Promise<StoredMessage | undefined> {
    if (!viewer.permissions.has(Permission.BACKUP_VIEW) || !viewer.permissions.has(permission)) return undefined;
    return (await this.options.globalMessages.find([messageId]))[0];
  }

  async #audit(
    viewer: Viewer,
    remoteAddress: string,
    event: AuditEvent,
    messageId: number,
    details: Record<string, unknown>,
  ): Promise<void> {
    await this.options.database.transaction((transaction) =>
      recordAudit(transaction, {
        actor: auditActor(viewer),
        remoteAddress,
        event,
        outcome: 'DONE',
        subject: `message:${messageId}`,
        details,
      }),
    );
  }
}
