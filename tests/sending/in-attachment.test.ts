import { simpleParser } from 'mailparser';
import { type ComposedMail, composeInAttachment, type CoveringMail } from '../../src/services/sending/in-attachment.js';
import { inspectForSmtp } from '../../src/services/sending/smtp-form.js';
import { bytes, collect, inPieces } from './byte-source.js';

const mail: CoveringMail = {
  from: 'backup@example.com',
  fromName: 'Mail Backup',
  to: ['anna@example.com'],
  sentAt: new Date('2026-03-01T08:05:09Z'),
  messageId: '<one@example.com>',
  loopMark: 'v1; id=7; t=1; s=00',
  original: { subject: 'Angebot für März', sender: 'zoe@example.org', receivedAt: new Date('2026-02-28T10:00:00Z') },
};

const compose = (original: Buffer, more: Partial<CoveringMail> = {}, options = {}) =>
  composeInAttachment(() => inPieces(original), { ...mail, ...more }, options);

/** The attachment's bytes, taken out by its boundary alone. */
async function attachment(composed: ComposedMail): Promise<{ header: string; body: Buffer; all: Buffer }> {
  const all = await collect(composed.open());
  const text = all.toString('latin1');
  const boundary = /boundary="(.*?)"/.exec(text)?.[1] ?? '';
  const part = text.split(`\r\n--${boundary}`)[2] ?? '';
  const headerEnd = part.indexOf('\r\n\r\n');
  return { header: part.slice(2, headerEnd), body: bytes(part.slice(headerEnd + 4)), all };
}

const CARRIED: [string, string][] = [
  ['plain', 'Subject: x\r\n\r\nHello\r\n'],
  ['8-bit', 'Subject: x\r\n\r\nGr\xfc\xdfe\r\n'],
  ['without a last line end', 'Subject: x\r\n\r\nHello'],
  [
    'with dots and boundaries of its own',
    'Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n\r\n.\r\n..\r\n--a--\r\n',
  ],
  ['with a Bcc field, which D5 leaves in', 'Bcc: x@y\r\n\r\nHello\r\n'],
  ['with LF line ends throughout', 'Subject: x\n\nHello\n'],
  ['with a line of 998', `Subject: x\r\n\r\n${'x'.repeat(998)}\r\n`],
  ['header only', 'Subject: x'],
  ['empty', ''],
];

const ENCODED: [string, string][] = [
  ['with NUL', 'Subject: x\r\n\r\nHel\0lo\r\n'],
  ['with a bare CR', 'Subject: x\r\n\r\nHel\rlo\r\n'],
  ['with mixed line ends', 'Subject: x\r\n\r\nHello\nyou\r\n'],
  ['with a line of 999', `Subject: x\r\n\r\n${'x'.repeat(999)}\r\n`],
  ['with a CR at its end', 'Subject: x\r\n\r\nHello\r'],
];

