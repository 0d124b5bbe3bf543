import { ImportProgress, renderProgress } from '../../../src/services/intake/import/import-progress.js';

const MIB = 1024 * 1024;

describe('renderProgress', () => {
  const state = { messages: 500, bytes: 50 * MIB, totalBytes: 200 * MIB, elapsedMs: 10_000 };

  it('shows a bar with rate and remaining time', () => {
    expect(renderProgress(state, 120, true)).toBe(
      '[#######-----------------------]  25%  500 messages  50.0 MiB  50/s  5.0 MiB/s  00:30 left',
    );
  });

  it.each([
    ['without a bar', state, false, ' 25%  500 messages  50.0 MiB  50/s  5.0 MiB/s  00:30 left'],
    ['without a total', { ...state, totalBytes: null }, true, '500 messages  50.0 MiB  50/s  5.0 MiB/s'],
    ['at the end', { ...state, bytes: 200 * MIB }, false, '100%  500 messages  200 MiB  50/s  20.0 MiB/s'],
    [
      'before the start',
      { messages: 0, bytes: 0, totalBytes: 10, elapsedMs: 0 },
      false,
      '  0%  0 messages  0 B  0/s  0 B/s',
    ],
    ['of nothing', { messages: 0, bytes: 0, totalBytes: 0, elapsedMs: 0 }, false, '100%  0 messages  0 B  0/s  0 B/s'],
    ['of files that grew', { ...state, totalBytes: 1 }, false, '100%  500 messages  50.0 MiB  50/s  5.0 MiB/s'],
    [
      'of hours',
      { messages: 1, bytes: 1, totalBytes: 1001, elapsedMs: 7200 },
      false,
      '  0%  1 messages  1 B  0/s  0 B/s  2:00:00 left',
    ],
  ])('%s', (_case, given, bar, expected) => {
    expect(renderProgress(given, 120, bar)).toBe(expected);
  });

  it('fits the terminal', () => {
    expect(renderProgress(state, 40, true)).toHaveLength(40);
  });
});

describe('ImportProgress', () => {
  function run(isTTY: boolean): string[] {
    const written: string[] = [];
    let now = 0;
    const progress = new ImportProgress({ isTTY, columns: 100, write: (text) => written.push(text) }, 4000, () => now);
    for (now = 0; now <= 20_000; now += 5) progress.advance(1);
    progress.finish();
    return written;
  }

  it('redraws one line of a terminal ten times a second at most', () => {
    const written = run(true);
    expect(written.length).toBeGreaterThan(190);
    expect(written.length).toBeLessThan(205);
    expect(written.every((text) => text.startsWith('\r\u001b[K['))).toBe(true);
    expect(written.filter((text) => text.endsWith('\n'))).toHaveLength(1);
  });

  it('writes plain lines now and then elsewhere', () => {
    const written = run(false);
    expect(written).toHaveLength(3);
    expect(written.every((text) => /^[ \d]{3}%  [^\r\u001b]+\n$/.test(text))).toBe(true);
  });
});
