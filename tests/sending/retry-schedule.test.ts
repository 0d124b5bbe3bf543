import { DEFAULT_RETRY_LIMIT_MS, nextAttemptAtMs } from '../../src/services/sending/retry-schedule.js';

const MINUTE_MS = 60_000;
const start = Date.UTC(2026, 2, 1);
const after = (attempts: number, random = 0.5) =>
  ((nextAttemptAtMs({ attempts, requestedAtMs: start, nowMs: start, random }) ?? NaN) - start) / MINUTE_MS;

describe('the retry schedule', () => {
  it.each([
    [1, 1],
    [2, 5],
    [3, 10],
    [4, 20],
    [5, 30],
    [6, 60],
    [7, 120],
    [8, 240],
    [9, 240],
    [1000, 240],
  ])('D7: waits after attempt %i for %i minutes', (attempts, minutes) => {
    expect(after(attempts)).toBe(minutes);
    expect(after(attempts, 0)).toBeCloseTo(minutes * 0.8, 3);
    expect(after(attempts, 0.999_999)).toBeCloseTo(minutes * 1.2, 3);
  });

  it('D7: ends after five days, with a last attempt on the limit itself', () => {
    let nowMs = start;
    let attempts = 0;
    const times: number[] = [];
    for (;;) {
      attempts += 1;
      const next = nextAttemptAtMs({ attempts, requestedAtMs: start, nowMs, random: 0.5 });
      if (next === null) break;
      expect(next).toBeGreaterThan(nowMs);
      times.push(next);
      nowMs = next;
    }
    expect(times.at(-1)).toBe(start + DEFAULT_RETRY_LIMIT_MS);
    expect(times.length).toBe(36);
  });

  it('D7: keeps a limit of the operator’s', () => {
    expect(
      nextAttemptAtMs({ attempts: 3, requestedAtMs: start, nowMs: start + MINUTE_MS, random: 0 }, 2 * MINUTE_MS),
    ).toBe(start + 2 * MINUTE_MS);
    expect(
      nextAttemptAtMs({ attempts: 3, requestedAtMs: start, nowMs: start + 2 * MINUTE_MS, random: 0 }, 2 * MINUTE_MS),
    ).toBeNull();
  });
});
