import { once } from 'node:events';
import { type Readable } from 'node:stream';
import busboy from 'busboy';
import { asCut, limited } from './byte-source.js';
import { HandOverUnreadableError } from './hand-over-errors.js';
import { SpillBuffer, type SpilledContent, type SpillLimits } from './spill-buffer.js';

/** The two parts of the form, as they came. */
export interface MultipartHandOver {
  readonly metadata: Buffer;
  /** Undefined when the form had no such part. */
  readonly message: AsyncIterable<Buffer> | undefined;
  discard(): Promise<void>;
}

// rspamd writes two parts; the bounds stop forms made of thousands.
const MAX_PARTS = 16;
const MAX_FIELD_NAME_BYTES = 100;

type Result = MultipartHandOver & { readonly live?: boolean };

/** Reads one form while its bytes arrive. */
class FormReader {
  #metadata: Buffer | undefined;
  #spilled: SpilledContent | undefined;
  #hasMessage = false;
  /** What parts still do although the form went on; awaited before the form counts as read. */
  readonly #pending: Promise<void>[] = [];
  readonly #form: busboy.Busboy;
  #pumped: Promise<void> = Promise.resolve();

  constructor(
    contentType: string,
    private readonly metadataLimitBytes: number,
    private readonly spill: SpillLimits,
  ) {
    this.#form = busboy({
      headers: { 'content-type': contentType },
      // Text fields come as one character a byte, so that nothing is lost whatever their charset.
      defCharset: 'latin1',
      limits: {
        fieldNameSize: MAX_FIELD_NAME_BYTES,
        fieldSize: metadataLimitBytes,
        // One more, since the form ends a file at the limit without telling whether more would have come.
        fileSize: spill.limitBytes + 1,
        parts: MAX_PARTS,
      },
    });
  }

  read(source: AsyncIterable<Buffer>): Promise<Result> {
    return new Promise((resolve, reject) => {
      const fail = (error: unknown) => {
        this.#form.destroy();
        void this.#spilled?.discard();
        reject(asCut(error));
      };
      this.#form.on('field', (name, value, info) => {
        if (info.valueTruncated)
          fail(new HandOverUnreadableError(name, `The part is larger than ${this.metadataLimitBytes} bytes.`));
        else this.#field(name, Buffer.from(value, 'latin1'));
      });
      this.#form.on('file', (name, stream) => {
        const pending = this.#file(name, stream, resolve);
        pending.catch(fail);
        this.#pending.push(pending);
      });
      this.#form.on('error', (error) =>
        fail(
          error instanceof Error && /malformed|boundary/i.test(error.message)
            ? new HandOverUnreadableError('body', 'The multipart form is malformed.', { cause: error })
            : error,
        ),
      );
      this.#form.on('partsLimit', () =>
        fail(new HandOverUnreadableError('body', `The form has more than ${MAX_PARTS} parts.`)),
      );
      this.#pumped = this.#pump(source);
      this.#pumped
        .then(() => Promise.all(this.#pending))
        .then(() => this.#result())
        .then(resolve, fail);
    });
  }

  #field(name: string, bytes: Buffer): void {
    if (name === 'metadata') this.#metadata = bytes;
    else if (name === 'message') {
      // Without a file name the part counts as text and is bounded like metadata; the bytes are the same.
      this.#hasMessage = true;
      const buffer = new SpillBuffer(this.spill);
      this.#pending.push(buffer.write(bytes).then(() => void (this.#spilled = buffer.finish())));
    }
  }

  async #file(name: string, stream: Readable, resolve: (result: Result) => void): Promise<void> {
    if (name === 'metadata') {
      const chunks: Buffer[] = [];
      let length = 0;
      for await (const chunk of stream as AsyncIterable<Buffer>) {
        length += chunk.length;
        if (length > this.metadataLimitBytes)
          throw new HandOverUnreadableError(name, `The part is larger than ${this.metadataLimitBytes} bytes.`);
        chunks.push(chunk);
      }
      this.#metadata = Buffer.concat(chunks);
      return;
    }
    if (name !== 'message' || this.#hasMessage) {
      stream.resume();
      if (name === 'message') throw new HandOverUnreadableError(name, 'The form has two messages.');
      return;
    }
    this.#hasMessage = true;
    // A metadata part that counts as a file may have been read to its end by the form, but not yet by us.
    await Promise.all(this.#pending);
    if (this.#metadata)
      resolve({
        metadata: this.#metadata,
        message: this.#live(stream),
        discard: async () => void this.#form.destroy(),
      });
    else await this.#spill(stream);
  }

  async #spill(stream: Readable): Promise<void> {
    const buffer = new SpillBuffer(this.spill);
    try {
      for await (const chunk of stream as AsyncIterable<Buffer>) await buffer.write(chunk);
      this.#spilled = buffer.finish();
    } catch (error) {
      await buffer.discard();
      throw error;
    }
  }

  /** The message as it arrives; ends well only when the whole form did. */
  async *#live(stream: Readable): AsyncGenerator<Buffer> {
    try {
      yield* limited(stream as AsyncIterable<Buffer>, this.spill.limitBytes);
      await this.#pumped;
      await Promise.all(this.#pending);
    } catch (error) {
      this.#form.destroy();
      throw asCut(error);
    }
  }

  async #pump(source: AsyncIterable<Buffer>): Promise<void> {
    const closed = once(this.#form, 'close');
    closed.catch(() => undefined);
    for await (const chunk of source) {
      if (this.#form.destroyed) return;
      if (!this.#form.write(chunk)) await Promise.race([once(this.#form, 'drain'), closed]);
    }
    this.#form.end();
    await closed;
  }

  #result(): Result {
    if (!this.#metadata) throw new HandOverUnreadableError('metadata', 'The form has no part "metadata".');
    const spilled = this.#spilled;
    return { metadata: this.#metadata, message: spilled?.open(), discard: async () => spilled?.discard() };
  }
}

/**
 * Reads the form of rspamd's formatter multipart. Metadata first: resolves as soon as the message begins, which then
 * streams; message first: it is kept in bounded memory or an unnamed file until the metadata has come.
 */
export function readMultipartHandOver(
  source: AsyncIterable<Buffer>,
  contentType: string,
  metadataLimitBytes: number,
  spill: SpillLimits,
): Promise<MultipartHandOver> {
  let reader: FormReader;
  try {
    reader = new FormReader(contentType, metadataLimitBytes, spill);
  } catch (cause) {
    return Promise.reject(
      new HandOverUnreadableError('Content-Type', 'The multipart form names no boundary.', { cause }),
    );
  }
  return reader.read(source);
}
