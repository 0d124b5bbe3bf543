import type { Config } from '../config.js';
import type { Logger } from '../log.js';

/** What a command works with. */
export interface CommandSurroundings {
  readonly config: Config;
  readonly log: Logger;
  /** Prints a line for the operator. */
  print(line: string): void;
}

/** One of the operator's commands. */
export interface Command {
  /** How it is called, such as "import PATH…". */
  readonly usage: string;
  /** What it does, in one sentence. */
  readonly summary: string;
  /** Its options, one line each. */
  readonly options?: readonly string[];
  /** Runs it; throws {@link UsageError} for wrong arguments. Gives the exit code, 0 when nothing is said. */
  run(arguments_: readonly string[], surroundings: CommandSurroundings): Promise<number | void>;
}

/** The arguments of a command are wrong; the message says which and what would be right. */
export class UsageError extends Error {}
