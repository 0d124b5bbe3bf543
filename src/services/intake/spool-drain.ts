import { PublicError, UnavailableError } from '../../errors.js';
import type { Logger } from '../../log.js';
import type { MessageStore } from '../backup/message-store.js';
import type { ReceivedMessage } from '../backup/prepare-message.js';
import type { Intake } from './intake.js';
import { isTemporary } from './scanners/hand-over-errors.js';
import type { SpilledContent } from './scanners/spill-buffer.js';
import type { Spool, SpooledMessage, StoreResult } from './spool.js';
import type { StoreResults } from './spool-settings.js';

const TICK_MS = 500;
// While the database takes nothing it is tried less and less often.
const LONGEST_PAUSE_MS = 5_000;
// So many share a commit.
const MOST_TOGETHER = 64;
// A message that fails in so many rounds in which others are stored is at fault itself.
const MAX_FAILURES = 5;

type Taken = ReceivedMessage & { readonly content: SpilledContent };

const nameOf = ({ handOver, sizeBytes }: SpooledMessage) =>
  JSON.stringify([handOver.receivedAtMs, handOver.gatewayMessageId, sizeBytes]);

/**
 * Stores what waits in the spool as soon as the database takes it, in order of arrival: what shares a commit stands in it in that
 * order, and the next commit begins when the one before has ended (rule S6).
 */
export class SpoolDrain {
  /** In how many rounds each failed while others were stored. */
  readonly #failures = new Map<string, number>();
  #failedNow = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #draining: Promise<void> | undefined;
  #pauseMs = 0;
  #notBeforeMs = 0;

  constructor(
    private readonly spool: Spool,
    private readonly intake: Pick<Intake, 'take'>,
    private readonly store: Pick<MessageStore, 'store' | 'storeTogether'>,
    private readonly log: Logger,
  ) {}

  /** Begins to look for messages. */
  start(): void {
    this.#timer = setInterval(() => this.wake(), TICK_MS);
    this.wake();
  }

  /** Looks for nothing new; resolves when the round that runs has ended. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#draining;
  }

  /** Drains now, unless that is under way or has just failed. */
  wake(): void {
    if (this.spool.isEmpty || Date.now() < this.#notBeforeMs) return;
    this.#draining ??= this.#drain().finally(() => {
      this.#draining = undefined;
    });
  }

  async #drain(): Promise<void> {
    this.#failedNow = new Set();
    const { stored, setAside, later, remaining, error } = await this.spool.drain(
      (messages) => this.#store(messages),
      MOST_TOGETHER,
    );
    if (stored + setAside > 0) this.log.info({ stored, setAside, remaining }, 'spooled messages were stored');
    if (error !== undefined) this.log.debug({ err: error, remaining }, 'spooled messages have to wait');
    // A database that stores nothing at all says nothing about a message: nothing is set aside for its sake.
    if (stored > 0) for (const name of this.#failedNow) this.#failures.set(name, (this.#failures.get(name) ?? 0) + 1);
    const isWell = stored + setAside > 0 || (error === undefined && later === 0);
    this.#pauseMs = isWell ? 0 : Math.min(LONGEST_PAUSE_MS, Math.max(TICK_MS, 2 * this.#pauseMs));
    this.#notBeforeMs = Date.now() + this.#pauseMs;
  }

  async #store(messages: readonly SpooledMessage[]): Promise<StoreResults> {
    const results: StoreResult[] = [];
    const taking = await Promise.allSettled(messages.map((message) => this.#take(message)));
    const taken = taking.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
    try {
      const isStored = await this.#storeTogether(taken);
      for (const [index, message] of messages.entries()) {
        const own = taking[index] as PromiseSettledResult<Taken>;
        results.push(await this.#finish(message, own, isStored));
      }
      return { results };
    } catch (error) {
      return { results, error };
    } finally {
      await Promise.all(taken.map(({ content }) => content.discard()));
    }
  }

  async #take({ handOver, source, open }: SpooledMessage): Promise<Taken> {
    return { handOver, source, ...(await this.intake.take(open())) };
  }

  /** False when one of them is at fault; throws what hits all of them alike. */
  async #storeTogether(received: readonly ReceivedMessage[]): Promise<boolean> {
    try {
      await this.store.storeTogether(received);
      return true;
    } catch (error) {
      if (error instanceof UnavailableError) throw error;
      return false;
    }
  }

  /** Stores a message alone unless it is stored, and judges what becomes of it; throws what hits all of them alike. */
  async #finish(message: SpooledMessage, taken: PromiseSettledResult<Taken>, isStored: boolean): Promise<StoreResult> {
    const name = nameOf(message);
    try {
      if (taken.status === 'rejected') throw taken.reason;
      if (!isStored) await this.store.store(taken.value);
      this.#failures.delete(name);
      return 'STORED';
    } catch (error) {
      if (error instanceof UnavailableError) throw error;
      if (isTemporary(error) && (this.#failures.get(name) ?? 0) < MAX_FAILURES) {
        if (this.#failedNow.size === 0) this.log.warn({ err: error }, 'a spooled message could not be stored');
        this.#failedNow.add(name);
        return 'LATER';
      }
      this.#failures.delete(name);
      this.log.error(
        { err: error, code: error instanceof PublicError ? error.code : undefined },
        'a spooled message cannot be stored and was set aside',
      );
      return 'SET_ASIDE';
    }
  }
}
