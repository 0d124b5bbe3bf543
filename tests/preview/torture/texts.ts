import { base64, multipart, torture, utf8 } from './torture-message.js';

const charset = (name: string, label: string, body: string, text: string) =>
  torture(name, [`Content-Type: text/plain; charset=${label}`, 'Content-Transfer-Encoding: 8bit', '', body], text);
const encoded = (name: string, encoding: string, body: string, text: string | readonly string[]) =>
  torture(name, ['Content-Type: text/plain; charset=utf-8', `Content-Transfer-Encoding: ${encoding}`, '', body], text);
const html = (name: string, body: string, texts: string | readonly string[], without: readonly string[] = []) =>
  torture(name, ['Content-Type: text/html; charset=utf-8', '', utf8(body)], texts, { without });

/** Charsets, right and wrong. */
export const charsets = [
  charset('UTF-8', 'utf-8', utf8('Grüße, Привет, 日本'), 'Grüße, Привет, 日本'),
  charset('Latin 1', 'iso-8859-1', 'Gr\xfc\xdfe', 'Grüße'),
  charset('Windows-1252 called Latin 1', 'iso-8859-1', 'It\x92s \x80 5', 'It’s € 5'),
  charset('Windows-1251', 'windows-1251', '\xcf\xf0\xe8\xe2\xe5\xf2', 'Привет'),
  charset('Mac Roman', 'x-mac-roman', 'Gr\x9f\xa7e', 'Grüße'),
  charset('KOI8-R', 'koi8-r', '\xf0\xd2\xc9\xd7\xc5\xd4', 'Привет'),
  charset('ISO-2022-JP', 'iso-2022-jp', '\x1b$BF|K\\\x1b(B', '日本'),
  charset('ISO-2022-JP without a label', 'us-ascii', '\x1b$BF|K\\\x1b(B', '日本'),
  charset('Shift JIS', 'Shift_JIS', '\x93\xfa\x96\x7b', '日本'),
  charset('GB 2312', 'gb2312', '\xd6\xd0\xb9\xfa', '中国'),
  charset('Big 5', 'big5', '\xa4\xa4\xb0\xea', '中國'),
  charset('EUC-KR', 'ks_c_5601-1987', '\xc7\xd1\xb1\xdb', '한글'),
  charset('UTF-16 with a mark', 'utf-16', '\xff\xfeH\0i\0', 'Hi'),
  charset('UTF-16 that is ASCII', 'utf-16', 'Hello', 'Hello'),
  charset('UTF-7', 'utf-7', 'Gr+APwA3w-e', 'Grüße'),
  charset('UTF-8 called Latin 1', 'iso-8859-1', utf8('Grüße'), 'Grüße'),
  charset('UTF-8 called ASCII', 'us-ascii', utf8('Grüße'), 'Grüße'),
  charset('Latin 1 called UTF-8', 'utf-8', 'Gr\xfc\xdfe', 'Grüße'),
  charset('an unknown label', 'x-nonsense', utf8('Grüße'), 'Grüße'),
  charset('an unknown label on Latin 1', 'x-nonsense', 'Gr\xfc\xdfe', 'Grüße'),
  charset('a label in stray quotes', `"'utf-8'"`, utf8('Grüße'), 'Grüße'),
  charset('a code page number', 'cp1251', '\xcf\xf0\xe8\xe2\xe5\xf2', 'Привет'),
  torture(
    'HTML that names its charset itself',
    ['Content-Type: text/html', '', '<meta charset=windows-1251><p>\xcf\xf0\xe8\xe2\xe5\xf2</p>'],
    'Привет',
  ),
];

