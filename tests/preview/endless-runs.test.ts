import { PreviewRenderer } from '../../src/services/preview/preview-renderer.js';
import { TORTURE } from './torture/index.js';
import { renderHere } from './compose-message.js';

// So much of one thing that whatever takes quadratic time on it takes minutes, and whatever is linear takes milliseconds.
const RUN_CHARACTERS = 200_000;
const RUNS = [
  ' ',
  '\t',
  '\r',
  '\n',
  '\r\n',
  '(',
  ')',
  '<',
  '>',
  '</',
  '<!--',
  '--',
  '-',
  '=',
  '=?',
  '=?utf-8?q?a?=',
  '"',
  "'",
  '\\',
  ';',
  ':',
  ';a=',
  ',',
  '.',
  '%41',
  '&',
  '&#',
  '/*',
  'url(',
  '[',
  '{',
  '@',
  'a',
  'a ',
  'a:',
  '.a',
  'xn--',
  '\n ',
  '\n>',
  '<a href=x>',
  '<a href=//',
  '<style>',
  '<p style=',
  '<b',
  '<td>',
  '<ul>',
  '<blockquote>',
  'begin 644 a\n',
  '\u00e4',
  '\u202e',
];
const PLACES: Record<string, (run: string) => string> = {
  'the text': (run) => `Content-Type: text/plain; charset=utf-8\r\n\r\n${run}x`,
  'flowed text': (run) => `Content-Type: text/plain; format=flowed\r\n\r\n${run}x`,
  'the HTML': (run) => `Content-Type: text/html; charset=utf-8\r\n\r\n${run}x`,
  'a style': (run) => `Content-Type: text/html\r\n\r\n<p style='${run.replaceAll("'", '')}'>x</p><style>${run}</style>`,
  'an attribute': (run) =>
    `Content-Type: text/html\r\n\r\n<a href='https://example.com/${run.replaceAll("'", '')}' lang='${run.replaceAll("'", '')}'>${run.replaceAll('<', '')}</a>`,
  'an image address': (run) =>
    `Content-Type: text/html\r\n\r\n<img alt=x src='data:image/png;base64,${run.replaceAll("'", '')}'>`,
  'a header': (run) =>
    `Subject: x\r\nContent-Type: text/plain; name="${run}\r\nContent-Disposition: attachment; filename*0*=${run}\r\nContent-Transfer-Encoding: ${run}\r\n\r\nx`,
  'a boundary': (run) => `Content-Type: multipart/mixed; boundary=${run.slice(0, 1000)}\r\n\r\n--${run}\r\n\r\nx`,
  'a multipart': (run) => `Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n${run}\r\n--b${run}\r\n\r\nx`,
  'a multipart without parts': (run) => `Content-Type: multipart/mixed; boundary=b\r\n\r\n${run}x`,
  'a calendar': (run) =>
    `Content-Type: text/calendar\r\n\r\nBEGIN:VCALENDAR\nBEGIN:VEVENT\nSUMMARY;X=${run}:${run}\nEND:VEVENT`,
  'a report': (run) => `Content-Type: message/delivery-status\r\n\r\nFinal-Recipient: ${run}x\nAction${run}: ${run}`,
  base64: (run) => `Content-Transfer-Encoding: base64\r\n\r\n${run}x`,
  'quoted-printable': (run) => `Content-Transfer-Encoding: quoted-printable\r\n\r\n${run}x`,
};

describe('endless runs', () => {
  const renderer = new PreviewRenderer({
    workers: 1,
    timeMs: 15_000,
    maxWaiting: 10_000,
    limits: { maxElements: 1e6, maxElementDepth: 1e4 },
  });
  afterAll(() => renderer.stop());

  it.each(Object.keys(PLACES))(
    'in %s are read in the time of their length',
    async (place) => {
      const compose = PLACES[place];
      for (const unit of RUNS) {
        const source = Buffer.from(compose?.(unit.repeat(RUN_CHARACTERS / unit.length)) ?? '');
        for (const mode of ['TEXT', 'HTML'] as const) {
          const { reason } = await renderer.render(source, mode);
          expect([unit, mode, reason]).not.toEqual([
            unit,
            mode,
            expect.stringMatching(/TIME_LIMIT|MEMORY_LIMIT|UNREADABLE/),
          ]);
        }
        const { reason } = await renderer.describe(source);
        expect([unit, reason]).not.toEqual([unit, expect.stringMatching(/TIME_LIMIT|MEMORY_LIMIT|UNREADABLE/)]);
      }
    },
    120_000,
  );
});

/** A sequence that is the same in every run. */
function* randomNumbers(seed: number): Generator<number> {
  for (let state = seed; ;) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    yield state / 2 ** 32;
  }
}

describe('damaged messages', () => {
  it('every damage is read without an error', () => {
    const random = randomNumbers(42);
    const next = (below: number) => Math.floor((random.next().value as number) * below);
    const small = TORTURE.filter(({ source }) => source.length > 0 && source.length < 5000);
    for (let round = 0; round < 3000; round++) {
      const original = small[next(small.length)]?.source ?? Buffer.alloc(1);
      const other = small[next(small.length)]?.source ?? Buffer.alloc(1);
      const damaged = Buffer.concat([
        original.subarray(0, next(original.length)),
        other.subarray(next(other.length)),
        original.subarray(next(original.length)),
      ]);
      for (let count = next(6); count > 0; count--) damaged[next(damaged.length)] = next(256);
      expect(renderHere(damaged, 'TEXT').content).not.toBe('');
      expect(renderHere(damaged, 'HTML').content).not.toBe('');
    }
  });
});
