import type { Logger } from '../log.js';

const FIRST_PAUSE_MS = 250;
// Short enough that people hardly wait for it once the database is back.
const LONGEST_PAUSE_MS = 5_000;

/** What a fault of the database is called where everybody may read it: the driver's word, no names and no addresses. */
function reasonOf(error: unknown): string {
  for (let current = error; current instanceof Error; current = current.cause) {
    const code = 'code' in current ? String(current.code) : '';
    if (code !== '' && code !== 'DATABASE_UNAVAILABLE') return code;
  }
  return 'unknown';
}

/** Brings up what needs the database: at once when it answers, or by trying again until it does. */
export class StartUp {
  #attempt: Promise<boolean> | undefined;
  #fault: string | undefined = 'not asked yet';
  #stopping = false;
  #endPause: (() => void) | undefined;
  readonly #whenDone: (() => void)[] = [];

  constructor(
    /** May be repeated from the start when it threw. */
    private readonly steps: () => Promise<void>,
    /** Whether a failure is worth waiting for; otherwise {@link begin} throws it. */
    private readonly worthWaiting: boolean,
    private readonly log: Logger,
  ) {}

  /** Why what needs the database does not run; undefined when it does. */
  get fault(): string | undefined {
    return this.#fault;
  }

  /** Tries for the first time; true when everything is up, false when it is tried again from now on. */
  async begin(): Promise<boolean> {
    if (await this.#try()) return true;
    void this.#tryAgain();
    return false;
  }

  /** Calls back once everything is up; at once when it is. */
  whenUp(done: () => void): void {
    if (this.#fault === undefined) done();
    else this.#whenDone.push(done);
  }

  /** Tries no more; waits for an attempt that runs, whose outcome counts for nothing then. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#endPause?.();
    await this.#attempt?.catch(() => undefined);
  }

  #try(): Promise<boolean> {
    this.#attempt = this.steps().then(
      () => {
        if (this.#stopping) return false;
        this.#fault = undefined;
        for (const done of this.#whenDone.splice(0)) done();
        return true;
      },
      (error: unknown) => {
        if (!this.worthWaiting) throw error;
        const fault = reasonOf(error);
        // Once for each reason: the log of a long outage stays readable.
        this.log[fault === this.#fault ? 'debug' : 'error']({ err: error }, 'the database cannot be used yet');
        this.#fault = fault;
        return false;
      },
    );
    return this.#attempt;
  }

  async #tryAgain(): Promise<void> {
    for (let pauseMs = FIRST_PAUSE_MS; !this.#stopping; pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 2)) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, pauseMs);
        this.#endPause = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      if (this.#stopping || (await this.#try())) return;
    }
  }
}
