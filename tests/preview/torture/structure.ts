import { base64, multipart, torture } from './torture-message.js';

const text = (body: string) => ['Content-Type: text/plain', '', body];
const html = (body: string) => ['Content-Type: text/html', '', body];
const PDF = ['Content-Type: application/pdf; name=a.pdf', 'Content-Transfer-Encoding: base64', '', base64('%PDF-1.4')];

/** Trees, delimiters and headers, broken in the ways that are seen. */
export const structure = [
  torture('a plain message', ['Subject: x', '', 'Hello'], 'Hello'),
  torture('a message of bare line feeds', 'Subject: x\nContent-Type: text/plain\n\nHello\nthere', 'Hello\nthere'),
  torture('a message of bare carriage returns', 'Subject: x\rContent-Type: text/plain\r\rHello\rthere', 'Hello\nthere'),
  torture(
    'a message without a header',
    ['Hello, this is only text', '', 'Second paragraph'],
    ['Hello, this is only text', 'Second paragraph'],
  ),
  torture('a message without a body', ['Subject: x', 'Content-Type: text/plain'], 'no text'),
  torture('an empty message', '', 'no text'),
  torture('only line breaks', '\r\n\r\n\r\n', 'no text'),
  torture('an mbox leftover', ['From someone Thu Jan  1 00:00:00 2026', 'Subject: x', '', 'Hello'], 'Hello'),
  torture('a quoted mbox leftover', ['>From someone Thu Jan  1 00:00:00 2026', 'Subject: x', '', 'Hello'], 'Hello'),
  torture(
    'an mbox leftover in the middle of a header',
    ['Received: a', 'From someone Thu Jan  1 2026', 'Content-Type: text/html', '', '<b>Hello</b>'],
    'Hello',
    { without: ['<b>'] },
  ),
  torture('blank lines before the header', ['', '', 'Content-Type: text/html', '', '<i>Hello</i>'], 'Hello', {
    without: ['<i>'],
  }),
  torture('a byte order mark before the header', '\xef\xbb\xbfContent-Type: text/html\r\n\r\n<i>Hello</i>', 'Hello', {
    without: ['<i>'],
  }),
  torture('a line of blanks ends the header', ['Content-Type: text/plain', ' ', 'Hello'], 'Hello'),
  torture(
    'garbage in the header',
    ['Subject: x', 'this is no header', 'Content-Type: text/html', '', '<u>Hello</u>'],
    'Hello',
    { without: ['<u>'] },
  ),
  torture('a blank before the colon', ['Content-Type : text/html', '', '<u>Hello</u>'], 'Hello', { without: ['<u>'] }),
  torture(
    'a folded content type',
    ['Content-Type:', ' multipart/mixed;', '\tboundary=', ' "b"', '', '--b', ...text('Hello'), '--b--'],
    'Hello',
  ),
  torture('two content types', ['Content-Type: text/html', 'Content-Type: text/plain', '', '<u>Hello</u>'], 'Hello', {
    without: ['<u>'],
  }),
  torture('a content type that is no type', ['Content-Type: text', '', 'Hello'], 'Hello'),
  torture('a content type of nonsense', ['Content-Type: ;;;===', '', 'Hello'], 'Hello'),
  torture(
    'a content type with a comment',
    ['Content-Type: text/html (comment; charset=x); charset=utf-8', '', '<u>Hello</u>'],
    'Hello',
    { without: ['<u>'] },
  ),
  torture('mixed texts', multipart('mixed', text('One'), text('Two')), ['One', 'Two']),
  torture(
    'a preamble and an epilogue',
    ['Content-Type: multipart/mixed; boundary=b', '', 'Preamble', '--b', ...text('Hello'), '--b--', 'Epilogue'],
    'Hello',
    { without: ['Preamble', 'Epilogue'] },
  ),
  torture(
    'a missing closing delimiter',
    ['Content-Type: multipart/mixed; boundary=b', '', '--b', ...text('Hello')],
    'Hello',
  ),
  torture(
    'a message cut in a delimiter',
    ['Content-Type: multipart/mixed; boundary=bound', '', '--bound', ...text('Hello'), '--bou'],
    'Hello',
  ),
  torture(
    'an inner multipart without an end',
    multipart('mixed', ['Content-Type: multipart/alternative; boundary=i', '', '--i', ...text('Inner')], text('Outer')),
    ['Inner', 'Outer'],
  ),
  torture(
    'a boundary that begins like another',
    multipart(
      'mixed',
      ['Content-Type: multipart/mixed; boundary=bb', '', '--bb', ...text('Inner'), '--bb--'],
      text('Outer'),
    ),
    ['Inner', 'Outer'],
  ),
  torture(
    'the same boundary twice',
    multipart('mixed', ['Content-Type: multipart/mixed; boundary=b', '', '--b', ...text('Inner')], text('Outer')),
    ['Inner', 'Outer'],
  ),
  torture(
    'a delimiter with trailing blanks',
    ['Content-Type: multipart/mixed; boundary=b', '', '--b \t ', ...text('Hello'), '--b--  '],
    'Hello',
  ),
  torture('a delimiter in the text that is none', multipart('mixed', text('Hello\r\n--bx\r\n --b\r\nthere')), [
    '--bx',
    'there',
  ]),
  torture(
    'a boundary in quotes with blanks',
    ['Content-Type: multipart/mixed; boundary="a b c"', '', '--a b c', ...text('Hello'), '--a b c--'],
    'Hello',
  ),
  torture(
    'a declared boundary that never comes',
    [
      'Content-Type: multipart/alternative; boundary=declared',
      '',
      '--other',
      ...text('Hello'),
      '--other',
      ...html('<b>Hello</b>'),
      '--other--',
    ],
    'Hello',
    { without: ['--other', 'Content-Type'] },
  ),
  torture('no boundary at all', ['Content-Type: multipart/mixed', '', '--x', ...text('Hello'), '--x--'], 'Hello', {
    without: ['--x'],
  }),
  torture(
    'parts without a delimiter',
    ['Content-Type: multipart/mixed; boundary=b', '', 'Content-Type: text/html', '', '<b>Hello</b>'],
    'Hello',
    { without: ['<b>'] },
  ),
  torture(
    'a multipart of text only',
    ['Content-Type: multipart/mixed; boundary=b', '', 'Only a preamble here'],
    'Only a preamble here',
  ),
  torture('an empty boundary', ['Content-Type: multipart/mixed; boundary=""', '', 'Hello'], 'Hello'),
  torture(
    'parts without headers',
    ['Content-Type: multipart/mixed; boundary=b', '', '--b', '', 'Hello', '--b', '', 'there', '--b--'],
    ['Hello', 'there'],
  ),
  torture(
    'parts without a blank line',
    ['Content-Type: multipart/mixed; boundary=b', '--b', 'Content-Type: text/plain', '--b', ...text('Hello'), '--b--'],
    'Hello',
  ),
  torture('an alternative whose text is blank', multipart('alternative', text('  '), html('<p>Hello</p>')), 'Hello'),
  torture(
    'an alternative with the richest first',
    multipart('alternative', html('<p>Rich</p>'), text('Plain')),
    'Plain',
    { without: ['Rich'] },
  ),
  torture('an alternative of one part', multipart('alternative', html('<p>Hello</p>')), 'Hello'),
  torture('an alternative of attachments only', multipart('alternative', PDF), 'a.pdf', {
    attachments: [['a.pdf', 'application/pdf', 8]],
  }),
  torture(
    'a related part',
    multipart('related', html('<p>Hello<img src="cid:x"></p>'), [
      'Content-Type: image/png',
      'Content-ID: <x>',
      '',
      'data',
    ]),
    'Hello',
  ),
  torture(
    'a related part whose text comes last',
    multipart('related', ['Content-Type: image/png', 'Content-ID: <x>', '', 'data'], html('<p>Hello</p>')),
    'Hello',
  ),
  torture('a digest', multipart('digest', ['', 'Subject: One', '', 'First'], ['', 'Subject: Two', '', 'Second']), [
    'Subject: One',
    'First',
    'Subject: Two',
    'Second',
  ]),
  torture(
    'an attached message',
    multipart('mixed', text('See below'), [
      'Content-Type: message/rfc822',
      '',
      'From: boris@example.net',
      'Subject: Inner',
      '',
      'Inner text',
    ]),
    ['See below', 'From: boris@example.net', 'Subject: Inner', 'Inner text'],
    {
      attachments: [['message.eml', 'message/rfc822', 53]],
    },
  ),
  torture(
    'an attached message in base64',
    multipart('mixed', [
      'Content-Type: message/rfc822',
      'Content-Transfer-Encoding: base64',
      '',
      base64('Subject: Inner\r\n\r\nInner text'),
    ]),
    ['Subject: Inner', 'Inner text'],
  ),
  torture(
    'an attachment of an attached message',
    multipart('mixed', [
      'Content-Type: message/rfc822',
      '',
      'Content-Type: multipart/mixed; boundary=i',
      '',
      '--i',
      ...PDF,
      '--i--',
    ]),
    'Attached message',
    {
      attachments: [
        ['message.eml', 'message/rfc822', 149],
        ['a.pdf', 'application/pdf', 8],
      ],
    },
  ),
  torture(
    'attached messages ten deep',
    `${'Content-Type: message/rfc822\r\n\r\n'.repeat(10)}Subject: Deep\r\n\r\nHello`,
    ['Subject: Deep', 'Hello'],
  ),
  torture(
    'a text that is called an attachment',
    ['Content-Type: text/plain', 'Content-Disposition: attachment; filename=a.txt', '', 'Hello'],
    'Hello',
  ),
  torture('NUL bytes', 'Subject: x\r\n\r\nHel\0lo', 'Hello'),
  torture('a very long line', `Subject: x\r\n\r\n${'a'.repeat(100_000)} end`, 'a end'),
  torture(
    'a message in pieces',
    ['Content-Type: message/partial; number=2; total=3; id=x', '', 'Middle'],
    'Part 2 of 3',
  ),
  torture(
    'an external body',
    [
      'Content-Type: message/external-body; access-type=URL; URL="http://beacon.example/"',
      '',
      'Content-Type: text/plain',
    ],
    'kept elsewhere',
    { without: ['beacon'] },
  ),
];
