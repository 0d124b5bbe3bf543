import { HeaderLines } from './header-lines.js';
import { type PreviewLimits, type PreviewReason } from './limits.js';
import { describePart, type MimePart, type PartSink } from './mime-part.js';
import { decodeTransfer } from './transfer-decoding.js';

/** Decides what becomes of each part. */
export interface PartVisitor {
  /**
   * Called when the header of a part is complete. What it returns takes the decoded body (of a multipart: its preamble);
   * `descend` makes the sink that reads the part as a message of its own.
   */
  openPart(part: MimePart, descend: () => PartSink): PartSink | null;
}

/** What has been used up by a message and the messages attached to it. */
export class WalkBudget {
  parts = 0;
  headerBytes = 0;
  /** The first limit that was met. */
  reason: PreviewReason | null = null;

  constructor(
    readonly limits: Pick<PreviewLimits, 'maxParts' | 'maxDepth' | 'maxHeaderBytes' | 'maxAllHeadersBytes'>,
  ) {}

  exceed(reason: PreviewReason): void {
    this.reason ??= reason;
  }

  /** True when nothing after this point will be read. */
  get spent(): boolean {
    return this.reason === 'TOO_MANY_PARTS';
  }
}

// Longest line taken for a delimiter: 70 characters by RFC 2046 section 5.1.1, some programs write hundreds.
const MAX_DELIMITER_BYTES = 1024;
// Bytes that are looked at to learn whether lines end in bare carriage returns, as old Macintosh programs saved them.
const LINE_END_BYTES = 4096;
const LF = 0x0a;
const CR = 0x0d;
const EMPTY = Buffer.alloc(0);
/** The byte order mark that editors put in front of a saved message, read byte by byte. */
const UTF8_MARK = '\xef\xbb\xbf';

interface OpenPart {
  readonly part: MimePart;
  readonly sink: PartSink | null;
  /** Set for multiparts. */
  readonly boundary: string | null;
  children: number;
}

/**
 * Reads a message as its bytes arrive and hands each part's body on, decoded. Holds one header or one line, never a
 * body, and tolerates what is broken: every input is some message. Header fields follow RFC 5322 section 2.2, parts
 * RFC 2046 section 5.1.
 */
export class MimeWalker implements PartSink {
  private readonly open: OpenPart[] = [];
  private state: 'header' | 'body' = 'header';
  private carry: Buffer = EMPTY;
  private atLineStart = true;
  private header = new HeaderLines();
  private headerBytes = 0;
  /** The beginning of the message, until it is long enough to tell how its lines end. */
  private beginning: Buffer | null = EMPTY;
  private endsLinesWithCr = false;
  /** The multipart that the header being read belongs to; null at the top. */
  private parent: OpenPart | null = null;

  constructor(
    private readonly visitor: PartVisitor,
    private readonly budget: WalkBudget,
    private readonly container: MimePart | null = null,
  ) {}

  write(chunk: Buffer): void {
    if (this.budget.spent || chunk.length === 0) return;
    if (this.beginning === null) {
      this.accept(chunk);
      return;
    }
    this.beginning = this.beginning.length > 0 ? Buffer.concat([this.beginning, chunk]) : chunk;
    if (this.beginning.length >= LINE_END_BYTES) this.begin();
    else if (this.beginning === chunk) this.beginning = Buffer.from(chunk);
  }

  end(): void {
    if (this.beginning !== null) this.begin();
    if (!this.budget.spent) {
      this.read(this.carry, true);
      if (this.state === 'header') this.endHeader(true);
    }
    while (this.open.length > 0) this.closeLast();
  }

  private begin(): void {
    const bytes = this.beginning ?? EMPTY;
    this.beginning = null;
    const sample = bytes.subarray(0, LINE_END_BYTES);
    this.endsLinesWithCr = !sample.includes(LF) && sample.includes(CR);
    this.accept(bytes);
  }

