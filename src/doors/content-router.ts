import { finished, Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Request, type Response, Router } from 'express';
import { readByteRange, sliceBytes } from './byte-range.js';
import type { Database } from '../entities/database.js';
import { Permission } from '../entities/permission.js';
import type { Logger } from '../log.js';
import { type AuditEvent, recordAudit } from '../services/audit/audit-log.js';
import type { ContentLinks, LinkTarget } from '../services/access/content-links.js';
import { messageCapabilities } from '../services/access/message-capabilities.js';
import type { PersonalAccessPolicy } from '../services/access/personal-access.js';
import type { GlobalMessages, StoredMessage } from '../services/backup/global-messages.js';
import type { MessageContents, ReadablePreview } from '../services/backup/message-contents.js';
import type { PersonalMessages } from '../services/backup/personal-messages.js';
import { PREVIEW_CONTENT_SECURITY_POLICY } from '../services/preview/html-document.js';
import type { RenderedPreview } from '../services/preview/preview-renderer.js';
import type { RightOfWay } from '../services/right-of-way.js';
import type { SessionStore } from '../services/session/session-store.js';
import { auditActor, type Viewer } from '../services/session/viewer.js';

/** What serving contents needs. */
export interface ContentRouterOptions {
  readonly database: Database;
  readonly sessions: SessionStore;
  readonly access: PersonalAccessPolicy;
  readonly links: ContentLinks;
  readonly personalMessages: PersonalMessages;
  readonly globalMessages: GlobalMessages;
  readonly contents: MessageContents;
  readonly rightOfWay: RightOfWay;
  /** Origins whose pages may show previews in a frame, besides our own. */
  readonly frameOrigins: readonly string[];
  readonly log: Logger;
}

type Target<Kind extends LinkTarget['kind']> = Extract<LinkTarget, { kind: Kind }>;

/** Characters that some system takes for no part of a file name, or some client for the end of it. */
const NOT_IN_FILE_NAMES = /["<>:|?*]/g;

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
    finished(response, this.options.rightOfWay.enter());
    const rendered =
      target.kind === 'PERSONAL_PREVIEW'
        ? await this.#personalPreview(target, viewer)
        : target.kind === 'PREVIEW'
          ? await this.#globalPreview(target, viewer, request)
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
    // A sandboxed frame has an origin of its own anyway, and browsers complain that it asks for one.
    response.removeHeader('Origin-Agent-Cluster');
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
    request: Request,
  ): Promise<ReadablePreview | undefined> {
    const message = await this.#message(viewer, messageId, Permission.BACKUP_READ);
    if (!message) return undefined;
    await this.#audit(viewer, request, 'MESSAGE_READ', messageId, { mode });
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
    const entityTag = `"${[target.messageId, message.contentId, attachment?.description.partId ?? 'source'].join('-')}"`;
    // RFC 6266: a name in ASCII for old clients and the true one beside it.
    response.attachment(
      attachment ? attachment.description.name.replace(NOT_IN_FILE_NAMES, '_') : `message-${target.messageId}.eml`,
    );
    // A fixed type: what a sender declares must not make a browser do anything with it.
    response.set({
      'Content-Type': attachment ? 'application/octet-stream' : 'message/rfc822',
      'X-Content-Type-Options': 'nosniff',
      'Content-Security-Policy': "default-src 'none'; sandbox",
      'Cache-Control': 'private, no-store',
      'Accept-Ranges': 'bytes',
      ETag: entityTag,
    });
    // RFC 9110, 14.2: ranges are of GET alone; 13.1.5: those of another content than is here are not given.
    const wanted = request.method === 'GET' && [undefined, entityTag].includes(request.get('if-range'));
    const range = readByteRange(wanted ? request.get('range') : undefined, sizeBytes);
    if (range === 'UNSATISFIABLE') {
      response.status(416).set('Content-Range', `bytes */${sizeBytes}`).end();
      return true;
    }
    const { first, length } = range === 'WHOLE' ? { first: 0, length: sizeBytes } : range;
    if (range !== 'WHOLE')
      response.status(206).set('Content-Range', `bytes ${first}-${first + length - 1}/${sizeBytes}`);
    response.set('Content-Length', String(length));
    const details = attachment ? { part: attachment.description.partId } : {};
    await this.#audit(viewer, request, 'MESSAGE_DOWNLOAD', target.messageId, details);
    if (request.method === 'HEAD') {
      response.end();
      return true;
    }
    const bytes = attachment
      ? sliceBytes(attachment.open(), { first, length })
      : sliceBytes(this.options.contents.source(message.contentId, first), { first: 0, length });
    await pipeline(Readable.from(bytes), response);
    return true;
  }

  async #message(viewer: Viewer, messageId: number, permission: Permission): Promise<StoredMessage | undefined> {
    if (!viewer.permissions.has(Permission.BACKUP_VIEW) || !viewer.permissions.has(permission)) return undefined;
    return (await this.options.globalMessages.find([messageId]))[0];
  }

  /** Written before the content is sent; who only asks about it (HEAD) gets nothing of it. */
  async #audit(
    viewer: Viewer,
    request: Request,
    event: AuditEvent,
    messageId: number,
    details: Record<string, unknown>,
  ): Promise<void> {
    if (request.method === 'HEAD') return;
    await this.options.database.transaction((transaction) =>
      recordAudit(transaction, {
        actor: auditActor(viewer),
        remoteAddress: request.ip ?? '',
        event,
        outcome: 'DONE',
        subject: `message:${messageId}`,
        details,
      }),
    );
  }
}
