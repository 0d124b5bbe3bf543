import { bytes } from './byte-source.js';
import { MESSAGE, message, outcomes, startRaw, startRelay } from './start-relay.js';

describe('what the relay cannot take', () => {
  const eightBit = bytes('Subject: x\r\n\r\nGr\xfc\xdfe\r\n');

  it('8-bit content is refused, not damaged, where 8BITMIME is absent; 7-bit content passes', async () => {
    const { relay, server } = await startRelay({ without: ['8BITMIME'] });
    expect(await relay.send(message(['a@example.com'], eightBit))).toMatchObject([
      { outcome: 'PERMANENT', enhancedCode: '5.6.3', smtpReply: null },
    ]);
    expect(await outcomes(relay, message(['a@example.com']))).toEqual([['a@example.com', 'DELIVERED', '2.0.0']]);
    expect(server.received.map((received) => received.bytes)).toEqual([MESSAGE]);
  });

  it('8-bit content is announced where 8BITMIME is there', async () => {
    const { relay, server } = await startRelay();
    await relay.send(message(['a@example.com'], eightBit));
    await relay.send(message(['a@example.com'], MESSAGE, { eightBit: false }));
    expect(server.received.map(({ bodyType, bytes: received }) => [bodyType, received.toString('latin1')])).toEqual([
      ['8bitmime', eightBit.toString('latin1')],
      ['7bit', MESSAGE.toString('latin1')],
    ]);
  });

  it('addresses beyond ASCII need SMTPUTF8; only those are refused', async () => {
    const { relay, server } = await startRaw({ EHLO: '250-raw.test\r\n250 8BITMIME\r\n' });
    expect(await outcomes(relay, message(['jörg@example.com', 'anna@bücher.example']))).toEqual([
      ['jörg@example.com', 'PERMANENT', '5.6.7'],
      ['anna@bücher.example', 'DELIVERED', '250 Ok'],
    ]);
    expect(server.lines.filter((line) => line.startsWith('RCPT'))).toEqual(['RCPT TO:<anna@xn--bcher-kva.example>']);
    expect(
      await outcomes(
        relay,
        message(['a@example.com'], MESSAGE, { envelope: { from: 'jörg@example.com', to: ['a@example.com'] } }),
      ),
    ).toEqual([['a@example.com', 'PERMANENT', '5.6.7']]);
  });

  it('addresses beyond ASCII are announced where SMTPUTF8 is there', async () => {
    const { relay, server } = await startRelay();
    expect(await outcomes(relay, message(['jörg@example.com']))).toEqual([['jörg@example.com', 'DELIVERED', '2.0.0']]);
    expect(server.received[0]).toMatchObject({ to: ['jörg@example.com'], smtpUtf8: true });
  });

  it('a message above SIZE is refused before it is sent, and the size is announced', async () => {
    const { relay, server } = await startRelay({ sizeBytes: 1000 });
    expect(await outcomes(relay, message(['a@example.com'], Buffer.alloc(1001, 'x\r\n')))).toEqual([
      ['a@example.com', 'PERMANENT', '5.3.4'],
    ]);
    await relay.send(message(['a@example.com']));
    expect(server.received.map((received) => received.declaredSize)).toEqual([MESSAGE.length]);
  });
});