/** Transfer encodings, right and wrong. */
export const transfers = [
  encoded('quoted-printable', 'quoted-printable', 'Gr=C3=BC=C3=9Fe and a long =\r\nline', 'Grüße and a long line'),
  encoded('quoted-printable in lower case', 'Quoted-Printable', 'Gr=c3=bc=c3=9fe', 'Grüße'),
  encoded('quoted-printable with a lone sign', 'quoted-printable', '1 = 1, =ZZ, =', ['1 = 1, =ZZ']),
  encoded('quoted-printable with blanks after a soft break', 'quoted-printable', 'one =  \r\ntwo', 'one two'),
  encoded('base64', 'base64', base64('Hello there'), 'Hello there'),
  encoded('base64 with garbage', 'base64', 'SGVs*bG8-\r\n!gdG\thlcmU=', 'Hello there'),
  encoded(
    'base64 in two runs',
    'base64',
    `${base64('Hello ')}\r\n${base64('a')}\r\n${base64('there')}`,
    'Hello athere',
  ),
  encoded('base64 without padding', 'base64', base64('Hello').replace(/=/g, ''), 'Hello'),
  encoded('base64 with a footer', 'base64', `${base64('Hello there!')}\r\n`, 'Hello there!'),
  encoded('an unknown encoding', 'x-nonsense', 'Hello', 'Hello'),
  encoded('an encoding with a comment', '7bit (plain)', 'Hello', 'Hello'),
  encoded('uuencode', 'x-uuencode', 'begin 644 a.txt\r\n%2&5L;&\\\r\n`\r\nend', 'Hello'),
  torture(
    'a multipart that claims to be base64',
    ['Content-Type: multipart/mixed; boundary=b', 'Content-Transfer-Encoding: base64', '', '--b', '', 'Hello', '--b--'],
    'Hello',
  ),
];

/** Texts and HTML. */
export const texts = [
  torture(
    'flowed text',
    ['Content-Type: text/plain; format=flowed', '', 'one ', 'two', '> quoted ', '> on', ' >stuffed', '-- ', 'Anna'],
    ['one two', '> quoted on', '>stuffed', '--\nAnna'],
  ),
  torture(
    'flowed text without its blanks',
    ['Content-Type: text/plain; format=flowed; delsp=yes', '', 'long ', 'word'],
    'longword',
  ),
  torture('an override of direction', ['Content-Type: text/plain; charset=utf-8', '', utf8('a\u202eb')], 'ab'),
  html('HTML without a body', 'Hello <b>there</b>', 'Hello there'),
  html('a link', '<a href="https://example.net/x">here</a>', 'here <https://example.net/x>'),
  html(
    'a link that is its text',
    '<a href="https://example.net/x">https://example.net/x</a>',
    'https://example.net/x',
    ['<https'],
  ),
  html('a mail link', '<a href="mailto:a@example.net">Anna</a>', 'Anna <a@example.net>'),
  html('lists', '<ol><li>one<li>two<ul><li>inner</ul></ol>', ['1. one', '2. two', '  - inner']),
  html(
    'a list that begins at three, with one inside',
    '<ol start=3><li>x<ul><li>y</ul><li>z</ol>',
    '3. x\n  - y\n4. z',
  ),
  html('a table', '<table><tr><td>Name<td>Anna<tr><td>Age<td>30</table>', ['Name | Anna\nAge | 30']),
  html('paragraphs and breaks', '<p>one</p><p>two<br>three</p>', 'one\n\ntwo\nthree'),
  html('quotes', '<blockquote>said</blockquote>after', '> said\n\nafter'),
  html('preformatted text', '<pre>a\n  b</pre>', 'a\n  b'),
  html('entities', 'a&nbsp;&amp;&lt;&#8364;&unknown;', ['&<€&unknown;']),
  html('an image with a text', '<img src=x alt="Our logo">', '[Our logo]'),
  html('styles and scripts', '<style>p{}</style><script>x()</script><title>t</title>Hello', 'Hello', ['p{}', 'x()']),
  html('hidden text', '<div style="display:none">secret</div><span style="VISIBILITY:hidden">s2</span>Hello', 'Hello', [
    'secret',
    's2',
  ]),
  html('tags that never end', 'Hello <b <i <', 'Hello'),
  html('markup across two parts', '<p>Hello</p', 'Hello'),
  torture(
    'two HTML parts',
    multipart('mixed', ['Content-Type: text/html', '', '<p>One</p>'], ['Content-Type: text/html', '', '<p>Two</p>']),
    ['One', 'Two'],
  ),
];
