import { HandOverUnreadableError } from './hand-over-errors.js';
import { textOf } from './scanner-text.js';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPENING = new Set([0x7b, 0x5b]);
const CLOSING = new Set([0x7d, 0x5d]);
const COLON = 0x3a;
const COMMA = 0x2c;
const BLANK = new Set([0x20, 0x09, 0x0a, 0x0d]);
const MESSAGE_KEY = '"message"';

/** Undoes base64 piece by piece; what is not base64 is an error, since a message with bytes missing must not be stored. */
class Base64Stream {
  #waiting = '';
  #ended = false;

  decode(text: string): Buffer {
    let joined = this.#waiting + text;
    // Some writers escape the slash, fold the lines, or both; an escape may be cut by the end of a piece.
    const cut = /\\(?:u[0-9a-fA-F]{0,3})?$/.exec(joined)?.[0] ?? '';
    joined = joined.slice(0, joined.length - cut.length);
    if (joined.includes('\\'))
      joined = joined
        .replace(/\\[nrt]/g, '')
        .replace(/\\\//g, '/')
        .replace(/\\u00(2[bfBF]|3[dD])/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
    const usable = joined.length - (joined.length % 4);
    this.#waiting = joined.slice(usable) + cut;
    return this.#unpack(joined.slice(0, usable));
  }

  end(): Buffer {
    if (this.#waiting.length % 4 === 1) throw unreadable('message', 'The base64 of the message ends too early.');
    return this.#unpack(this.#waiting);
  }

  #unpack(text: string): Buffer {
    if (text === '') return Buffer.alloc(0);
    if (this.#ended || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) throw unreadable('message', 'The message is no base64.');
    this.#ended = text.endsWith('=');
    return Buffer.from(text, 'base64');
  }
}

const unreadable = (part: string, message: string) => new HandOverUnreadableError(part, message);

/**
 * Splits the JSON of the formatter json_with_message while it arrives: the text of the top-level "message" goes to
 * `onMessage`, decoded; everything else is collected. Memory: one piece and the metadata.
 */
export class JsonHandOver {
  readonly #base64 = new Base64Stream();
  readonly #metadata: Buffer[] = [];
  #metadataBytes = 0;
  #depth = 0;
  #inString = false;
  #escaped = false;
  /** At depth 1: collects the text of the key that is being read; undefined while a value is read. */
  #key: string | undefined;
  #expectMessage = false;
  #inMessage = false;
  #started = false;
  #sawMessage = false;

  constructor(
    private readonly metadataLimitBytes: number,
    private readonly onMessage: (bytes: Buffer) => Promise<void>,
  ) {}

  /** Takes the next piece of the body. */
  async write(chunk: Buffer): Promise<void> {
    let position = 0;
    while (position < chunk.length) {
      position = this.#inMessage ? await this.#readMessage(chunk, position) : this.#readMetadata(chunk, position);
    }
  }

  /** Ends the body; gives the metadata and whether there was a message. */
  async end(): Promise<{ fields: Record<string, unknown>; hasMessage: boolean }> {
    if (!this.#started || this.#depth > 0 || this.#inString)
      throw unreadable('body', 'The JSON of the hand-over ends too early.');
    return { fields: parseMetadata(Buffer.concat(this.#metadata)), hasMessage: this.#sawMessage };
  }

  async #readMessage(chunk: Buffer, from: number): Promise<number> {
    const end = chunk.indexOf(QUOTE, from);
    const bytes = this.#base64.decode(chunk.toString('latin1', from, end < 0 ? chunk.length : end));
    if (bytes.length > 0) await this.onMessage(bytes);
    if (end < 0) return chunk.length;
    const rest = this.#base64.end();
    if (rest.length > 0) await this.onMessage(rest);
    this.#inMessage = false;
    this.#inString = false;
    // The closing quote goes to the metadata, where an empty string stands for the message.
    return this.#keep(chunk, end, end + 1);
  }

  /** Reads up to the end of the piece or the start of the message. */
  #readMetadata(chunk: Buffer, from: number): number {
    for (let position = from; position < chunk.length; position += 1) {
      const byte = chunk[position] as number;
      if (this.#inString) {
        if (this.#depth === 1 && this.#key !== undefined && this.#key.length < 32)
          this.#key += String.fromCharCode(byte);
        if (this.#escaped) this.#escaped = false;
        else if (byte === BACKSLASH) this.#escaped = true;
        else if (byte === QUOTE) this.#inString = false;
        continue;
      }
      if (BLANK.has(byte)) continue;
      if (byte === QUOTE) {
        this.#inString = true;
        if (this.#expectMessage) return this.#enterMessage(chunk, from, position + 1);
        if (this.#depth === 1 && this.#key === '') this.#key = '"';
      } else this.#punctuation(byte);
      this.#expectMessage &&= byte === COLON;
    }
    return this.#keep(chunk, from, chunk.length);
  }

  #punctuation(byte: number): void {
    if (OPENING.has(byte)) {
      this.#depth += 1;
      this.#started = true;
      if (this.#depth === 1) this.#key = '';
    } else if (CLOSING.has(byte)) this.#depth -= 1;
    else if (byte === COMMA && this.#depth === 1) this.#key = '';
    else if (byte === COLON && this.#depth === 1) {
      this.#expectMessage = this.#key === MESSAGE_KEY;
      this.#key = undefined;
    }
  }

  #enterMessage(chunk: Buffer, from: number, to: number): number {
    if (this.#sawMessage) throw unreadable('message', 'The hand-over has two messages.');
    this.#sawMessage = true;
    this.#inMessage = true;
    this.#expectMessage = false;
    return this.#keep(chunk, from, to);
  }

  #keep(chunk: Buffer, from: number, to: number): number {
    this.#metadataBytes += to - from;
    if (this.#metadataBytes > this.metadataLimitBytes) {
      throw unreadable('metadata', `The metadata is larger than ${this.metadataLimitBytes} bytes.`);
    }
    this.#metadata.push(chunk.subarray(from, to));
    return to;
  }
}

/** Parses the metadata object; raw control characters, which some versions leave in strings, are no reason to lose a message. */
export function parseMetadata(bytes: Buffer): Record<string, unknown> {
  const text = textOf(bytes);
  for (const attempt of [text, text.replace(/[\x00-\x1f]/g, ' ')]) {
    try {
      const parsed: unknown = JSON.parse(attempt);
      if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed))
        return parsed as Record<string, unknown>;
    } catch (cause) {
      if (attempt !== text) throw new HandOverUnreadableError('metadata', 'The metadata is no JSON.', { cause });
      continue;
    }
    break;
  }
  throw new HandOverUnreadableError('metadata', 'The metadata is no JSON object.');
}
