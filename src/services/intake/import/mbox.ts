import { type FileHandle } from 'node:fs/promises';
import { beginsHeader, isSeparator, senderOfSeparator } from './file-kind.js';

/**
 * How lines of a message that begin with "From " are kept apart from separators: mboxrd puts one ">" in front of ">*From ",
 * mboxo in front of "From " only, mboxcl as mboxo with a Content-Length, mboxcl2 relies on Content-Length alone.
 */
export type MboxVariant = 'mboxrd' | 'mboxo' | 'mboxcl' | 'mboxcl2';

/** Where one message stands in an mbox file. */
export interface MboxEntry {
  /** Offset of its first byte, behind the separator line. */
  readonly start: number;
  /** Offset behind its last byte; the blank line in front of the next separator is not its own. */
  readonly end: number;
  /** Offset where the next separator begins, or the end of the file. */
  readonly next: number;
  /** Envelope sender that the separator line names. */
  readonly separatorSender: string | null;
}

const LF = 0x0a;
const CR = 0x0d;
const BLOCK_BYTES = 1024 * 1024;
const LOOK_BEHIND_BYTES = 16;

// Longest separator or header line that is looked at; stops lines without end.
const MAX_LINE_BYTES = 1024;

// Where Content-Length is looked for; stops headers without end.
const MAX_HEADER_BYTES = 256 * 1024;

const NEXT_SEPARATOR = Buffer.from('\nFrom ');

/** Reads at any offset of a file of any size, holding one block. */
class FileWindow {
  private block = Buffer.alloc(0);
  private blockStart = 0;

  constructor(
    private readonly file: FileHandle,
    readonly sizeBytes: number,
  ) {}

  /** Up to `length` bytes at `offset`; fewer only at the end of the file. */
  async read(offset: number, length: number): Promise<Buffer> {
    const wanted = Math.max(0, Math.min(length, this.sizeBytes - offset));
    const held = offset - this.blockStart;
    if (held < 0 || held + wanted > this.block.length) await this.fill(offset, wanted);
    const from = offset - this.blockStart;
    return this.block.subarray(from, from + wanted);
  }

  /** What is held from `offset` on, at least a line's worth unless the file ends: for searches, which take what there is. */
  async rest(offset: number): Promise<Buffer> {
    await this.read(offset, MAX_LINE_BYTES);
    return this.block.subarray(offset - this.blockStart);
  }

  /** Starts a little before the offset, where the blank line in front of a separator is looked for next. */
  private async fill(offset: number, wanted: number): Promise<void> {
    const start = Math.max(0, offset - LOOK_BEHIND_BYTES);
    const length = Math.min(Math.max(wanted + LOOK_BEHIND_BYTES, BLOCK_BYTES), this.sizeBytes - start);
    const target = Buffer.allocUnsafe(length);
    let filled = 0;
    while (filled < length) {
      const { bytesRead } = await this.file.read(target, filled, length - filled, start + filled);
      if (bytesRead === 0) throw new Error('The mbox file became shorter while it was read.');
      filled += bytesRead;
    }
    this.block = target;
    this.blockStart = start;
  }

  /** The line at `offset` without its line break, cut to a length that suffices to judge it. */
  async line(offset: number): Promise<string> {
    const bytes = await this.read(offset, MAX_LINE_BYTES);
    const end = bytes.indexOf(LF);
    return bytes.toString('latin1', 0, end < 0 ? bytes.length : end).replace(/\r$/, '');
  }

  /** Offset of the line behind the one at `offset`. */
  async nextLine(offset: number): Promise<number> {
    for (let at = offset; at < this.sizeBytes;) {
      const rest = await this.rest(at);
      const found = rest.indexOf(LF);
      if (found >= 0) return at + found + 1;
      at += rest.length;
    }
    return this.sizeBytes;
  }
}

/** A "From " line counts only behind a blank line and in front of a header: text that quotes a mail does not split it. */
async function separates(window: FileWindow, at: number): Promise<boolean> {
  const before = await window.read(Math.max(0, at - 3), Math.min(3, at));
  const blank = before.at(-2) === LF || (before.at(-2) === CR && before.at(-3) === LF);
  if (!blank && at > 1) return false;
  if (!isSeparator(await window.line(at))) return false;
  const next = await window.nextLine(at);
  const header = await window.line(next);
  return next >= window.sizeBytes || header === '' || beginsHeader(header);
}

async function findSeparator(window: FileWindow, from: number): Promise<number> {
  // One byte back: the message may be empty, with its separator right behind.
  for (let at = from - 1; at < window.sizeBytes;) {
    const rest = await window.rest(at);
    const found = rest.indexOf(NEXT_SEPARATOR);
    if (found < 0) {
      if (at + rest.length >= window.sizeBytes) break;
      at += rest.length - NEXT_SEPARATOR.length;
    } else {
      const line = at + found + 1;
      if (await separates(window, line)) return line;
      at = line;
    }
  }
  return window.sizeBytes;
}

/** Ends of a message and its separator by Content-Length, believed only when a separator or the end of the file follows. */
async function findDeclaredEnd(window: FileWindow, start: number): Promise<{ end: number; next: number } | null> {
  const header = (await window.read(start, MAX_HEADER_BYTES)).toString('latin1');
  const blank = /\r?\n\r?\n/.exec(header);
  const declared = /^content-length:[ \t]*(\d{1,15})[ \t]*\r?$/im.exec(header.slice(0, blank?.index ?? 0))?.[1];
  if (!blank || declared === undefined) return null;
  const end = start + blank.index + blank[0].length + Number(declared);
  if (end > window.sizeBytes) return null;
  const rest = (await window.read(end, 16)).toString('latin1');
  const gap = /^(?:\r?\n)*(?=From |$)/.exec(rest);
  return gap ? { end, next: end + gap[0].length } : null;
}

/** Where the message ends that the separator at `next` follows: in front of the blank line that belongs to the separator. */
async function trimBlankLine(window: FileWindow, start: number, next: number): Promise<number> {
  const tail = await window.read(Math.max(start, next - 4), Math.min(4, next - start));
  const text = tail.toString('latin1');
  if (/^(\r\n|\n)$/.test(text)) return start;
  const blank = /\n(\r\n|\n)$/.exec(text)?.[1];
  return blank ? next - blank.length : next;
}

/** Finds the messages of an mbox file of any size, one after the other; `file` stays open. */
export async function* findMboxEntries(
  file: FileHandle,
  sizeBytes: number,
  variant: MboxVariant,
): AsyncGenerator<MboxEntry> {
  const window = new FileWindow(file, sizeBytes);
  const declares = variant === 'mboxcl' || variant === 'mboxcl2';
  for (let separator = 0; separator < sizeBytes;) {
    const separatorSender = senderOfSeparator(`${await window.line(separator)} `);
    const start = await window.nextLine(separator);
    const declared = declares ? await findDeclaredEnd(window, start) : null;
    const next = declared?.next ?? (await findSeparator(window, start));
    yield { start, end: declared?.end ?? (await trimBlankLine(window, start, next)), next, separatorSender };
    separator = next;
  }
}
