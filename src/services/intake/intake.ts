import { mkdirSync } from 'node:fs';
import type { HandOver } from '../../entities/vocabulary.js';
import type { MessageStore, StoreOutcome } from '../backup/message-store.js';
import { type SpilledContent, SpillBuffer } from './scanners/spill-buffer.js';
import { MessageSummariser, type MessageSummary } from './summarise-message.js';

/** Limits of what intake takes. */
export interface IntakeLimits {
  /** Largest message, bytes. */
  readonly messageBytes: number;
  /** Folder for what does not fit into memory; made when it is missing. */
  readonly temporaryFolder: string;
}

// A message of usual size stays in memory; larger ones go through an unnamed file.
const MEMORY_BYTES = 1024 * 1024;
// The summariser wants its bytes in bounded pieces, so that one piece never blocks the event loop for long.
const PIECE_BYTES = 64 * 1024;

/** Takes messages in, whatever way they come: receives the bytes once, with bounded memory, and stores them (rules S1, S6). */
export class Intake {
  constructor(
    private readonly store: MessageStore,
    private readonly limits: IntakeLimits,
  ) {
    mkdirSync(limits.temporaryFolder, { recursive: true });
  }

  /**
   * Receives and stores one message; resolves once it is durable. Throws MESSAGE_TOO_LARGE, what the source throws, and
   * what storing throws; then nothing is kept.
   */
  async receive(handOver: HandOver, source: AsyncIterable<Buffer>, origin: string): Promise<StoreOutcome> {
    const { content, summary } = await this.take(source);
    try {
      return await this.storeTaken(handOver, content, summary, origin);
    } finally {
      await content.discard();
    }
  }

  /** Stores what {@link take} received. */
  storeTaken(
    handOver: HandOver,
    content: SpilledContent,
    summary: MessageSummary,
    origin: string,
  ): Promise<StoreOutcome> {
    return this.store.store({ handOver, content, summary, source: origin });
  }

  /** Receives bytes without storing them; the caller discards the content. */
  async take(source: AsyncIterable<Buffer>): Promise<{ content: SpilledContent; summary: MessageSummary }> {
    const buffer = new SpillBuffer({
      memoryBytes: MEMORY_BYTES,
      limitBytes: this.limits.messageBytes,
      folder: this.limits.temporaryFolder,
    });
    const summariser = new MessageSummariser();
    try {
      for await (const chunk of source) {
        await buffer.write(chunk);
        for (let offset = 0; offset < chunk.length; offset += PIECE_BYTES)
          summariser.write(chunk.subarray(offset, offset + PIECE_BYTES));
      }
      return { content: buffer.finish(), summary: summariser.end() };
    } catch (error) {
      await buffer.discard();
      throw error;
    }
  }
}
