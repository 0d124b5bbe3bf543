import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import {
  type MessageSummary,
  MessageSummariser,
  summariseMessage,
} from '../../src/services/intake/summarise-message.js';

const MIB = 1024 * 1024;

/** Summarises in pieces of the given size, so that every boundary falls somewhere. */
function summarise(message: string | Buffer, pieceBytes = 65_536): MessageSummary {
  const bytes = typeof message === 'string' ? Buffer.from(message) : message;
  const summariser = new MessageSummariser();
  for (let at = 0; at < bytes.length; at += pieceBytes) summariser.write(bytes.subarray(at, at + pieceBytes));
  return summariser.end();
}

/** A message of lines, CRLF between them. */
const lines = (...parts: string[]): string => parts.join('\r\n');

const mixed = (...parts: string[][]): string =>
  [
    'Subject: parts',
    'Content-Type: multipart/mixed; boundary="=b="',
    '',
    'preamble',
    ...parts.flatMap((part) => ['--=b=', ...part]),
    '--=b=--',
    'epilogue',
  ].join('\r\n');

const names = (summary: MessageSummary): string[] => summary.attachments.map(({ name }) => name);

describe('MessageSummariser', () => {
  const typical = lines(
    'Received: from mx.example.org by gateway.example.com',
    'From: Anna <anna@example.org>',
    'To: Boris <boris@example.com>,',
    '\t"Sales, all of them" <sales@example.com>',
    'cc: clara@example.com',
    'SUBJECT: =?utf-8?q?Rechnung_f=C3=BCr?=',
    ' =?utf-8?q?_Oktober?=',
    'Message-Id: <abc@example.org> (made up)',
    'Content-Type: multipart/mixed; boundary=outer',
    '',
    '--outer',
    'Content-Type: multipart/alternative; boundary=inner',
    '',
    '--inner',
    '',
    'text',
    '--inner',
    'Content-Type: TEXT/HTML',
    '',
    '<p>html',
    '--inner--',
    '--outer',
    "Content-Type: application/pdf; name*0*=utf-8''Rechnung%20f%C3%BC; name*1*=r%20Oktober.pdf",
    'Content-Transfer-Encoding: BASE64',
    'Content-Disposition: attachment',
    '',
    Buffer.from('%PDF-1.7 and more').toString('base64'),
    '',
    '--outer--',
    '',
  );

  it.each([1, 2, 3, 7, 64, 1000, 65_536])(
    'reads an ordinary message that comes in pieces of %i bytes',
    (pieceBytes) => {
      expect(summarise(typical, pieceBytes)).toEqual({
        subject: 'Rechnung für Oktober',
        smtpMessageId: '<abc@example.org>',
        headerTo: ['boris@example.com', 'sales@example.com'],
        headerCc: ['clara@example.com'],
        hasHtml: true,
        hasText: true,
        attachments: [
          { name: 'Rechnung für Oktober.pdf', type: 'application/pdf', sizeBytes: 17, detectedType: 'application/pdf' },
        ],
        attachmentCount: 1,
        loopMark: null,
        complete: true,
        fault: null,
      });
    },
  );

  it('reads the same from a stream', async () => {
    expect(await summariseMessage([Buffer.from(typical)])).toEqual(summarise(typical));
  });

  it.each<[string, string | Buffer, Partial<MessageSummary>]>([
    ['nothing at all', '', { subject: '', smtpMessageId: null, headerTo: [], attachments: [], complete: true }],
    ['a header only', 'Subject: a', { subject: 'a', attachmentCount: 0 }],
    ['a header only, with its last line break', 'Subject: a\r\n', { subject: 'a' }],
    ['an empty body', 'Subject: a\r\n\r\n', { subject: 'a', hasText: true, hasHtml: false }],
    ['a body only', '\r\nDear all,\r\n', { subject: '', hasText: true }],
    ['blank lines in front of the header', '\r\n\r\nSubject: a\r\n\r\n', { subject: 'a' }],
    ['no header fields at all', 'Dear all,\r\n\r\nSubject: no\r\n', { subject: '', hasText: true }],
    ['bare line feeds', 'Subject: a\nTo: anna@example.com\n\nbody\n', { subject: 'a', headerTo: ['anna@example.com'] }],
    [
      'carriage returns only',
      'Subject: a\rTo: anna@example.com\r\rbody\r',
      { subject: 'a', headerTo: ['anna@example.com'] },
    ],
    [
      'a line without a colon among the fields',
      'To: anna@example.com\r\nnonsense\r\nSubject: a\r\n\r\n',
      { subject: 'a' },
    ],
    ['an mbox line in front', 'From anna@example.org Mon Jan  5 10:00:00 2026\nSubject: a\n\nb', { subject: 'a' }],
    ['a byte order mark in front', '\ufeffSubject: a\r\n\r\n', { subject: 'a' }],
    [
      'NUL bytes everywhere',
      'Subject: a\0b\r\n\0\r\nTo:\0anna@example.com\r\n\r\n\0\0',
      { subject: 'a b', headerTo: ['anna@example.com'] },
    ],
    ['raw UTF-8 in the subject', 'Subject: Grüße 日本\r\n\r\n', { subject: 'Grüße 日本' }],
    ['raw Latin-1 in the subject', Buffer.from('Subject: Gr\u00fc\u00dfe\r\n\r\n', 'latin1'), { subject: 'Grüße' }],
    [
      'everything folded',
      'Subject:\r\n a\r\n\tb\r\nTo:\r\n anna\r\n @example.com\r\n\r\n',
      { subject: 'a b', headerTo: ['anna@example.com'] },
    ],
    ['a blank in front of the colon', 'Subject : a\r\n\r\n', { subject: 'a' }],
    ['two subjects', 'Subject: a\r\nSubject: b\r\n\r\n', { subject: 'a' }],
    [
      'several To fields',
      'To: anna@example.com\r\nTo: boris@example.com\r\n\r\n',
      { headerTo: ['anna@example.com', 'boris@example.com'] },
    ],
    ['a Message-ID without brackets', 'Message-ID: abc@example.org\r\n\r\n', { smtpMessageId: 'abc@example.org' }],
    ['an empty Message-ID', 'Message-ID:\r\n\r\n', { smtpMessageId: null }],
    ['an endless Message-ID', `Message-ID: <${'a'.repeat(5000)}>\r\n\r\n`, { smtpMessageId: `<${'a'.repeat(997)}` }],
    ['HTML alone', 'Content-Type: text/html\r\n\r\n<p>', { hasHtml: true, hasText: false, attachmentCount: 0 }],
    [
      'a file alone',
      'Content-Type: application/zip; name=a.zip\r\n\r\nPK\x03\x04',
      {
        hasText: false,
        attachments: [{ name: 'a.zip', type: 'application/zip', sizeBytes: 4, detectedType: 'application/zip' }],
      },
    ],
    [
      'a delimiter that never closes',
      'Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nText\r\n--b\r\nContent-Type: image/png\r\n\r\n1234',
      { hasText: true, attachments: [{ name: 'part-1.2.png', type: 'image/png', sizeBytes: 4, detectedType: null }] },
    ],
    [
      'a multipart without a boundary',
      'Content-Type: multipart/mixed\r\n\r\n--b\r\n\r\ntext\r\n--b--\r\n',
      { attachmentCount: 0, complete: true },
    ],
    ['a part without a header', mixed(['', 'text']), { hasText: true, attachmentCount: 0 }],
    [
      'a part without a body',
      mixed(['Content-Type: image/png; name=a.png', '']),
      { attachments: [{ name: 'a.png', type: 'image/png', sizeBytes: 0, detectedType: null }] },
    ],
  ])('reads %s', (_case, message, expected) => {
    expect(summarise(message)).toMatchObject({ fault: null, ...expected });
    expect(summarise(message, 1)).toEqual(summarise(message));
  });

  it.each<[string, string[], string | null]>([
    ['a file of its own', ['Content-Type: application/pdf; name=a.pdf', '', 'x'], 'a.pdf'],
    [
      'a picture that the text shows',
      ['Content-Type: image/png', 'Content-ID: <a>', 'Content-Disposition: inline; filename=a.png', '', 'x'],
      'a.png',
    ],
    [
      'text sent as a file',
      ['Content-Type: text/plain', 'Content-Disposition: attachment; filename=a.txt', '', 'x'],
      'a.txt',
    ],
    [
      'HTML sent as a file',
      ['Content-Type: text/html', 'Content-Disposition: attachment; filename=a.html', '', 'x'],
      'a.html',
    ],
    ['an invitation sent as a file', ['Content-Type: text/calendar; name=invite.ics', '', 'x'], 'invite.ics'],
    ['an invitation in the text', ['Content-Type: text/calendar; method=REQUEST', '', 'x'], null],
    ['text', ['Content-Type: text/plain; charset=utf-8', '', 'x'], null],
    ['a signature', ['Content-Type: application/pkcs7-signature; name=smime.p7s', '', 'x'], 'smime.p7s'],
    ['an attached message', ['Content-Type: message/rfc822', '', 'Subject: b', '', 'x'], 'message.eml'],
    [
      'a name in encoded words, against the rules',
      ['Content-Type: application/pdf', 'Content-Disposition: attachment; filename="=?utf-8?q?=C3=A4.pdf?="', '', 'x'],
      'ä.pdf',
    ],
    ['a name with a path', ['Content-Type: application/pdf; name="../../etc/passwd"', '', 'x'], '_.._etc_passwd'],
  ])('counts or not: %s', (_case, part, name) => {
    expect(names(summarise(mixed(part)))).toEqual(name === null ? [] : [name]);
  });

  it('tells HTML of an attached message from HTML of its own, and counts that message once', () => {
    const inner = lines(
      'Content-Type: message/rfc822',
      '',
      'Content-Type: multipart/mixed; boundary=i',
      '',
      '--i',
      'Content-Type: text/html',
      '',
      '<p>',
      '--i',
      'Content-Type: image/png; name=inner.png',
      '',
      'x',
      '--i--',
    );
    const summary = summarise(mixed(['', 'text'], [inner]));
    expect(summary).toMatchObject({ hasText: true, hasHtml: false, attachmentCount: 1 });
    expect(names(summary)).toEqual(['message.eml']);
  });

  it('does not take HTML that is sent as a file for HTML to show', () => {
    const summary = summarise(
      mixed(['', 'text'], ['Content-Type: text/html', 'Content-Disposition: attachment', '', '<p>']),
    );
    expect(summary.hasHtml).toBe(false);
  });

  it.each<[string, string, string, number]>([
    ['base64', 'base64', `${'QUJD'.repeat(1000).replace(/.{76}/g, '$&\r\n')}\r\n`, 3000],
    ['base64 with padding', 'base64', 'QUI=\r\n', 2],
    ['base64 in one endless line', 'base64', 'QUJD'.repeat(100_000), 300_000],
    ['base64 with garbage between', 'base64', '!QU\0J D?', 3],
    ['quoted-printable', 'quoted-printable', 'a=3Db=\r\nc', 4],
    ['quoted-printable with wrong escapes', 'quoted-printable', 'a=ZZb=', 5],
    ['8bit', '8bit', 'ä'.repeat(10), 20],
    ['an unknown encoding', 'x-nonsense', 'QUJD', 4],
  ])('counts decoded bytes of %s, however they arrive', (_case, encoding, body, sizeBytes) => {
    const message = mixed([
      'Content-Type: application/x',
      `Content-Transfer-Encoding: ${encoding}`,
      '',
      body.trimEnd(),
    ]);
    for (const pieceBytes of [65_536, 77, 3]) {
      expect(summarise(message, pieceBytes).attachments).toMatchObject([{ sizeBytes }]);
    }
  });

  it('tells a file by its first bytes whatever its name says', () => {
    const message = mixed([
      'Content-Type: image/png; name=a.png',
      'Content-Transfer-Encoding: base64',
      '',
      Buffer.from('MZ\x90\0').toString('base64'),
    ]);
    expect(summarise(message).attachments[0]).toMatchObject({
      type: 'image/png',
      detectedType: 'application/vnd.microsoft.portable-executable',
    });
  });

  it('lists 200 attachments and counts all', () => {
    const summary = summarise(mixed(...Array.from({ length: 300 }, () => ['Content-Type: application/x', '', 'x'])));
    expect(summary).toMatchObject({ attachmentCount: 300, complete: true });
    expect(summary.attachments).toHaveLength(200);
  });

  it.each<[string, () => string | Buffer]>([
    ['50,000 parts', () => mixed(...Array.from({ length: 50_000 }, () => ['', 'x']))],
    [
      'a header line of 64 MiB',
      () => Buffer.concat([Buffer.from('Subject: a\r\nX: '), Buffer.alloc(64 * MIB, 'A'), Buffer.from('\r\n\r\n')]),
    ],
    [
      'a header of 10 MiB of short lines',
      () => Buffer.concat([Buffer.from('Subject: a\r\n'), Buffer.alloc(10 * MIB, 'X: y\r\n')]),
    ],
    [
      'headers of many parts, 9 MiB together',
      () => mixed(...Array.from({ length: 30 }, () => [`X: ${'x'.repeat(300_000)}`, '', 'x'])).replace('parts', 'a'),
    ],
    [
      'multiparts 2,000 deep',
      () =>
        `Subject: a\r\n${Array.from({ length: 2000 }, (_, depth) => `Content-Type: multipart/mixed; boundary=b${depth}\r\n\r\n--b${depth}\r\n`).join('')}\r\n${'--x\r\n'.repeat(10_000)}`,
    ],
    ['6,000 recipients', () => `Subject: a\r\nTo: ${'anna@example.com, '.repeat(6000)}\r\n\r\n`],
    ['1,000 To fields', () => `Subject: a\r\n${'To: anna@example.com\r\n'.repeat(1000)}\r\n`],
  ])('reads a message with %s up to its limit and says so', (_case, build) => {
    const summary = summarise(build());
    expect(summary).toMatchObject({ complete: false, fault: null });
    expect(summary.subject).not.toBe('');
  });

  it.each<[string, () => string | Buffer, number]>([
    [
      'messages 100 deep inside each other',
      () => `Subject: a\r\n${'Content-Type: message/rfc822\r\n\r\n'.repeat(100)}x`,
      1,
    ],
    [
      '20 MiB in one attachment',
      () => mixed(['Content-Type: application/x', 'Content-Transfer-Encoding: base64', '', 'A'.repeat(20 * MIB)]),
      1,
    ],
    ['20 MiB of line breaks', () => mixed(['', '\n'.repeat(20 * MIB)]), 0],
    ['2 MiB of lines that look like delimiters', () => mixed(['', '--=b\n--=b=x\n'.repeat((2 * MIB) / 12)]), 0],
  ])('reads a message with %s to its end', (_case, build, attachmentCount) => {
    expect(summarise(build())).toMatchObject({ attachmentCount, complete: true, fault: null });
  });

  it('holds no part of a 100 MiB message', () => {
    const summariser = new MessageSummariser();
    summariser.write(Buffer.from('Content-Type: application/x; name=a\r\nContent-Transfer-Encoding: base64\r\n\r\n'));
    const chunk = Buffer.alloc(65_536, `${'QUJD'.repeat(19)}\r\n`);
    const before = process.memoryUsage();
    let most = 0;
    for (let sent = 0; sent < 100 * MIB; sent += chunk.length) {
      summariser.write(chunk);
      if (sent % (10 * MIB) === 0) most = Math.max(most, process.memoryUsage().rss);
    }
    expect(summariser.end().attachments[0]?.sizeBytes).toBeGreaterThan(70 * MIB);
    expect(most - before.rss).toBeLessThan(64 * MIB);
  });
});

const samples = resolve(__dirname, '../../../shared/mail');

(existsSync(samples) ? describe : describe.skip)('MessageSummariser with collected messages', () => {
  it('reads each of them, the same in one piece and in small ones', () => {
    const files = readdirSync(samples, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    expect(files.length).toBeGreaterThan(100);
    for (const file of files) {
      const bytes = readFileSync(join(file.parentPath, file.name));
      const summary = summarise(bytes);
      expect(summary.fault).toBeNull();
      expect({ file: file.name, ...summarise(bytes, 501) }).toEqual({ file: file.name, ...summary });
    }
  });
});
