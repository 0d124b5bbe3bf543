const CR = 0x0d;
const LF = 0x0a;

/** Longest line that SMTP carries, without its line end, octets (RFC 5321 4.5.3.1.6). */
export const MAX_LINE_BYTES = 998;

/** What in a message's bytes matters to SMTP. */
export interface SmtpForm {
  readonly sizeBytes: number;
  /** Octets above 127: needs 8BITMIME (RFC 6152). */
  readonly eightBit: boolean;
  readonly nul: boolean;
  /** A CR without LF; SMTP forbids it (RFC 5321 2.3.8), so it arrives as CRLF. */
  readonly bareCr: boolean;
  /** How lines end; LF and MIXED arrive as CRLF. NONE: no line end at all. */
  readonly lineEnds: 'CRLF' | 'LF' | 'MIXED' | 'NONE';
  /** A line over 998 octets: relays may fold it. */
  readonly longLine: boolean;
  /** False: SMTP adds a line end. */
  readonly endsWithLineEnd: boolean;
}

/** Reads a message once, in constant memory, and tells what SMTP would do to it. */
export async function inspectForSmtp(source: AsyncIterable<Buffer>): Promise<SmtpForm> {
  let sizeBytes = 0;
  let eightBit = false;
  let nul = false;
  let bareCr = false;
  let crlf = false;
  let bareLf = false;
  let longLine = false;
  let lineBytes = 0;
  let last = -1;
  for await (const piece of source) {
    sizeBytes += piece.length;
    for (let at = 0; at < piece.length; at += 1) {
      const byte = piece[at] as number;
      if (last === CR && byte !== LF) {
        bareCr = true;
        // It becomes a line end on the way.
        lineBytes = 0;
      }
      if (byte === LF) {
        if (last === CR) crlf = true;
        else bareLf = true;
        lineBytes = 0;
      } else if (byte !== CR) {
        lineBytes += 1;
        if (lineBytes > MAX_LINE_BYTES) longLine = true;
        if (byte >= 0x80) eightBit = true;
        else if (byte === 0) nul = true;
      }
      last = byte;
    }
  }
  if (last === CR) bareCr = true;
  const lineEnds = crlf && bareLf ? 'MIXED' : crlf ? 'CRLF' : bareLf ? 'LF' : 'NONE';
  return { sizeBytes, eightBit, nul, bareCr, lineEnds, longLine, endsWithLineEnd: last === LF };
}

/** Whether the bytes pass SMTP unchanged but for line ends that are LF throughout and become CRLF throughout. */
export function survivesSmtp(form: SmtpForm): boolean {
  return !form.nul && !form.bareCr && !form.longLine && form.lineEnds !== 'MIXED';
}
