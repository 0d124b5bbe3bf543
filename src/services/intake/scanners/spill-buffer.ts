import { createHash, hash, randomBytes } from 'node:crypto';
import { type FileHandle, open, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { MessageTooLargeError } from './hand-over-errors.js';

/** Where and how much a {@link SpillBuffer} keeps. */
export interface SpillLimits {
  /** Bytes kept in memory; what is larger goes to a file. */
  readonly memoryBytes: number;
  /** Largest content, bytes; stops a sender from filling the disk. */
  readonly limitBytes: number;
  /** Folder of the temporary files; must exist. */
  readonly folder: string;
}

/** A content received whole: hashed, and readable any number of times until it is discarded. */
export interface SpilledContent {
  /** Lower-case hexadecimal SHA-256 of the bytes. */
  readonly sha256: string;
  readonly sizeBytes: number;
  /** The bytes from the start, in pieces of at most 64 KiB where they come from the file. */
  open(): AsyncIterable<Buffer>;
  /** Frees memory and disk; nothing can be read afterwards. */
  discard(): Promise<void>;
}

const READ_BYTES = 64 * 1024;

/** Takes bytes of unknown length with bounded memory: small contents stay in memory, larger ones go to an unnamed file. */
export class SpillBuffer {
  /** Made for the second piece: most messages come in one, which is hashed at once for half of the time. */
  #hash: ReturnType<typeof createHash> | undefined;
  #chunks: Buffer[] = [];
  #sizeBytes = 0;
  #file: FileHandle | undefined;

  constructor(private readonly limits: SpillLimits) {}

  /** Adds bytes; throws {@link MessageTooLargeError}, and the errors of the file system such as ENOSPC. */
  async write(chunk: Buffer): Promise<void> {
    this.#sizeBytes += chunk.length;
    if (this.#sizeBytes > this.limits.limitBytes) throw new MessageTooLargeError(this.limits.limitBytes);
    const isAlone = !this.#hash && this.#chunks.length === 0 && this.#sizeBytes <= this.limits.memoryBytes;
    if (!isAlone) {
      this.#hash ??= this.#chunks.reduce((sum, piece) => sum.update(piece), createHash('sha256'));
      this.#hash.update(chunk);
    }
    if (!this.#file && this.#sizeBytes <= this.limits.memoryBytes) {
      this.#chunks.push(chunk);
      return;
    }
    this.#file ??= await openUnnamed(this.limits.folder);
    const waiting = [...this.#chunks, chunk];
    this.#chunks = [];
    for (const piece of waiting) await this.#file.writeFile(piece);
  }

  /** Ends writing and gives the content. */
  finish(): SpilledContent {
    const sizeBytes = this.#sizeBytes;
    const file = this.#file;
    const chunks = this.#chunks;
    return {
      sha256: this.#hash?.digest('hex') ?? hash('sha256', chunks[0] ?? Buffer.alloc(0), 'hex'),
      sizeBytes,
      open: () => (file ? readPieces(file, sizeBytes) : iterate(chunks)),
      discard: () => this.discard(),
    };
  }

  /** Frees memory and disk. */
  async discard(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    this.#chunks = [];
    await file?.close();
  }
}

const NAME = /^hand-over-[0-9a-f]{24}\.tmp$/;

/** Opens a file that loses its name at once, so that a crash gives its bytes back to the disk. */
async function openUnnamed(folder: string): Promise<FileHandle> {
  const path = join(folder, `hand-over-${randomBytes(12).toString('hex')}.tmp`);
  const file = await open(path, 'wx+', 0o600);
  // A process that starts beside this one may have been quicker.
  await rm(path, { force: true });
  return file;
}

/** Removes the files that processes left which were killed before these had lost their names; they hold nothing. */
export async function removeLeftBehind(folder: string): Promise<void> {
  const names = (await readdir(folder)).filter((name) => NAME.test(name));
  await Promise.all(names.map((name) => rm(join(folder, name), { force: true })));
}

async function* iterate(chunks: readonly Buffer[]): AsyncGenerator<Buffer> {
  yield* chunks;
}

async function* readPieces(file: FileHandle, sizeBytes: number): AsyncGenerator<Buffer> {
  for (let position = 0; position < sizeBytes;) {
    const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(READ_BYTES), 0, READ_BYTES, position);
    if (bytesRead === 0) throw new Error('A temporary file is shorter than what was written to it.');
    position += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}
