import { type IncomingHttpHeaders } from 'node:http';
import { pipeline, type Readable } from 'node:stream';
import { createGunzip, createInflate } from 'node:zlib';
import { PublicError } from '../../../errors.js';
import { HandOverCutError, HandOverUnreadableError, MessageTooLargeError } from './hand-over-errors.js';

/** A request as far as reading it needs one; Node's IncomingMessage is one. */
export type RequestSource = Readable & { readonly headers: IncomingHttpHeaders };

/** What breaks while bytes arrive is the connection, unless one of us said otherwise. */
export function asCut(error: unknown): Error {
  return error instanceof PublicError ? error : new HandOverCutError({ cause: error });
}

/**
 * The bytes of a request's body, unpacked when the exporter's `gzip` option packed them. Ending early leaves the request
 * open, so that an answer can still be written to it.
 */
export async function* bodyOf(request: RequestSource): AsyncGenerator<Buffer> {
  const coding = (request.headers['content-encoding'] ?? 'identity').trim().toLowerCase();
  const unpack =
    coding === 'gzip' || coding === 'x-gzip' ? createGunzip() : coding === 'deflate' ? createInflate() : undefined;
  if (!unpack && coding !== 'identity' && coding !== '') {
    throw new HandOverUnreadableError('Content-Encoding', 'Only gzip, deflate and no content encoding can be read.');
  }
  // The pipeline's own errors reach the reader through `unpack`; the callback keeps them from being unhandled.
  const stream: Readable = unpack ? pipeline(request, unpack, () => undefined) : request;
  try {
    for await (const chunk of stream.iterator({ destroyOnReturn: false })) yield chunk as Buffer;
  } catch (error) {
    // Z_BUF_ERROR is an end in the middle; other errors of zlib mean that the bytes are no such thing.
    const code = String((error as NodeJS.ErrnoException | null)?.code);
    if (code.startsWith('Z_') && code !== 'Z_BUF_ERROR')
      throw new HandOverUnreadableError('Content-Encoding', `The body is not packed with ${coding}.`, { cause: error });
    throw asCut(error);
  }
}

/** Passes bytes through up to a limit; what is packed counts unpacked, which stops compression bombs. */
export async function* limited(source: AsyncIterable<Buffer>, limitBytes: number): AsyncGenerator<Buffer> {
  let sizeBytes = 0;
  for await (const chunk of source) {
    sizeBytes += chunk.length;
    if (sizeBytes > limitBytes) throw new MessageTooLargeError(limitBytes);
    yield chunk;
  }
}

/** Reads the first `count` bytes (fewer at the end) ahead and gives them together with the whole source. */
export async function peek(
  source: AsyncIterable<Buffer>,
  count: number,
): Promise<{ head: Buffer; all: AsyncGenerator<Buffer> }> {
  const iterator = source[Symbol.asyncIterator]();
  const ahead: Buffer[] = [];
  let length = 0;
  let done = false;
  while (length < count && !done) {
    const next = await iterator.next();
    if (next.done) done = true;
    else {
      ahead.push(next.value);
      length += next.value.length;
    }
  }
  async function* all(): AsyncGenerator<Buffer> {
    try {
      yield* ahead.splice(0);
      while (!done) {
        const next = await iterator.next();
        if (next.done) return;
        yield next.value;
      }
    } finally {
      await iterator.return?.();
    }
  }
  return { head: Buffer.concat(ahead).subarray(0, count), all: all() };
}
