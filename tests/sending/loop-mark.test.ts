import { createLoopMark, deriveLoopMarkKey, verifyLoopMark } from '../../src/services/sending/loop-mark.js';

const DAY_MS = 24 * 60 * 60 * 1000;
const now = Date.UTC(2026, 2, 1);
const key = deriveLoopMarkKey('a secret of at least thirty-two characters');
const mark = createLoopMark(key, '4711', now);

describe('the loop mark', () => {
  it('D4: is recognised with the key that made it, folded or not, and after a change of keys', () => {
    expect(verifyLoopMark(mark, [key], now)).toEqual({ sendingId: '4711', sentAtMs: now });
    expect(verifyLoopMark(mark.replaceAll(' ', '\r\n '), [deriveLoopMarkKey('new'), key], now + DAY_MS)).not.toBeNull();
  });

  it.each([
    ['another key', mark, deriveLoopMarkKey('another secret'), now],
    ['another id', mark.replace('4711', '4712'), key, now],
    ['another time', mark.replace(/t=(\d+)\d/, 't=$19'), key, now],
    ['another signature', mark.replace(/.$/, (last) => (last === '0' ? '1' : '0')), key, now],
    ['no signature', mark.replace(/s=.*/, 's='), key, now],
    ['something behind it', `${mark} x`, key, now],
    ['megabytes', mark + ' '.repeat(1_000_000), key, now],
    ['an empty value', '', key, now],
    ['a mark of 29 days ago', mark, key, now + 29 * DAY_MS],
    ['a mark of tomorrow', mark, key, now - DAY_MS],
  ])('D4: cannot be forged: %s', (_case, value, verifyKey, at) => {
    expect(verifyLoopMark(value, [verifyKey], at)).toBeNull();
  });

  it('refuses an id that could write a header of its own', () => {
    expect(() => createLoopMark(key, 'x\r\ny', now)).toThrow(RangeError);
  });
});
