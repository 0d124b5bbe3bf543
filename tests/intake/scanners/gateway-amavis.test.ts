import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePorts, type PostfixFacts } from '../../../scripts/services/index.cjs';
import { createDatabase, describeWhenPresent, PrivateService, type TestDatabase } from '../../support/services.js';
import { until } from '../../support/until.js';
import { BehindTheDoor, nextOf, sendTo } from './behind-the-door.js';
import { EICAR, macroDocument, mail } from './real-mail.js';
import { parameters, snippet } from './snippets.js';

const START_MS = 240_000;
const COPIES = 'Postfix and others: plain copies';
const GTUBE = `XJS*C4JDBQADN1.NSBN3*2IDNEN*${'GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL'}*C.34X`;

// Of the test: who gets spam all the same, what is banned, and that containers with macros, for which the test has a
// signature, are not taken apart before clamd sees them.
const FURTHER = `
@spam_lovers_maps = ([qw(loves-spam@example.com)]);
$banned_filename_re = new_RE(qr'.\\.exe$'i);
@keep_decoded_original_maps = (new_RE(qr'^MAIL'i, qr'^(Zip archive|Microsoft)'i));
`;

describeWhenPresent(
  ['amavis', 'clamd', 'postfix', 'mariadb'],
  'Postfix with amavis and clamd, set up as docs/gateways.md says',
  () => {
    const folder = mkdtempSync(join(tmpdir(), 'mailkeep-gateway-'));
    const application = new BehindTheDoor();
    let database: TestDatabase;
    let amavis: PrivateService<'amavis'>;
    let postfix: PrivateService<'postfix'>;
    let facts: PostfixFacts;

    beforeAll(async () => {
      database = await createDatabase();
      const verdictMappingFile = join(folder, 'verdict-mapping.json');
      // The test's signature stands in for clamd's own Heuristics.OLE2.ContainsMacros.
      writeFileSync(
        verdictMappingFile,
        '{"amavis":{"findings":[{"content":["V"],"threat":"Test.Office.MacroDocument*","module":"ANTI_VIRUS","status":"MACROS"}]}}',
      );
      const { lmtp } = await application.start(
        { kind: 'mysql', url: database.url, connections: 10 },
        { verdictMappingFile, lmtpSpamHeaderPeers: ['127.0.0.1'] },
      );
      const [returnPort = 0] = await freePorts(1);
      const settings = snippet('amavisd-new', '/etc/amavis/conf.d/50-user', { ']:2424': `]:${lmtp}` });
      amavis = new PrivateService('amavis', { forwardPort: returnPort, config: settings + FURTHER });
      const { port } = await amavis.start();
      const divert = join(folder, 'divert');
      writeFileSync(divert, snippet(COPIES, '/etc/postfix/divert', { ']:2424': `]:${lmtp}` }));
      postfix = new PrivateService('postfix', {
        settings: {
          ...parameters(snippet('Postfix around it', '/etc/postfix/main.cf', { ']:10024': `]:${port}` })),
          ...parameters(snippet(COPIES, '/etc/postfix/main.cf', { '/etc/postfix/divert': divert })),
        },
        daemons: snippet('Postfix around it', '/etc/postfix/master.cf', { ':10025': `:${returnPort}` }),
      });
      facts = await postfix.start();
    }, START_MS);
    afterAll(async () => {
      await postfix?.remove();
      await amavis?.remove();
      await application.stop();
      await database?.drop();
      rmSync(folder, { recursive: true });
    }, 120_000);

    const send = (message: Buffer, envelope?: { from?: string; to?: readonly string[] }) =>
      sendTo(facts.port, message, envelope);
    const postqueue = (...given: string[]) =>
      execFileSync('postqueue', ['-c', facts.config, ...given], { encoding: 'utf8' });
    /** The message below the lines that Postfix and amavis add as they take it. */
    const below = (bytes: Buffer) => bytes.subarray(bytes.indexOf('\r\nFrom: ') + 2);

    it('S1, S2: puts EICAR aside once for all recipients, with the threat, byte for byte and live for those it was for', async () => {
      const events = await application.follow('anna');
      const message = mail({ Subject: 'Infected invoice' }, 'Grüße\r\n.dots', [
        { name: 'eicar.com', type: 'application/octet-stream', bytes: Buffer.from(EICAR) },
      ]);
      const to = ['anna@example.com', 'sales@example.com', 'stranger@elsewhere.test'];
      expect(await send(message, { to })).toMatch(/^250 /);
      const [seen] = await application.stored('Infected invoice');
      expect(seen).toMatchObject({
        sender: 'sender@example.net',
        gatewayMessageId: expect.stringMatching(/^[\w-]{12,16}$/) as string,
        action: 'DELETE_MESSAGE',
        rules: [{ action: 'DELETE_MESSAGE', reason: expect.stringMatching(/^INFECTED/) as string }],
      });
      expect(seen?.recipients.map(({ address }) => address).sort()).toEqual([...to].sort());
      expect(seen?.scanResults).toContainEqual(
        expect.objectContaining({
          module: 'ANTI_VIRUS',
          status: 'DETECTED',
          threatNames: [expect.stringContaining('Eicar-Test-Signature')],
        }),
      );
      const source = await application.source(seen as never);
      expect(source.toString('latin1')).toMatch(/^Received: from /);
      expect(below(source).equals(message)).toBe(true);
      expect(await nextOf(events, 2)).toEqual([
        'anna@example.com: Infected invoice',
        'sales@example.com: Infected invoice',
      ]);
      await events.close();
    });

    it('tells a macro document from a virus', async () => {
      const macros = {
        name: 'a.docm',
        type: 'application/vnd.ms-word.document.macroEnabled.12',
        bytes: macroDocument(),
      };
      await send(mail({ Subject: 'With macros' }, 'see attached', [macros]));
      const [seen] = await application.stored('With macros');
      expect(seen?.scanResults).toContainEqual(expect.objectContaining({ module: 'ANTI_VIRUS', status: 'MACROS' }));
    });

    it('S4: tells spam, and who got it all the same', async () => {
      await send(mail({ Subject: 'Spam for two', To: 'anna@example.com, loves-spam@example.com' }, GTUBE), {
        to: ['anna@example.com', 'loves-spam@example.com'],
      });
      const [seen] = await application.stored('Spam for two');
      expect(seen?.action).toBe('DELETE_MESSAGE');
      expect(seen?.rules).toEqual([
        { action: 'DELETE_MESSAGE', reason: expect.anything() as unknown, to: ['anna@example.com'] },
        { action: 'SKIP', reason: expect.anything() as unknown, to: ['loves-spam@example.com'] },
      ]);
      expect(seen?.scanResults).toContainEqual(
        expect.objectContaining({
          module: 'ANTI_SPAM',
          status: 'SPAM',
          scannerVerdict: expect.stringContaining('GTUBE') as string,
        }),
      );
    });

    it('names what is banned', async () => {
      const program = { name: 'invoice.exe', type: 'application/octet-stream', bytes: Buffer.from('MZ not really') };
      await send(mail({ Subject: 'Banned' }, 'run me', [program]));
      const [seen] = await application.stored('Banned');
      expect(seen?.rules[0]?.reason).toMatch(/^BANNED/);
      expect(seen?.scanResults).toContainEqual(
        expect.objectContaining({
          module: 'CONTENT_FILTERING',
          status: 'DETECTED',
          threatNames: [expect.stringContaining('invoice.exe')],
        }),
      );
    });

    it('S2: takes the null sender, and believes nothing the sender put into the header', async () => {
      const forged = { 'X-Envelope-To': '<dmitri@branch.test>', 'X-Quarantine-ID': '<forged>', 'X-Spam-Flag': 'NO' };
      await send(mail({ ...forged, Subject: 'Forged' }, GTUBE), { from: '' });
      const [seen] = await application.stored('Forged');
      expect(seen).toMatchObject({ sender: null, recipients: [{ address: 'anna@example.com' }] });
      expect(seen?.gatewayMessageId).not.toContain('forged');
      expect((await application.source(seen as never)).toString('latin1')).toContain(
        'X-Envelope-To: <dmitri@branch.test>',
      );
    });

    it('takes what Postfix diverts by its mark as a plain copy', async () => {
      const message = mail(
        { Subject: 'Diverted', 'X-Spam-Flag': 'YES', 'X-Spam-Status': 'Yes, score=12 required=5' },
        'buy',
      );
      const to = ['anna@example.com', 'ben@example.com'];
      expect(await send(message, { to })).toMatch(/^250 /);
      const [seen] = await application.stored('Diverted');
      expect(seen).toMatchObject({
        sender: 'sender@example.net',
        senderIp: '127.0.0.1',
        action: 'DELETE_MESSAGE',
        recipients: to.map((address) => ({ address })),
        rules: [{ reason: 'Yes, score=12 required=5' }],
      });
      const source = await application.source(seen as never);
      expect(source.subarray(source.indexOf('From: ')).equals(message)).toBe(true);
    });

    it(
      'S6: lets Postfix keep what comes while we are away, and stores it once when it comes again',
      async () => {
        await application.goAway();
        expect(await send(mail({ Subject: 'While away' }, GTUBE))).toMatch(/^250 /);
        await until(
          'amavis refused it for the moment',
          () => postqueue('-p'),
          (queue) => queue.includes('451'),
          60_000,
        );
        await application.comeBack();
        // amavis's other process may still hold a connection of before, and refuse once more; Postfix comes again.
        await until(
          'the queue is empty',
          () => {
            const queue = postqueue('-p');
            if (queue.includes('451')) postqueue('-f');
            return queue;
          },
          (queue) => queue.includes('is empty'),
          60_000,
        );
        expect(await application.stored('While away')).toHaveLength(1);
      },
      START_MS,
    );
  },
);
