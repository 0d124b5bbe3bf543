import { cleanFileName } from './attachment-name.js';
import { decodeCharset } from './charset.js';
import { cleanText } from './plain-text.js';

/** What a winmail.dat (TNEF, [MS-OXTNEF]) holds. */
export interface TnefContent {
  /** The message's text; empty when it is only kept as rich text. */
  readonly text: string;
  readonly files: readonly { readonly name: string; readonly sizeBytes: number }[];
}

const SIGNATURE = 0x223e9f78;
// Attributes of section 2.1.3, by which a file or a text is found.
const BODY = 0x0002800c;
const CODE_PAGE = 0x00069007;
const MESSAGE_PROPERTIES = 0x00069003;
const FILE_BEGINS = 0x00069002;
const FILE_TITLE = 0x00018010;
const FILE_DATA = 0x0006800f;
const FILE_PROPERTIES = 0x00069005;
// Properties of [MS-OXPROPS].
const TEXT = 0x1000;
const LONG_NAME = 0x3707;

// Stops endless lists; more files than a card names.
const MAX_FILES = 200;
const MAX_PROPERTIES = 1000;

/** Fixed sizes of property types ([MS-OXCDATA] 2.11.1), padded to four bytes. */
const SIZES: Readonly<Record<number, number>> = {
  0x02: 4,
  0x03: 4,
  0x04: 4,
  0x05: 8,
  0x06: 8,
  0x07: 8,
  0x0a: 4,
  0x0b: 4,
  0x14: 8,
  0x40: 8,
  0x48: 16,
};
const VARIABLE = new Set([0x0d, 0x1e, 0x1f, 0x102]);

/** A value ends behind the end of what holds it. */
class CutOffError extends Error {}

/** Reads little-endian values from left to right; a read behind the end throws {@link CutOffError}, which ends the reading. */
class Reader {
  at = 0;

  constructor(private readonly bytes: Buffer) {}

  get isAtEnd(): boolean {
    return this.at >= this.bytes.length;
  }
  u8 = () => this.bytes.readUInt8(this.skip(1));
  u16 = () => this.bytes.readUInt16LE(this.skip(2));
  u32 = () => this.bytes.readUInt32LE(this.skip(4));

  take(length: number): Buffer {
    const start = this.skip(length);
    return this.bytes.subarray(start, this.at);
  }

  private skip(length: number): number {
    const start = this.at;
    this.at += length;
    if (this.at > this.bytes.length) throw new CutOffError('The value ends behind the end.');
    return start;
  }
}

const padded = (length: number) => Math.ceil(length / 4) * 4;

/** One text property of a property list; undefined when there is none. */
function findText(bytes: Buffer, wanted: number, decode: (bytes: Buffer) => string): string | undefined {
  const reader = new Reader(bytes);
  const count = Math.min(reader.u32(), MAX_PROPERTIES);
  for (let read = 0; read < count && !reader.isAtEnd; read++) {
    const type = reader.u16();
    const id = reader.u16();
    if (id >= 0x8000) {
      reader.take(16);
      if (reader.u32() === 0) reader.u32();
      else reader.take(padded(reader.u32()));
    }
    const plainType = type & ~0x1000;
    const isVariable = VARIABLE.has(plainType);
    const values = isVariable || plainType !== type ? Math.min(reader.u32(), MAX_PROPERTIES) : 1;
    for (let value = 0; value < values; value++) {
      const length = isVariable ? reader.u32() : (SIZES[plainType] ?? Number.NaN);
      // An unknown type has no known length: nothing behind it can be read.
      if (!(length >= 0)) return undefined;
      const data = reader.take(padded(length)).subarray(0, length);
      if (id !== wanted || !isVariable) continue;
      return plainType === 0x1f ? data.toString('utf16le') : decode(data);
    }
  }
  return undefined;
}

/** Reads what a TNEF part holds, as far as it can be read; null when it is none. */
export function readTnef(bytes: Buffer): TnefContent | null {
  if (bytes.length < 6 || bytes.readUInt32LE(0) !== SIGNATURE) return null;
  const reader = new Reader(bytes);
  reader.take(6);
  let codePage = 'windows-1252';
  let text = '';
  const files: { name: string; sizeBytes: number }[] = [];
  // A NUL inside a name does not end it here: what stands behind it may tell what the file is.
  const decode = (value: Buffer) => decodeCharset(value, codePage);
  try {
    while (!reader.isAtEnd && files.length <= MAX_FILES) {
      reader.u8();
      const attribute = reader.u32();
      const length = reader.u32();
      const file = files.at(-1);
      // Told even when the data itself is cut off.
      if (file && attribute === FILE_DATA) file.sizeBytes = length;
      const data = reader.take(length);
      reader.u16();
      if (attribute === CODE_PAGE && data.length >= 4) codePage = `windows-${data.readUInt32LE(0)}`;
      else if (attribute === BODY) text = decode(data);
      else if (attribute === MESSAGE_PROPERTIES) text ||= findText(data, TEXT, decode) ?? '';
      else if (attribute === FILE_BEGINS) files.push({ name: '', sizeBytes: 0 });
      else if (file && attribute === FILE_TITLE) file.name ||= decode(data);
      else if (file && attribute === FILE_PROPERTIES) file.name = findText(data, LONG_NAME, decode) ?? file.name;
    }
  } catch (error) {
    // Cut or damaged: what was read so far is what there is.
    if (!(error instanceof CutOffError)) throw error;
  }
  return {
    text: cleanText(text).trim(),
    files: files.slice(0, MAX_FILES).map(({ name, sizeBytes }) => ({ name: cleanFileName(name) || 'file', sizeBytes })),
  };
}
