import { type ApiToken, ApiTokenScope } from '../../entities/api-token.js';
import { nameFault } from '../../entities/database.js';
import { UnavailableError } from '../../errors.js';
import type { ApiTokens } from '../session/api-tokens.js';
import { tokenHash } from '../session/secret-token.js';
import { TOO_SLOW, within } from './time-limit.js';
import type { TokenMirror } from './token-mirror.js';

// At a thousand messages a second each asked for its token anew. A token that this process revokes is refused at once, one
// that another process revokes after this time.
const FRESH_MS = 1_000;
// Stops senders of ever new secrets from filling the memory while the database hangs.
const MAX_QUESTIONS = 1_000;

/** A token that a gateway showed. */
export interface IntakeToken {
  readonly scopes: readonly ApiTokenScope[];
}

interface Question {
  readonly answer: Promise<ApiToken | undefined>;
  readonly askedAtMs: number;
  /** The count of this process when it was asked. */
  readonly revocations: number;
  /** Once answered, until when it serves others: ms since 1970 UTC. */
  freshUntilMs: number | undefined;
}

/** Checks the tokens of gateways: in the database, or in its mirror while that is away or slow (rule S6). */
export class IntakeTokens {
  readonly #questions = new Map<string, Question>();

  constructor(
    private readonly tokens: Pick<ApiTokens, 'find' | 'revocations'>,
    private readonly mirror: Pick<TokenMirror, 'find' | 'take'>,
    private readonly answerLimitMs: number,
  ) {}

  /** The token of a secret; throws DATABASE_UNAVAILABLE for one that is not in the mirror while the database is away. */
  async find(secret: string): Promise<IntakeToken | undefined> {
    const hash = tokenHash(secret);
    let fault: UnavailableError | undefined;
    try {
      const token = await this.#ask(hash, secret);
      if (token !== TOO_SLOW) return token;
    } catch (error) {
      const named = nameFault(error);
      if (!(named instanceof UnavailableError)) throw named;
      fault = named;
    }
    const known = this.mirror.find(hash);
    if (!known)
      throw fault ?? new UnavailableError('DATABASE_UNAVAILABLE', 'The database does not answer. Try again later.');
    return known;
  }

  /** Those who come with the same secret at about the same time share the answer, and the time that the database has for it. */
  async #ask(hash: string, secret: string): Promise<IntakeToken | undefined | typeof TOO_SLOW> {
    const now = Date.now();
    let question = this.#questions.get(hash);
    if (
      !question ||
      question.revocations !== this.tokens.revocations ||
      (question.freshUntilMs !== undefined && question.freshUntilMs <= now)
    ) {
      for (const [other, { freshUntilMs }] of this.#questions)
        if (this.#questions.size >= MAX_QUESTIONS && freshUntilMs !== undefined) this.#questions.delete(other);
      if (this.#questions.size >= MAX_QUESTIONS) return TOO_SLOW;
      question = {
        askedAtMs: now,
        revocations: this.tokens.revocations,
        answer: this.tokens.find(secret),
        freshUntilMs: undefined,
      };
      this.#questions.set(hash, question);
      void this.#note(hash, question);
    }
    return within(question.answer, Math.max(0, question.askedAtMs + this.answerLimitMs - now));
  }

  /** Keeps a good answer for a moment, and forgets any other. */
  async #note(hash: string, question: Question): Promise<void> {
    const token = await question.answer.catch(() => 'FAILED' as const);
    if (token === undefined || token === 'FAILED') {
      if (this.#questions.get(hash) === question) this.#questions.delete(hash);
    } else {
      question.freshUntilMs = Math.min(question.askedAtMs + FRESH_MS, token.expiresAtMs ?? Infinity);
    }
    if (token === 'FAILED') return;
    // Made or revoked since the mirror looked.
    const mayHandOver = token?.scopes.includes(ApiTokenScope.INTAKE) ?? false;
    if (mayHandOver !== (this.mirror.find(hash) !== undefined)) void this.mirror.take();
  }
}
