import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { type HandOver } from '../../entities/vocabulary.js';

/** What is kept beside the bytes of a spooled message. */
export interface SpooledFacts {
  readonly handOver: HandOver;
  /** How it came in: rspamd, lmtp, http. */
  readonly source: string;
}

/** A spooled file that is not what was written: cut, altered, or of another program. */
export class SpoolFileDamagedError extends Error {}

// File: "mailkeep-spool-1 <length of facts>\n", facts as JSON, "\n", message, then the trailer, whose length is fixed:
// "\n", 16 digits of the message's size, " ", SHA-256 over all before the trailer in hexadecimal, "\n".
const MAGIC = 'mailkeep-spool-1 ';
const HEADER_BYTES = MAGIC.length + 8 + 1;
const TRAILER_BYTES = 1 + 16 + 1 + 64 + 1;
const MAX_FACTS_BYTES = 16 * 1024 * 1024;
const READ_BYTES = 64 * 1024;

/** Writes facts and bytes into a new file and syncs it; `onBytes` is told of each piece before it is written, and may throw. Returns the file's size, bytes. */
export async function writeSpoolFile(
  path: string,
  facts: SpooledFacts,
  message: AsyncIterable<Buffer>,
  onBytes: (count: number) => void,
): Promise<number> {
  const hash = createHash('sha256');
  const json = Buffer.from(JSON.stringify(facts), 'utf8');
  const head = Buffer.concat([
    Buffer.from(`${MAGIC}${String(json.length).padStart(8, '0')}\n`),
    json,
    Buffer.from('\n'),
  ]);
  const file = await open(path, 'wx', 0o600);
  try {
    let messageBytes = 0;
    const write = async (bytes: Buffer) => {
      onBytes(bytes.length);
      await file.writeFile(bytes);
    };
    hash.update(head);
    await write(head);
    for await (const chunk of message) {
      messageBytes += chunk.length;
      hash.update(chunk);
      await write(chunk);
    }
    const trailer = `\n${String(messageBytes).padStart(16, '0')} ${hash.digest('hex')}\n`;
    await write(Buffer.from(trailer));
    await file.sync();
    return head.length + messageBytes + TRAILER_BYTES;
  } finally {
    await file.close();
  }
}

/** An open spooled file. */
export interface SpoolFile {
  readonly facts: SpooledFacts;
  /** Size of the message, bytes. */
  readonly sizeBytes: number;
  /** The message; throws {@link SpoolFileDamagedError} at its end when the bytes are not those that were written. */
  open(): AsyncIterable<Buffer>;
  close(): Promise<void>;
}

async function readExactly(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  for (let done = 0; done < length;) {
    const { bytesRead } = await file.read(buffer, done, length - done, position + done);
    if (bytesRead === 0) throw new SpoolFileDamagedError('The file is cut.');
    done += bytesRead;
  }
  return buffer;
}

async function readLayout(file: FileHandle) {
  const fileBytes = (await file.stat()).size;
  const header = (await readExactly(file, 0, Math.min(fileBytes, HEADER_BYTES))).toString('latin1');
  const factsBytes = Number(/^mailkeep-spool-1 (\d{8})\n$/.exec(header)?.[1] ?? NaN);
  const messageAt = HEADER_BYTES + factsBytes + 1;
  const sizeBytes = fileBytes - messageAt - TRAILER_BYTES;
  if (!(factsBytes <= MAX_FACTS_BYTES) || sizeBytes < 0)
    throw new SpoolFileDamagedError('The file is cut, or no spooled message.');
  const trailer = (await readExactly(file, messageAt + sizeBytes, TRAILER_BYTES)).toString('latin1');
  const [, told, sha256] = /^\n(\d{16}) ([0-9a-f]{64})\n$/.exec(trailer) ?? [];
  if (Number(told) !== sizeBytes || sha256 === undefined)
    throw new SpoolFileDamagedError('The end of the file is damaged.');
  const head = await readExactly(file, 0, messageAt);
  return { head, facts: head.subarray(HEADER_BYTES, messageAt - 1), messageAt, sizeBytes, sha256 };
}

/** Opens a spooled file; throws {@link SpoolFileDamagedError} when it is not whole. */
export async function openSpoolFile(path: string): Promise<SpoolFile> {
  const file = await open(path, 'r');
  try {
    const { head, facts, messageAt, sizeBytes, sha256 } = await readLayout(file);
    return {
      facts: parseFacts(facts),
      sizeBytes,
      open: () => readMessage(file, head, messageAt, sizeBytes, sha256),
      close: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

function parseFacts(bytes: Buffer): SpooledFacts {
  try {
    return JSON.parse(bytes.toString('utf8')) as SpooledFacts;
  } catch (cause) {
    throw new SpoolFileDamagedError('The facts are damaged.', { cause });
  }
}

async function* readMessage(
  file: FileHandle,
  head: Buffer,
  from: number,
  sizeBytes: number,
  sha256: string,
): AsyncGenerator<Buffer> {
  const hash = createHash('sha256').update(head);
  for (let done = 0; done < sizeBytes;) {
    const piece = await readExactly(file, from + done, Math.min(READ_BYTES, sizeBytes - done));
    hash.update(piece);
    done += piece.length;
    // The last piece is held back until the whole is known to be right, so that nobody can take damaged bytes for whole ones.
    if (done === sizeBytes) checkHash(hash.digest('hex'), sha256);
    yield piece;
  }
  if (sizeBytes === 0) checkHash(hash.digest('hex'), sha256);
}

function checkHash(found: string, expected: string): void {
  if (found !== expected) throw new SpoolFileDamagedError('The bytes are not those that were written.');
}
