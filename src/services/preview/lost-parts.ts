import { type MimePart, type PartSink } from './mime-part.js';
import { MimeWalker, type PartVisitor, type WalkBudget } from './mime-walker.js';

// Longest body of a multipart without parts that is searched for them.
const MAX_SEARCHED_BYTES = 256 * 1024;

/**
 * The header that makes the body of a multipart readable whose delimiter is missing or not the declared one; null when
 * the body does not look like parts.
 */
function describeLostParts(type: string, body: Buffer): Buffer | null {
  const text = body.toString('latin1');
  if (/^\s{0,100}content-[\w-]{1,40}:/i.test(text)) return Buffer.alloc(0);
  const delimiter = /^--([^\s"\\][^"\\\r\n]{0,200}?)[ \t]{0,20}\r?\ncontent-[\w-]{1,40}:/im.exec(text)?.[1];
  return delimiter ? Buffer.from(`Content-Type: ${type}; boundary="${delimiter}"\n\n`, 'latin1') : null;
}

/** Finds the parts of multiparts whose delimiter is lost, and shows them to another visitor like all others. */
export class LostPartsFinder implements PartVisitor {
  private readonly withParts = new WeakSet<MimePart>();
  private rereading = false;

  constructor(
    private readonly visitor: PartVisitor,
    private readonly budget: WalkBudget,
  ) {}

  openPart(part: MimePart, descend: () => PartSink): PartSink | null {
    if (part.parent) this.withParts.add(part.parent);
    const sink = this.visitor.openPart(part, descend);
    // What is read again may not be read a third time: that stops endless repetition.
    if (!part.type.startsWith('multipart/') || this.rereading) return sink;
    const kept: Buffer[] = [];
    let left = MAX_SEARCHED_BYTES;
    return {
      write: (bytes) => {
        sink?.write(bytes);
        if (left <= 0 || this.withParts.has(part)) return;
        kept.push(Buffer.from(bytes.subarray(0, left)));
        left -= bytes.length;
      },
      end: () => {
        sink?.end();
        if (!this.withParts.has(part)) this.reread(part, Buffer.concat(kept));
      },
    };
  }

  private reread(part: MimePart, body: Buffer): void {
    const head = describeLostParts(part.type, body);
    if (head === null) return;
    this.rereading = true;
    const walker = new MimeWalker(this, this.budget, part);
    walker.write(Buffer.concat([head, body]));
    walker.end();
    this.rereading = false;
  }
}