  private accept(chunk: Buffer): void {
    const bytes = this.endsLinesWithCr ? Buffer.from(chunk.toString('latin1').replaceAll('\r', '\n'), 'latin1') : chunk;
    this.read(this.carry.length > 0 ? Buffer.concat([this.carry, bytes]) : bytes, false);
  }

  private read(data: Buffer, final: boolean): void {
    this.carry = EMPTY;
    let position = 0;
    while (position < data.length && !this.budget.spent) {
      position =
        this.state === 'header' ? this.readHeaderLine(data, position, final) : this.readBody(data, position, final);
    }
  }

  private readHeaderLine(data: Buffer, position: number, final: boolean): number {
    const lineFeed = data.indexOf(LF, position);
    const end = lineFeed < 0 ? data.length : lineFeed;
    if (lineFeed < 0 && !final && end - position <= this.budget.limits.maxHeaderBytes) {
      this.carry = Buffer.from(data.subarray(position));
      return data.length;
    }
    let line = data.toString('latin1', position, Math.min(end, position + this.budget.limits.maxHeaderBytes));
    if (line.endsWith('\r')) line = line.trimEnd();
    if (this.header.fields.length === 0 && line.startsWith(UTF8_MARK)) line = line.slice(UTF8_MARK.length);
    const next = lineFeed < 0 ? data.length : lineFeed + 1;
    if (line.startsWith('--') && this.crossDelimiter(line)) return next;
    this.headerBytes += end - position;
    this.budget.headerBytes += end - position;
    if (line.trim() === '') {
      // Blank lines before the first field are left over from how the message was kept. A line of blanks ends a header
      // too: programs that send spam write it, while the folded blanks of RFC 5322 section 4.2 have died out.
      if (this.header.fields.length > 0 || this.parent) this.endHeader(false);
      return next;
    }
    return this.addHeaderLine(line) ? next : position;
  }

  /** False when the line belongs to the body. */
  private addHeaderLine(line: string): boolean {
    const { limits } = this.budget;
    if (this.headerBytes > limits.maxHeaderBytes || this.budget.headerBytes > limits.maxAllHeadersBytes) {
      this.budget.exceed('HEADERS_TOO_LARGE');
      return true;
    }
    if (this.header.add(line)) return true;
    this.openPart();
    return false;
  }

  /** Opens the part whose header ends here, with a blank line or cut. */
  private endHeader(isCut: boolean): void {
    const beginning = this.header.beginningOfBody(isCut);
    this.openPart();
    if (beginning && !this.budget.spent) this.pass(beginning, 0, beginning.length);
  }

  private openPart(): void {
    const { budget, parent } = this;
    const { fields } = this.header;
    this.header = new HeaderLines();
    this.headerBytes = 0;
    this.state = 'body';
    this.atLineStart = true;
    budget.parts++;
    if (budget.parts > budget.limits.maxParts) {
      budget.exceed('TOO_MANY_PARTS');
      return;
    }
    const outer = parent?.part ?? this.container;
    if (parent) parent.children++;
    const id = outer ? `${outer.id}.${parent?.children ?? 1}` : '1';
    const part = describePart(fields, outer, id, outer ? outer.depth + 1 : 0);
    const tooDeep = part.depth >= budget.limits.maxDepth;
    const container = part.type.startsWith('multipart/');
    if (tooDeep && (container || part.type === 'message/rfc822')) budget.exceed('TOO_DEEP');
    const sink = this.visitor.openPart(part, () => (tooDeep ? IGNORE : new MimeWalker(this.visitor, budget, part)));
    const boundary = container && !tooDeep ? (part.typeParameters['boundary']?.trimEnd() ?? '') : '';
    this.open.push({
      part,
      sink: sink && !container ? decodeTransfer(part.encoding, sink) : sink,
      boundary: boundary === '' ? null : boundary,
      children: 0,
    });
  }

