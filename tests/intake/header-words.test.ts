import { decodeHeaderWords } from '../../src/services/intake/header-words.js';

const bytes = (text: string, encoding: BufferEncoding = 'utf8'): string =>
  Buffer.from(text, encoding).toString('latin1');

describe('decodeHeaderWords', () => {
  it.each<[string, string, string]>([
    ['plain text', 'Hello', 'Hello'],
    ['quoted-printable words', '=?UTF-8?Q?Gr=C3=BC=C3=9Fe_aus_K=C3=B6ln?=', 'Grüße aus Köln'],
    ['base64 words', '=?utf-8?B?0J/RgNC40LLQtdGC?=', 'Привет'],
    ['words side by side, the blank between them dropped', '=?utf-8?q?Gr=C3=BC?= =?utf-8?q?=C3=9Fe?=', 'Grüße'],
    ['a character split over two words', '=?utf-8?B?w6TD?= =?utf-8?B?pA==?=', 'ää'],
    ['words among plain text, blanks kept', 'Re: =?iso-8859-1?q?d=E9j=E0?= vu', 'Re: déjà vu'],
    ['KOI8-R', '=?koi8-r?B?8NLJ18XU?=', 'Привет'],
    ['ISO-2022-JP', '=?ISO-2022-JP?B?GyRCJDMkcyRLJEEkTxsoQg==?=', 'こんにちは'],
    ['GB2312', '=?gb2312?B?xOO6ww==?=', '你好'],
    ['a language tag (RFC 2231)', '=?utf-8*de?q?sch=C3=B6n?=', 'schön'],
    ['raw UTF-8', bytes('Übersicht 日本語'), 'Übersicht 日本語'],
    ['raw Latin-1', bytes('Übersicht', 'latin1'), 'Übersicht'],
    ['an unknown charset', '=?x-nonsense?q?abc?=', 'abc'],
    ['an unfinished word', '=?utf-8?q?abc', '=?utf-8?q?abc'],
    ['line breaks and controls as one blank', bytes('a\r\n\tb\0\x07c\x7f\u0085d'), 'a b c d'],
    ['line breaks smuggled in through a word', '=?utf-8?q?a=0D=0ABcc:_x=00?=', 'a Bcc: x'],
    ['text that is decoded already', 'Привет', 'Привет'],
    ['nothing', '', ''],
  ])('reads %s', (_case, raw, expected) => {
    expect(decodeHeaderWords(raw)).toBe(expected);
  });

  it('keeps at most 998 characters and never half of one', () => {
    expect(decodeHeaderWords('x'.repeat(100_000))).toBe('x'.repeat(998));
    const cut = decodeHeaderWords(bytes(`a${'😀'.repeat(2000)}`));
    expect(cut).toBe(`a${'😀'.repeat(498)}`);
  });
});
