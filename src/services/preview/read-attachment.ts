import { nameAttachment } from './attachment-name.js';
import { DEFAULT_LIMITS } from './limits.js';
import { LostPartsFinder } from './lost-parts.js';
import { decodeHeader, type HeaderField, type MimePart, type PartSink } from './mime-part.js';
import { MimeWalker, type PartVisitor, WalkBudget } from './mime-walker.js';

/** An attachment on its way to somebody who may download it. */
export interface OpenAttachment {
  readonly partId: string;
  /** Decoded and cleaned file name. */
  readonly name: string;
  /** Declared media type; serve as application/octet-stream all the same. */
  readonly type: string;
  /** The decoded bytes; ends early only if the source fails. */
  readonly bytes: AsyncIterable<Buffer>;
}

// Read in pieces of this size, with a pause after each, so that other work is never delayed by more than a millisecond or two.
const PIECE_BYTES = 64 * 1024;

const pause = () => new Promise<void>((resolve) => setImmediate(resolve));

/** Follows one part and collects its decoded bytes until they are fetched. */
class PartFollower {
  part: MimePart | null = null;
  isComplete = false;
  private ready: Buffer[] = [];
  private readonly walker: MimeWalker;

  constructor(partId: string) {
    const isOnTheWay = (id: string) => partId === id || partId.startsWith(`${id}.`);
    const follow: PartSink = {
      write: (bytes) => this.ready.push(Buffer.from(bytes)),
      end: () => (this.isComplete = true),
    };
    const budget = new WalkBudget(DEFAULT_LIMITS);
    const visitor: PartVisitor = {
      openPart: (part, descend) => {
        if (part.id === partId) {
          this.part = part;
          return follow;
        }
        return isOnTheWay(part.id) && part.type.startsWith('message/') ? descend() : null;
      },
    };
    this.walker = new MimeWalker(new LostPartsFinder(visitor, budget), budget);
  }

  write(bytes: Buffer): Buffer[] {
    this.walker.write(bytes);
    return this.take();
  }

  end(): Buffer[] {
    this.walker.end();
    return this.take();
  }

  private take(): Buffer[] {
    const { ready } = this;
    this.ready = [];
    return ready;
  }
}

/**
 * Opens one attachment by its part, as `describe` names it, while the source is read; memory stays the same for any
 * size. Null when the message has no such part.
 */
export async function readAttachment(source: AsyncIterable<Buffer>, partId: string): Promise<OpenAttachment | null> {
  const follower = new PartFollower(partId);
  const pieces = decodePieces(source, follower);
  // Runs until the part begins: its first piece is held until the caller reads on.
  const first = await pieces.next();
  const { part } = follower;
  if (!part) {
    await pieces.return(undefined);
    return null;
  }
  async function* all(): AsyncGenerator<Buffer> {
    if (!first.done) yield first.value;
    yield* pieces;
  }
  return { partId, name: nameAttachment(part), type: part.type, bytes: all() };
}

async function* decodePieces(source: AsyncIterable<Buffer>, follower: PartFollower): AsyncGenerator<Buffer, undefined> {
  for await (const chunk of source) {
    for (let start = 0; start < chunk.length; start += PIECE_BYTES) {
      yield* follower.write(chunk.subarray(start, start + PIECE_BYTES));
      if (follower.isComplete) return;
      await pause();
    }
  }
  yield* follower.end();
}

/** A header field made readable. */
export interface ReadableHeader {
  /** As written. */
  readonly name: string;
  /** Unfolded and decoded (RFC 2047), on one line. */
  readonly value: string;
}

/** Reads the header of a message, in its order and with repeated fields; the source is closed as soon as it is complete. */
export async function readHeaders(source: AsyncIterable<Buffer>): Promise<ReadableHeader[]> {
  let found: readonly HeaderField[] | null = null;
  const walker = new MimeWalker(
    {
      openPart: (part) => {
        found ??= part.headers;
        return null;
      },
    },
    new WalkBudget(DEFAULT_LIMITS),
  );
  read: for await (const chunk of source) {
    for (let start = 0; start < chunk.length; start += PIECE_BYTES) {
      walker.write(chunk.subarray(start, start + PIECE_BYTES));
      if (found) break read;
      await pause();
    }
  }
  if (!found) walker.end();
  return (found ?? ([] as HeaderField[])).map(({ name, raw }) => ({ name, value: decodeHeader(raw) }));
}
