import { type MboxVariant } from './mbox.js';

const LF = 0x0a;
const GREATER = 0x3e;
const FROM = Buffer.from('From ');
const QUOTED_LINE = Buffer.from('\n>');

// More of them in front of "From " come from nobody; stops lines of ">" without end from being held.
const MAX_QUOTES = 256;

/** The number of ">" at `at`, and whether "From " follows; undecided when the bytes end before. */
function readQuotes(bytes: Buffer, at: number): { quotes: number; from: boolean; undecided: boolean } {
  let end = at;
  while (bytes[end] === GREATER && end - at <= MAX_QUOTES) end++;
  const rest = bytes.subarray(end, end + FROM.length);
  const from = end - at <= MAX_QUOTES && rest.equals(FROM.subarray(0, rest.length));
  return { quotes: end - at, from: from && rest.length === FROM.length, undecided: from && rest.length < FROM.length };
}

/** Start of the next line that begins with ">"; -1 when there is none. */
function findQuotedLine(bytes: Buffer, from: number): number {
  return bytes.indexOf(QUOTED_LINE, from) + 1 || -1;
}

/**
 * Takes away the ">" that an mbox file has put in front of "From " lines, and only that: every other byte stays. What a
 * mboxo file cannot tell from a line that had its ">" before is taken for quoted.
 */
export async function* unquoteMbox(source: AsyncIterable<Buffer>, variant: MboxVariant): AsyncGenerator<Buffer> {
  if (variant === 'mboxcl2') {
    yield* source;
    return;
  }
  const maxQuotes = variant === 'mboxrd' ? MAX_QUOTES : 1;
  // The ">" at the start of a line of which it is not known yet whether "From " follows.
  let held: Buffer = Buffer.alloc(0);
  let atLineStart = true;
  for await (const chunk of source) {
    const bytes = held.length > 0 ? Buffer.concat([held, chunk]) : chunk;
    let passed = 0;
    let keep = bytes.length;
    for (let line = atLineStart ? 0 : findQuotedLine(bytes, 0); line >= 0; line = findQuotedLine(bytes, line)) {
      if (bytes[line] !== GREATER) continue;
      const { quotes, from, undecided } = readQuotes(bytes, line);
      if (undecided) {
        keep = line;
        break;
      }
      if (!from || quotes > maxQuotes) continue;
      if (line > passed) yield bytes.subarray(passed, line);
      passed = line + 1;
    }
    if (keep > passed) yield bytes.subarray(passed, keep);
    held = Buffer.from(bytes.subarray(keep));
    if (bytes.length > 0) atLineStart = held.length > 0 || bytes.at(-1) === LF;
  }
  if (held.length > 0) yield held;
}
