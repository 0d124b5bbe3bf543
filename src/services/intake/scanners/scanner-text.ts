import { isUtf8 } from 'node:buffer';
import libmime from 'libmime';

/** Longest text kept of a scanner's words, in characters; stops rows that grow with what a sender writes. */
export const MAX_VERDICT_LENGTH = 500;

/** Most threat names kept of one module, and characters of each; stops archives made of thousands of finds. */
const MAX_THREATS = 50;
const MAX_THREAT_LENGTH = 255;

/** Reads bytes as UTF-8 when they are, else as ISO 8859-1, which never fails. */
export function textOf(bytes: Buffer): string {
  return bytes.toString(isUtf8(bytes) ? 'utf8' : 'latin1');
}

/**
 * Text of an HTTP header value: Node hands bytes over as ISO 8859-1 characters, rspamd 3.4 writes raw UTF-8, and from
 * 3.8.2 on it writes RFC 2047 encoded words, even inside an address.
 */
export function headerText(value: string): string {
  const text = /^[\x00-\x7f]*$/.test(value) ? value : textOf(Buffer.from(value, 'latin1'));
  return text.includes('=?') ? libmime.decodeWords(text) : text;
}

/** One line without control characters, which could end a header line or a log line later on. */
export function oneLine(text: string): string {
  if (!/[\x00-\x1f\x7f\u2028\u2029]/.test(text)) return text.trim();
  return text.replace(/[\x00-\x1f\x7f\u2028\u2029]+/g, ' ').trim();
}

/** Cuts a text to a length in characters, marking the cut. */
export function shorten(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length - 1)}…`;
}

/** Threat names, each once, bounded. */
export function threatList(names: Iterable<string>): string[] {
  const cleaned = [...names].map((name) => shorten(oneLine(name), MAX_THREAT_LENGTH)).filter(Boolean);
  return [...new Set(cleaned)].slice(0, MAX_THREATS);
}

/**
 * Splits addresses such as `<a@b>, <"x, y"@c>` at their commas (RFC 5321 paths); quoted local parts stay whole, angle
 * brackets go, the empty path becomes ''.
 */
export function splitAddresses(text: string): string[] {
  const addresses: string[] = [];
  let current = '';
  let quoted = false;
  for (let index = 0; index < text.length; index += 1) {
    const character = text.charAt(index);
    if (quoted && character === '\\') {
      current += character + text.charAt((index += 1));
    } else if (character === ',' && !quoted) {
      addresses.push(current);
      current = '';
    } else {
      if (character === '"') quoted = !quoted;
      current += character;
    }
  }
  return [...addresses, current].filter((address) => address.trim() !== '').map(bareAddress);
}

/** An address without angle brackets, blanks around it and control characters. */
export function bareAddress(address: string): string {
  const line = oneLine(address);
  return line.startsWith('<') && line.endsWith('>') ? line.slice(1, -1).trim() : line;
}
