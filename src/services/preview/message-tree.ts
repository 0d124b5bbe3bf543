import { FILE_TYPE_BYTES } from './file-type.js';
import { type PreviewLimits, type PreviewReason } from './limits.js';
import { LostPartsFinder } from './lost-parts.js';
import { findHeader, type MimePart, type PartSink } from './mime-part.js';
import { MimeWalker, type PartVisitor, WalkBudget } from './mime-walker.js';
import { openSigned } from './signed-content.js';

/** What a reading is for: it decides which bodies are kept. */
export type ReadingPurpose = 'TEXT' | 'HTML' | 'DESCRIPTION';

/** A part with what was kept of its body. */
export interface PartNode {
  readonly part: MimePart;
  readonly children: PartNode[];
  /** Decoded body, or its beginning; empty when none was wanted. */
  content: Buffer;
  /** True when the body is longer than `content` although it was wanted whole. */
  cut: boolean;
  /** Decoded size; only counted for a DESCRIPTION. */
  sizeBytes: number;
}

/** A message as a tree. */
export interface MessageTree {
  /** Null when there was not a single byte of message. */
  readonly root: PartNode | null;
  /** The first limit that was met. */
  readonly reason: PreviewReason | null;
}

/** Texts that people read although they are not text/plain or text/html. */
const READABLE_TYPES = new Set([
  'message/delivery-status',
  'message/disposition-notification',
  'message/feedback-report',
  'message/external-body',
  'text/rfc822-headers',
  'message/rfc822-headers',
]);

/** Texts that only programs read: shown, they would be noise. */
const PROGRAM_TEXTS = new Set([
  'text/css',
  'text/javascript',
  'text/ecmascript',
  'text/x-amp-html',
  'text/watch-html',
  'text/rtf',
]);

const SHOWN_IMAGES = /^(image\/(png|jpe?g|pjpeg|gif|webp|bmp|x-ms-bmp)|application\/octet-stream)$/;

/** Only what has a name can be shown by one; others must not use up what may be embedded. */
const isReferable = ({ headers }: MimePart) =>
  findHeader(headers, 'content-id') !== '' || findHeader(headers, 'content-location') !== '';

// A multipart without a single part shows what stands before its missing delimiter.
const MAX_PREAMBLE_BYTES = 256 * 1024;

/** A message signed as one piece with its content (RFC 8551 section 3.5.2); programs leave the kind out, and then it may be encrypted. */
const mayBeSigned = ({ type, typeParameters }: MimePart) =>
  /^application\/(x-)?pkcs7-mime$/.test(type) && /^(signed-data)?$/i.test(typeParameters['smime-type'] ?? '');

const isTnef = ({ type }: MimePart) => type === 'application/ms-tnef' || type === 'application/vnd.ms-tnef';

/** True for a part that is shown as body, not as attachment. */
export function isReadable(part: MimePart): boolean {
  if (READABLE_TYPES.has(part.type)) return true;
  if (!part.type.startsWith('text/') || PROGRAM_TEXTS.has(part.type)) return false;
  return part.disposition !== 'attachment' || part.depth === 0 || part.type === 'text/calendar';
}

class ContentSink implements PartSink {
  private readonly chunks: Buffer[] = [];
  private kept = 0;

  constructor(
    private readonly node: PartNode,
    /** Asks how many more bytes may be kept. */
    private readonly allow: (bytes: number) => number,
    private readonly wantedWhole: boolean,
  ) {}

  write(bytes: Buffer): void {
    this.node.sizeBytes += bytes.length;
    const allowed = this.allow(bytes.length);
    if (allowed < bytes.length && this.wantedWhole) this.node.cut = true;
    if (allowed <= 0) return;
    // Copied, because the bytes are a window on a chunk that is many times larger.
    this.chunks.push(Buffer.from(bytes.subarray(0, allowed)));
    this.kept += allowed;
  }

  end(): void {
    this.node.content =
      this.chunks.length === 1 && this.chunks[0] ? this.chunks[0] : Buffer.concat(this.chunks, this.kept);
  }
}

