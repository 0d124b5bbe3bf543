import { createHash } from 'node:crypto';
import type { Database } from '../../entities/database.js';
import { TooManyRequestsError } from '../../errors.js';

const WINDOW_MS = 15 * 60_000;

/** How many failed sign-ins are borne within 15 minutes. */
export interface SignInLimits {
  readonly perAccount: number;
  readonly perAddress: number;
}

const subjectOf = (kind: 'account' | 'address', value: string): string =>
  createHash('sha256').update(`${kind}:${value}`).digest('hex');

/** Slows down guessing of passwords: per account and per client address, over all processes (counted in the database). */
export class SignInThrottle {
  constructor(
    private readonly database: Database,
    private readonly limits: SignInLimits,
  ) {}

  /**
   * Counts an attempt as failed before it is made, so that attempts side by side cannot outrun the count; throws
   * {@link TooManyRequestsError} when one limit is reached.
   */
  async begin(account: string, remoteAddress: string): Promise<void> {
    const subjects = { account: subjectOf('account', account), address: subjectOf('address', remoteAddress) };
    const now = Date.now();
    const oldest = await this.database.transaction(async (transaction) => {
      await transaction.run('DELETE FROM sign_in_failure WHERE failed_at < ?', [now - WINDOW_MS]);
      await transaction.insert('sign_in_failure', [
        { subject: subjects.account, failed_at: now },
        { subject: subjects.address, failed_at: now },
      ]);
      const rows = await transaction.rows<{ subject: string; count: number; oldest: number }>(
        'SELECT subject, count(*) AS count, min(failed_at) AS oldest FROM sign_in_failure WHERE subject IN (?, ?) GROUP BY subject',
        [subjects.account, subjects.address],
      );
      const over = rows.find(
        (row) => row.count > (row.subject === subjects.account ? this.limits.perAccount : this.limits.perAddress),
      );
      if (!over) return undefined;
      // A refused attempt does not prolong the wait, or a guesser could lock somebody out for good.
      await transaction.run('DELETE FROM sign_in_failure WHERE subject IN (?, ?) AND failed_at = ?', [
        subjects.account,
        subjects.address,
        now,
      ]);
      return over.oldest;
    });
    if (oldest === undefined) return;
    const seconds = Math.max(1, Math.ceil((oldest + WINDOW_MS - now) / 1000));
    throw new TooManyRequestsError(`Too many failed sign-ins. Try again in ${seconds} seconds.`, seconds);
  }

  /** Takes back what {@link begin} counted: the attempt succeeded, or failed for no fault of the caller. */
  async succeeded(account: string, remoteAddress: string): Promise<void> {
    const address = subjectOf('address', remoteAddress);
    await this.database.transaction(async (transaction) => {
      await transaction.run('DELETE FROM sign_in_failure WHERE subject = ?', [subjectOf('account', account)]);
      const [last] = await transaction.rows<{ id: number | null }>(
        'SELECT max(id) AS id FROM sign_in_failure WHERE subject = ?',
        [address],
      );
      if (last?.id) await transaction.run('DELETE FROM sign_in_failure WHERE id = ?', [last.id]);
    });
  }
}
