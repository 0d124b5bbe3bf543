import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sendAsIs } from '../../src/services/sending/as-is.js';
import { composeInAttachment } from '../../src/services/sending/in-attachment.js';
import { Relay } from '../../src/services/sending/relay.js';
import { RELAY_DEFAULTS, type RelaySettings } from '../../src/services/sending/relay-settings.js';
import { ScriptedRelay } from '../support/scripted-relay.js';
import { describeWhenPresent, describeWith, PrivateService } from '../support/services.js';
import { bytes, collect, inPieces } from './byte-source.js';
import { verifyDkim } from './dkim.js';
import { dkimKeys, signedMessage } from './signed-message.js';

const trace = {
  from: 'backup@example.com',
  to: ['anna@example.com'],
  sentAt: new Date(),
  messageId: '<two@example.com>',
  loopMark: 'v1; id=7; t=1; s=00',
};
const envelope = { from: 'backup@example.com', to: ['anna@example.com'] };

async function withRelay<T>(
  settings: Pick<RelaySettings, 'host' | 'port'> & Partial<RelaySettings>,
  use: (relay: Relay) => Promise<T>,
): Promise<T> {
  const relay = new Relay({ ...RELAY_DEFAULTS, ...settings });
  try {
    return await use(relay);
  } finally {
    await relay.close(0);
  }
}

describeWhenPresent(['postfix'], 'through Postfix to the next server', () => {
  const next = new ScriptedRelay();
  let postfix: PrivateService<'postfix'>;
  let place: { host: string; port: number };
  beforeAll(async () => {
    const { port } = await next.start();
    postfix = new PrivateService('postfix', { next: { port } });
    place = { host: '127.0.0.1', port: (await postfix.start()).port };
  }, 120_000);
  afterAll(async () => {
    await postfix.remove();
    await next.stop();
  }, 60_000);

  /** What arrives behind Postfix, from the first of our fields on: above them are those that Postfix adds. */
  async function transmit(open: () => AsyncIterable<Buffer>, from: string): Promise<Buffer> {
    next.received.length = 0;
    const [result] = await withRelay(place, (relay) => relay.send({ envelope, size: 0, open }));
    expect(result).toMatchObject({
      outcome: 'DELIVERED',
      enhancedCode: '2.0.0',
      smtpReply: expect.stringContaining('queued as') as string,
    });
    const received = (await next.messages(1))[0]?.bytes ?? Buffer.alloc(0);
    return received.subarray(received.indexOf(from));
  }
  const asIs =
    (message: Buffer, removeMessageId = false) =>
    () =>
      sendAsIs(inPieces(message), { removeMessageId, trace });

  it.each([false, true])('D4: a DKIM signature holds; Message-ID removed: %s', async (removeMessageId) => {
    const received = await transmit(asIs(await signedMessage(), removeMessageId), 'Resent-From: ');
    expect(received.includes('\r\nMessage-ID: <signed@example.org>')).toBe(!removeMessageId);
    expect(verifyDkim(received, dkimKeys.publicKey)).toBe(true);
  });

  it('D4: a DKIM signature that covers Message-ID breaks when it is removed, as the setting warns', async () => {
    expect(
      verifyDkim(
        await transmit(asIs(await signedMessage('From:Subject:Message-ID'), true), 'Resent-From: '),
        dkimKeys.publicKey,
      ),
    ).toBe(false);
  });

  it.each<[string, Buffer]>([
    ['dots', bytes('Subject: x\r\n\r\n.\r\n..\r\n.x\r\n.\r\n')],
    ['8-bit', bytes('Subject: x\r\n\r\n\xfc\x80\xff\r\n')],
    ['NUL', bytes('Subject: x\r\n\r\na\0b\r\n')],
    ['lines of 998', bytes(`Subject: x\r\n\r\n${'x'.repeat(998)}\r\ny\r\n`)],
    [
      '25 MiB',
      Buffer.concat([
        bytes('Subject: x\r\n\r\n'),
        Buffer.alloc(25 * 1024 * 1024, 'a line of text \xfc in 32 bytes...\r\n', 'latin1'),
        bytes('\r\n'),
      ]),
    ],
  ])(
    'D4: arrives byte for byte: %s',
    async (_case, message) => {
      const sent = await collect(asIs(message)());
      const received = await transmit(asIs(message), 'Resent-From: ');
      expect(received.length).toBe(sent.length);
      expect(received.equals(sent)).toBe(true);
    },
    60_000,
  );

  it('D4: a leftover mbox line leaves the header whole: Postfix makes a field of it', async () => {
    const message = bytes('From a@b Mon Mar  2 08:00:00 2026\r\nSubject: x\r\nBcc: y@z\r\n\r\nbody\r\n');
    const received = (await transmit(asIs(message), 'X-Mailbox-Line: From a@b')).toString();
    expect(received).toMatch(/^X-Mailbox-Line: From a@b .*\r\nResent-From: /);
    expect(received.slice(received.indexOf('X-Mailkeep-Sent'))).toMatch(/^.*\r\nSubject: x\r\n\r\nbody\r\n$/);
  });

  it('D4, D5: Postfix folds a line over 998 of a message sent as is; in an attachment it stays whole', async () => {
    const message = bytes(`Subject: x\r\n\r\n${'x'.repeat(2000)}\r\n`);
    expect((await transmit(asIs(message), 'Subject: x')).toString()).toBe(
      `Subject: x\r\n\r\n${'x'.repeat(998)}\r\n ${'x'.repeat(997)}\r\n ${'x'.repeat(5)}\r\n`,
    );
    const composed = await composeInAttachment(() => inPieces(message), {
      ...trace,
      original: { subject: 'x', sender: null, receivedAt: new Date() },
    });
    const received = (await transmit(() => composed.open(), 'Date: ')).toString();
    const encoded = received.slice(
      received.indexOf('\r\n\r\n', received.indexOf('filename=')),
      received.lastIndexOf('\r\n--'),
    );
    expect(Buffer.from(encoded, 'base64').equals(message)).toBe(true);
  });
});

