interface Waiting<Item, Result> {
  readonly item: Item;
  resolve(result: Result): void;
  reject(error: unknown): void;
}

/** Joins writes that are asked for while another one is under way, so that many share the cost of one commit. */
export class GroupCommit<Item, Result> {
  #waiting: Waiting<Item, Result>[] = [];
  #writing: Promise<void> | undefined;

  constructor(
    /** Writes several at once; gives a result for each, in their order. */
    private readonly write: (items: readonly Item[]) => Promise<readonly Result[]>,
    private readonly limit: number,
  ) {}

  /** Resolves once the item is written. */
  add(item: Item): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject });
      this.#writing ??= this.#writeAll().finally(() => {
        this.#writing = undefined;
      });
    });
  }

  async #writeAll(): Promise<void> {
    // A turn later, so that what became ready together is written together.
    await new Promise((turn) => setImmediate(turn));
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, this.limit);
      try {
        const results = await this.write(batch.map(({ item }) => item));
        batch.forEach(({ resolve }, index) => resolve(results[index] as Result));
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
  }
}
