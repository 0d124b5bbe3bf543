import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { GatewayAction, Module, ScanStatus } from '../../../src/entities/vocabulary';
import {
  HEADER_LIMIT_BYTES,
  readSmtpMessage,
  type SmtpEnvelope,
} from '../../../src/services/intake/scanners/amavis-hand-over';
import { readVerdictMapping } from '../../../src/services/intake/scanners/verdict-mapping';

const fixture = (name: string) => readFileSync(join(__dirname, 'fixtures', name));
const MESSAGE = fixture('message.eml');
const VIRUS = fixture('amavis-virus.eml');
const MAPPING = readVerdictMapping();
const ENVELOPE: SmtpEnvelope = {
  sender: 'bounce@example.org',
  recipients: ['virus-quarantine@quar.test'],
  senderIp: null,
  node: 'mx1.example.com',
};
const AMAVIS = { amavisBlock: true, spamFields: false };

async function* pieces(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function read(bytes: Buffer, { trust = AMAVIS, size = 64 * 1024, envelope = ENVELOPE, mapping = MAPPING } = {}) {
  const { handOver, strippedBytes, message } = await readSmtpMessage(
    pieces(bytes, size),
    envelope,
    trust,
    mapping,
    1_700_000_000_000,
  );
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk);
  return { handOver, strippedBytes, bytes: Buffer.concat(chunks) };
}

function block(lines: Record<string, string | string[]>): Buffer {
  const all = {
    'X-Envelope-From': '<a@example.net>',
    'X-Envelope-To': '<x@example.com>',
    'X-Envelope-To-Blocked': '<x@example.com>',
    'X-Quarantine-ID': '<id>',
    ...lines,
  };
  return Buffer.from(
    Object.entries(all)
      .flatMap(([name, value]) => [value].flat().map((text) => `${name}: ${text}\r\n`))
      .join(''),
  );
}

const results = async (lines: Record<string, string | string[]>, recipients = ['quarantine@quar.test']) => {
  const { handOver } = await read(Buffer.concat([block(lines), MESSAGE]), { envelope: { ...ENVELOPE, recipients } });
  return {
    verdict: handOver.verdicts[0],
    byModule: new Map(handOver.verdicts[0]?.scanResults.map((result) => [result.module, result])),
  };
};

