import { HandOverCutError, HandOverUnreadableError } from './hand-over-errors.js';
import { textOf } from './scanner-text.js';

// rspamd nests four deep (message → symbols → symbol → options); the bound stops stack exhaustion.
const MAX_DEPTH = 16;

const malformed = (message: string) => new HandOverUnreadableError('body', message);

/** Pulls exact numbers of bytes out of a source. */
class ByteReader {
  readonly #iterator: AsyncIterator<Buffer>;
  #current: Buffer = Buffer.alloc(0);
  /** Bytes of metadata that may still be read; the message does not count. */
  #budgetBytes: number;

  constructor(source: AsyncIterable<Buffer>, metadataLimitBytes: number) {
    this.#iterator = source[Symbol.asyncIterator]();
    this.#budgetBytes = metadataLimitBytes;
  }

  async take(count: number): Promise<Buffer> {
    this.#budgetBytes -= count;
    if (this.#budgetBytes < 0)
      throw new HandOverUnreadableError('metadata', 'The metadata of the hand-over is too large.');
    while (this.#current.length < count) {
      const next = await this.#iterator.next();
      if (next.done) throw new HandOverCutError();
      this.#current = this.#current.length === 0 ? next.value : Buffer.concat([this.#current, next.value]);
    }
    const taken = this.#current.subarray(0, count);
    this.#current = this.#current.subarray(count);
    return taken;
  }

  /** Passes on `count` bytes as they come. */
  async pass(count: number, onBytes: (bytes: Buffer) => Promise<void>): Promise<void> {
    for (let left = count; left > 0;) {
      if (this.#current.length === 0) {
        const next = await this.#iterator.next();
        if (next.done) throw new HandOverCutError();
        this.#current = next.value;
      }
      const piece = this.#current.subarray(0, left);
      this.#current = this.#current.subarray(piece.length);
      left -= piece.length;
      if (piece.length > 0) await onBytes(piece);
    }
  }

  /** Reads to the end; what stands behind the object is not looked at, but a cut there is one, too. */
  async finish(): Promise<void> {
    while (!(await this.#iterator.next()).done);
  }
}

async function length(reader: ByteReader, width: 1 | 2 | 4): Promise<number> {
  return (await reader.take(width)).readUIntBE(0, width);
}

/** Length of a string or binary value with this first byte; undefined for any other value. */
async function bytesLength(reader: ByteReader, first: number): Promise<number | undefined> {
  if ((first & 0xe0) === 0xa0) return first & 0x1f;
  if (first === 0xd9 || first === 0xc4) return length(reader, 1);
  if (first === 0xda || first === 0xc5) return length(reader, 2);
  if (first === 0xdb || first === 0xc6) return length(reader, 4);
  return undefined;
}

async function mapSize(reader: ByteReader, first: number): Promise<number | undefined> {
  if ((first & 0xf0) === 0x80) return first & 0x0f;
  return first === 0xde ? length(reader, 2) : first === 0xdf ? length(reader, 4) : undefined;
}

async function arraySize(reader: ByteReader, first: number): Promise<number | undefined> {
  if ((first & 0xf0) === 0x90) return first & 0x0f;
  return first === 0xdc ? length(reader, 2) : first === 0xdd ? length(reader, 4) : undefined;
}

async function scalar(reader: ByteReader, first: number): Promise<unknown> {
  if (first <= 0x7f) return first;
  if (first >= 0xe0) return first - 0x100;
  switch (first) {
    case 0xc0:
      return null;
    case 0xc2:
      return false;
    case 0xc3:
      return true;
    case 0xca:
      return (await reader.take(4)).readFloatBE();
    case 0xcb:
      return (await reader.take(8)).readDoubleBE();
    case 0xcc:
    case 0xcd:
    case 0xce: {
      const width = 1 << (first - 0xcc);
      return (await reader.take(width)).readUIntBE(0, width);
    }
    case 0xcf:
      return Number((await reader.take(8)).readBigUInt64BE());
    case 0xd0:
    case 0xd1:
    case 0xd2: {
      const width = 1 << (first - 0xd0);
      return (await reader.take(width)).readIntBE(0, width);
    }
    case 0xd3:
      return Number((await reader.take(8)).readBigInt64BE());
    case 0xd4:
    case 0xd5:
    case 0xd6:
    case 0xd7:
    case 0xd8:
      await reader.take(1 + (1 << (first - 0xd4)));
      return null;
    case 0xc7:
    case 0xc8:
    case 0xc9: {
      const size = await length(reader, (1 << (first - 0xc7)) as 1 | 2 | 4);
      await reader.take(1 + size);
      return null;
    }
    default:
      throw malformed('The hand-over is no MessagePack.');
  }
}

async function value(reader: ByteReader, depth: number): Promise<unknown> {
  if (depth > MAX_DEPTH) throw malformed('The MessagePack is nested too deeply.');
  const first = (await reader.take(1))[0] as number;
  const bytes = await bytesLength(reader, first);
  if (bytes !== undefined) return textOf(await reader.take(bytes));
  const items = await arraySize(reader, first);
  if (items !== undefined) {
    const list: unknown[] = [];
    for (let index = 0; index < items; index += 1) list.push(await value(reader, depth + 1));
    return list;
  }
  const entries = await mapSize(reader, first);
  if (entries === undefined) return scalar(reader, first);
  const map: Record<string, unknown> = {};
  for (let index = 0; index < entries; index += 1) {
    const key = await value(reader, depth + 1);
    if (typeof key !== 'string' && typeof key !== 'number') throw malformed('A key of the MessagePack is no string.');
    // A plain assignment to "__proto__" would change the object instead of filling it.
    Object.defineProperty(map, key, {
      value: await value(reader, depth + 1),
      enumerable: true,
      configurable: true,
      writable: true,
    });
  }
  return map;
}

/**
 * Reads the MessagePack of rspamd's formatter msgpack while it arrives: the bytes of "message" go to `onMessage`, everything
 * else is returned. Own reader, because libraries hand values over whole, and a message may be far larger than memory allows.
 */
export async function readMsgpackHandOver(
  source: AsyncIterable<Buffer>,
  metadataLimitBytes: number,
  onMessage: (bytes: Buffer) => Promise<void>,
): Promise<{ fields: Record<string, unknown>; hasMessage: boolean }> {
  const reader = new ByteReader(source, metadataLimitBytes);
  const entries = await mapSize(reader, (await reader.take(1))[0] as number);
  if (entries === undefined) throw malformed('The MessagePack of the hand-over is no map.');
  const fields: Record<string, unknown> = {};
  let hasMessage = false;
  for (let index = 0; index < entries; index += 1) {
    const key = await value(reader, 1);
    if (key !== 'message') {
      Object.defineProperty(fields, String(key), {
        value: await value(reader, 1),
        enumerable: true,
        configurable: true,
        writable: true,
      });
      continue;
    }
    if (hasMessage) throw new HandOverUnreadableError('message', 'The hand-over has two messages.');
    const first = (await reader.take(1))[0] as number;
    const size = await bytesLength(reader, first);
    if (size === undefined) throw new HandOverUnreadableError('message', 'The message is no string of bytes.');
    hasMessage = true;
    await reader.pass(size, onMessage);
  }
  await reader.finish();
  return { fields, hasMessage };
}
