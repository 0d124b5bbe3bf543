/** One BER element: its tag octet, its content, and where in the buffer the next element starts (X.690, 8.1). */
export interface BerElement {
  readonly tag: number;
  readonly content: Buffer;
  readonly end: number;
}

/** Longest request, in bytes; without it one connection could fill the memory with a request that never ends. */
export const MAX_REQUEST_BYTES = 1024 * 1024;

/** Thrown for bytes that are no BER of definite length. */
export class BerSyntaxError extends Error {}

/** Reads the element at `offset`; undefined while its bytes are not complete. */
export function readElement(buffer: Buffer, offset = 0): BerElement | undefined {
  const tag = buffer[offset];
  const first = buffer[offset + 1];
  if (tag === undefined || first === undefined) return undefined;
  let length = first;
  let start = offset + 2;
  if (first & 0x80) {
    const count = first & 0x7f;
    if (count === 0 || count > 4) throw new BerSyntaxError('A length must be definite and have at most four octets.');
    if (buffer.length < start + count) return undefined;
    length = buffer.readUIntBE(start, count);
    start += count;
  }
  if (length > MAX_REQUEST_BYTES) throw new BerSyntaxError(`An element is longer than ${MAX_REQUEST_BYTES} bytes.`);
  if (buffer.length < start + length) return undefined;
  return { tag, content: buffer.subarray(start, start + length), end: start + length };
}

/** All elements within the content of a constructed element. */
export function readElements(content: Buffer): BerElement[] {
  const elements: BerElement[] = [];
  for (let offset = 0; offset < content.length;) {
    const element = readElement(content, offset);
    if (!element) throw new BerSyntaxError('An element is cut off.');
    elements.push(element);
    offset = element.end;
  }
  return elements;
}

/** The number in the content of an integer or enumeration, two's complement (X.690, 8.3). */
export function readInteger(element: BerElement | undefined): number {
  if (!element || element.content.length < 1 || element.content.length > 6)
    throw new BerSyntaxError('A number is missing or too long.');
  return element.content.readIntBE(0, element.content.length);
}

/** Writes an element; strings become UTF-8. */
export function writeElement(tag: number, ...parts: readonly (Buffer | string)[]): Buffer {
  const content = Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'utf8') : part)));
  if (content.length < 0x80) return Buffer.concat([Buffer.from([tag, content.length]), content]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(content.length);
  return Buffer.concat([Buffer.from([tag, 0x84]), length, content]);
}

/** Writes an integer (or, with tag 0x0a, an enumeration) of at most 32 bits. */
export function writeInteger(value: number, tag = 0x02): Buffer {
  const content = Buffer.alloc(4);
  content.writeInt32BE(value);
  let skip = 0;
  // The shortest form: a leading octet may go while the sign bit of the next one says the same.
  while (skip < 3 && content[skip] === 0 && (content[skip + 1] as number) < 0x80) skip++;
  return writeElement(tag, content.subarray(skip));
}