describe('amavis’s leading block', () => {
  it.each([1, 2, 3, 17, 100, 64 * 1024])(
    'S1: is left out exactly, whatever pieces it comes in (%d bytes)',
    async (size) => {
      const { strippedBytes, bytes } = await read(VIRUS, { size });
      const start = VIRUS.indexOf('Received: from localhost');
      expect(strippedBytes).toBe(start);
      expect(bytes.equals(VIRUS.subarray(start))).toBe(true);
    },
  );

  it('S2, S4: gives the envelope, and a verdict of their own to those who got the message', async () => {
    const { handOver } = await read(VIRUS);
    expect(handOver).toMatchObject({
      sender: 'service@example.net',
      gatewayMessageId: 'jcSehcHwqZ-_',
      node: 'mx1.example.com',
    });
    expect(handOver.verdicts.map(({ action, recipients }) => ({ action, recipients }))).toEqual([
      { action: GatewayAction.DELETE_MESSAGE, recipients: ['anna@example.com', '"odd, one"@example.com'] },
      { action: GatewayAction.SKIP, recipients: ['sales@example.com'] },
    ]);
  });

  it('names threats from folded and repeated alerts', async () => {
    const { handOver } = await read(VIRUS);
    const byModule = new Map(handOver.verdicts[0]?.scanResults.map((result) => [result.module, result]));
    expect(byModule.get(Module.ANTI_VIRUS)).toMatchObject({
      status: ScanStatus.DETECTED,
      threatNames: ['Eicar-Test-Signature.UNOFFICIAL', 'Win.Test.EICAR_HDB-1'],
    });
    expect(byModule.get(Module.CONTENT_FILTERING)).toMatchObject({
      status: ScanStatus.DETECTED,
      scannerVerdict: 'BANNED, message contains .exe,invoice.exe',
    });
    expect(byModule.get(Module.ANTI_SPAM)?.status).toBe(ScanStatus.SPAM);
    expect(handOver.verdicts[0]?.reason).toMatch(/^INFECTED, message contains virus: Eicar-Test-Signature.UNOFFICIAL/);
  });

  it('trusts none of the same fields further down: the sender wrote those', async () => {
    const { handOver, bytes } = await read(fixture('amavis-forged.eml'));
    expect(handOver).toMatchObject({ sender: null, gatewayMessageId: 'aaaaaaaaaaaa' });
    expect(handOver.verdicts.flatMap((verdict) => verdict.recipients)).toEqual(['anna@example.com']);
    expect(handOver.verdicts[0]?.scanResults.find((result) => result.module === Module.ANTI_SPAM)?.status).toBe(
      ScanStatus.NOT_SCANNED,
    );
    expect(bytes.toString('latin1')).toMatch(
      /^X-Envelope-To: <dmitri@branch.example>\r\nX-Quarantine-ID: <forgedforged>\r\nX-Spam-Flag: YES\r\nReceived:/,
    );
  });

  it.each([
    ['a message that begins otherwise', Buffer.concat([Buffer.from('Return-Path: <>\r\n'), VIRUS])],
    ['fields out of order', Buffer.from('X-Quarantine-ID: <a>\r\nX-Envelope-To: <x@y>\r\n\r\n')],
    ['a block without an id', Buffer.from('X-Envelope-From: <a@b>\r\nX-Envelope-To: <x@y>\r\n\r\nbody')],
    ['a block without recipients', Buffer.from('X-Envelope-From: <a@b>\r\nX-Quarantine-ID: <i>\r\n\r\nbody')],
    ['only the start of a name', Buffer.from('X-Envel')],
    ['an empty message', Buffer.alloc(0)],
    ['an empty line first', Buffer.concat([Buffer.from('\r\n'), VIRUS])],
    ['spaces first', Buffer.concat([Buffer.from('  '), VIRUS])],
  ])('S1: keeps %s whole, with the recipients of RCPT TO', async (_, message) => {
    for (const size of [1, 1000]) {
      const { handOver, strippedBytes, bytes } = await read(message, { size });
      expect(strippedBytes).toBe(0);
      expect(bytes.equals(message)).toBe(true);
      expect(handOver).toMatchObject({ sender: 'bounce@example.org', gatewayMessageId: null });
      expect(handOver.verdicts).toEqual([
        expect.objectContaining({ action: GatewayAction.SKIP, recipients: ENVELOPE.recipients }),
      ]);
    }
  });

  it('S2: is not believed from a peer that is not trusted', async () => {
    const { handOver, bytes } = await read(VIRUS, { trust: { amavisBlock: false, spamFields: false } });
    expect(bytes.equals(VIRUS)).toBe(true);
    expect(handOver.verdicts[0]?.recipients).toEqual(['virus-quarantine@quar.test']);
  });

  it('reads a block that the message consists of, and lines that end with a line feed only', async () => {
    const whole = Buffer.from(block({}).toString().replace(/\r/g, ''));
    const { strippedBytes, bytes } = await read(whole);
    expect(strippedBytes).toBe(whole.length);
    expect(bytes).toHaveLength(0);
  });

  it('keeps a message whose block has no end in sight, reading no more than a mebibyte ahead', async () => {
    const endless = Buffer.concat([
      Buffer.from('X-Envelope-From: <a@b>\r\nX-Envelope-To: <x@y>'),
      Buffer.alloc(3 << 20, ',\r\n <x@y>'),
    ]);
    let taken = 0;
    async function* counted() {
      for await (const piece of pieces(endless, 4096)) {
        taken += piece.length;
        yield piece;
      }
    }
    const { strippedBytes, message } = await readSmtpMessage(counted(), ENVELOPE, AMAVIS, MAPPING, 0);
    expect(strippedBytes).toBe(0);
    expect(taken).toBeLessThanOrEqual(HEADER_LIMIT_BYTES + 4096);
    let total = 0;
    for await (const chunk of message) total += chunk.length;
    expect(total).toBe(endless.length);
  });

  it('takes a block of 5,000 recipients', async () => {
    const recipients = Array.from({ length: 5000 }, (_, index) => `<person-${index}@example.com>`);
    const { handOver } = await read(
      Buffer.concat([
        block({ 'X-Envelope-To': recipients.join(',\r\n '), 'X-Envelope-To-Blocked': recipients.join(',\r\n ') }),
        MESSAGE,
      ]),
      { size: 1000 },
    );
    expect(handOver.verdicts[0]?.recipients).toHaveLength(5000);
  });
});

