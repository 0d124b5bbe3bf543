import type { ApiToken } from '../../entities/api-token.js';
import { nameFault } from '../../entities/database.js';
import { UnavailableError } from '../../errors.js';
import type { ApiTokens } from '../session/api-tokens.js';
import { tokenHash } from '../session/secret-token.js';
import { TOO_SLOW, within } from './time-limit.js';

// A token that was right lately is believed while nobody can be asked; a revocation cannot be written meanwhile either.
const BELIEVED_MS = 24 * 3_600_000;
// At a thousand messages a second each asked for its token anew. A token that this process revokes is refused at once, one
// that another process revokes after this time.
const FRESH_MS = 1_000;
const MAX_KNOWN = 1000;

/** Checks the tokens of gateways, also while the database is away: otherwise nobody could reach the spool (rule S6). */
export class IntakeTokens {
  readonly #known = new Map<
    string,
    { readonly token: ApiToken; readonly checkedAtMs: number; readonly revocations: number }
  >();

  constructor(
    private readonly tokens: Pick<ApiTokens, 'find' | 'revocations'>,
    private readonly answerLimitMs: number,
  ) {}

  /** The token of a secret; throws DATABASE_UNAVAILABLE for one that was not seen lately while the database is away. */
  async find(secret: string): Promise<ApiToken | undefined> {
    const hash = tokenHash(secret);
    const { revocations } = this.tokens;
    const fresh = this.#known.get(hash);
    const startedAtMs = Date.now();
    if (
      fresh &&
      fresh.revocations === revocations &&
      startedAtMs - fresh.checkedAtMs < FRESH_MS &&
      (fresh.token.expiresAtMs ?? Infinity) > startedAtMs
    )
      return fresh.token;
    try {
      const token = await within(this.tokens.find(secret), this.answerLimitMs);
      if (token === TOO_SLOW)
        throw new UnavailableError('DATABASE_UNAVAILABLE', 'The database does not answer. Try again later.');
      this.#known.delete(hash);
      if (token) {
        if (this.#known.size >= MAX_KNOWN) this.#known.delete(this.#known.keys().next().value ?? '');
        this.#known.set(hash, { token, checkedAtMs: startedAtMs, revocations });
      }
      return token;
    } catch (error) {
      const fault = nameFault(error);
      const known = fault instanceof UnavailableError ? this.#known.get(hash) : undefined;
      const now = Date.now();
      if (!known || now - known.checkedAtMs > BELIEVED_MS || (known.token.expiresAtMs ?? Infinity) <= now) throw fault;
      return known.token;
    }
  }
}
