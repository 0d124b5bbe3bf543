import libmime from 'libmime';
import { decodeCharset } from '../preview/charset.js';

/** Longest readable header value that is kept, in characters: one line of RFC 5322 section 2.1.1. */
export const MAX_HEADER_CHARACTERS = 998;

// Read before decoding; stops endless values, whose encoded words cost far more to decode than to receive.
const MAX_RAW_CHARACTERS = 16 * 1024;

/** Line breaks, NUL and other controls that could forge structure wherever the text is shown or logged. */
const CONTROLS = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g;

/**
 * Text of raw header bytes, one character for each byte (ISO 8859-1, as Node gives them): UTF-8 (RFC 6532) where the
 * bytes are that, else Windows-1252. What holds other characters was decoded before and comes back unchanged.
 */
export function decodeRawHeader(raw: string): string {
  if (!/[^\x00-\x1a\x1c-\x7f]/.test(raw) || /[^\x00-\xff]/.test(raw)) return raw;
  return decodeCharset(Buffer.from(raw, 'latin1'));
}

/** Cuts text to a number of UTF-16 units without leaving half of a character. */
export function cutText(text: string, maxCharacters: number): string {
  if (text.length <= maxCharacters) return text;
  const last = text.charCodeAt(maxCharacters - 1);
  return text.slice(0, last >= 0xd800 && last <= 0xdbff ? maxCharacters - 1 : maxCharacters);
}

/**
 * Readable text of a header value given as raw bytes (see {@link decodeRawHeader}): encoded words of RFC 2047 decoded,
 * line breaks and controls folded to one space, at most {@link MAX_HEADER_CHARACTERS}; what is broken stays as written.
 */
export function decodeHeaderWords(raw: string): string {
  const text = decodeRawHeader(raw.slice(0, MAX_RAW_CHARACTERS));
  // Twice: inside an encoded word a line break ends it, and what was encoded may hold controls again.
  const folded = text.replace(CONTROLS, ' ');
  const decoded = folded.includes('=?') ? libmime.decodeWords(folded).replace(CONTROLS, ' ') : folded;
  return cutText(decoded.trim(), MAX_HEADER_CHARACTERS);
}
