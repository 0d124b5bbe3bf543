import { bytes, inPieces } from './byte-source.js';
import type { RawScript } from './raw-relay.js';
import { MESSAGE, message, outcomes, startRaw, startRelay } from './start-relay.js';

describe('lost connections', () => {
  it('D7: a large message cut in the middle is known not to have arrived', async () => {
    const { relay, server } = await startRelay({}, {}, { cut: 'AFTER_DATA' });
    const large = Buffer.alloc(25 * 1024 * 1024, 'line of text\r\n');
    const [result] = await relay.send(message(['a@example.com'], large));
    expect(result).toMatchObject({ outcome: 'TEMPORARY', smtpReply: null });
    expect(server.received).toEqual([]);
  });

  it('D7: a small message that had left before the cut may have arrived, and the reason says so', async () => {
    const { relay } = await startRelay({}, {}, { cut: 'AFTER_DATA' });
    const [result] = await relay.send(message(['a@example.com']));
    expect(result?.outcome).toBe('UNKNOWN');
    expect(result?.reason).toContain('may deliver it twice');
  });

  it.each<[string, RawScript, string, string | null]>([
    ['cut at MAIL', { MAIL: null }, 'TEMPORARY', null],
    ['cut at RCPT', { RCPT: null }, 'TEMPORARY', null],
    ['cut at DATA', { DATA: null }, 'TEMPORARY', null],
    ['421 at MAIL', { MAIL: '421 4.3.2 Closing\r\n' }, 'TEMPORARY', '421 4.3.2 Closing'],
    ['421 at RCPT', { RCPT: '421 4.3.2 Closing\r\n' }, 'TEMPORARY', '421 4.3.2 Closing'],
    ['421 after the message', { '.': '421 4.3.2 Closing\r\n' }, 'TEMPORARY', '421 4.3.2 Closing'],
    ['554 at DATA', { DATA: '554 5.5.1 No valid recipients\r\n' }, 'PERMANENT', '554 5.5.1 No valid recipients'],
    ['451 at DATA', { DATA: '451 4.3.0 Later\r\n' }, 'TEMPORARY', '451 4.3.0 Later'],
    ['503 is about our session', { MAIL: '503 5.5.1 Bad sequence\r\n' }, 'TEMPORARY', '503 5.5.1 Bad sequence'],
    ['half a 250 is no consent', { '.': '250 2.0.0 Ok' }, 'UNKNOWN', null],
    ['half a 550 is no refusal', { '.': '550 5.7.1 No' }, 'UNKNOWN', null],
    [
      'an answer of several lines',
      { '.': '250-2.0.0 Ok:\r\n250 2.0.0 queued\r\n' },
      'DELIVERED',
      '250 2.0.0 Ok: queued',
    ],
    ['an answer outside of SMTP', { '.': 'what?\r\n' }, 'TEMPORARY', 'what?'],
    ['a 354 that never ends', { '.': '354 Go on\r\n' }, 'TEMPORARY', '354 Go on'],
  ])('D7: %s', async (_case, script, outcome, smtpReply) => {
    for (const extensions of ['250 raw.test\r\n', '250-raw.test\r\n250 PIPELINING\r\n']) {
      const { relay } = await startRaw({ EHLO: extensions, ...script });
      expect(await relay.send(message(['a@example.com']))).toMatchObject([{ outcome, smtpReply }]);
    }
  });

  it('D7: 421 to one recipient is the answer for those before and after it too', async () => {
    for (const extensions of ['250 raw.test\r\n', '250-raw.test\r\n250 PIPELINING\r\n']) {
      const { relay } = await startRaw({ EHLO: extensions, 'RCPT TO:<B@': '421 4.3.2 Closing\r\n' });
      const results = await relay.send(message(['a@example.com', 'b@example.com', 'c@example.com']));
      const closing = { outcome: 'TEMPORARY', smtpReply: '421 4.3.2 Closing' };
      expect(results).toMatchObject([closing, closing, closing]);
    }
  });

  it('D7: LMTP recipients without an answer are unknown, the others known', async () => {
    const { relay } = await startRaw({ '.': '250 2.0.0 First\r\n250 2.0.0 Sec' }, { protocol: 'LMTP' });
    expect(await outcomes(relay, message(['a@example.com', 'b@example.com', 'c@example.com']))).toEqual([
      ['a@example.com', 'DELIVERED', '2.0.0'],
      ['b@example.com', 'UNKNOWN', null],
      ['c@example.com', 'UNKNOWN', null],
    ]);
  });

  it('D7: a yes before the whole message is none', async () => {
    const { relay } = await startRaw({ MESSAGE: '250 2.0.0 Ok\r\n' });
    const large = Buffer.alloc(8 * 1024 * 1024, 'line of text\r\n');
    expect(await relay.send(message(['a@example.com'], large))).toMatchObject([
      { outcome: 'TEMPORARY', reason: 'The relay answered before it had the whole message.' },
    ]);
  });

  it('D7: silence after the message is unknown once the time is over', async () => {
    const { relay } = await startRaw({ '.': '\r\n' }, { answerTimeoutMs: 100 });
    expect(await relay.send(message(['a@example.com']))).toMatchObject([{ outcome: 'UNKNOWN', smtpReply: null }]);
  });

  it.each<[string, string | null, string | null]>([
    ['no greeting', null, null],
    ['554 as greeting', '554 5.3.2 No service\r\n', '554 5.3.2 No service'],
    ['421 as greeting', '421 4.3.2 Busy\r\n', '421 4.3.2 Busy'],
  ])('D7: a session that does not come about is temporary: %s', async (_case, greeting, smtpReply) => {
    const { relay } = await startRaw({}, {}, greeting);
    expect(await relay.send(message(['a@example.com', 'b@example.com']))).toMatchObject([
      { outcome: 'TEMPORARY', smtpReply },
      { outcome: 'TEMPORARY', smtpReply },
    ]);
    await expect(relay.verify()).rejects.toMatchObject({ code: smtpReply ? 'RELAY_GREETING' : 'RELAY_CONNECT' });
  });

  it('D7: a relay that is not there is temporary', async () => {
    const { relay, server } = await startRaw({});
    await server.stop();
    expect(await relay.send(message(['a@example.com']))).toMatchObject([
      { outcome: 'TEMPORARY', reason: 'The relay cannot be reached.' },
    ]);
  });

  it('throws what reading the message throws, and delivers nothing of it', async () => {
    const { relay, server } = await startRelay();
    const broken = async function* () {
      yield bytes('Subject: x\r\n\r\n');
      for (let index = 0; index < 100; index += 1) yield Buffer.alloc(16_384, 'text\r\n');
      throw new Error('the database is gone');
    };
    await expect(relay.send(message(['a@example.com'], MESSAGE, { open: broken }))).rejects.toThrow(
      'the database is gone',
    );
    expect(await outcomes(relay, message(['a@example.com']))).toEqual([['a@example.com', 'DELIVERED', '2.0.0']]);
    expect(server.received.map((received) => received.bytes)).toEqual([MESSAGE]);
  });

  it('does not read the message when the relay refuses the envelope', async () => {
    const { relay } = await startRelay({}, {}, { mail: '550 5.7.1 No' });
    let opened = 0;
    const open = () => {
      opened += 1;
      return inPieces(MESSAGE);
    };
    await relay.send(message(['a@example.com'], MESSAGE, { open }));
    expect(opened).toBe(0);
  });
});
