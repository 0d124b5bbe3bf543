import { stat } from 'node:fs/promises';
import { openSpoolFile, type SpoolFile, SpoolFileDamagedError } from './spool-file.js';
import type { SpooledMessage } from './spool-settings.js';

/** A spooled message that was opened to be stored, or why it cannot be. */
export class SpoolEntry {
  /** The message; undefined when nothing can be stored. */
  readonly message: SpooledMessage | undefined;
  #damage: SpoolFileDamagedError | undefined;

  private constructor(
    readonly name: string,
    private readonly file: SpoolFile | undefined,
    /** Why the file could not be opened; undefined when it could, and when it is not there any more. */
    readonly fault?: unknown,
  ) {
    if (fault instanceof SpoolFileDamagedError) this.#damage = fault;
    if (file) {
      const open = () => watch(file.open(), (error) => this.#note(error));
      this.message = { ...file.facts, sizeBytes: file.sizeBytes, open };
    }
  }

  /** Opens the file of an entry; never throws. */
  static async open(name: string, path: string): Promise<SpoolEntry> {
    try {
      return new SpoolEntry(name, await openSpoolFile(path));
    } catch (error) {
      // After a standstill another process has taken it over, and stores it.
      const isGone = (error as NodeJS.ErrnoException).code === 'ENOENT' && !(await exists(path));
      return new SpoolEntry(name, undefined, isGone ? undefined : error);
    }
  }

  /** Whether another process has it now. */
  get isGone(): boolean {
    return this.file === undefined && this.fault === undefined;
  }

  /** What is wrong with the file, known at the latest when it was read to its end: whoever read it may tell another error. */
  get damage(): SpoolFileDamagedError | undefined {
    return this.#damage;
  }

  /** To be called in any case. */
  async close(): Promise<void> {
    await this.file?.close();
  }

  #note(error: unknown): void {
    if (error instanceof SpoolFileDamagedError) this.#damage = error;
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** Tells the errors of a source from those of whoever works on what it gave. */
export async function* watch(
  source: AsyncIterable<Buffer>,
  onFailure: (error: unknown) => void,
): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of source) yield chunk;
  } catch (error) {
    onFailure(error);
    throw error;
  }
}
