import { createHash } from 'node:crypto';
import type { Database, Transaction } from '../../entities/database.js';
import { marksFor } from '../../entities/marks-for.js';
import { TooManyRequestsError } from '../../errors.js';
import { ipKey } from '../backup/ip-key.js';

const WINDOW_MS = 15 * 60_000;

/** How many failed sign-ins are borne within 15 minutes. */
export interface SignInLimits {
  readonly perAccount: number;
  readonly perAddress: number;
}

const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex');

// Half of an IPv6 address: whoever has one has 2^64 of them, and must not have as many attempts (RFC 6177).
const IPV6_NETWORK_DIGITS = 16;
const IPV4_MAPPED = `${'0'.repeat(20)}ffff`;

function networkOf(address: string): string {
  const key = ipKey(address);
  if (key === null) return address;
  return key.startsWith(IPV4_MAPPED) ? key : key.slice(0, IPV6_NETWORK_DIGITS);
}

const addressSubject = (remoteAddress: string) => hashOf(`address:${networkOf(remoteAddress)}`);
const accountSubjects = (accounts: readonly string[]) =>
  [...new Set(accounts)].map((each) => hashOf(`account:${each}`));

/** Slows down guessing of passwords: per account and per client network, over all processes (counted in the database). */
export class SignInThrottle {
  constructor(
    private readonly database: Database,
    private readonly limits: SignInLimits,
  ) {}

  /**
   * Counts an attempt as failed before it is made, so that attempts side by side cannot outrun the count; throws
   * {@link TooManyRequestsError} when one limit is reached. `accounts` are all that the login may mean. A refused attempt
   * does not count and so does not prolong the wait, or a guesser could lock somebody out for good.
   */
  async begin(accounts: readonly string[], remoteAddress: string): Promise<void> {
    const address = addressSubject(remoteAddress);
    const subjects = [...accountSubjects(accounts), address];
    const now = Date.now();
    const oldest = await this.#oneAtATime(async (transaction) => {
      await transaction.run('DELETE FROM sign_in_failure WHERE failed_at < ?', [now - WINDOW_MS]);
      const rows = await transaction.rows<{ subject: string; count: number; oldest: number }>(
        `SELECT subject, count(*) AS count, min(failed_at) AS oldest FROM sign_in_failure
          WHERE subject IN (${marksFor(subjects)}) GROUP BY subject`,
        subjects,
      );
      const full = rows.filter(
        ({ subject, count }) => count >= (subject === address ? this.limits.perAddress : this.limits.perAccount),
      );
      if (full.length > 0) return Math.max(...full.map((each) => each.oldest));
      await transaction.insert(
        'sign_in_failure',
        subjects.map((subject) => ({ subject, failed_at: now })),
      );
      return undefined;
    });
    if (oldest === undefined) return;
    const seconds = Math.max(1, Math.ceil((oldest + WINDOW_MS - now) / 1000));
    throw new TooManyRequestsError(`Too many failed sign-ins. Try again in ${seconds} seconds.`, seconds);
  }

  /** The attempt succeeded: `own`, the account that it was, starts anew; the others of `accounts` and the network have one failure less. */
  async succeeded(accounts: readonly string[], own: readonly string[], remoteAddress: string): Promise<void> {
    const cleared = accountSubjects(own);
    await this.#oneAtATime(async (transaction) => {
      for (const subject of cleared) await transaction.run('DELETE FROM sign_in_failure WHERE subject = ?', [subject]);
      for (const subject of [...accountSubjects(accounts), addressSubject(remoteAddress)])
        if (!cleared.includes(subject)) await takeBack(transaction, subject);
    });
  }

  /** The attempt could not be judged: the network has one failure less, the account keeps it. */
  async excused(remoteAddress: string): Promise<void> {
    await this.#oneAtATime((transaction) => takeBack(transaction, addressSubject(remoteAddress)));
  }

  /** Attempts that run side by side do not see each other's rows on MariaDB; a row that always exists serves as their lock. */
  #oneAtATime<Result>(work: (transaction: Transaction) => Promise<Result>): Promise<Result> {
    return this.database.transaction(async (transaction) => {
      await transaction.rows(`SELECT id FROM personal_backup_settings WHERE id = 1${transaction.forUpdate}`);
      return work(transaction);
    });
  }
}

async function takeBack(transaction: Transaction, subject: string): Promise<void> {
  const [last] = await transaction.rows<{ id: number | null }>(
    'SELECT max(id) AS id FROM sign_in_failure WHERE subject = ?',
    [subject],
  );
  if (last?.id) await transaction.run('DELETE FROM sign_in_failure WHERE id = ?', [last.id]);
}
