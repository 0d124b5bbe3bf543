import { promisify } from 'node:util';
import { deflateRaw, deflateRawSync, inflateRaw, inflateRawSync } from 'node:zlib';
import type { Database, Transaction } from '../../entities/database.js';
import { freeUsedBuffers } from '../intake/free-used-buffers.js';

const deflate = promisify(deflateRaw);
const inflate = promisify(inflateRaw);

/** Size of one stored piece before compression; bounds memory and the database's packets. */
export const CHUNK_BYTES = 1024 * 1024;

// Level 1: mail shrinks nearly as far as with 6 at a third of the time, and intake is paid in time.
const DEFLATE_LEVEL = 1;

/** A piece of a content, ready to be stored. */
export interface ContentChunk {
  readonly deflated: boolean;
  readonly bytes: Buffer;
}

/** The bytes of a message, hashed and replayable, before they are stored. */
export interface Content {
  /** Lower-case hexadecimal SHA-256 of the bytes. */
  readonly sha256: string;
  readonly sizeBytes: number;
  /** The bytes from the start, in pieces of any size; may be called again. */
  open(): AsyncIterable<Buffer>;
}

interface ChunkRow {
  position: number;
  deflated: number;
  bytes: Buffer;
}

// Up to here handing a piece to another thread and back costs more than inflating it, and four times as much as deflating it.
const PACK_HERE_BYTES = 64 * 1024;

/** Deflates a piece where that makes it smaller. */
async function pack(bytes: Buffer): Promise<ContentChunk> {
  const options = { level: DEFLATE_LEVEL };
  const deflated = bytes.length <= PACK_HERE_BYTES ? deflateRawSync(bytes, options) : await deflate(bytes, options);
  return deflated.length < bytes.length ? { deflated: true, bytes: deflated } : { deflated: false, bytes };
}

/** The bytes of a stored piece. */
export async function unpack(
  { deflated, bytes }: { deflated: number; bytes: Buffer },
  size = CHUNK_BYTES,
): Promise<Buffer> {
  if (!deflated) return bytes;
  return size <= PACK_HERE_BYTES ? inflateRawSync(bytes) : inflate(bytes);
}

/** Regroups bytes into pieces of exactly {@link CHUNK_BYTES}, the last one shorter; holds one piece at a time. */
async function* pieces(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let waiting: Buffer[] = [];
  let waitingBytes = 0;
  for await (const read of source) {
    let rest = read;
    while (waitingBytes + rest.length >= CHUNK_BYTES) {
      const head = rest.subarray(0, CHUNK_BYTES - waitingBytes);
      yield waiting.length === 0 ? head : Buffer.concat([...waiting, head]);
      rest = rest.subarray(head.length);
      waiting = [];
      waitingBytes = 0;
    }
    if (rest.length > 0) {
      waiting.push(rest);
      waitingBytes += rest.length;
    }
  }
  if (waitingBytes > 0) yield waiting.length === 1 && waiting[0] ? waiting[0] : Buffer.concat(waiting);
}

/** Packs a small content outside of any transaction, so that the transaction only writes. */
export async function packContent(content: Content): Promise<ContentChunk[]> {
  const chunks: ContentChunk[] = [];
  for await (const piece of pieces(content.open())) chunks.push(await pack(piece));
  return chunks;
}

/** Packs a content piece by piece while it is written. */
export async function* packLargeContent(content: Content): AsyncGenerator<ContentChunk> {
  for await (const piece of pieces(content.open())) {
    yield await pack(piece);
    // Read, joined and packed.
    freeUsedBuffers(3 * piece.length);
  }
}

/** Contents of messages: bytes in pieces of at most 1 MiB, each content once (rule S1). */
export class ContentStore {
  constructor(private readonly database: Database) {}

  /** The stored bytes, exactly as received (rule S1), from `fromByte` on; holds one piece at a time. */
  async *open(contentId: number, fromByte = 0): AsyncGenerator<Buffer> {
    let skip = fromByte % CHUNK_BYTES;
    for (let position = Math.floor(fromByte / CHUNK_BYTES); ; position += 1) {
      const [row] = await this.database.rows<ChunkRow>(
        'SELECT position, deflated, bytes FROM content_chunk WHERE content_id = ? AND position = ?',
        [contentId, position],
      );
      if (!row) return;
      const bytes = await unpack(row);
      yield skip > 0 ? bytes.subarray(skip) : bytes;
      skip = 0;
      if (bytes.length < CHUNK_BYTES) return;
    }
  }

  /** Writes the pieces of a content that is new; tells how many bytes they take. */
  async write(
    transaction: Transaction,
    contentId: number,
    chunks: Iterable<ContentChunk> | AsyncIterable<ContentChunk>,
  ): Promise<number> {
    let position = 0;
    let storedBytes = 0;
    for await (const { deflated, bytes } of chunks) {
      await transaction.insert('content_chunk', [{ content_id: contentId, position, deflated, bytes }]);
      position += 1;
      storedBytes += bytes.length;
    }
    await transaction.run('UPDATE content SET stored_bytes = ? WHERE id = ?', [storedBytes, contentId]);
    return storedBytes;
  }
}
