import { PublicError, UnavailableError } from '../../errors.js';
import type { Logger } from '../../log.js';
import type { Intake } from './intake.js';
import { isTemporary } from './scanners/hand-over-errors.js';
import type { Spool, SpooledMessage } from './spool.js';

const TICK_MS = 500;
// So many share a commit, while what is read into memory stays small.
const CONCURRENCY = 16;
// A message that fails so often while the database answers would keep those behind it waiting for ever.
const MAX_FAILURES = 5;

const nameOf = ({ handOver, sizeBytes }: SpooledMessage) =>
  JSON.stringify([handOver.receivedAtMs, handOver.gatewayMessageId, sizeBytes]);

/** Stores what waits in the spool, oldest first, as soon as the database takes it (rule S6). */
export class SpoolDrain {
  readonly #failures = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;
  #draining: Promise<void> | undefined;

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

  /** Drains now, unless that is under way. */
  wake(): void {
    if (this.spool.isEmpty) return;
    this.#draining ??= this.#drain().finally(() => {
      this.#draining = undefined;
    });
  }

  async #drain(): Promise<void> {
    const { stored, setAside, remaining, error } = await this.spool.drain(
      (message) => this.#store(message),
      CONCURRENCY,
    );
    if (stored + setAside > 0) this.log.info({ stored, setAside, remaining }, 'spooled messages were stored');
    if (error !== undefined) this.log.debug({ err: error, remaining }, 'spooled messages have to wait');
  }

  async #store(message: SpooledMessage): Promise<void | 'SET_ASIDE'> {
    try {
      await this.intake.receive(message.handOver, message.open(), message.source);
      this.#failures.delete(nameOf(message));
      return;
    } catch (error) {
      if (error instanceof UnavailableError) throw error;
      const failures = (this.#failures.get(nameOf(message)) ?? 0) + 1;
      if (isTemporary(error) && failures < MAX_FAILURES) {
        this.#failures.set(nameOf(message), failures);
        throw error;
      }
      this.#failures.delete(nameOf(message));
      this.log.error(
        { err: error, code: error instanceof PublicError ? error.code : undefined },
        'a spooled message cannot be stored and was set aside',
      );
      return 'SET_ASIDE';
    }
  }
}
