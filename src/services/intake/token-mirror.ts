import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { z } from 'zod';
import { ApiTokenScope } from '../../entities/api-token.js';
import type { Logger } from '../../log.js';
import type { ApiTokens } from '../session/api-tokens.js';

// A revocation counts here after so long at most, should the database be away from then on.
const EVERY_MS = 60_000;
// Without a change the file is only written to say that it is still true.
const REWRITE_MS = 10 * 60_000;
// What nobody could confirm for longer is not believed.
const BELIEVED_MS = 24 * 3_600_000;

const schema = z.object({
  takenAtMs: z.number(),
  tokens: z.array(z.object({ hash: z.string(), expiresAtMs: z.number().nullable() })),
});

type Mirror = z.infer<typeof schema>;

/** A token that may hand over, as the mirror knows it. */
export interface MirroredToken {
  readonly scopes: readonly ApiTokenScope[];
}

/**
 * The hashes of all tokens of scope INTAKE as they last stood in the database, in memory and in a file: otherwise nobody
 * could reach the spool while the database is away, least of all at a process that starts then (rule S6). A hash is of no use
 * to whoever reads the file, because the secrets have 256 random bits; who can write the file can write the spool as well.
 */
export class TokenMirror {
  #mirror: Mirror;
  #writtenAtMs = 0;
  #taking: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly tokens: Pick<ApiTokens, 'list'>,
    private readonly file: string,
    private readonly log: Logger,
  ) {
    this.#mirror = this.#read();
  }

  /** Looks at the database now and every minute. */
  start(): void {
    this.#timer = setInterval(() => void this.take(), EVERY_MS);
    this.#timer.unref();
    void this.take();
  }

  /** Ends looking; a file that is being written is waited for. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#taking;
  }

  /** The token of a hash, if it was valid when the database was last seen, at most a day ago, and has not expired since. */
  find(hash: string): MirroredToken | undefined {
    const now = Date.now();
    if (now - this.#mirror.takenAtMs > BELIEVED_MS) return undefined;
    const token = this.#mirror.tokens.find((each) => each.hash === hash);
    return token && (token.expiresAtMs ?? Infinity) > now ? { scopes: [ApiTokenScope.INTAKE] } : undefined;
  }

  /** Takes the tokens from the database; keeps what it has while that is away. */
  take(): Promise<void> {
    this.#taking ??= this.#take()
      .catch((error: unknown) => this.log.debug({ err: error }, 'the tokens of gateways could not be mirrored'))
      .finally(() => {
        this.#taking = undefined;
      });
    return this.#taking;
  }

  async #take(): Promise<void> {
    const takenAtMs = Date.now();
    const tokens = (await this.tokens.list())
      .filter(({ scopes }) => scopes.includes(ApiTokenScope.INTAKE))
      .map(({ tokenHash, expiresAtMs }) => ({ hash: tokenHash, expiresAtMs }));
    const changed = JSON.stringify(tokens) !== JSON.stringify(this.#mirror.tokens);
    this.#mirror = { takenAtMs, tokens };
    if (!changed && takenAtMs - this.#writtenAtMs < REWRITE_MS) return;
    await this.#write();
    this.#writtenAtMs = takenAtMs;
  }

  /** Under another name first: whoever reads finds the old one or the new one, whole. */
  async #write(): Promise<void> {
    const part = `${this.file}.${randomBytes(6).toString('hex')}`;
    try {
      const file = await open(part, 'wx', 0o600);
      try {
        await file.writeFile(JSON.stringify(this.#mirror));
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(part, this.file);
    } catch (error) {
      await rm(part, { force: true }).catch(() => undefined);
      this.log.warn({ err: error }, 'the tokens of gateways could not be written to the file for outages');
    }
  }

  #read(): Mirror {
    try {
      return schema.parse(JSON.parse(readFileSync(this.file, 'utf8')));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
        this.log.warn({ err: error }, 'the file with the tokens of gateways for outages cannot be read');
      return { takenAtMs: 0, tokens: [] };
    }
  }
}
