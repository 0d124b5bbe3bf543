import { startTestApp, type TestApp } from '../support/app.js';
import type { Client } from '../support/client.js';
import { describeOnBothDatabases } from '../support/databases.js';
import { handOverByHttp, handOverByLmtp, messageOf } from '../support/gateways.js';
import { LogLines } from '../support/log-lines.js';
import { ScriptedRelay } from '../support/scripted-relay.js';
import { idsIn, newKey, perform } from '../operations/operation-client.js';

interface Listed {
  readonly backup: {
    readonly messages: {
      readonly nodes: readonly { readonly gatewayMessageId: string; readonly loopSentAt: string | null }[];
    };
  };
}

describeOnBothDatabases('What Backup sent and a gateway puts aside again', (location) => {
  const relay = new ScriptedRelay();
  const log = new LogLines();
  let test: TestApp;
  let admin: Client;
  let secret: string;

  beforeAll(async () => {
    const { host, port } = await relay.start();
    test = await startTestApp(
      location(),
      {
        relayHost: host,
        relayPort: port,
        relayTls: 'NONE',
        senderAddress: 'backup@example.com',
        lmtpListen: '127.0.0.1:0',
        metricsToken: 'a-token-for-prometheus',
        logLevel: 'warn',
      },
      log,
    );
    admin = await test.signedIn('admin');
    secret = await test.intakeToken();
  }, 60_000);
  afterAll(async () => {
    await test?.stop();
    await relay.stop();
  });
  beforeEach(() => {
    relay.received.splice(0);
    log.clear();
  });

  /** Sends a message from Backup; gives what arrives. */
  const sent = async (id: string, deliveryFormat: 'AS_IS' | 'IN_ATTACHMENT'): Promise<Buffer> => {
    expect(await handOverByHttp(test.url, secret, messageOf(id, 3))).toBe('ACKNOWLEDGED');
    const input = { addresses: ['someone@example.org'], toOriginalRecipients: false, deliveryFormat };
    const ids = await idsIn(admin, `message ${id}`);
    await perform(admin, 'sendBackupMessages', { ids, ...input, idempotencyKey: newKey() });
    const bytes = relay.received[0]?.bytes ?? Buffer.alloc(0);
    expect(bytes.toString('latin1')).toMatch(/^X-Mailkeep-Sent: v1; id=/m);
    return Buffer.concat([Buffer.from('Received: from relay.example.com; Fri, 27 Nov 2026 12:00:00 +0000\r\n'), bytes]);
  };
  const loops = async () => {
    const response = await fetch(`${test.url}/metrics`, {
      headers: { authorization: 'Bearer a-token-for-prometheus' },
    });
    return [...(await response.text()).matchAll(/^mailkeep_intake_loops_total\{source="(\w+)"\} (\d+)$/gm)].map(
      ([, source, count]) => `${source} ${count}`,
    );
  };
  const loopSentAt = async (id: string) => {
    const { backup } = await admin.ask<Listed>(
      `{ backup { messages(filter: { gatewayMessageId: "${id}" }) { nodes { gatewayMessageId loopSentAt } } } }`,
    );
    expect(backup.messages.nodes).toHaveLength(1);
    return backup.messages.nodes[0]?.loopSentAt;
  };

  it('D4: keeps it, counts it, warns without content, and shows it to administrators, over HTTP and LMTP', async () => {
    const asIs = await sent('first', 'AS_IS');
    expect(await loopSentAt('first')).toBeNull();
    const before = await loops();
    expect(await handOverByHttp(test.url, secret, { id: 'again-1', bytes: asIs })).toBe('ACKNOWLEDGED');
    // The same hand-over twice is one message, and one loop (rule S5).
    expect(await handOverByHttp(test.url, secret, { id: 'again-1', bytes: asIs })).toBe('ACKNOWLEDGED');
    relay.received.splice(0);
    const attached = await sent('second', 'IN_ATTACHMENT');
    expect(await handOverByLmtp(test.app.lmtpAddress ?? '', { id: 'again-2', bytes: attached })).toBe('ACKNOWLEDGED');
    expect(before).toEqual([]);
    expect((await loops()).sort()).toEqual(['http 1', 'lmtp 1']);
    for (const id of ['again-1', 'again-2']) expect(await loopSentAt(id)).toMatch(/^\d{4}-\d\d-\d\dT.*Z$/);
    const warnings = log.entries.filter(({ msg }) => String(msg).includes('Backup has sent'));
    expect(warnings.map(({ source }) => source)).toEqual(['http', 'lmtp']);
    expect(log.text).not.toMatch(/@|message first|message second/);
  });

  it('ignores marks that are forged, foreign or in an attached message', async () => {
    const asIs = await sent('third', 'AS_IS');
    const text = asIs.toString('latin1');
    const before = await loops();
    const marks = {
      altered: text.replace(/(s=)(.)/, (_, name: string, digit: string) => `${name}${digit === '0' ? '1' : '0'}`),
      foreign: text.replace(/X-Mailkeep-Sent: [^\r]*\r\n(?:[ \t][^\r]*\r\n)*/, 'X-Mailkeep-Sent: yes\r\n'),
      inside: `Subject: a report\r\nContent-Type: message/rfc822\r\n\r\n${text}`,
      later: text
        .replace('\r\n\r\n', '\r\n\r\nX-Mailkeep-Sent: in the body\r\n')
        .replace(/^X-Mailkeep-Sent: v1/m, 'X-Other: v1'),
    };
    for (const [id, message] of Object.entries(marks)) {
      expect(await handOverByHttp(test.url, secret, { id, bytes: Buffer.from(message, 'latin1') })).toBe(
        'ACKNOWLEDGED',
      );
      expect(await loopSentAt(id)).toBeNull();
    }
    // A forged one beside ours changes nothing.
    const beside = Buffer.from(`X-Mailkeep-Sent: v1; id=1; t=1; s=00\r\n${text}`, 'latin1');
    expect(await handOverByHttp(test.url, secret, { id: 'beside', bytes: beside })).toBe('ACKNOWLEDGED');
    expect(await loopSentAt('beside')).not.toBeNull();
    expect(before).toEqual(['http 1', 'lmtp 1']);
    expect((await loops()).sort()).toEqual(['http 2', 'lmtp 1']);
  });
});
