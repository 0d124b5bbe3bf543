import { detectFileType } from './file-type.js';
import { measureImage } from './image-size.js';
import { type PreviewLimits } from './limits.js';
import { decodeHeader, findHeader, stripBrackets } from './mime-part.js';
import { type PartNode } from './message-tree.js';

/** Formats that browsers draw without running anything; SVG is a document and stays out. */
const DRAWN = new Set(['image/png', 'image/jpeg', 'image/gif', 'image/webp', 'image/bmp']);

// A tiny file can unpack to gigabytes of pixels; this is more than a camera's photo.
const MAX_PIXELS = 50_000_000;

function isDrawable(content: Buffer): string | null {
  const type = detectFileType(content);
  if (type === null || !DRAWN.has(type)) return null;
  const size = measureImage(content, type);
  return size !== null && size.width * size.height <= MAX_PIXELS ? type : null;
}

/** The images that came with a message, and the bytes that may still be embedded. */
export class EmbeddedImages {
  /** Parts by name; attached messages often use the same names as the message around them. */
  private readonly byReference = new Map<string, PartNode[]>();
  private reader: PartNode;
  private left: number;
  /** True when an image was left out for its size. */
  isTruncated = false;

  constructor(
    root: PartNode,
    private readonly limits: Pick<PreviewLimits, 'maxImageBytes' | 'maxAllImagesBytes'>,
  ) {
    this.left = limits.maxAllImagesBytes;
    this.reader = root;
    this.collect(root);
  }

  /** Names the part whose addresses are looked up from now on. */
  readFrom(node: PartNode): void {
    this.reader = node;
  }

  /** True when the message itself carries what this address names. */
  has(reference: string): boolean {
    return this.byReference.has(this.normalise(reference));
  }

  /** A data: address for an image of the message, by its Content-ID (RFC 2392) or Content-Location (RFC 2557); null when there is none to show. */
  embedPart(reference: string): string | null {
    const node = this.nearest(this.byReference.get(this.normalise(reference)) ?? []);
    if (!node) return null;
    if (node.cut) {
      this.isTruncated = true;
      return null;
    }
    return this.embed(node.content);
  }

  /** The data: address written anew from its bytes; null when it is not an image that may be shown. */
  embedData(address: string): string | null {
    const match = /^data:image\/[\w.+-]{1,40}(?:;[\w=-]{1,40})?;base64,([A-Za-z0-9+/=\s%]*)$/i.exec(address);
    if (!match?.[1]) return null;
    return this.embed(
      Buffer.from(match[1].replace(/%2b/gi, '+').replace(/%2f/gi, '/').replace(/%3d/gi, '='), 'base64'),
    );
  }

  private embed(content: Buffer): string | null {
    const type = isDrawable(content);
    if (type === null) return null;
    if (content.length > this.limits.maxImageBytes || content.length > this.left) {
      this.isTruncated = true;
      return null;
    }
    this.left -= content.length;
    return `data:${type};base64,${content.toString('base64')}`;
  }

  private collect(node: PartNode): void {
    const { headers } = node.part;
    if (node.content.length > 0 || node.cut) {
      const id = stripBrackets(decodeHeader(findHeader(headers, 'content-id')));
      if (id) this.name(`cid:${id}`, node);
      const location = decodeHeader(findHeader(headers, 'content-location'));
      if (location) this.name(location, node);
    }
    for (const child of node.children) this.collect(child);
  }

  private name(reference: string, node: PartNode): void {
    const known = this.byReference.get(reference);
    if (known) known.push(node);
    else this.byReference.set(reference, [node]);
  }

  /** Of parts with the same name, the first of those that share the innermost multipart with the reader (RFC 2557, section 5). */
  private nearest(nodes: readonly PartNode[]): PartNode | undefined {
    if (nodes.length < 2) return nodes[0];
    for (let around = this.reader.part.parent; around; around = around.parent) {
      const inside = nodes.find((node) => node.part.id.startsWith(`${around?.id}.`));
      if (inside) return inside;
    }
    return nodes[0];
  }

  private normalise(reference: string): string {
    const trimmed = reference.trim();
    if (!/^cid:/i.test(trimmed)) return trimmed;
    let id = stripBrackets(trimmed.slice(4));
    try {
      id = decodeURIComponent(id);
    } catch {
      // Not percent-encoded after all.
    }
    return `cid:${stripBrackets(id)}`;
  }
}
