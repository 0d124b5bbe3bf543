import { type AsIsOptions, sendAsIs } from '../../src/services/sending/as-is.js';
import { composeInAttachment } from '../../src/services/sending/in-attachment.js';
import { Relay } from '../../src/services/sending/relay.js';
import { RELAY_DEFAULTS } from '../../src/services/sending/relay-settings.js';
import { ScriptedRelay } from '../support/scripted-relay.js';
import { bytes, collect, inPieces, seededBytes } from './byte-source.js';
import { verifyDkim } from './dkim.js';
import { dkimKeys, signedMessage } from './signed-message.js';

const server = new ScriptedRelay();
let relay: Relay;
beforeAll(async () => {
  relay = new Relay({ ...RELAY_DEFAULTS, ...(await server.start()) });
});
afterAll(async () => {
  await relay.close(0);
  await server.stop();
});

/** What the receiver gets. */
async function transmit(open: () => AsyncIterable<Buffer>, size: number): Promise<Buffer> {
  const results = await relay.send({ envelope: { from: 'backup@example.com', to: ['anna@example.com'] }, size, open });
  expect(results).toMatchObject([{ outcome: 'DELIVERED' }]);
  return (server.received.splice(0)[0] as { bytes: Buffer }).bytes;
}

const transmitAsIs = (message: Buffer, options: AsIsOptions = { removeMessageId: false }, pieceBytes?: number) =>
  transmit(() => sendAsIs(inPieces(message, pieceBytes), options), message.length);

/** What SMTP forces: CR and LF only together, and a line end at the end (RFC 5321 2.3.8, 4.1.1.4). */
function forcedBySmtp(message: Buffer): Buffer {
  const text = message.toString('latin1').replace(/\r\n|\r|\n/g, '\r\n');
  return bytes(text.endsWith('\r\n') ? text : `${text}\r\n`);
}

const HEADER = 'Subject: x\r\n\r\n';

describe('AS_IS at the receiver', () => {
  it.each<[string, Buffer]>([
    ['plain', bytes(`${HEADER}Hello\r\n`)],
    ['dots', bytes(`${HEADER}.\r\n..\r\n...\r\n.x\r\n.\r\n\r\n.\r\n`)],
    ['a dot as its very first byte', bytes('.\r\n.Subject: x\r\n')],
    ['an end of data inside', bytes(`${HEADER}a\r\n.\r\nQUIT\r\n.\r\n`)],
    [
      '8-bit',
      bytes(`${HEADER}${Array.from({ length: 128 }, (_, index) => String.fromCharCode(128 + index)).join('')}\r\n`),
    ],
    ['UTF-8 in header and body', Buffer.from(`Subject: Grüße\r\n\r\nGrüße 😀\r\n`)],
    ['NUL', bytes(`${HEADER}a\0b\0\r\n\0\r\n`)],
    ['other controls', bytes(`${HEADER}\x01\x02\x08\x0b\x0c\x1a\x1b\x7f\r\n`)],
    ['a line of 5,000', bytes(`${HEADER}${'x'.repeat(5000)}\r\n`)],
    ['a line of 1 MiB', bytes(`${HEADER}${'x'.repeat(1024 * 1024)}\r\n`)],
    ['only line ends', bytes('\r\n\r\n\r\n')],
    [
      '25 MiB',
      Buffer.concat([bytes(HEADER), Buffer.alloc(25 * 1024 * 1024, 'line \xfc of text\r\n', 'latin1'), bytes('\r\n')]),
    ],
  ])('D4: arrives byte for byte: %s', async (_case, message) => {
    const received = await transmitAsIs(message);
    expect(received.length).toBe(message.length);
    expect(received.equals(message)).toBe(true);
  });

  it.each<[string, string, string]>([
    ['a bare LF', `${HEADER}a\nb\r\n`, `${HEADER}a\r\nb\r\n`],
    ['LF throughout', 'Subject: x\n\n.\nb\n', 'Subject: x\r\n\r\n.\r\nb\r\n'],
    ['a bare CR', `${HEADER}a\rb\r\n`, `${HEADER}a\r\nb\r\n`],
    ['CR CR LF', `${HEADER}a\r\r\nb\r\n`, `${HEADER}a\r\n\r\nb\r\n`],
    ['no line end at the end', `${HEADER}a`, `${HEADER}a\r\n`],
    ['a CR at the end', `${HEADER}a\r`, `${HEADER}a\r\n`],
    ['smuggling by LF dot LF', `${HEADER}a\n.\nMAIL FROM:<x@y>\n`, `${HEADER}a\r\n.\r\nMAIL FROM:<x@y>\r\n`],
    ['smuggling by CR dot CR', `${HEADER}a\r.\rMAIL FROM:<x@y>\r`, `${HEADER}a\r\n.\r\nMAIL FROM:<x@y>\r\n`],
  ])('D4: only what SMTP forces is changed: %s', async (_case, message, expected) => {
    expect(forcedBySmtp(bytes(message)).toString('latin1')).toBe(expected);
    for (const pieceBytes of [1, 2, 3, 1000]) {
      expect((await transmitAsIs(bytes(message), undefined, pieceBytes)).toString('latin1')).toBe(expected);
    }
  });

  it('D4: arrives so for 300 random messages of dots, line ends and pieces', async () => {
    const next = seededBytes(4711);
    const alphabet = bytes('..\r\n\r\n\n\rab\0\xff');
    for (let round = 0; round < 300; round += 1) {
      const message = Buffer.from(
        Array.from({ length: 1 + next() }, () => alphabet[next() % alphabet.length] as number),
      );
      const received = await transmitAsIs(message, undefined, 1 + (next() % 40));
      expect(received.toString('latin1')).toBe(forcedBySmtp(message).toString('latin1'));
    }
  });

  it('D4: removes the same fields whether line ends are CRLF, LF or CR on the way', async () => {
    for (const lineEnd of ['\r\n', '\n', '\r']) {
      const message = bytes(
        ['A: 1', 'Bcc: x@y,', ' z@y', 'Message-ID: <1@x>', 'B: 2', '', 'Bcc: body', ''].join(lineEnd),
      );
      expect((await transmitAsIs(message, { removeMessageId: true })).toString('latin1')).toBe(
        'A: 1\r\nB: 2\r\n\r\nBcc: body\r\n',
      );
    }
  });
});

