import { Writable } from 'node:stream';

/** Keeps what a server logs, for tests of what stands there and of what must not. */
export class LogLines extends Writable {
  readonly #lines: string[] = [];

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.#lines.push(chunk.toString('utf8'));
    done();
  }

  /** Everything so far. */
  get text(): string {
    return this.#lines.join('');
  }

  /** The lines so far, parsed. */
  get entries(): readonly Record<string, unknown>[] {
    return this.text
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  /** Forgets everything. */
  clear(): void {
    this.#lines.length = 0;
  }
}
