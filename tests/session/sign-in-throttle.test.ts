import { Database, type DatabaseLocation } from '../../src/entities/database.js';
import { SignInThrottle } from '../../src/services/session/sign-in-throttle.js';
import { describeOnBothDatabases } from '../support/databases.js';

const FOUR = '192.0.2.1';
const WINDOW_MS = 15 * 60_000;

describeOnBothDatabases('The throttle of sign-ins', (location: () => DatabaseLocation) => {
  let database: Database;
  // As a second process would have it. SQLite waits for locks without letting this process go on, so there it is the same one.
  let other: Database;

  beforeAll(async () => {
    database = await Database.open(location());
    await database.migrate();
    other = database.kind === 'mysql' ? await Database.open(location()) : database;
  }, 30_000);
  afterAll(async () => {
    if (other !== database) await other?.close();
    await database?.close();
  });
  beforeEach(() => database.transaction((transaction) => transaction.run('DELETE FROM sign_in_failure')));

  const throttle = (perAccount: number, perAddress = 1000, at = database) =>
    new SignInThrottle(at, { perAccount, perAddress });

  /** How many of these attempts are let through. */
  async function passed(attempts: Promise<void>[]): Promise<number> {
    const outcomes = await Promise.allSettled(attempts);
    const refusals = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason as unknown] : []));
    for (const refusal of refusals) {
      expect(refusal).toMatchObject({
        code: 'TOO_MANY_REQUESTS',
        details: { retryAfterSeconds: expect.any(Number) as number },
      });
    }
    return outcomes.length - refusals.length;
  }
  const many = (count: number, begin: (index: number) => Promise<void>) =>
    passed(Array.from({ length: count }, (_, index) => begin(index)));

  it('lets exactly as many attempts at one account through as the limit says, one after the other', async () => {
    const counted = throttle(3);
    for (const expected of [1, 1, 1, 0, 0]) expect(await passed([counted.begin(['anna'], FOUR)])).toBe(expected);
    expect(await passed([counted.begin(['boris'], FOUR)])).toBe(1);
  });

  it('lets no more through side by side, not even over two processes', async () => {
    const [one, two] = [throttle(5), throttle(5, 1000, other)];
    expect(await many(40, (index) => (index % 2 ? one : two).begin(['anna'], FOUR))).toBe(5);
  });

  it('lets no more through from one address, whatever the accounts', async () => {
    const counted = throttle(100, 4);
    expect(await many(20, (index) => counted.begin([`account${index}`], FOUR))).toBe(4);
    expect(await passed([counted.begin(['account0'], '192.0.2.2')])).toBe(1);
  });

  it('counts a whole IPv6 network as one address, and IPv4 in IPv6 clothing as itself', async () => {
    const counted = throttle(100, 3);
    expect(await many(10, (index) => counted.begin([`a${index}`], `2001:db8:1:2::${index}`))).toBe(3);
    expect(await passed([counted.begin(['b'], '2001:db8:1:3::1')])).toBe(1);
    expect(
      await many(5, (index) => counted.begin([`c${index}`], index % 2 ? '::ffff:198.51.100.7' : '198.51.100.7')),
    ).toBe(3);
    expect(await passed([counted.begin(['d'], '::ffff:198.51.100.8')])).toBe(1);
  });

  it('forgets failures after 15 minutes, and refused attempts do not prolong the wait', async () => {
    const counted = throttle(2);
    expect(await many(10, () => counted.begin(['anna'], FOUR))).toBe(2);
    const age = (ms: number) =>
      database.transaction((transaction) =>
        transaction.run('UPDATE sign_in_failure SET failed_at = failed_at - ?', [ms]),
      );
    await age(WINDOW_MS - 60_000);
    const refusal = await counted.begin(['anna'], FOUR).catch((error: unknown) => error);
    const { retryAfterSeconds } = (refusal as { details: { retryAfterSeconds: number } }).details;
    expect(retryAfterSeconds).toBeGreaterThan(0);
    expect(retryAfterSeconds).toBeLessThanOrEqual(60);
    await age(60_001);
    expect(await passed([counted.begin(['anna'], FOUR)])).toBe(1);
  });

  it('starts an account anew after a success, and gives the address back only that attempt', async () => {
    const counted = throttle(3, 5);
    for (const account of ['anna', 'anna', 'boris']) await counted.begin([account], FOUR);
    await counted.begin(['anna'], FOUR);
    await counted.succeeded(['anna'], ['anna'], FOUR);
    // Three failures of the address stay: two more fit.
    expect(await many(10, (index) => counted.begin([index % 2 ? 'anna' : 'clara'], FOUR))).toBe(2);
  });

  it('an attempt that nobody could judge is given back to the address, and stays with the account', async () => {
    const counted = throttle(3, 4);
    for (const account of ['anna', 'boris', 'clara', 'anna']) await counted.begin([account], FOUR);
    await counted.excused(FOUR);
    expect(await many(5, () => counted.begin(['anna'], FOUR))).toBe(1);
    expect(await many(5, () => counted.begin(['anna'], '192.0.2.2'))).toBe(0);
  });

  it('counts for all accounts that a login may mean, and lets nobody in whose share of one is used up', async () => {
    const counted = throttle(2);
    await counted.begin(['name:anna', 'one'], FOUR);
    await counted.begin(['name:other', 'one'], FOUR);
    expect(await passed([counted.begin(['name:third', 'one', 'two'], FOUR)])).toBe(0);
    expect(await passed([counted.begin(['name:third', 'two'], FOUR)])).toBe(1);
    expect(await passed([counted.begin(['name:anna'], FOUR)])).toBe(1);
    expect(await passed([counted.begin(['name:anna', 'two'], FOUR)])).toBe(0);
  });

  it('a success of one account forgives nothing to another of the same name', async () => {
    const counted = throttle(2);
    await counted.begin(['name:anna', 'one', 'two'], FOUR);
    await counted.begin(['name:anna', 'one', 'two'], FOUR);
    await counted.succeeded(['name:anna', 'one', 'two'], ['name:anna', 'one'], FOUR);
    // Of the failures of "two" only the attempt that turned out to be another's is taken back.
    expect(await many(5, () => counted.begin(['two'], FOUR))).toBe(1);
    expect(await many(5, () => counted.begin(['one'], FOUR))).toBe(2);
  });
});
