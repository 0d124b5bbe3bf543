import type { Database } from '../../entities/database.js';
import { type CapabilityReason, htmlCapabilityForAll } from '../access/message-capabilities.js';
import type { AttachmentDescription, MessageDescription } from '../preview/describe-message.js';
import type { PreviewRenderer, RenderedPreview } from '../preview/preview-renderer.js';
import { readAttachment, readHeaders } from '../preview/read-attachment.js';
import type { ContentStore } from './content-store.js';
import type { StoredMessage, StoredVerdict } from './global-messages.js';

/** A header field as it stands in the message, decoded. */
export interface MessageHeader {
  readonly name: string;
  readonly value: string;
}

/** A safe rendering, with why it is another than was asked for. */
export type ReadablePreview = Omit<RenderedPreview, 'reason'> & {
  readonly reason: RenderedPreview['reason'] | CapabilityReason;
};

/** Contents of stored messages, for reading; who may is decided by the caller. */
export class MessageContents {
  constructor(
    private readonly database: Database,
    private readonly contents: ContentStore,
    private readonly renderer: PreviewRenderer,
  ) {}

  /** A safe rendering of a content (rules P2 to P4); the same content is rendered once. */
  async preview(contentId: number, mode: 'TEXT' | 'HTML'): Promise<RenderedPreview> {
    return this.renderer.render(this.contents.open(contentId), mode, await this.#key(contentId));
  }

  /** What administrators see: HTML only where the verdicts allow it (rule P3), else text with the reason. */
  async previewForAll(
    message: Pick<StoredMessage, 'contentId' | 'hasHtml'>,
    verdicts: readonly StoredVerdict[],
    mode: 'TEXT' | 'HTML',
  ): Promise<ReadablePreview> {
    const { allowed, reason } = htmlCapabilityForAll(message.hasHtml, verdicts);
    if (mode === 'TEXT' || allowed) return this.preview(message.contentId, mode);
    return { ...(await this.preview(message.contentId, 'TEXT')), reason };
  }

  /** The header fields of the message, at most 256 KiB of them. */
  async headers(contentId: number): Promise<readonly MessageHeader[]> {
    return readHeaders(this.contents.open(contentId));
  }

  /** Attachments, those within attached messages among them, with the ids by which they are downloaded. */
  async describe(contentId: number): Promise<MessageDescription> {
    return this.renderer.describe(this.contents.open(contentId), await this.#key(contentId));
  }

  /** The bytes as received, from `fromByte` on; holds one piece at a time. */
  source(contentId: number, fromByte: number): AsyncIterable<Buffer> {
    return this.contents.open(contentId, fromByte);
  }

  /** One attachment, decoded while it is read; null when there is none with this id. */
  async attachment(
    contentId: number,
    partId: string,
  ): Promise<{ readonly description: AttachmentDescription; open(): AsyncIterable<Buffer> } | null> {
    const { attachments } = await this.describe(contentId);
    const description = attachments.find((each) => each.partId === partId) ?? null;
    const source = this.contents.open(contentId);
    return (
      description && {
        description,
        async *open() {
          yield* (await readAttachment(source, partId))?.bytes ?? [];
        },
      }
    );
  }

  async #key(contentId: number): Promise<{ contentKey?: string }> {
    const [row] = await this.database.rows<{ sha256: string }>('SELECT sha256 FROM content WHERE id = ?', [contentId]);
    return row ? { contentKey: row.sha256 } : {};
  }
}