describeWith('postfix', 'with Postfix as relay', (facts) => {
  it('D7: each recipient has the answer of its own', async () => {
    const results = await withRelay({ host: '127.0.0.1', port: facts().port }, (relay) =>
      relay.send({
        envelope: { ...envelope, to: ['anna@example.com', 'refused@example.com', 'busy@example.com'] },
        size: 20,
        open: () => inPieces(bytes('Subject: x\r\n\r\nx\r\n')),
      }),
    );
    expect(results).toMatchObject([
      { outcome: 'DELIVERED', enhancedCode: '2.0.0' },
      { outcome: 'PERMANENT', enhancedCode: '5.1.1', smtpReply: expect.stringContaining('No such mailbox') as string },
      { outcome: 'TEMPORARY', enhancedCode: '4.2.1', smtpReply: expect.stringContaining('Mailbox busy') as string },
    ]);
  });

  it('tells what it can do', async () => {
    const features = await withRelay({ host: '127.0.0.1', port: facts().port }, (relay) => relay.verify());
    expect(features).toMatchObject({
      eightBitMime: true,
      smtpUtf8: true,
      pipelining: true,
      sizeLimitBytes: 209_715_200,
    });
  });
});

describeWith('dovecot', 'with Dovecot over LMTP', (facts) => {
  it('D4: a message arrives in the mailbox byte for byte, line ends aside', async () => {
    const message = await signedMessage();
    const sent = await collect(sendAsIs(inPieces(message), { removeMessageId: false, trace }));
    const to = 'anna@example.com';
    const results = await withRelay({ host: '127.0.0.1', port: facts().lmtpPort, protocol: 'LMTP' }, (relay) =>
      relay.send({ envelope: { ...envelope, to: [to] }, size: sent.length, open: () => inPieces(sent) }),
    );
    expect(results).toMatchObject([{ address: to, outcome: 'DELIVERED', enhancedCode: '2.0.0' }]);
    const folder = join(facts().mail, 'example.com', 'anna', 'Maildir', 'new');
    const files = await Promise.all((await readdir(folder)).map((file) => readFile(join(folder, file), 'latin1')));
    const arrived = files.find((text) => text.includes(trace.messageId)) ?? '';
    expect(arrived.slice(arrived.indexOf('Resent-From: ')).replace(/\r?\n/g, '\r\n')).toBe(sent.toString('latin1'));
  });
});
