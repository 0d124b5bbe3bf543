import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import SMTPConnection from 'nodemailer/lib/smtp-connection';
import { GatewayAction, type HandOver } from '../../../src/entities/vocabulary';
import { createLogger } from '../../../src/log';
import { LmtpListener } from '../../../src/services/intake/lmtp-listener';
import { LMTP_DEFAULTS } from '../../../src/services/intake/lmtp-settings';
import { readVerdictMapping } from '../../../src/services/intake/scanners/verdict-mapping';
import { describeWhenPresent, PrivateService } from '../../support/services';
import { mail } from './real-mail';

describeWhenPresent(['postfix'], 'a real Postfix that diverts marked messages', () => {
  const taken: { handOver: HandOver; bytes: Buffer }[] = [];
  let wake: () => void = () => undefined;
  const listener = new LmtpListener(
    {
      ...LMTP_DEFAULTS,
      listen: { host: '127.0.0.1', port: 0 },
      messageBytes: 1 << 20,
      spamHeaderPeers: ['127.0.0.1'],
    },
    readVerdictMapping(),
    async (handOver, message) => {
      const chunks: Buffer[] = [];
      for await (const chunk of message) chunks.push(chunk);
      taken.push({ handOver, bytes: Buffer.concat(chunks) });
      wake();
      return 'STORED';
    },
    createLogger('silent'),
  );
  const folder = mkdtempSync(join(tmpdir(), 'mailkeep-postfix-'));
  let postfix: PrivateService<'postfix'>;
  let port: number;

  beforeAll(async () => {
    const { address } = await listener.start();
    const [host, lmtpPort] = address.split(':');
    // As docs/gateways.md has it.
    const divert = join(folder, 'divert');
    writeFileSync(divert, `/^X-Spam-Flag: YES/ FILTER lmtp:[${host}]:${lmtpPort}\n`);
    postfix = new PrivateService('postfix', {
      settings: { header_checks: `regexp:${divert}`, lmtp_send_xforward_command: 'yes' },
    });
    port = (await postfix.start()).port;
  }, 120_000);
  afterAll(async () => {
    await postfix.remove();
    await listener.stop();
    rmSync(folder, { recursive: true });
  }, 60_000);

  it('S1, S2: gives the envelope of the message, who sent it, and the message below its Received line', async () => {
    const message = mail({ 'X-Spam-Flag': 'YES', 'X-Spam-Status': 'Yes, score=12 required=5' }, 'buy');
    const arrived = new Promise<void>((resolve) => (wake = resolve));
    await new Promise<void>((resolve, reject) => {
      const client = new SMTPConnection({ host: '127.0.0.1', port, ignoreTLS: true });
      client.once('error', reject);
      client.connect(() =>
        client.send(
          { from: 'sender@example.net', to: ['anna@example.test', 'boris@example.test'] },
          message,
          (error) => {
            client.quit();
            if (error) reject(error);
            else resolve();
          },
        ),
      );
    });
    await arrived;
    const [first] = taken;
    expect(first?.handOver).toMatchObject({ sender: 'sender@example.net', senderIp: '127.0.0.1' });
    expect(first?.handOver.verdicts[0]).toMatchObject({
      action: GatewayAction.DELETE_MESSAGE,
      recipients: ['anna@example.test', 'boris@example.test'],
      reason: 'Yes, score=12 required=5',
    });
    expect(first?.bytes.subarray(first.bytes.indexOf('From: ')).equals(message)).toBe(true);
  }, 60_000);
});
