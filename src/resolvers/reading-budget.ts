import { PublicError } from '../errors.js';

// Messages that one operation reads at the same time; more would take the workers from everybody else.
const MAX_AT_ONCE = 4;
// What the readings of one answer may hold together, characters; an answer is built in memory and written at once.
const MAX_CHARACTERS = 16 * 1024 * 1024;

/** Bounds what one operation reads of contents: a list of a thousand previews must not fill the memory or the workers. */
export class ReadingBudget {
  private underWay = 0;
  private running = 0;
  private characters = 0;
  private readonly waiting: (() => void)[] = [];

  /** Reads when it is this reading's turn; throws ANSWER_TOO_LARGE once the others were large enough. */
  async read<Result>(work: () => Promise<Result>, charactersOf: (result: Result) => number = () => 0): Promise<Result> {
    // Readings of one answer begin together; what comes after a pause is another event of a subscription.
    if (this.underWay === 0) this.characters = 0;
    this.underWay++;
    try {
      if (this.running >= MAX_AT_ONCE) await new Promise<void>((resolve) => this.waiting.push(resolve));
      else this.running++;
      try {
        if (this.characters > MAX_CHARACTERS)
          throw new PublicError(
            'ANSWER_TOO_LARGE',
            `The contents of one answer hold at most ${MAX_CHARACTERS} characters together. Ask for fewer messages at once, or for their previewUrl.`,
          );
        const result = await work();
        this.characters += charactersOf(result);
        return result;
      } finally {
        // The turn is handed on, or given back.
        const next = this.waiting.shift();
        if (next) next();
        else this.running--;
      }
    } finally {
      this.underWay--;
    }
  }
}
