const LF = 0x0a;

// Longest line that is looked at (RFC 5322 2.1.1); a longer one is none of a mail folder's.
const MAX_LINE_BYTES = 998;

/**
 * How many bytes at the beginning of a message are a leftover "From " line of a Unix mail folder (RFC 4155, appendix A), its line
 * end included; 0: none. Not to be mistaken for a From field with blanks before its colon. Undefined: more bytes are needed,
 * never when `complete`.
 */
export function mboxLineEnd(bytes: Buffer, complete = false): number | undefined {
  const text = bytes.toString('latin1', 0, MAX_LINE_BYTES + 2);
  if (/^>*From[ \t]+[^ \t:\r\n]/.test(text)) {
    const at = text.search(/[\r\n]/);
    if (at < 0) return complete ? bytes.length : text.length > MAX_LINE_BYTES ? 0 : undefined;
    if (bytes[at] === LF) return at + 1;
    if (at + 1 < bytes.length) return bytes[at + 1] === LF ? at + 2 : at + 1;
    return complete ? at + 1 : undefined;
  }
  const mayBecome = /^>*(?:F|Fr|Fro|From[ \t]*)?$/.test(text) && text.length <= MAX_LINE_BYTES;
  return mayBecome && !complete ? undefined : 0;
}
