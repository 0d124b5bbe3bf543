import libmime from 'libmime';
import { decodeCharset } from './charset.js';

/** A header field as it stands in the message. */
export interface HeaderField {
  /** As written. */
  readonly name: string;
  /** Unfolded, one character for each byte (ISO 8859-1); {@link decodeHeader} makes it readable. */
  readonly raw: string;
}

/** One node of the MIME tree (RFC 2045, RFC 2046). */
export interface MimePart {
  /** Path in the tree, "1" for the whole message, then "1.2", "1.2.1"; stable for the same bytes. */
  readonly id: string;
  /** Lower case, such as "text/plain"; the default of RFC 2045 section 5.2 when missing or unreadable. */
  readonly type: string;
  readonly typeParameters: Readonly<Record<string, string>>;
  /** Lower case; empty when the part has none. */
  readonly disposition: string;
  readonly dispositionParameters: Readonly<Record<string, string>>;
  /** Content-Transfer-Encoding, lower case; empty when the part has none. */
  readonly encoding: string;
  readonly headers: readonly HeaderField[];
  readonly parent: MimePart | null;
  /** Multiparts and attached messages around this part. */
  readonly depth: number;
}

/** Takes the bytes of a part as they come; `end` is called once. */
export interface PartSink {
  write(bytes: Buffer): void;
  end(): void;
}

// Longest header value that is interpreted: names and addresses are far shorter, and interpretation costs more than reading.
const MAX_VALUE_CHARACTERS = 32_768;

/** Line breaks, NUL and other controls that could forge structure where the text is shown. */
const CONTROLS = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g;

function decodeRaw(raw: string): string {
  return /[^\x00-\x7f]|\x1b/.test(raw) ? decodeCharset(Buffer.from(raw, 'latin1')) : raw;
}

/** Text of a header value: raw 8-bit bytes survived, encoded words (RFC 2047) decoded, controls made spaces. */
export function decodeHeader(raw: string): string {
  const text = decodeRaw(raw.slice(0, MAX_VALUE_CHARACTERS));
  return (text.includes('=?') ? libmime.decodeWords(text) : text).replace(CONTROLS, ' ').trim();
}

/** The first field of that name, undecoded; empty when there is none. */
export function findHeader(headers: readonly HeaderField[], name: string): string {
  const wanted = name.toLowerCase();
  return headers.find((field) => field.name.length === wanted.length && field.name.toLowerCase() === wanted)?.raw ?? '';
}

/** A Content-ID without its angle brackets (RFC 2392). */
export const stripBrackets = (id: string) => id.trim().replace(/^<|>$/g, '');

function parseStructured(raw: string): { value: string; params: Readonly<Record<string, string>> } {
  if (!raw) return { value: '', params: {} };
  // Windows programs write paths without escaping: only quotes and backslashes are (RFC 5322 section 3.2.4).
  const escaped = decodeRaw(raw.slice(0, MAX_VALUE_CHARACTERS)).replace(/\\(["\\])|\\/g, (found, escapes) =>
    escapes ? found : '\\\\',
  );
  const { value, params } = libmime.parseHeaderValue(escaped);
  return { value: value.trim().toLowerCase(), params };
}

const MEDIA_TYPE = /^[a-z0-9!#$&^_.+-]{1,100}\/[a-z0-9!#$&^_.+-]{1,100}$/;

/** Interprets the header of a part. */
export function describePart(
  headers: readonly HeaderField[],
  parent: MimePart | null,
  id: string,
  depth: number,
): MimePart {
  const contentType = parseStructured(findHeader(headers, 'content-type'));
  const disposition = parseStructured(findHeader(headers, 'content-disposition'));
  // RFC 2046 section 5.1.5: the parts of a digest are messages unless they say otherwise.
  const fallback = parent?.type === 'multipart/digest' ? 'message/rfc822' : 'text/plain';
  const type = contentType.value.split(/[\s,;]/)[0] ?? '';
  return {
    id,
    type: MEDIA_TYPE.test(type) ? type : type === 'text' || !type ? fallback : 'application/octet-stream',
    typeParameters: contentType.params,
    disposition: disposition.value,
    dispositionParameters: disposition.params,
    encoding: /^\s*([\w-]{1,40})/.exec(findHeader(headers, 'content-transfer-encoding'))?.[1]?.toLowerCase() ?? '',
    headers,
    parent,
    depth,
  };
}