/** Builds the tree of a message while its bytes arrive, keeping only the bodies that the purpose needs, within limits. */
export class MessageTreeBuilder implements PartVisitor, PartSink {
  private readonly budget: WalkBudget;
  private readonly walker: MimeWalker;
  private readonly nodes = new Map<MimePart, PartNode>();
  private root: PartNode | null = null;
  private textBytes = 0;
  private htmlBytes = 0;
  private imageBytes = 0;
  private containerBytes = 0;

  constructor(
    private readonly purpose: ReadingPurpose,
    private readonly limits: PreviewLimits,
  ) {
    this.budget = new WalkBudget(limits);
    this.walker = new MimeWalker(new LostPartsFinder(this, this.budget), this.budget);
  }

  write(bytes: Buffer): void {
    this.walker.write(bytes);
  }

  end(): void {
    this.walker.end();
  }

  /** True when further bytes would not be read. */
  get full(): boolean {
    return this.budget.spent;
  }

  /** Decoded bytes of the HTML parts so far. */
  get htmlSourceBytes(): number {
    return this.htmlBytes;
  }

  /** The tree; complete after `end`. */
  get tree(): MessageTree {
    return { root: this.root, reason: this.budget.reason };
  }

  openPart(part: MimePart, descend: () => PartSink): PartSink | null {
    const node: PartNode = { part, children: [], content: Buffer.alloc(0), cut: false, sizeBytes: 0 };
    this.nodes.set(part, node);
    if (part.parent) this.nodes.get(part.parent)?.children.push(node);
    else this.root = node;
    if (part.type === 'message/rfc822' || part.type === 'message/global') return this.counted(node, descend());
    if (this.purpose !== 'DESCRIPTION' && mayBeSigned(part))
      return openSigned(descend(), (bytes) => this.allowContainer(bytes));
    return this.keep(node);
  }

  private counted(node: PartNode, sink: PartSink): PartSink {
    if (this.purpose !== 'DESCRIPTION') return sink;
    return {
      write: (bytes) => {
        node.sizeBytes += bytes.length;
        sink.write(bytes);
      },
      end: () => sink.end(),
    };
  }

  private keep(node: PartNode): PartSink | null {
    const { part } = node;
    if (this.purpose === 'DESCRIPTION') {
      if (part.type.startsWith('multipart/')) return null;
      return this.keepUpTo(node, FILE_TYPE_BYTES, false);
    }
    if (part.type.startsWith('multipart/')) return this.keepUpTo(node, MAX_PREAMBLE_BYTES, false);
    if (part.type === 'text/html' && isReadable(part)) {
      return new ContentSink(node, (bytes) => this.allowHtml(bytes), true);
    }
    if (isReadable(part)) return new ContentSink(node, (bytes) => this.allowText(bytes), true);
    if (isTnef(part)) return new ContentSink(node, (bytes) => this.allowContainer(bytes), false);
    if (this.purpose === 'HTML' && SHOWN_IMAGES.test(part.type) && isReferable(part)) {
      return new ContentSink(node, (bytes) => this.allowImage(node, bytes), true);
    }
    return null;
  }

  private keepUpTo(node: PartNode, limit: number, wantedWhole: boolean): PartSink {
    let left = limit;
    return new ContentSink(
      node,
      (bytes) => {
        const allowed = Math.min(bytes, left);
        left -= allowed;
        return allowed;
      },
      wantedWhole,
    );
  }

  private allowHtml(bytes: number): number {
    const allowed = Math.min(bytes, this.limits.maxHtmlSourceBytes - this.htmlBytes);
    this.htmlBytes += Math.max(0, allowed);
    return allowed;
  }

  private allowText(bytes: number): number {
    const allowed = Math.min(bytes, this.limits.maxTextBytes - this.textBytes);
    this.textBytes += Math.max(0, allowed);
    return allowed;
  }

  private allowContainer(bytes: number): number {
    const allowed = Math.min(bytes, this.limits.maxContainerBytes - this.containerBytes);
    this.containerBytes += Math.max(0, allowed);
    return allowed;
  }

  private allowImage(node: PartNode, bytes: number): number {
    if (node.cut || node.sizeBytes > this.limits.maxImageBytes) return 0;
    const allowed = Math.min(bytes, this.limits.maxAllImagesBytes - this.imageBytes);
    this.imageBytes += Math.max(0, allowed);
    return allowed;
  }
}