describe('amavis’s contents', () => {
  it.each<[string, Record<string, string | string[]>, string[], Module, ScanStatus, string[]]>([
    [
      'V',
      { 'X-Amavis-Alert': 'INFECTED, message contains virus:\r\n Eicar' },
      [],
      Module.ANTI_VIRUS,
      ScanStatus.DETECTED,
      ['Eicar'],
    ],
    [
      'V with macros',
      { 'X-Amavis-Alert': 'INFECTED, message contains virus: Heuristics.OLE2.ContainsMacros' },
      [],
      Module.ANTI_VIRUS,
      ScanStatus.MACROS,
      ['Heuristics.OLE2.ContainsMacros'],
    ],
    [
      'V encrypted',
      { 'X-Amavis-Alert': 'INFECTED, message contains virus: Heuristics.Encrypted.Zip' },
      [],
      Module.ANTI_VIRUS,
      ScanStatus.ENCRYPTED,
      ['Heuristics.Encrypted.Zip'],
    ],
    [
      'V phishing',
      { 'X-Amavis-Alert': 'INFECTED, message contains virus: Heuristics.Phishing.Email.SpoofedDomain' },
      [],
      Module.ANTI_PHISHING,
      ScanStatus.DETECTED,
      ['Heuristics.Phishing.Email.SpoofedDomain'],
    ],
    [
      'V, macros and a virus',
      { 'X-Amavis-Alert': 'INFECTED, message contains virus: Heuristics.OLE2.ContainsMacros, Eicar' },
      [],
      Module.ANTI_VIRUS,
      ScanStatus.DETECTED,
      ['Heuristics.OLE2.ContainsMacros', 'Eicar'],
    ],
    [
      'B',
      { 'X-Amavis-Alert': 'BANNED, message contains part: .exe' },
      [],
      Module.CONTENT_FILTERING,
      ScanStatus.DETECTED,
      ['.exe'],
    ],
    [
      'U encrypted',
      { 'X-Amavis-Alert': 'UNCHECKED, contents encrypted' },
      [],
      Module.ANTI_VIRUS,
      ScanStatus.ENCRYPTED,
      [],
    ],
    ['U', { 'X-Amavis-Alert': 'UNCHECKED' }, [], Module.ANTI_VIRUS, ScanStatus.SCAN_ERROR, []],
    [
      'S',
      { 'X-Spam-Flag': 'YES', 'X-Spam-Status': 'Yes, score=20 tag=2 tag2=6 kill=6.9 tests=[A=20]' },
      [],
      Module.ANTI_SPAM,
      ScanStatus.SPAM,
      [],
    ],
    [
      'Y',
      { 'X-Spam-Flag': 'YES', 'X-Spam-Status': 'Yes, score=6.5 tag=2 tag2=6 kill=6.9 tests=[A=6.5]' },
      [],
      Module.ANTI_SPAM,
      ScanStatus.PROBABLE_SPAM,
      [],
    ],
    ['S by its quarantine address', {}, ['spam-quarantine@quar.test'], Module.ANTI_SPAM, ScanStatus.SPAM, []],
    [
      'checked and clean of spam',
      { 'X-Spam-Status': 'No, score=-1.9 tag=2 tag2=6 kill=6.9 tests=[]' },
      [],
      Module.ANTI_SPAM,
      ScanStatus.NOT_DETECTED,
      [],
    ],
    [
      'not checked for spam',
      { 'X-Spam-Score': '0', 'X-Spam-Status': 'No, score=x tag=2' },
      [],
      Module.ANTI_SPAM,
      ScanStatus.NOT_SCANNED,
      [],
    ],
    [
      'B as 2.13 writes it',
      { 'X-Amavis-Alert': 'BANNED, message contains .exe,.exe-ms,invoice.exe' },
      [],
      Module.CONTENT_FILTERING,
      ScanStatus.DETECTED,
      ['.exe,.exe-ms,invoice.exe'],
    ],
    [
      'scores that differ by recipient',
      {
        'X-Spam-Flag': 'YES',
        'X-Spam-Status': 'Yes,\r\n score=1.5..20\r\n tag=2\r\n tag2=6\r\n kill=6.9\r\n tests=[A=1]',
      },
      [],
      Module.ANTI_SPAM,
      ScanStatus.SPAM,
      [],
    ],
    [
      'a denylisted sender',
      { 'X-Spam-Flag': 'YES', 'X-Spam-Status': 'Yes,\r\n score=64\r\n kill=6.9\r\n BLACKLISTED\r\n tests=[]' },
      [],
      Module.ANTI_SPAM,
      ScanStatus.DENYLISTED,
      [],
    ],
    [
      'an allowlisted sender',
      { 'X-Spam-Status': 'No,\r\n score=0\r\n kill=6.9\r\n WHITELISTED\r\n tests=[]' },
      [],
      Module.ANTI_SPAM,
      ScanStatus.TRUSTED,
      [],
    ],
    [
      'H',
      { 'X-Amavis-Alert': 'BAD HEADER SECTION, Duplicate header field: "To"' },
      [],
      Module.CONTENT_FILTERING,
      ScanStatus.DETECTED,
      [],
    ],
    [
      'O by its quarantine address',
      {},
      ['oversized-quarantine@quar.test'],
      Module.CONTENT_FILTERING,
      ScanStatus.DETECTED,
      [],
    ],
    ['something new', { 'X-Amavis-Alert': 'SUSPECT, hmm' }, [], Module.ANTI_VIRUS, ScanStatus.NOT_DETECTED, []],
  ])('%s', async (_, lines, recipients, module, status, threats) => {
    const { byModule } = await results(lines, recipients);
    const result = byModule.get(module);
    expect(result?.status).toBe(status);
    for (const threat of threats) expect(result?.threatNames.join(', ')).toContain(threat);
  });

  it('keeps an alert that is not understood as the reason', async () => {
    expect((await results({ 'X-Amavis-Alert': 'SUSPECT, hmm' })).verdict).toMatchObject({
      action: GatewayAction.DELETE_MESSAGE,
      reason: 'SUSPECT, hmm',
    });
  });

  it('S4: takes the action of the content that amavis itself puts first', async () => {
    const mapping = readVerdictMapping({ amavis: { blocked: { V: 'REJECT', B: 'DELETE_ATTACHMENT' } } });
    expect((await read(VIRUS, { mapping })).handOver.verdicts[0]?.action).toBe(GatewayAction.REJECT);
  });

  it('S4: counts everybody as blocked when an old version does not say', async () => {
    const old = Buffer.from('X-Envelope-To: <x@example.com>, <y@example.com>\r\nX-Quarantine-ID: <id>\r\n\r\n');
    const { handOver } = await read(old);
    expect(handOver.sender).toBe('bounce@example.org');
    expect(handOver.verdicts).toEqual([
      expect.objectContaining({ action: GatewayAction.DELETE_MESSAGE, recipients: ['x@example.com', 'y@example.com'] }),
    ]);
  });

  it('S4: counts nobody as blocked when amavis says so', async () => {
    const { verdict } = await results({ 'X-Envelope-To-Blocked': '' });
    expect(verdict).toMatchObject({ action: GatewayAction.SKIP, recipients: ['x@example.com'] });
  });
});

