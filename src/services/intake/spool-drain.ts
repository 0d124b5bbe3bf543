import { PublicError, UnavailableError } from '../../errors.js';
import type { Logger } from '../../log.js';
import type { Intake } from './intake.js';
import { isTemporary } from './scanners/hand-over-errors.js';
import type { Spool, SpooledMessage, StoreResult } from './spool.js';

const TICK_MS = 500;
// While the database takes nothing it is tried less and less often.
const LONGEST_PAUSE_MS = 5_000;
// So many share a commit, while what is read into memory stays small.
const CONCURRENCY = 16;
// A message that fails in so many rounds in which others are stored is at fault itself.
const MAX_FAILURES = 5;

const nameOf = ({ handOver, sizeBytes }: SpooledMessage) =>
  JSON.stringify([handOver.receivedAtMs, handOver.gatewayMessageId, sizeBytes]);

/** Stores what waits in the spool, oldest first, as soon as the database takes it (rule S6). */
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
    private readonly intake: Pick<Intake, 'receive'>,
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
      (message) => this.#store(message),
      CONCURRENCY,
    );
    if (stored + setAside > 0) this.log.info({ stored, setAside, remaining }, 'spooled messages were stored');
    if (error !== undefined) this.log.debug({ err: error, remaining }, 'spooled messages have to wait');
    // A database that stores nothing at all says nothing about a message: nothing is set aside for its sake.
    if (stored > 0) for (const name of this.#failedNow) this.#failures.set(name, (this.#failures.get(name) ?? 0) + 1);
    const isWell = stored + setAside > 0 || (error === undefined && later === 0);
    this.#pauseMs = isWell ? 0 : Math.min(LONGEST_PAUSE_MS, Math.max(TICK_MS, 2 * this.#pauseMs));
    this.#notBeforeMs = Date.now() + this.#pauseMs;
  }

  async #store(message: SpooledMessage): Promise<StoreResult> {
    const name = nameOf(message);
    try {
      await this.intake.receive(message.handOver, message.open(), message.source);
      this.#failures.delete(name);
      return;
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
