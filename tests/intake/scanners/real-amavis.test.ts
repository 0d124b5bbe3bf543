import SMTPConnection from 'nodemailer/lib/smtp-connection';
import { UnavailableError } from '../../../src/errors';
import { GatewayAction, type HandOver, Module, ScanStatus } from '../../../src/entities/vocabulary';
import { createLogger } from '../../../src/log';
import { LmtpListener } from '../../../src/services/intake/lmtp-listener';
import { LMTP_DEFAULTS } from '../../../src/services/intake/lmtp-settings';
import { readVerdictMapping } from '../../../src/services/intake/scanners/verdict-mapping';
import { describeWhenPresent, PrivateService } from '../../support/services';
import { EICAR, macroDocument, mail } from './real-mail';

const GTUBE = `XJS*C4JDBQADN1.NSBN3*2IDNEN*${'GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL'}*C.34X`;

describeWhenPresent(['amavis', 'clamd'], 'a real amavis', () => {
  const taken: { handOver: HandOver; bytes: Buffer }[] = [];
  let away = false;
  const mapping = readVerdictMapping({
    // The test's signature stands in for clamd's own Heuristics.OLE2.ContainsMacros.
    amavis: {
      findings: [{ content: ['V'], threat: 'Test.Office.MacroDocument*', module: 'ANTI_VIRUS', status: 'MACROS' }],
    },
  });
  const listener = new LmtpListener(
    { ...LMTP_DEFAULTS, listen: { host: '127.0.0.1', port: 0 }, messageBytes: 64 << 20 },
    mapping,
    async (handOver, message) => {
      const chunks: Buffer[] = [];
      for await (const chunk of message) chunks.push(chunk);
      if (away) throw new UnavailableError('DATABASE_UNAVAILABLE', 'away');
      taken.push({ handOver, bytes: Buffer.concat(chunks) });
      return 'STORED';
    },
    createLogger('silent'),
  );
  let amavis: PrivateService<'amavis'>;
  let port: number;

  beforeAll(async () => {
    const quarantine = { port: Number((await listener.start()).address.split(':').pop()), protocol: 'lmtp' } as const;
    amavis = new PrivateService('amavis', {
      quarantine,
      // What passes goes nowhere. The test's signature for macros is one for containers, which amavis usually takes apart and removes.
      config: `$mailfrom_to_quarantine = '';\n@spam_lovers_maps = ([qw(loves-spam@example.test)]);\n$forward_method = 'smtp:[127.0.0.1]:9';\n$sa_spam_subject_tag = undef;\n$banned_filename_re = new_RE(qr'.\\.exe$'i);\n@keep_decoded_original_maps = (new_RE(qr'^MAIL'i, qr'^(Zip archive|Microsoft)'i));\n`,
    });
    port = (await amavis.start()).port;
  }, 180_000);
  afterAll(async () => {
    await amavis.remove();
    await listener.stop();
  }, 60_000);
  beforeEach(() => {
    taken.length = 0;
    away = false;
  });

  /** Sends as Postfix does to a content filter; resolves with amavis's answer. */
  const send = (message: Buffer, { from = 'sender@example.net', to = ['anna@example.test'] } = {}): Promise<string> =>
    new Promise((resolve, reject) => {
      const client = new SMTPConnection({ host: '127.0.0.1', port, ignoreTLS: true });
      client.once('error', reject);
      client.connect(() =>
        client.send({ from, to }, message, (error, info) => {
          client.quit();
          resolve(error ? (error.response ?? error.message) : info.response);
        }),
      );
    });
  const result = (module: Module) =>
    taken[0]?.handOver.verdicts[0]?.scanResults.find((candidate) => candidate.module === module);
  /** The message below the one line that amavis adds as it takes it: exactly what was sent. */
  const below = (bytes: Buffer) => bytes.subarray(bytes.indexOf('\r\nFrom: ') + 2);

  it('S1, S2: hands over EICAR once for all recipients, with the threat, byte for byte', async () => {
    const message = mail({}, 'Grüße\r\n.dots', [
      { name: 'eicar.com', type: 'application/octet-stream', bytes: Buffer.from(EICAR) },
    ]);
    expect(await send(message, { to: ['anna@example.test', 'boris@example.test'] })).toMatch(/^250 /);
    expect(taken).toHaveLength(1);
    expect(taken[0]?.handOver).toMatchObject({
      sender: 'sender@example.net',
      gatewayMessageId: expect.stringMatching(/^[\w-]{12,16}$/),
    });
    expect(taken[0]?.handOver.verdicts).toEqual([
      expect.objectContaining({
        action: GatewayAction.DELETE_MESSAGE,
        recipients: ['anna@example.test', 'boris@example.test'],
      }),
    ]);
    expect(result(Module.ANTI_VIRUS)).toMatchObject({
      status: ScanStatus.DETECTED,
      threatNames: [expect.stringContaining('Eicar-Test-Signature')],
    });
    expect(taken[0]?.bytes.toString('latin1')).toMatch(/^Received: from /);
    expect(below(taken[0]?.bytes ?? Buffer.alloc(0)).equals(message)).toBe(true);
  });

  it('tells a macro document from a virus', async () => {
    expect(
      await send(
        mail({}, 'see attached', [
          { name: 'a.docm', type: 'application/vnd.ms-word.document.macroEnabled.12', bytes: macroDocument() },
        ]),
      ),
    ).toMatch(/^250/);
    expect(result(Module.ANTI_VIRUS)).toMatchObject({ status: ScanStatus.MACROS });
  });

  it('S4: tells spam, and who got it all the same', async () => {
    await send(mail({}, GTUBE), { to: ['anna@example.test', 'loves-spam@example.test'] });
    expect(taken).toHaveLength(1);
    const byRecipient = new Map(
      taken[0]?.handOver.verdicts.flatMap(({ action, recipients }) =>
        recipients.map((recipient) => [recipient, action] as const),
      ),
    );
    expect(byRecipient.get('anna@example.test')).toBe(GatewayAction.DELETE_MESSAGE);
    expect(byRecipient.has('loves-spam@example.test')).toBe(true);
    expect(result(Module.ANTI_SPAM)).toMatchObject({
      status: ScanStatus.SPAM,
      scannerVerdict: expect.stringContaining('GTUBE'),
    });
  });

  it('names what is banned', async () => {
    await send(
      mail({}, 'run me', [
        { name: 'invoice.exe', type: 'application/octet-stream', bytes: Buffer.from('MZ not really') },
      ]),
    );
    expect(result(Module.CONTENT_FILTERING)).toMatchObject({
      status: ScanStatus.DETECTED,
      threatNames: [expect.stringContaining('invoice.exe')],
    });
    expect(taken[0]?.handOver.verdicts[0]?.reason).toMatch(/^BANNED/);
  });

  it('S2: hands over the null sender, and trusts nothing the sender put into the header', async () => {
    const forged = { 'X-Envelope-To': '<dmitri@branch.test>', 'X-Quarantine-ID': '<forged>', 'X-Spam-Flag': 'NO' };
    await send(mail(forged, GTUBE), { from: '' });
    expect(taken[0]?.handOver).toMatchObject({ sender: null, gatewayMessageId: expect.not.stringContaining('forged') });
    expect(taken[0]?.handOver.verdicts.flatMap((verdict) => verdict.recipients)).toEqual(['anna@example.test']);
    expect(taken[0]?.bytes.toString('latin1')).toContain('X-Envelope-To: <dmitri@branch.test>');
  });

  it('S6: is told to come again when we cannot keep the message, and comes again', async () => {
    const message = mail({}, GTUBE);
    away = true;
    expect(await send(message)).toMatch(/^451 /);
    expect(taken).toHaveLength(0);
    away = false;
    expect(await send(message)).toMatch(/^250 /);
    expect(taken).toHaveLength(1);
  });
});
