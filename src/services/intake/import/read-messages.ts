import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { findMailFiles, type MailFile, type OnSkipped } from './find-mail-files.js';
import { findMboxEntries, type MboxVariant } from './mbox.js';
import { unquoteMbox } from './mbox-quoting.js';

/** One message found by an import. */
export interface ImportedMessage {
  /** Path of its file, with "#" and its number from 1 for one of an mbox file. */
  readonly origin: string;
  /** Bytes that it takes in its file, separators included, so that all of them add up to {@link measureMessages}. */
  readonly sizeBytes: number;
  /** Envelope sender that an mbox separator names; null without one. */
  readonly separatorSender: string | null;
  /** The bytes of the message, from the start at each call; fails when the file changes meanwhile. */
  open(): AsyncIterable<Buffer>;
}

/** What an import may be told. */
export interface ReadOptions {
  /**
   * "auto" (default) takes mbox files for mboxrd. Content-Length is believed only in the variants that have it: anybody who
   * sends mail can write one, and could hide the messages behind his own.
   */
  readonly mboxVariant?: 'auto' | MboxVariant;
  readonly onSkipped?: OnSkipped;
}

const READ_BYTES = 64 * 1024;

/** The range is exact: a file that shrank since must not pass for a shorter message. */
async function* readRange(path: string, start: number, end: number): AsyncGenerator<Buffer> {
  if (end <= start) return;
  let left = end - start;
  const stream = createReadStream(path, { start, end: end - 1, highWaterMark: READ_BYTES });
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    left -= chunk.length;
    yield chunk;
  }
  if (left !== 0) throw new Error(`The file changed while it was read: ${path}`);
}

async function* readMbox(file: MailFile, variant: MboxVariant): AsyncGenerator<ImportedMessage> {
  const { path, sizeBytes } = file;
  const handle = await open(path, 'r');
  try {
    let number = 0;
    let position = 0;
    for await (const { start, end, next, separatorSender } of findMboxEntries(handle, sizeBytes, variant)) {
      number++;
      yield {
        origin: `${path}#${number}`,
        sizeBytes: next - position,
        separatorSender,
        open: () => unquoteMbox(readRange(path, start, end), variant),
      };
      position = next;
    }
  } finally {
    await handle.close();
  }
}

/** Every message under the given paths, one after the other: .eml files, mbox files, Maildirs and folders of them. */
export async function* readMessages(
  paths: readonly string[],
  options: ReadOptions = {},
): AsyncGenerator<ImportedMessage> {
  const variant = options.mboxVariant ?? 'auto';
  for await (const file of findMailFiles(paths, options.onSkipped)) {
    const { path, sizeBytes } = file;
    if (file.kind === 'MBOX') yield* readMbox(file, variant === 'auto' ? 'mboxrd' : variant);
    else yield { origin: path, sizeBytes, separatorSender: null, open: () => readRange(path, 0, sizeBytes) };
  }
}

/** Counts files and bytes under the given paths, for a progress that knows its end; opens each file, reads none. */
export async function measureMessages(paths: readonly string[]): Promise<{ files: number; bytes: number }> {
  let files = 0;
  let bytes = 0;
  for await (const { sizeBytes } of findMailFiles(paths)) {
    files++;
    bytes += sizeBytes;
  }
  return { files, bytes };
}
