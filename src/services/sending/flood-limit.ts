import type { Transaction } from '../../entities/database.js';
import { TooManyRequestsError } from '../../errors.js';

const DAY_MS = 24 * 60 * 60_000;

/**
 * Most messages that one person's operations name within 24 hours. Operations are kept for long, those on unknown ids end at
 * once, and nobody should fill the database by asking for them again and again.
 */
export const MAX_PERSONAL_MESSAGES_A_DAY = 25_000;

/** The refusal (TOO_MANY_REQUESTS) of a person who asks for more within a day than anybody needs, if this one does. */
export async function floodOf(
  transaction: Transaction,
  owner: string,
  asked: number,
): Promise<TooManyRequestsError | undefined> {
  const now = Date.now();
  const [recent] = await transaction.rows<{ total: number | string | null; firstAtMs: number | null }>(
    'SELECT sum(total) AS total, min(created_at) AS firstAtMs FROM operation WHERE owner = ? AND created_at > ?',
    [owner, now - DAY_MS],
  );
  if (Number(recent?.total ?? 0) + asked <= MAX_PERSONAL_MESSAGES_A_DAY) return undefined;
  const retryAfterSeconds = Math.ceil(((recent?.firstAtMs ?? now) + DAY_MS - now) / 1000);
  return new TooManyRequestsError(
    `With this request your operations of 24 hours would name more than ${MAX_PERSONAL_MESSAGES_A_DAY} messages. Ask for fewer, or try again in ${Math.ceil(retryAfterSeconds / 60)} minutes.`,
    retryAfterSeconds,
  );
}
