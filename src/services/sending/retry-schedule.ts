const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** How long a message is tried before a temporary refusal becomes final, ms (rule D7): 5 days (RFC 5321 4.5.4.1). */
export const DEFAULT_RETRY_LIMIT_MS = 5 * 24 * HOUR_MS;

// Short at first: greylisting and restarts pass in minutes, and somebody waits for the message. Later a relay that is down for
// long is left in peace. The last delay repeats.
const DELAYS_MS = [1, 5, 10, 20, 30, 60, 120, 240].map((minutes) => minutes * MINUTE_MS);

// A fifth up or down, so that thousands refused together do not come back together.
const JITTER = 0.2;

/** What the next attempt depends on. */
export interface AttemptHistory {
  /** Attempts made so far, at least 1. */
  readonly attempts: number;
  /** When sending was asked for. */
  readonly requestedAtMs: number;
  readonly nowMs: number;
  /** From 0 up to but not including 1. */
  readonly random: number;
}

/**
 * When to try again after a temporary refusal; null when the limit is used up and the refusal becomes final. The last attempt
 * falls on the limit itself, so that nothing is given up early.
 */
export function nextAttemptAtMs(history: AttemptHistory, limitMs: number = DEFAULT_RETRY_LIMIT_MS): number | null {
  const { attempts, requestedAtMs, nowMs, random } = history;
  const deadlineMs = requestedAtMs + limitMs;
  if (nowMs >= deadlineMs) return null;
  const delayMs = DELAYS_MS[Math.min(Math.max(attempts, 1), DELAYS_MS.length) - 1] as number;
  const jittered = delayMs * (1 - JITTER + 2 * JITTER * random);
  return Math.min(nowMs + Math.round(jittered), deadlineMs);
}
