import {
  envelopeFromHeaders,
  type HeaderEnvelope,
  readHeaderFields,
} from '../../../src/services/intake/import/envelope-from-headers.js';

async function envelope(header: string, separatorSender?: string): Promise<HeaderEnvelope> {
  return envelopeFromHeaders(
    await readHeaderFields([Buffer.from(`${header}\r\n\r\nTo: body@example.com\r\n`)]),
    separatorSender,
  );
}

describe('envelopeFromHeaders', () => {
  it.each<[string, string, Partial<HeaderEnvelope>]>([
    [
      'Delivered-To',
      'To: list@example.org\r\nDelivered-To: anna@example.com',
      { recipients: ['anna@example.com'], recipientsFrom: 'Delivered-To' },
    ],
    [
      'the topmost Delivered-To',
      'Delivered-To: anna@example.com\r\nDelivered-To: forward@example.org',
      { recipients: ['anna@example.com'] },
    ],
    [
      'X-Envelope-To with several',
      'X-Envelope-To: <anna@example.com>,\r\n <boris@example.com>\r\nTo: c@example.com',
      { recipients: ['anna@example.com', 'boris@example.com'], recipientsFrom: 'X-Envelope-To' },
    ],
    [
      'X-Original-To',
      'X-Original-To: sales@example.com\r\nTo: c@example.com',
      { recipients: ['sales@example.com'], recipientsFrom: 'X-Original-To' },
    ],
    [
      'the next source when one names no mailbox',
      'Delivered-To: anna\r\nX-Original-To: anna@example.com',
      { recipientsFrom: 'X-Original-To' },
    ],
    [
      'To and Cc as a last resort, once each',
      'To: anna@example.com\r\nCc: ANNA@example.com, boris@example.com',
      { recipients: ['ANNA@example.com', 'boris@example.com'], recipientsFrom: 'To/Cc' },
    ],
    ['nobody', 'Subject: a', { recipients: [], recipientsFrom: null, sender: null, senderFrom: null }],
    [
      'the sender of X-Envelope-From',
      'Return-Path: <b@example.org>\r\nX-Envelope-From: <a@example.org>',
      { sender: 'a@example.org', senderFrom: 'X-Envelope-From' },
    ],
    [
      'the sender of Return-Path',
      'Return-Path: <b@example.org>\r\nFrom: c@example.org',
      { sender: 'b@example.org', senderFrom: 'Return-Path' },
    ],
    ['the empty return path', 'Return-Path: <>\r\nFrom: c@example.org', { sender: null, senderFrom: 'Return-Path' }],
    [
      'the author when the return path is nonsense',
      'Return-Path: nonsense\r\nFrom: C <c@example.org>',
      { sender: 'c@example.org', senderFrom: 'From' },
    ],
  ])('finds %s', async (_case, header, expected) => {
    expect(await envelope(header)).toMatchObject(expected);
  });

  it('prefers what a trace field says over the separator, and the separator over the author', async () => {
    expect(await envelope('From: c@example.org', 'd@example.org')).toMatchObject({
      sender: 'd@example.org',
      senderFrom: 'mbox',
    });
    expect(await envelope('Return-Path: <>', 'd@example.org')).toMatchObject({
      sender: null,
      senderFrom: 'Return-Path',
    });
  });

  it('reads a header that never ends as far as its limit, and takes nothing from the body', async () => {
    function* endless(): Generator<Buffer> {
      yield Buffer.from('To: anna@example.com\r\nX: ');
      for (let sent = 0; sent < 200; sent++) yield Buffer.alloc(65_536, 'x');
    }
    expect(envelopeFromHeaders(await readHeaderFields(endless()))).toMatchObject({ recipients: ['anna@example.com'] });
    expect((await envelope('Subject: a')).recipients).toEqual([]);
  });
});
