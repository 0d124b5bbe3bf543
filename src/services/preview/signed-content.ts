import { type PartSink } from './mime-part.js';

// Pieces of one content; stops endless ones. Programs write pieces of a kilobyte.
const MAX_PIECES = 20_000;

const SEQUENCE = 0x30;
const OBJECT_ID = 0x06;
const OCTETS = 0x04;
const OCTETS_IN_PIECES = 0x24;
const CONTENT = 0xa0;
/** id-signedData (RFC 5652 section 5.1). */
const SIGNED_DATA = Buffer.from('2a864886f70d010702', 'hex');

/** One element of BER (ITU-T X.690): where its content is, and where the next one begins. */
interface Element {
  readonly tag: number;
  readonly start: number;
  /** End of the content; of the surrounding element where the length is not told. */
  readonly end: number;
  readonly isOpen: boolean;
}

function readElement(bytes: Buffer, at: number, limit: number): Element | null {
  if (at + 2 > limit) return null;
  const tag = bytes.readUInt8(at);
  const first = bytes.readUInt8(at + 1);
  if (first < 0x80) return { tag, start: at + 2, end: Math.min(at + 2 + first, limit), isOpen: false };
  if (first === 0x80) return { tag, start: at + 2, end: limit, isOpen: true };
  const digits = first & 0x7f;
  if (digits > 4 || at + 2 + digits > limit) return null;
  const start = at + 2 + digits;
  const end = start + bytes.readUIntBE(at + 2, digits);
  // A length beyond the end: cut, and read as far as it goes.
  return { tag, start, end: Math.min(end, limit), isOpen: false };
}

/** The element with this tag that stands at or after `at`, without looking into those before it. */
function findElement(bytes: Buffer, at: number, limit: number, tag: number): Element | null {
  for (let position = at; ;) {
    const element = readElement(bytes, position, limit);
    if (!element || element.tag === tag) return element;
    if (element.isOpen) return null;
    position = element.end;
  }
}

/** The content inside a signature that is not detached (RFC 5652 section 5.2); null when there is none to find. */
export function readSignedContent(bytes: Buffer): Buffer | null {
  const outer = readElement(bytes, 0, bytes.length);
  const kind = outer && outer.tag === SEQUENCE ? readElement(bytes, outer.start, outer.end) : null;
  if (!outer || kind?.tag !== OBJECT_ID || !bytes.subarray(kind.start, kind.end).equals(SIGNED_DATA)) return null;
  const wrapper = findElement(bytes, kind.end, outer.end, CONTENT);
  const signed = wrapper && readElement(bytes, wrapper.start, wrapper.end);
  // version, digestAlgorithms, encapContentInfo
  const encapsulated = signed && findElement(bytes, signed.start, signed.end, SEQUENCE);
  const content = encapsulated && findElement(bytes, encapsulated.start, encapsulated.end, CONTENT);
  const octets = content && readElement(bytes, content.start, content.end);
  if (!octets) return null;
  if (octets.tag === OCTETS) return bytes.subarray(octets.start, octets.end);
  if (octets.tag !== OCTETS_IN_PIECES) return null;
  const pieces: Buffer[] = [];
  for (let at = octets.start; pieces.length < MAX_PIECES;) {
    const piece = readElement(bytes, at, octets.end);
    if (piece?.tag !== OCTETS) break;
    pieces.push(bytes.subarray(piece.start, piece.end));
    at = piece.end;
  }
  return Buffer.concat(pieces);
}

/**
 * Gathers a signed message, as much as `allow` lets it keep, and hands what was signed on to `sink`, which reads it as a
 * message of its own.
 */
export function openSigned(sink: PartSink, allow: (bytes: number) => number): PartSink {
  const kept: Buffer[] = [];
  return {
    write: (bytes) => {
      const allowed = allow(bytes.length);
      if (allowed > 0) kept.push(Buffer.from(bytes.subarray(0, allowed)));
    },
    end: () => {
      const content = readSignedContent(Buffer.concat(kept));
      if (!content) return;
      sink.write(content);
      sink.end();
    },
  };
}