  /** Passes the body on up to the next line that could be a delimiter, and looks at that line. */
  private readBody(data: Buffer, start: number, final: boolean): number {
    if (!this.open.some((entry) => entry.boundary !== null)) {
      this.pass(data, start, data.length);
      return data.length;
    }
    let from = start;
    for (;;) {
      let line = -1;
      if (from === start && this.atLineStart && isDashes(data, start)) line = start;
      else if (from === start && this.atLineStart && start + 2 > data.length && data[start] === 0x2d && !final) {
        this.carry = Buffer.from(data.subarray(start));
        return data.length;
      } else {
        const found = data.indexOf('\n--', from, 'latin1');
        if (found >= 0) line = found + 1;
      }
      if (line < 0) return this.passAllButTail(data, start, final);
      const lineFeed = data.indexOf(LF, line);
      const end = lineFeed < 0 ? data.length : lineFeed;
      if (end - line <= MAX_DELIMITER_BYTES) {
        const bodyEnd = Math.max(start, beforeLineBreak(data, line));
        if (lineFeed < 0 && !final) {
          this.pass(data, start, bodyEnd);
          this.atLineStart = bodyEnd === line;
          this.carry = Buffer.from(data.subarray(bodyEnd));
          return data.length;
        }
        const depth = this.findDelimiter(data.toString('latin1', line, end));
        if (depth >= 0) {
          this.pass(data, start, bodyEnd);
          this.cross(depth, data.toString('latin1', line, end));
          return lineFeed < 0 ? data.length : lineFeed + 1;
        }
      }
      from = line + 1;
    }
  }

  /** Keeps back what could be the line break in front of a delimiter. */
  private passAllButTail(data: Buffer, start: number, final: boolean): number {
    let end = data.length;
    if (!final) {
      if (end > start && data[end - 1] === 0x2d && end - 2 >= start && data[end - 2] === LF) end -= 1;
      if (end > start && data[end - 1] === LF) end -= 1;
      if (end > start && data[end - 1] === CR) end -= 1;
    }
    this.pass(data, start, end);
    if (end > start) this.atLineStart = false;
    this.carry = Buffer.from(data.subarray(end));
    return data.length;
  }

  private pass(data: Buffer, start: number, end: number): void {
    if (end <= start) return;
    this.open.at(-1)?.sink?.write(data.subarray(start, end));
  }

  /** Index of the open multipart whose delimiter this line is; -1 when it is none. */
  private findDelimiter(line: string): number {
    const text = line.trimEnd();
    for (let index = this.open.length - 1; index >= 0; index--) {
      const boundary = this.open[index]?.boundary;
      if (boundary == null || !text.startsWith(boundary, 2)) continue;
      const rest = text.length - boundary.length;
      if (rest === 2 || (rest === 4 && text.endsWith('--'))) return index;
    }
    return -1;
  }

  private crossDelimiter(line: string): boolean {
    const depth = this.findDelimiter(line);
    if (depth < 0) return false;
    // A part that ends before its header does has an empty body.
    if (this.header.fields.length > 0 || this.parent) this.endHeader(true);
    if (!this.budget.spent) this.cross(depth, line);
    return true;
  }

  private cross(depth: number, line: string): void {
    while (this.open.length > depth + 1) this.closeLast();
    const owner = this.open[depth];
    if (!owner) return;
    const closing = line.trimEnd().length === (owner.boundary?.length ?? 0) + 4;
    this.state = closing ? 'body' : 'header';
    this.atLineStart = true;
    this.parent = closing ? null : owner;
    // What follows the closing delimiter is no part; it is passed on like the preamble and ignored there.
    if (closing && depth > 0) this.closeLast();
  }

  private closeLast(): void {
    this.open.pop()?.sink?.end();
  }
}

const IGNORE: PartSink = { write: () => undefined, end: () => undefined };

function isDashes(data: Buffer, at: number): boolean {
  return data[at] === 0x2d && data[at + 1] === 0x2d;
}

/** Where the body ends when a delimiter line starts at `line`: the line break belongs to the delimiter. */
function beforeLineBreak(data: Buffer, line: number): number {
  if (line === 0 || data[line - 1] !== LF) return line;
  return line > 1 && data[line - 2] === CR ? line - 2 : line - 1;
}