describe('IN_ATTACHMENT at the receiver', () => {
  const mail = {
    from: 'backup@example.com',
    to: ['anna@example.com'],
    sentAt: new Date(),
    messageId: '<one@example.com>',
    loopMark: 'v1; id=7; t=1; s=00',
    original: { subject: 'x', sender: null, receivedAt: new Date() },
  };

  it.each<[string, Buffer]>([
    ['dots', bytes(`${HEADER}.\r\n..\r\n.x\r\n.`)],
    ['8-bit without a last line end', bytes(`${HEADER}\xff\xfe\x80`)],
    ['NUL', bytes(`${HEADER}a\0b\r\n`)],
    ['bare CR and LF', bytes(`${HEADER}a\rb\nc\r\n`)],
    ['a line of 5,000', bytes(`${HEADER}${'x'.repeat(5000)}\r\n`)],
    ['25 MiB', Buffer.alloc(25 * 1024 * 1024, 'line \xfc of text\r\n', 'latin1')],
  ])('D5: the original arrives byte for byte: %s', async (_case, original) => {
    const composed = await composeInAttachment(() => inPieces(original), mail);
    const received = await transmit(() => composed.open(), composed.sizeBytes);
    expect(received.length).toBe(composed.sizeBytes);
    expect(received.equals(await collect(composed.open()))).toBe(true);
    const text = received.toString('latin1');
    const from = text.indexOf('\r\n\r\n', text.indexOf('filename=')) + 4;
    const attached = text.slice(from, text.lastIndexOf('\r\n--'));
    const found = composed.attachedAs === 'message/rfc822' ? bytes(attached) : Buffer.from(attached, 'base64');
    expect(found.equals(original)).toBe(true);
  });
});

describe('DKIM after AS_IS', () => {
  const trace = {
    from: 'backup@example.com',
    to: ['anna@example.com'],
    sentAt: new Date(),
    messageId: '<two@example.com>',
    loopMark: 'v1; id=7; t=1; s=00',
  };
  const holds = (message: Buffer) => verifyDkim(message, dkimKeys.publicKey);

  it('S1: holds as it was stored, and not when one byte is changed', async () => {
    const message = await signedMessage();
    expect(holds(message)).toBe(true);
    for (const at of [message.indexOf('Subject: ') + 12, message.length - 20]) {
      const changed = Buffer.from(message);
      changed[at] = (changed[at] as number) ^ 1;
      expect(holds(changed)).toBe(false);
    }
  });

  it.each([false, true])(
    'D4: holds after sending where Message-ID is not signed; Message-ID removed: %s',
    async (removeMessageId) => {
      const received = await transmitAsIs(await signedMessage(), { removeMessageId, trace });
      expect(received.includes('\r\nMessage-ID: ')).toBe(!removeMessageId);
      expect(received.toString()).toMatch(/^Resent-From: /);
      expect(holds(received)).toBe(true);
    },
  );

  it('D4: where Message-ID is signed, holds with it and breaks without it, as the setting warns', async () => {
    const message = await signedMessage('From:To:Subject:Message-ID');
    expect(holds(await transmitAsIs(message, { removeMessageId: false, trace }))).toBe(true);
    expect(holds(await transmitAsIs(message, { removeMessageId: true, trace }))).toBe(false);
  });

  it('D4: holds when the message was stored with LF line ends: SMTP puts the signed ones back', async () => {
    const stored = bytes((await signedMessage()).toString('latin1').replace(/\r\n/g, '\n'));
    expect(holds(await transmitAsIs(stored, { removeMessageId: true, trace }))).toBe(true);
  });
});
