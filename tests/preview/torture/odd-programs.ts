import { base64, multipart, torture as compose, utf8 } from './torture-message.js';

const torture = (name: string, ...rest: Parameters<typeof compose> extends [string, ...infer Rest] ? Rest : never) =>
  compose(`odd: ${name}`, ...rest);

const named = (name: string, header: readonly string[], shown: string) =>
  torture(`name: ${name}`, ['Content-Type: application/pdf', ...header, '', 'x'], shown, {
    attachments: [[shown, 'application/pdf', 1]],
  });
const disposition = (value: string) => [`Content-Disposition: attachment; ${value}`];

/** Messages as odd programs write them. */
export const oddPrograms = [
  torture('no blank line behind the header', ['Subject: x', 'Hello', '', 'there'], ['Hello\n\nthere']),
  torture('no blank line at all', ['Subject: x', 'Hello', ' there'], ['Hello\n there']),
  torture('a part without a blank line', multipart('mixed', ['Content-Type: text/plain', 'Hello']), 'Hello'),
  torture('HTML without a blank line', ['Subject: x', 'Content-Type: text/html', '<b>Hello</b>'], 'Hello', {
    without: ['<b>'],
  }),
  torture(
    'garbage between fields',
    ['Subject: x', '===', ' more', 'Content-Type: text/html', '', '<u>Hello</u>'],
    'Hello',
    {
      without: ['<u>', '==='],
    },
  ),
  torture(
    'a delimiter instead of the blank line',
    ['Content-Type: multipart/mixed; boundary=b', '--b', '', 'Hello', '--b--'],
    'Hello',
  ),
  torture(
    'parts behind the closing delimiter',
    [...multipart('mixed', ['', 'One']), '--b', '', 'Two', '--b--'],
    ['One', 'Two'],
  ),
  torture(
    'a boundary in pieces',
    ['Content-Type: multipart/mixed; boundary*0=ab; boundary*1=cd', '', '--abcd', '', 'Hello', '--abcd--'],
    'Hello',
  ),
  torture(
    'a boundary that begins another',
    [
      'Content-Type: multipart/mixed; boundary=b',
      '',
      '--b',
      'Content-Type: multipart/alternative; boundary=bb',
      '',
      '--bb',
      '',
      'Inner',
      '--bb--',
      '--b',
      '',
      'Outer',
      '--b--',
    ],
    ['Inner', 'Outer'],
  ),
  torture(
    'comments in a content type',
    ['Content-Type: text/plain (a (nested) comment); charset=utf-8 (x)', '', utf8('Grüße')],
    'Grüße',
  ),
  torture(
    'an encoding with a comment behind it',
    ['Content-Transfer-Encoding: base64 (really)', '', base64('Hello')],
    'Hello',
  ),
  torture(
    'two encodings',
    ['Content-Transfer-Encoding: 7bit', 'Content-Transfer-Encoding: base64', '', 'Hello'],
    'Hello',
  ),
  torture(
    'a soft break inside a tag',
    [
      'Content-Type: text/html',
      'Content-Transfer-Encoding: quoted-printable',
      '',
      '<a hr=',
      'ef=3D"https://example.com/">Hel=',
      'lo</a=',
      '>',
    ],
    'Hello <https://example.com/>',
  ),
  torture(
    'a soft break inside an escape',
    [
      'Content-Type: text/plain; charset=utf-8',
      'Content-Transfer-Encoding: quoted-printable',
      '',
      'Gr=C3=',
      '=BC=C3=9Fe',
    ],
    'Grüße',
  ),
  torture(
    'URL letters in base64',
    ['Content-Type: text/plain; charset=utf-8', 'Content-Transfer-Encoding: base64', '', '4oKsIDEw\u00a0MA==', '-- '],
    '€ 100',
  ),
  torture('NULs in a text', ['Content-Type: text/plain', '', 'He\0ll\0o'], 'Hello'),
  torture(
    'UTF-16 in base64',
    [
      'Content-Type: text/plain; charset=utf-16',
      'Content-Transfer-Encoding: base64',
      '',
      base64(Buffer.from('\ufeffGrüße', 'utf16le')),
    ],
    'Grüße',
  ),
  torture('a mail of old Macs', 'Subject: x\rContent-Type: text/plain\r\rHello\rthere', 'Hello\nthere'),
  torture(
    'flowed text in Japanese',
    ['Content-Type: text/plain; charset=utf-8; format=flowed; delsp=yes', '', utf8('日本 '), utf8('語')],
    '日本語',
  ),
  torture(
    'flowed quotes of several depths',
    ['Content-Type: text/plain; format=flowed', '', '> one ', '> two', '>> three ', '>> four', '> five'],
    '> one two\n>> three four\n> five',
  ),
  torture(
    'a text file in the text',
    multipart('mixed', ['', 'Hello'], ['Content-Disposition: inline; filename=notes.txt', '', 'Notes']),
    ['Hello', 'Notes'],
    {
      attachments: [['notes.txt', 'text/plain', 5]],
    },
  ),
  torture(
    'an attached page',
    multipart(
      'mixed',
      ['', 'Hello'],
      ['Content-Type: text/html', 'Content-Disposition: attachment; filename=invoice.html', '', '<form>Pay</form>'],
    ),
    'Hello',
    {
      without: ['Pay'],
      attachments: [['invoice.html', 'text/html', 16]],
    },
  ),
  torture(
    'an attached message in base64',
    multipart(
      'mixed',
      ['', 'Outer'],
      ['Content-Type: message/rfc822', 'Content-Transfer-Encoding: base64', '', base64('Subject: inner\r\n\r\nInner')],
    ),
    ['Outer', 'Subject: inner', 'Inner'],
  ),
  torture(
    'a message of a Macintosh',
    multipart(
      'appledouble',
      ['Content-Type: application/applefile; name=x', 'Content-Transfer-Encoding: base64', '', 'AAUWBw=='],
      ['Content-Type: text/plain', '', 'Hello'],
    ),
    'Hello',
  ),
  torture(
    'mail for moving pages',
    multipart(
      'alternative',
      ['', 'Plain'],
      ['Content-Type: text/x-amp-html', '', '<html amp4email>Amp'],
      ['Content-Type: text/html', '', '<p>Html'],
    ),
    'Plain',
    { without: ['Amp'] },
  ),
  named('a path of Windows', disposition('filename="C:\\Users\\me\\invoice.pdf"'), 'C:_Users_me_invoice.pdf'),
  named('a way out of the folder', disposition('filename="../../etc/cron.d/x.pdf"'), '_.._etc_cron.d_x.pdf'),
  named('pieces in the wrong order', disposition('filename*1=voice.pdf; filename*0=in'), 'invoice.pdf'),
  named('pieces, half of them encoded', disposition(`filename*0*=UTF-8'de'R%C3%A4; filename*1=tsel.pdf`), 'Rätsel.pdf'),
  named('both forms', disposition(`filename="fallback.pdf"; filename*=UTF-8''r%C3%A4tsel.pdf`), 'rätsel.pdf'),
  named('a letter over two words', disposition('filename="=?UTF-8?B?ww==?= =?UTF-8?B?pA==?=.pdf"'), 'ä.pdf'),
  named('blanks without quotes', disposition('filename=my invoice 2026.pdf'), 'my invoice 2026.pdf'),
  named('quotes inside', disposition('filename="a\\"b;c.pdf"'), 'a"b;c.pdf'),
  named('a turned direction', disposition(`filename*=UTF-8''invoice%E2%80%AEfdp.exe`), 'invoicefdp.exe'),
  named('raw bytes of Latin 1', disposition('filename="\xdcbersicht.pdf"'), 'Übersicht.pdf'),
];
