// After an answer the next request is expected so soon: a page asks several times in a row.
const QUIET_MS = 2;
// With a step for each answer lists took 1.8 times as long as without sending, with every second 1.4 (docs/performance.md).
const ANSWERS_FOR_A_STEP = 2;
// However many people there are, and however slow their requests, background work takes forty steps a second.
const LONGEST_WAIT_MS = 25;

/**
 * Lets people's requests go before background work. Both share one thread, and a list waits at each of its round trips to
 * the database for whatever else is ready then: while thousands of messages are sent it would take three times as long.
 */
export class RightOfWay {
  #served = 0;
  #answered = 0;
  #quiet: NodeJS.Timeout | undefined;
  #waiting: { readonly step: Promise<void>; begin(): void } | undefined;

  /** A person's request begins; what it gives is to be called once, after the answer. */
  enter(): () => void {
    this.#served += 1;
    clearTimeout(this.#quiet);
    return () => {
      this.#served -= 1;
      this.#answered += 1;
      if (this.#served === 0) this.#quiet = setTimeout(() => this.#becomeQuiet(), QUIET_MS);
      if (this.#answered % ANSWERS_FOR_A_STEP === 0) this.#waiting?.begin();
    };
  }

  /**
   * Resolves when background work may take its next step: at once while nobody is served, otherwise with every second
   * answer, and after {@link LONGEST_WAIT_MS} in any case. All who wait take their step together. Call it where little is locked.
   */
  async giveWay(): Promise<void> {
    if (this.#served === 0 && !this.#quiet) return;
    this.#waiting ??= this.#nextStep();
    await this.#waiting.step;
  }

  #nextStep() {
    let resolve = () => {};
    const step = new Promise<void>((done) => (resolve = done));
    const begin = () => {
      clearTimeout(late);
      this.#waiting = undefined;
      resolve();
    };
    const late = setTimeout(begin, LONGEST_WAIT_MS);
    return { step, begin };
  }

  #becomeQuiet(): void {
    this.#quiet = undefined;
    this.#waiting?.begin();
  }
}
