const CR = 0x0d;
const LF = 0x0a;
const SPACE = 0x20;
const TAB = 0x09;
const COLON = 0x3a;
const EMPTY = Buffer.alloc(0);

// Longest field name with blanks before its colon that is still compared: the line limit of RFC 5322 2.1.1. What is longer
// is no field; without the limit a line of blanks would be held in memory as long as it goes on.
const MAX_NAME_BYTES = 998;

type NameMatch = 'YES' | 'NO' | 'UNDECIDED';

/**
 * Takes named fields out of the top header block of a message and leaves every other byte alone (rule D4), piece by piece
 * in constant memory. A bare CR or LF counts as a line end, because SMTP makes it one on the way (RFC 5321 2.3.8).
 */
export class FieldRemoval {
  private readonly names: readonly Buffer[];
  /** The beginning of a line that may yet turn out to be a removed field. */
  private held = EMPTY;
  private inHeader = true;
  private atLineStart = true;
  private afterCr = false;
  private dropping = false;

  /** @param names field names, compared without regard to case */
  constructor(names: readonly string[]) {
    this.names = names.map((name) => Buffer.from(name.toLowerCase(), 'latin1'));
  }

  /** The kept bytes of the next piece; views of it, not copies. */
  push(piece: Buffer): Buffer[] {
    if (!this.inHeader) return [piece];
    const bytes = this.held.length > 0 ? Buffer.concat([this.held, piece]) : piece;
    this.held = EMPTY;
    const kept: Buffer[] = [];
    let keptFrom = this.dropping ? -1 : 0;
    const keepUntil = (end: number) => {
      if (keptFrom >= 0 && end > keptFrom) kept.push(bytes.subarray(keptFrom, end));
      keptFrom = -1;
    };
    for (let at = 0; at < bytes.length; at += 1) {
      const byte = bytes[at];
      if (this.afterCr) {
        this.afterCr = false;
        if (byte === LF) continue;
      }
      if (this.atLineStart) {
        if (byte === CR || byte === LF) {
          this.inHeader = false;
          if (keptFrom < 0) keptFrom = at;
          keepUntil(bytes.length);
          return kept;
        }
        if (byte !== SPACE && byte !== TAB) {
          const match = this.matchName(bytes, at);
          if (match === 'UNDECIDED') {
            keepUntil(at);
            this.held = Buffer.from(bytes.subarray(at));
            this.dropping = false;
            return kept;
          }
          this.dropping = match === 'YES';
          if (this.dropping) keepUntil(at);
          else if (keptFrom < 0) keptFrom = at;
        }
        this.atLineStart = false;
      } else if (byte === CR || byte === LF) {
        this.atLineStart = true;
        this.afterCr = byte === CR;
      }
    }
    keepUntil(bytes.length);
    return kept;
  }

  /** What was still held when the message ended: a line without an end is no field. */
  end(): Buffer {
    const rest = this.held;
    this.held = EMPTY;
    return rest;
  }

  /** Whether a removed field begins here; blanks before the colon are allowed (RFC 5322 4.5). */
  private matchName(bytes: Buffer, from: number): NameMatch {
    let undecided = false;
    for (const name of this.names) {
      const match = matchOne(name, bytes, from);
      if (match === 'YES') return 'YES';
      undecided ||= match === 'UNDECIDED';
    }
    return undecided ? 'UNDECIDED' : 'NO';
  }
}

function matchOne(name: Buffer, bytes: Buffer, from: number): NameMatch {
  const end = Math.min(bytes.length, from + MAX_NAME_BYTES);
  let at = from;
  for (; at < from + name.length; at += 1) {
    if (at >= end) return 'UNDECIDED';
    const byte = bytes[at] as number;
    if ((byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte) !== name[at - from]) return 'NO';
  }
  while (at < end && (bytes[at] === SPACE || bytes[at] === TAB)) at += 1;
  if (at < end) return bytes[at] === COLON ? 'YES' : 'NO';
  return end === bytes.length ? 'UNDECIDED' : 'NO';
}