describe('plain copies', () => {
  const trusted = { amavisBlock: true, spamFields: true };

  it('take X-Spam-* from a peer set for it', async () => {
    const { handOver, bytes } = await read(fixture('plain-spam.eml'), { trust: trusted, size: 10 });
    expect(bytes.equals(fixture('plain-spam.eml'))).toBe(true);
    expect(handOver.verdicts).toEqual([
      expect.objectContaining({
        action: GatewayAction.DELETE_MESSAGE,
        scanResults: [expect.objectContaining({ module: Module.ANTI_SPAM, status: ScanStatus.SPAM })],
      }),
    ]);
  });

  it('take X-Spam-* from nobody else', async () => {
    const { handOver } = await read(fixture('plain-spam.eml'));
    expect(handOver.verdicts[0]).toMatchObject({
      action: GatewayAction.SKIP,
      reason: null,
      scanResults: [{ status: ScanStatus.NOT_SCANNED, scannerVerdict: null }],
    });
  });

  it('look for X-Spam-* in the header only, and take the first', async () => {
    const body = Buffer.from('Subject: x\r\nX-Spam-Flag: NO\r\nX-Spam-Flag: YES\r\n\r\nX-Spam-Flag: YES\r\n');
    expect((await read(body, { trust: trusted })).handOver.verdicts[0]?.action).toBe(GatewayAction.SKIP);
  });

  it('have the null sender, each mailbox once and the forwarded client', async () => {
    const envelope = { sender: '', recipients: ['a@x', 'A@x', '<b@x>'], senderIp: '192.0.2.7', node: null };
    const { handOver } = await read(MESSAGE, { envelope });
    expect(handOver).toMatchObject({ sender: null, senderIp: '192.0.2.7', node: null });
    expect(handOver.verdicts[0]?.recipients).toEqual(['a@x', 'b@x']);
  });
});
