import { mkdirSync } from 'node:fs';
import type { HandOver } from '../../entities/vocabulary.js';
import type { StoreOutcome } from '../backup/message-store.js';
import type { ReceivedMessage } from '../backup/prepare-message.js';
import type { LoopMark } from '../sending/loop-mark.js';
import { freeUsedBuffers } from './free-used-buffers.js';
import type { GatePass, IntakeGate } from './intake-gate.js';
import { type SpilledContent, SpillBuffer } from './scanners/spill-buffer.js';
import { MessageSummariser, type MessageSummary, SUMMARY_LIMITS } from './summarise-message.js';

/** Limits of what intake takes. */
export interface IntakeLimits {
  /** Largest message, bytes. */
  readonly messageBytes: number;
  /** Folder for what does not fit into memory; made when it is missing. */
  readonly temporaryFolder: string;
}

/** What became of a message that is safe now (rule S6). */
export interface Acceptance {
  /** Null while it waits in the spool. */
  readonly messageId: number | null;
  /** False when the same hand-over was there already (rule S5). */
  readonly created: boolean;
  readonly spooled: boolean;
  /** Ends when the content is not read any more, where that is later than the acceptance. */
  readonly stillReading?: Promise<unknown>;
}

/** How intake notices what Backup itself has sent (rule D4, docs/sending.md). */
export interface LoopWatch {
  /** Keys of the loop marks. */
  readonly keys: readonly Buffer[];
  /** Told once for each such message that is safe now; it is kept like any other. */
  readonly onLoop?: (mark: LoopMark, acceptance: Acceptance, origin: string) => void;
}

/** Where messages are brought into safety. */
export interface MessageSink {
  store(received: ReceivedMessage): Promise<StoreOutcome | Acceptance>;
}

// A message of usual size stays in memory; larger ones go through an unnamed file.
const MEMORY_BYTES = 1024 * 1024;
// The summariser wants its bytes in bounded pieces, so that one piece never blocks the event loop for long.
const PIECE_BYTES = 64 * 1024;

/** Takes messages in, whatever way they come: receives the bytes once, with bounded memory, and stores them (rules S1, S6). */
export class Intake {
  readonly #stillReading = new WeakMap<SpilledContent, Promise<unknown>>();

  constructor(
    private readonly sink: MessageSink,
    private readonly limits: IntakeLimits,
    /** Bounds what is under way; commands have none. */
    private readonly gate?: IntakeGate,
    private readonly loops: LoopWatch = { keys: [] },
  ) {
    mkdirSync(limits.temporaryFolder, { recursive: true, mode: 0o700 });
  }

  /**
   * Receives and stores one message; resolves once it is durable. Throws MESSAGE_TOO_LARGE, what the source throws, and
   * what storing throws; then nothing is kept.
   */
  async receive(handOver: HandOver, source: AsyncIterable<Buffer>, origin: string): Promise<Acceptance> {
    const { content, summary } = await this.take(source);
    try {
      return await this.storeTaken(handOver, content, summary, origin);
    } finally {
      await content.discard();
    }
  }

  /** Stores what {@link take} received. */
  async storeTaken(
    handOver: HandOver,
    content: SpilledContent,
    summary: MessageSummary,
    origin: string,
  ): Promise<Acceptance> {
    const acceptance: Acceptance = {
      spooled: false,
      ...(await this.sink.store({ handOver, content, summary, source: origin })),
    };
    if (acceptance.stillReading) this.#stillReading.set(content, acceptance.stillReading);
    if (summary.loopMark && acceptance.created) this.loops.onLoop?.(summary.loopMark, acceptance, origin);
    return acceptance;
  }

  /** Receives bytes without storing them; the caller discards the content. Throws INTAKE_BUSY and MESSAGE_TOO_LARGE. */
  async take(source: AsyncIterable<Buffer>): Promise<{ content: SpilledContent; summary: MessageSummary }> {
    const pass = this.gate?.enter();
    const buffer = new SpillBuffer({
      memoryBytes: MEMORY_BYTES,
      limitBytes: this.limits.messageBytes,
      folder: this.limits.temporaryFolder,
    });
    const summariser = new MessageSummariser(SUMMARY_LIMITS, this.loops.keys);
    let heldBytes = 0;
    try {
      for await (const chunk of source) {
        const held = Math.min(chunk.length, MEMORY_BYTES - heldBytes);
        pass?.hold(held);
        heldBytes += held;
        if (heldBytes === MEMORY_BYTES) freeUsedBuffers(chunk.length);
        await buffer.write(chunk);
        for (let offset = 0; offset < chunk.length; offset += PIECE_BYTES)
          summariser.write(chunk.subarray(offset, offset + PIECE_BYTES));
      }
      return { content: this.#keep(buffer.finish(), pass), summary: summariser.end() };
    } catch (error) {
      pass?.leave();
      await buffer.discard();
      throw error;
    }
  }

  /** A content that leaves the gate when it is discarded, but not while the database still reads it. */
  #keep(content: SpilledContent, pass: GatePass | undefined): SpilledContent {
    const kept: SpilledContent = {
      ...content,
      discard: async () => {
        const free = async () => {
          pass?.leave();
          await content.discard();
        };
        const reading = this.#stillReading.get(kept);
        if (reading) void reading.then(free);
        else await free();
      },
    };
    return kept;
  }
}