describe('IN_ATTACHMENT', () => {
  it.each(CARRIED)('D5: attaches an original as message/rfc822, byte for byte: %s', async (_case, text) => {
    const composed = await compose(bytes(text));
    const { header, body, all } = await attachment(composed);
    expect(composed.attachedAs).toBe('message/rfc822');
    expect(header).toContain(
      'Content-Type: message/rfc822; name="original-message.eml"\r\nContent-Disposition: attachment;',
    );
    expect(header).toContain(`Content-Transfer-Encoding: ${composed.eightBit ? '8bit' : '7bit'}`);
    expect(body.toString('latin1')).toBe(text);
    expect(all.length).toBe(composed.sizeBytes);
    expect((await inspectForSmtp(composed.open())).eightBit).toBe(composed.eightBit);
  });

  it.each(ENCODED)('D5: attaches what SMTP would alter as an encoded file, byte for byte: %s', async (_case, text) => {
    const composed = await compose(bytes(text));
    const { header, body, all } = await attachment(composed);
    expect(composed).toMatchObject({ attachedAs: 'application/octet-stream', eightBit: false });
    expect(header).toContain('Content-Transfer-Encoding: base64');
    expect(Buffer.from(body.toString('latin1'), 'base64').toString('latin1')).toBe(text);
    expect(all.length).toBe(composed.sizeBytes);
    expect((await simpleParser(all)).text).toContain('It is attached as a file');
  });

  it('D5: encodes 8-bit content for a relay that takes none, and only that', async () => {
    expect(await compose(bytes('A: 1\r\n\r\n\xfc\r\n'), {}, { eightBitAllowed: false })).toMatchObject({
      attachedAs: 'application/octet-stream',
      eightBit: false,
    });
    expect(await compose(bytes('A: 1\r\n\r\nu\r\n'), {}, { eightBitAllowed: false })).toMatchObject({
      attachedAs: 'message/rfc822',
    });
  });

  it('D5: is a mail that other software reads: sender, recipient, subject, explanation, attachment', async () => {
    const original = bytes('From: zoe@example.org\r\nSubject: inner\r\n\r\nHello\r\n');
    const parsed = await simpleParser(await collect((await compose(original)).open()));
    expect(parsed.from?.value).toEqual([{ address: 'backup@example.com', name: 'Mail Backup' }]);
    expect(parsed.to).toMatchObject({ text: 'anna@example.com' });
    expect(parsed.subject).toBe('Message from Backup: Angebot für März');
    expect(parsed.date).toEqual(mail.sentAt);
    expect(parsed.messageId).toBe('<one@example.com>');
    expect(parsed.headers.get('auto-submitted')).toBe('auto-generated');
    expect(parsed.headers.get('x-mailkeep-sent')).toBe(mail.loopMark);
    expect(parsed.text).toContain(
      'Subject: Angebot für März\nSender: zoe@example.org\nReceived: Sat, 28 Feb 2026 10:00:00 +0000',
    );
    expect(
      parsed.attachments.map(({ contentType, filename, content }) => [contentType, filename, content.toString()]),
    ).toEqual([['message/rfc822', 'original-message.eml', original.toString()]]);
  });

  it.each([
    [
      'a subject with line breaks',
      { subject: 'a\r\nBcc: evil@example.org\r\n\r\nbody', sender: 'a\r\n--x@example.org' },
    ],
    ['a subject with encoded words', { subject: '=?utf-8?Q?a=0D=0ABcc:_evil?=', sender: null }],
    ['a subject of 10,000 characters', { subject: 'x'.repeat(10_000), sender: null }],
    ['a subject of 10,000 emoji', { subject: '😀'.repeat(10_000), sender: null }],
    ['no subject', { subject: '', sender: null }],
  ])('keeps the header sound whatever the original claims: %s', async (_case, claims) => {
    const composed = await compose(bytes('A: 1\r\n\r\n'), { original: { ...mail.original, ...claims } });
    const all = await collect(composed.open());
    const form = await inspectForSmtp(inPieces(all));
    expect(form).toMatchObject({ eightBit: false, longLine: false, lineEnds: 'CRLF', bareCr: false });
    const parsed = await simpleParser(all);
    expect([...parsed.headers.keys()].sort()).toEqual([
      'auto-submitted',
      'content-transfer-encoding',
      'content-type',
      'date',
      'from',
      'message-id',
      'mime-version',
      'subject',
      'to',
      'x-mailkeep-sent',
    ]);
    expect(parsed.subject).toBe(
      claims.subject
        ? `Message from Backup: ${Array.from(claims.subject.replace(/[\r\n]+/g, ' '))
            .slice(0, 200)
            .join('')}`
        : 'Message from Backup',
    );
    expect(parsed.attachments).toHaveLength(1);
  });

  it('D5: tells that its own header has 8-bit octets where an address does', async () => {
    const composed = await compose(bytes('A: 1\r\n\r\n'), { to: ['jörg@bücher.example'] });
    expect(composed).toMatchObject({ attachedAs: 'message/rfc822', eightBit: true });
    expect((await attachment(composed)).header).toContain('Content-Transfer-Encoding: 7bit');
  });

  it('V6: names nobody when recipients may not see each other', async () => {
    expect((await collect((await compose(bytes('A: 1\r\n\r\n'), { to: [] })).open())).toString()).toContain(
      '\r\nTo: undisclosed-recipients:;\r\n',
    );
  });

  it('refuses addresses that would write header fields of their own', async () => {
    await expect(compose(bytes(''), { to: ['a@example.com\r\nBcc: b@example.com'] })).rejects.toThrow(
      'This is no mail address',
    );
    await expect(compose(bytes(''), { from: 'a@example.com\r\nBcc: b@example.com' })).rejects.toThrow(
      'This is no mail address',
    );
  });

  it('gives the same bytes each time it is opened', async () => {
    const composed = await compose(bytes('A: 1\r\n\r\nHello\r\n'));
    expect((await collect(composed.open())).equals(await collect(composed.open()))).toBe(true);
  });

  it.each([
    ['message/rfc822', 'line of text\r\n'],
    ['application/octet-stream', 'line\0of text\r\n'],
  ])(
    'streams 100 MiB as %s without holding it',
    async (attachedAs, line) => {
      const piece = Buffer.alloc(1024 * 1024 - ((1024 * 1024) % line.length), line);
      const open = async function* () {
        for (let index = 0; index < 100; index += 1) yield piece;
      };
      const composed = await composeInAttachment(open, mail);
      expect(composed.attachedAs).toBe(attachedAs);
      let sentBytes = 0;
      let largest = 0;
      for await (const sent of composed.open()) {
        sentBytes += sent.length;
        largest = Math.max(largest, sent.length);
      }
      expect(sentBytes).toBe(composed.sizeBytes);
      expect(largest).toBeLessThan(2 * 1024 * 1024);
    },
    30_000,
  );
});
