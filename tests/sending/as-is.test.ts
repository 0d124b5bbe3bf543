import { type AsIsOptions, renderTrace, sendAsIs, type TraceFields } from '../../src/services/sending/as-is.js';
import { bytes, collect, inPieces } from './byte-source.js';

const trace: TraceFields = {
  from: 'backup@example.com',
  to: ['anna@example.com'],
  sentAt: new Date('2026-03-01T08:05:09Z'),
  messageId: '<one@example.com>',
  loopMark: 'v1; id=7; t=1; s=00',
};

const send = (message: string, options: AsIsOptions, pieceBytes?: number) =>
  collect(sendAsIs(inPieces(bytes(message), pieceBytes), options)).then((sent) => sent.toString('latin1'));

describe('AS_IS', () => {
  it.each([
    ['one field', 'A: 1\r\nBcc: x@y\r\nB: 2\r\n\r\nbody', 'A: 1\r\nB: 2\r\n\r\nbody'],
    ['the first field', 'Bcc: x@y\r\nB: 2\r\n\r\nbody', 'B: 2\r\n\r\nbody'],
    ['the last field', 'A: 1\r\nBcc: x@y\r\n\r\nbody', 'A: 1\r\n\r\nbody'],
    ['the only field', 'Bcc: x@y\r\n\r\nbody', '\r\nbody'],
    ['odd casing', 'A: 1\r\nbCC: x@y\r\n\r\n', 'A: 1\r\n\r\n'],
    ['blanks before the colon', 'A: 1\r\nBcc \t : x@y\r\n\r\n', 'A: 1\r\n\r\n'],
    ['no blank after the colon', 'A: 1\r\nBcc:x@y\r\n\r\n', 'A: 1\r\n\r\n'],
    ['an empty one', 'A: 1\r\nBcc:\r\nB: 2\r\n\r\n', 'A: 1\r\nB: 2\r\n\r\n'],
    ['a folded one', 'A: 1\r\nBcc: x@y,\r\n z@y,\r\n\tw@y\r\nB: 2\r\n\r\n', 'A: 1\r\nB: 2\r\n\r\n'],
    ['a line of blanks inside a folded one', 'A: 1\r\nBcc: x@y,\r\n \r\n z@y\r\nB: 2\r\n\r\n', 'A: 1\r\nB: 2\r\n\r\n'],
    ['several', 'Bcc: a\r\nA: 1\r\nBCC: b\r\nbcc: c\r\n d\r\n\r\n', 'A: 1\r\n\r\n'],
    ['LF line ends', 'A: 1\nBcc: x@y,\n z@y\nB: 2\n\nBcc: body\n', 'A: 1\nB: 2\n\nBcc: body\n'],
    ['mixed line ends', 'A: 1\nBcc: x@y,\r\n z@y\nB: 2\r\n\nBcc: body\n', 'A: 1\nB: 2\r\n\nBcc: body\n'],
    ['bare CR, which SMTP makes a line end', 'A: 1\rBcc: x@y\rB: 2\r\n\r\n', 'A: 1\rB: 2\r\n\r\n'],
    ['no body and no empty line', 'A: 1\r\nBcc: x@y\r\n', 'A: 1\r\n'],
    ['no line end at the very end', 'A: 1\r\nBcc: x@y', 'A: 1\r\n'],
    ['between lines that are no fields', '!!!\r\nBcc: x@y\r\n???\r\n\r\n', '!!!\r\n???\r\n\r\n'],
  ])('D4: removes Bcc: %s', async (_case, message, expected) => {
    expect(await send(message, { removeMessageId: false })).toBe(expected);
    // However the store cuts the bytes.
    for (const pieceBytes of [1, 2, 3, 5, 7])
      expect(await send(message, { removeMessageId: false }, pieceBytes)).toBe(expected);
  });

  it.each([
    ['in the body', 'A: 1\r\n\r\nBcc: x@y\r\n\r\nBcc: x\r\n'],
    ['in the body, when the header is empty', '\r\nBcc: x@y\r\n'],
    ['in an attached message', 'Content-Type: message/rfc822\r\n\r\nBcc: x@y\r\nMessage-ID: <1>\r\n\r\n'],
    ['in a continuation line', 'Subject: a\r\n Bcc: x@y\r\n\r\n'],
    ['as part of a longer name', 'Bccs: x\r\nX-Bcc: y\r\nResent-Bcc: z\r\nBcc-X: w\r\n\r\n'],
    ['without a colon', 'Bcc x@y\r\nBcc\r\n\r\n'],
    ['cut off at the end', 'A: 1\r\nBc'],
    ['cut off after the name', 'A: 1\r\nBcc  '],
    ['nothing at all', ''],
  ])('D4: leaves what is no Bcc field of the header: %s', async (_case, message) => {
    for (const pieceBytes of [1, 2, 3, 4096])
      expect(await send(message, { removeMessageId: false }, pieceBytes)).toBe(message);
  });

  it('D4: removes Message-ID only if so set', async () => {
    const message =
      'message-id : <1@x>\r\nA: 1\r\nMessage-ID:\r\n <2@x>\r\nIn-Reply-To: <1@x>\r\nBcc: b\r\n\r\nMessage-ID: body\r\n';
    expect(await send(message, { removeMessageId: true })).toBe(
      'A: 1\r\nIn-Reply-To: <1@x>\r\n\r\nMessage-ID: body\r\n',
    );
    expect(await send(message, { removeMessageId: false })).toBe(message.replace('Bcc: b\r\n', ''));
  });

  it('D4: changes no byte of a body, whatever it holds', async () => {
    const body = Buffer.from(Array.from({ length: 256 * 300 }, (_, index) => (index * 7 + (index >> 8)) & 0xff));
    const message = Buffer.concat([bytes('A: \xff\0\r\nBcc: \0\xff\r\n\r\n'), body]);
    const sent = await collect(sendAsIs(inPieces(message, 1000), { removeMessageId: false }));
    expect(sent.equals(Buffer.concat([bytes('A: \xff\0\r\n\r\n'), body]))).toBe(true);
  });

  it('D4: puts the trace fields of RFC 5322 3.6.6 and the loop mark on top', async () => {
    expect(await send('Received: by x\r\nBcc: b\r\n\r\n', { removeMessageId: false, trace })).toBe(
      'Resent-From: backup@example.com\r\nResent-To: anna@example.com\r\n' +
        'Resent-Date: Sun, 1 Mar 2026 08:05:09 +0000\r\nResent-Message-ID: <one@example.com>\r\n' +
        'X-Mailkeep-Sent: v1; id=7; t=1; s=00\r\nReceived: by x\r\n\r\n',
    );
  });

  it('V6: leaves Resent-To out when recipients may not see each other', async () => {
    expect(renderTrace({ ...trace, to: [] }).toString()).not.toContain('Resent-To');
  });

  it('folds long trace fields before 78 characters, never inside an address', async () => {
    const to = Array.from({ length: 40 }, (_, index) => `recipient.number.${index}@department.example.com`);
    const text = renderTrace({ ...trace, to }).toString();
    expect(text.split('\r\n').every((line) => line.length <= 78)).toBe(true);
    expect(/^Resent-To: ((?:.*\r\n[ \t])*.*)\r\n/m.exec(text)?.[1]?.replace(/\r\n/g, '').split(', ')).toEqual(to);
  });

  it('begins a field on the line of its name, however long its first word', () => {
    const long = `${'x'.repeat(100)}@example.com`;
    expect(renderTrace({ ...trace, to: [long, long] }).toString()).toContain(`\r\nResent-To: ${long},\r\n ${long}\r\n`);
  });

  it.each(['a\r\nX: 1@example.com', 'a\n@example.com', 'a\0@example.com', 'a>b@example.com'])(
    'refuses a trace address that would write header fields of its own: %j',
    (address) => {
      expect(() => renderTrace({ ...trace, to: [address] })).toThrow('This is no mail address');
      expect(() => renderTrace({ ...trace, from: address })).toThrow('This is no mail address');
    },
  );

  it('keeps the loop mark whole when the message begins with a blank', async () => {
    for (const pieceBytes of [1, 100]) {
      const sent = await send(' forged; continuation\r\nA: 1\r\n\r\n', { removeMessageId: false, trace }, pieceBytes);
      expect(sent).toContain(
        'X-Mailkeep-Sent: v1; id=7; t=1; s=00\r\nX-Mailkeep-Begin:\r\n forged; continuation\r\nA: 1\r\n\r\n',
      );
    }
  });

  const MARKED = renderTrace(trace).toString();
  it.each([
    ['CRLF', 'From a@b Mon Mar  2 08:00:00 2026\r\n', 'Subject: x\r\n\r\nbody'],
    ['LF', 'From a@b Mon Mar  2 08:00:00 2026\n', 'Subject: x\n\nbody'],
    ['CR', 'From -\r', 'Subject: x\r\rbody'],
    ['quoted', '>From a@b\r\n', 'Subject: x\r\n\r\n'],
    ['alone', 'From a@b\r\n', ''],
    ['without a line end', 'From a@b', ''],
  ])(
    'D4: leaves an mbox line in its place, with the trace fields behind it, where they begin the header: %s',
    async (_case, line, rest) => {
      for (const pieceBytes of [1, 2, 5, 4096])
        expect(await send(line + rest, { removeMessageId: false, trace }, pieceBytes)).toBe(line + MARKED + rest);
    },
  );

  it.each([
    'From: a@b\r\n\r\n',
    'From : a@b\r\n\r\n',
    'From \t: a@b\r\n\r\n',
    'From\r\n\r\n',
    'From ',
    'Fro',
    '>>>',
    'From-X: y\r\n\r\n',
    'Subject: x\r\nFrom a@b\r\n\r\nFrom c\r\n',
    `From ${'x'.repeat(2000)}\r\n\r\n`,
    '',
  ])('D4: does not take for an mbox line what is none: %j', async (message) => {
    for (const pieceBytes of [1, 2, 5, 4096])
      expect(await send(message, { removeMessageId: false, trace }, pieceBytes)).toBe(MARKED + message);
  });

  it('keeps the loop mark whole when an mbox line is followed by a blank', async () => {
    expect(await send('From a@b\r\n x\r\n\r\n', { removeMessageId: false, trace }, 1)).toBe(
      `From a@b\r\n${MARKED}X-Mailkeep-Begin:\r\n x\r\n\r\n`,
    );
  });

  it('streams a header of 64 MiB without holding it', async () => {
    const line = bytes(`X-Long: ${'x'.repeat(1014)}\r\n`);
    const piece = Buffer.concat(Array.from({ length: 64 }, () => line));
    const header = async function* () {
      yield bytes('Bcc:');
      for (let index = 0; index < 512; index += 1) yield bytes(` ${'y'.repeat(1021)}\r\n`);
      for (let index = 0; index < 1024; index += 1) yield piece;
      // A name that goes on and on as blanks is let through once it is too long for a field.
      yield bytes('Bcc');
      for (let index = 0; index < 1024; index += 1) yield Buffer.alloc(1024, ' ');
      yield bytes(': x\r\n\r\nbody');
    };
    let sentBytes = 0;
    let largest = 0;
    for await (const sent of sendAsIs(header(), { removeMessageId: true })) {
      sentBytes += sent.length;
      largest = Math.max(largest, sent.length);
    }
    expect(sentBytes).toBe(1024 * piece.length + 3 + 1024 * 1024 + 11);
    expect(largest).toBeLessThanOrEqual(piece.length + 1024);
  });
});
