import type { RelayScript } from '../support/scripted-relay.js';
import { MESSAGE, message, outcomes, startRaw, startRelay } from './start-relay.js';

describe('results for each recipient', () => {
  it.each<[string, RelayScript, [string, string, string | null][]]>([
    [
      '250',
      {},
      [
        ['a@example.com', 'DELIVERED', '2.0.0'],
        ['b@example.com', 'DELIVERED', '2.0.0'],
      ],
    ],
    [
      '450 after RCPT',
      { rcpt: { 'b@example.com': '450 4.2.1 Mailbox busy' } },
      [
        ['a@example.com', 'DELIVERED', '2.0.0'],
        ['b@example.com', 'TEMPORARY', '4.2.1'],
      ],
    ],
    [
      '452 after RCPT',
      { rcpt: { 'a@example.com': '452 4.5.3 Too many recipients' } },
      [
        ['a@example.com', 'TEMPORARY', '4.5.3'],
        ['b@example.com', 'DELIVERED', '2.0.0'],
      ],
    ],
    [
      '550 after RCPT',
      { rcpt: { 'b@example.com': '550 5.1.1 No such mailbox' } },
      [
        ['a@example.com', 'DELIVERED', '2.0.0'],
        ['b@example.com', 'PERMANENT', '5.1.1'],
      ],
    ],
    [
      '552 after RCPT: mailbox full',
      { rcpt: { 'b@example.com': '552 5.2.2 Mailbox full' } },
      [
        ['a@example.com', 'DELIVERED', '2.0.0'],
        ['b@example.com', 'PERMANENT', '5.2.2'],
      ],
    ],
    [
      '552 after RCPT: too many (RFC 5321 4.5.3.1.10)',
      { rcpt: { 'b@example.com': '552 Too many recipients' } },
      [
        ['a@example.com', 'DELIVERED', '2.0.0'],
        ['b@example.com', 'TEMPORARY', '552 Too many recipients'],
      ],
    ],
    [
      'all refused, each in its own way',
      { rcpt: { 'a@example.com': '550 5.1.1 No', 'b@example.com': '451 4.3.0 Later' } },
      [
        ['a@example.com', 'PERMANENT', '5.1.1'],
        ['b@example.com', 'TEMPORARY', '4.3.0'],
      ],
    ],
    [
      '450 after MAIL',
      { mail: '450 4.7.1 Greylisted' },
      [
        ['a@example.com', 'TEMPORARY', '4.7.1'],
        ['b@example.com', 'TEMPORARY', '4.7.1'],
      ],
    ],
    [
      '553 after MAIL',
      { mail: '553 5.1.8 Sender refused' },
      [
        ['a@example.com', 'PERMANENT', '5.1.8'],
        ['b@example.com', 'PERMANENT', '5.1.8'],
      ],
    ],
    [
      '530 after MAIL is about us',
      { mail: '530 5.7.0 Authentication required' },
      [
        ['a@example.com', 'TEMPORARY', '5.7.0'],
        ['b@example.com', 'TEMPORARY', '5.7.0'],
      ],
    ],
    [
      '450 after the message',
      { message: '450 4.3.2 Try later' },
      [
        ['a@example.com', 'TEMPORARY', '4.3.2'],
        ['b@example.com', 'TEMPORARY', '4.3.2'],
      ],
    ],
    [
      '452 after the message',
      { message: '452 4.3.1 Out of space' },
      [
        ['a@example.com', 'TEMPORARY', '4.3.1'],
        ['b@example.com', 'TEMPORARY', '4.3.1'],
      ],
    ],
    [
      '550 after the message',
      { message: '550 5.7.1 Refused by content' },
      [
        ['a@example.com', 'PERMANENT', '5.7.1'],
        ['b@example.com', 'PERMANENT', '5.7.1'],
      ],
    ],
    [
      '552 after the message',
      { message: '552 5.3.4 Too large' },
      [
        ['a@example.com', 'PERMANENT', '5.3.4'],
        ['b@example.com', 'PERMANENT', '5.3.4'],
      ],
    ],
    [
      'one refused after RCPT, the other after the message',
      { rcpt: { 'a@example.com': '550 5.1.1 No' }, message: '450 4.3.2 Later' },
      [
        ['a@example.com', 'PERMANENT', '5.1.1'],
        ['b@example.com', 'TEMPORARY', '4.3.2'],
      ],
    ],
    [
      'cut before the answer',
      { cut: 'BEFORE_REPLY' },
      [
        ['a@example.com', 'UNKNOWN', null],
        ['b@example.com', 'UNKNOWN', null],
      ],
    ],
    [
      'one refused, then cut before the answer',
      { rcpt: { 'a@example.com': '550 5.1.1 No' }, cut: 'BEFORE_REPLY' },
      [
        ['a@example.com', 'PERMANENT', '5.1.1'],
        ['b@example.com', 'UNKNOWN', null],
      ],
    ],
  ])('D7: %s', async (_case, script, expected) => {
    for (const without of [[], ['PIPELINING']] as const) {
      const { relay, server } = await startRelay({ without }, {}, script);
      expect(await outcomes(relay, message(['a@example.com', 'b@example.com']))).toEqual(expected);
      // And the next message goes through, over the same connection or a new one.
      server.script = {};
      expect(await outcomes(relay, message(['c@example.com']))).toEqual([['c@example.com', 'DELIVERED', '2.0.0']]);
    }
  });

  it('D7: keeps the answer of each recipient', async () => {
    const { relay } = await startRelay(
      {},
      {},
      { rcpt: { 'b@example.com': '550 5.1.1 No such\tmailbox' }, message: '250 2.0.0 Ok: queued as 4711' },
    );
    expect(await relay.send(message(['a@example.com', 'b@example.com']))).toEqual([
      {
        address: 'a@example.com',
        outcome: 'DELIVERED',
        smtpReply: '250 2.0.0 Ok: queued as 4711',
        enhancedCode: '2.0.0',
        reason: null,
      },
      {
        address: 'b@example.com',
        outcome: 'PERMANENT',
        smtpReply: '550 5.1.1 No such mailbox',
        enhancedCode: '5.1.1',
        reason: null,
      },
    ]);
  });

  it('D7: hands envelope and bytes over as they are', async () => {
    const { relay, server } = await startRelay();
    await relay.send(message(['a@example.com']));
    expect(server.received).toEqual([
      {
        from: 'backup@example.com',
        to: ['a@example.com'],
        bytes: MESSAGE,
        bodyType: '8bitmime',
        smtpUtf8: false,
        declaredSize: null,
        secure: false,
        user: null,
        client: 'mailkeep.invalid',
      },
    ]);
  });

  it('takes empty pieces of the message for what they are', async () => {
    const { relay, server } = await startRelay();
    const open = async function* () {
      for (const piece of ['', 'Subject: x\r\n', '', '', '\r\nHello\r\n', '']) yield Buffer.from(piece);
    };
    await relay.send(message(['a@example.com'], MESSAGE, { open }));
    expect(server.received[0]?.bytes.toString()).toBe('Subject: x\r\n\r\nHello\r\n');
  });

  it('D7: names an address once that is given twice', async () => {
    const { relay, server } = await startRaw({});
    expect(await relay.send(message(['a@example.com', 'a@example.com']))).toHaveLength(1);
    expect(server.lines.filter((line) => line.startsWith('RCPT'))).toHaveLength(1);
  });

  it('sends with the empty reverse-path', async () => {
    const { relay, server } = await startRelay();
    await relay.send(message(['a@example.com'], MESSAGE, { envelope: { from: null, to: ['a@example.com'] } }));
    expect(server.received[0]?.from).toBe('');
  });

  it('D7: with LMTP each recipient has an answer of its own after the message', async () => {
    const { relay } = await startRelay(
      { lmtp: true },
      {},
      {
        rcpt: { 'b@example.com': '550 5.1.1 No such mailbox' },
        message: { 'c@example.com': '452 4.2.2 Mailbox full', 'd@example.com': '550 5.7.1 Refused' },
      },
    );
    expect(await relay.send(message(['a', 'b', 'c', 'd', 'e'].map((name) => `${name}@example.com`)))).toMatchObject([
      { outcome: 'DELIVERED', smtpReply: '250 2.0.0 Ok: queued for a@example.com' },
      { outcome: 'PERMANENT', smtpReply: '550 5.1.1 No such mailbox' },
      { outcome: 'TEMPORARY', smtpReply: '452 4.2.2 Mailbox full' },
      { outcome: 'PERMANENT', smtpReply: '550 5.7.1 Refused' },
      { outcome: 'DELIVERED', smtpReply: '250 2.0.0 Ok: queued for e@example.com' },
    ]);
  });
});
