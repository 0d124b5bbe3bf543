import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';

/** The header field that marks what Backup itself has sent (rule D4). */
export const LOOP_MARK_FIELD = 'X-Mailkeep-Sent';

/** What a valid mark says: which sending it was, and when. */
export interface LoopMark {
  readonly sendingId: string;
  readonly sentAtMs: number;
}

// Longest mark that is looked at; stops a sender from making us hash a header of many MiB.
const MAX_MARK_CHARACTERS = 300;
// Four weeks: a relay retries for about five days, and a held queue may be released later. A mark copied by somebody
// who received a message from Backup is worth nothing after that.
const MAX_AGE_MS = 28 * 24 * 60 * 60 * 1000;
// How far ahead the clock of another node may be.
const CLOCK_SKEW_MS = 60 * 60 * 1000;
// Each server on the way may have put its own copy there; stops a sender from making us verify thousands.
const MAX_MARKS = 10;
const MARK = /^v1; id=([A-Za-z0-9_-]{1,64}); t=(\d{1,12}); s=([0-9a-f]{64})$/;

/** The key of loop marks, derived from the installation's secret, so that the secret itself signs nothing. */
export function deriveLoopMarkKey(secret: string): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, '', 'mailkeep loop mark v1', 32));
}

function sign(key: Buffer, sendingId: string, seconds: string): Buffer {
  return createHmac('sha256', key).update(`v1\n${sendingId}\n${seconds}`).digest();
}

/** The mark of one sending: an outsider cannot make one without the key. `sendingId`: 1 to 64 of A-Z a-z 0-9 _ -. */
export function createLoopMark(key: Buffer, sendingId: string, sentAtMs: number): string {
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(sendingId))
    throw new RangeError('The id of a sending has 1 to 64 letters, digits, "_" or "-".');
  const seconds = String(Math.floor(sentAtMs / 1000));
  return `v1; id=${sendingId}; t=${seconds}; s=${sign(key, sendingId, seconds).toString('hex')}`;
}

/**
 * What a mark says when one of the keys made it and it is not older than four weeks, else null. A mark shows that Backup sent
 * a message under this id, not that this is that message: compare before trusting it with more than a loop's end.
 */
export function verifyLoopMark(value: string, keys: readonly Buffer[], nowMs: number): LoopMark | null {
  if (value.length > MAX_MARK_CHARACTERS) return null;
  const [, sendingId, seconds, signature] = MARK.exec(value.replace(/\s+/g, ' ').trim()) ?? [];
  if (!sendingId || !seconds || !signature) return null;
  const given = Buffer.from(signature, 'hex');
  if (!keys.some((key) => timingSafeEqual(sign(key, sendingId, seconds), given))) return null;
  const sentAtMs = Number(seconds) * 1000;
  if (sentAtMs < nowMs - MAX_AGE_MS || sentAtMs > nowMs + CLOCK_SKEW_MS) return null;
  return { sendingId, sentAtMs };
}

/** The first of several marks that is valid, see {@link verifyLoopMark}; forged and foreign ones beside it mean nothing. */
export function findLoopMark(values: readonly string[], keys: readonly Buffer[], nowMs: number): LoopMark | null {
  for (const value of values.slice(0, MAX_MARKS)) {
    const mark = verifyLoopMark(value, keys, nowMs);
    if (mark) return mark;
  }
  return null;
}
