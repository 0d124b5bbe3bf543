import { Agent, request } from 'node:http';
import { GatewayAction, type HandOver, Module, ScanStatus } from '../../../src/entities/vocabulary';
import { rspamdHandOver } from '../../../src/services/intake/scanners/rspamd-hand-over';
import { loadVerdictMapping, readVerdictMapping } from '../../../src/services/intake/scanners/verdict-mapping';
import { describeWhenPresent, PrivateService } from '../../support/services';
import { EICAR, macroDocument, mail } from './real-mail';
import { Receiver } from './receiver';

const START_MS = 180_000;

/** What docs/gateways.md tells people to write, with the test's port. */
const exporter = (port: number) => `
rules {
  MAILKEEP {
    backend = "http";
    url = "http://127.0.0.1:${port}/intake/rspamd";
    selector = "put_aside";
    formatter = "default";
    meta_headers = true;
    mime_type = "message/rfc822";
    defer = true;
    timeout = 20s;
  }
  MAILKEEP_MULTIPART {
    backend = "http";
    url = "http://127.0.0.1:${port}/intake/rspamd";
    selector = "put_aside_multipart";
    formatter = "as_form";
    mime_type = "multipart/form-data; boundary=0123456789abcdef0123456789abcdef";
    defer = true;
    timeout = 20s;
  }
}
custom_select {
  put_aside = <<EOD
return function(task)
  local action = task:get_metric_action()
  return action == 'reject' or action == 'quarantine' or action == 'discard' or action == 'add header'
end
EOD;
  put_aside_multipart = <<EOD
return function(task)
  return task:get_header('X-Test-Form') ~= nil
end
EOD;
}
custom_format {
  as_form = <<EOD
return function(task)
  local ucl = require "ucl"
  local rcpt = {}
  for _, a in ipairs(task:get_recipients('smtp') or {}) do rcpt[#rcpt + 1] = a.addr end
  local from = task:get_from('smtp')
  local meta = ucl.to_format({
    qid = task:get_queue_id() or 'unknown', action = task:get_metric_action(), rcpt = rcpt,
    from = ((from or {})[1] or {}).addr or 'unknown', score = task:get_metric_score()[1],
    symbols = task:get_symbols_all(), size = task:get_size(),
  }, 'json-compact')
  local b = '0123456789abcdef0123456789abcdef'
  return table.concat({
    '--', b, '\\r\\nContent-Disposition: form-data; name="message"; filename="message.eml"\\r\\nContent-Type: message/rfc822\\r\\n\\r\\n',
    tostring(task:get_content()), '\\r\\n--', b, '\\r\\nContent-Disposition: form-data; name="metadata"\\r\\nContent-Type: application/json\\r\\n\\r\\n',
    meta, '\\r\\n--', b, '--\\r\\n',
  })
end
EOD;
}
`;

describeWhenPresent(['rspamd', 'clamd'], 'a real rspamd', () => {
  const receiver = new Receiver();
  const mapping = readVerdictMapping({
    // The test's signature stands in for clamd's own Heuristics.OLE2.ContainsMacros.
    rspamd: {
      findings: [
        { symbol: 'CLAM_VIRUS', option: 'Test.Office.MacroDocument*', module: 'ANTI_VIRUS', status: 'MACROS' },
      ],
    },
  });
  let rspamd: PrivateService<'rspamd'>;
  let port: number;

  beforeAll(async () => {
    await receiver.start();
    rspamd = new PrivateService('rspamd', {
      files: {
        'local.d/metadata_exporter.conf': exporter(receiver.port),
        'local.d/actions.conf': 'quarantine { flags = ["no_threshold"]; }\n',
        'local.d/multimap.conf': 'TEST_QUARANTINE { type = "header"; header = "X-Test-Quarantine"; map = ["yes"]; }\n',
        'local.d/force_actions.conf': 'rules { ASIDE { action = "quarantine"; expression = "TEST_QUARANTINE"; } }\n',
      },
    });
    port = (await rspamd.start()).port;
  }, START_MS);
  afterAll(async () => {
    await rspamd.remove();
    await receiver.stop();
  }, 60_000);
  beforeEach(() => {
    receiver.received.length = 0;
    receiver.errors.length = 0;
  });

  /** Has a message scanned, as a mail server's milter does; resolves with rspamd's action when its exporters are done. */
  const scan = (
    message: Buffer,
    {
      from = 'sender@example.net',
      to = ['anna@example.test'],
      queueId = '4ABC',
    }: { from?: string; to?: string[]; queueId?: string } = {},
  ): Promise<string> =>
    new Promise((resolve, reject) => {
      const agent = new Agent();
      // Header values are UTF-8 here, one character a byte for Node.
      const rcpt = to.map((address) => Buffer.from(address).toString('latin1'));
      const headers = {
        From: from,
        Ip: '192.0.2.25',
        'Queue-Id': queueId,
        Rcpt: rcpt,
        'Content-Length': message.length,
      };
      const call = request(
        { agent, host: '127.0.0.1', port, method: 'POST', path: '/checkv2', headers },
        (response) => {
          let body = '';
          response.on('data', (chunk: Buffer) => (body += chunk.toString()));
          response.on('end', () => resolve((JSON.parse(body) as { action: string }).action));
        },
      );
      call.on('error', reject);
      call.end(message);
    });
  const handOvers = (): HandOver[] => receiver.received.map(({ metadata }) => rspamdHandOver(metadata, mapping, 0));
  const result = (module: Module) =>
    handOvers()[0]?.verdicts[0]?.scanResults.find((candidate) => candidate.module === module);

  it('S1, S2: hands over EICAR with the envelope, the action and the threat, byte for byte', async () => {
    const message = mail({ Subject: 'Invoice' }, 'Greetings', [
      { name: 'eicar.txt', type: 'application/octet-stream', bytes: Buffer.from(EICAR) },
    ]);
    expect(await scan(message, { to: ['anna@example.test', 'boris@example.test'] })).toBe('reject');
    expect(receiver.errors).toEqual([]);
    expect(receiver.received.map(({ form }) => form)).toEqual(['RAW']);
    expect(receiver.received[0]?.bytes.equals(message)).toBe(true);
    expect(handOvers()[0]).toMatchObject({
      sender: 'sender@example.net',
      senderIp: '192.0.2.25',
      gatewayMessageId: '4ABC',
      node: expect.stringMatching(/./),
    });
    expect(handOvers()[0]?.verdicts[0]).toMatchObject({
      action: GatewayAction.REJECT,
      recipients: ['anna@example.test', 'boris@example.test'],
    });
    expect(result(Module.ANTI_VIRUS)).toMatchObject({
      status: ScanStatus.DETECTED,
      threatNames: ['Eicar-Test-Signature.UNOFFICIAL'],
    });
    expect(result(Module.ANTI_SPAM)?.status).toBe(ScanStatus.NOT_DETECTED);
  });

  it('tells a macro document from a virus', async () => {
    await scan(
      mail({}, 'see attached', [
        { name: 'a.docm', type: 'application/vnd.ms-word.document.macroEnabled.12', bytes: macroDocument() },
      ]),
    );
    expect(receiver.received).toHaveLength(1);
    expect(result(Module.ANTI_VIRUS)).toMatchObject({
      status: ScanStatus.MACROS,
      threatNames: [expect.stringContaining('MacroDocument')],
    });
  });

  it('tells spam by its score', async () => {
    await scan(mail({ 'X-Test-Score': '20' }, 'buy'));
    expect(result(Module.ANTI_SPAM)?.status).toBe(ScanStatus.SPAM);
    receiver.received.length = 0;
    await scan(mail({ 'X-Test-Score': '7' }, 'buy'));
    expect(result(Module.ANTI_SPAM)?.status).toBe(ScanStatus.PROBABLE_SPAM);
    expect(handOvers()[0]?.verdicts[0]?.action).toBe(GatewayAction.SKIP);
  });

  it('S4: hands over what the action quarantine put aside as withheld', async () => {
    expect(await scan(mail({ 'X-Test-Quarantine': 'yes' }, 'hello'))).toBe('quarantine');
    expect(handOvers()[0]?.verdicts[0]?.action).toBe(GatewayAction.DELETE_MESSAGE);
  });

  it('hands over the null sender and bytes that are no text', async () => {
    const message = Buffer.concat([
      mail({ 'X-Test-Score': '20' }, 'bytes: '),
      Buffer.from([0, 0xff, 0xfe, 0x0a, 0x0a, 0xe4]),
    ]);
    await scan(message, { from: '<>' });
    expect(receiver.received[0]?.bytes.equals(message)).toBe(true);
    expect(handOvers()[0]?.sender).toBeNull();
  });

  it('S5: pushes of two rules differ in form only', async () => {
    const message = mail({ 'X-Test-Score': '20', 'X-Test-Form': 'yes' }, 'buy');
    await scan(message, { to: ['anna@example.test', 'boris@example.test'] });
    expect(receiver.received.map(({ form }) => form).sort()).toEqual(['MULTIPART', 'RAW']);
    for (const { bytes } of receiver.received) expect(bytes.equals(message)).toBe(true);
    const [first, second] = handOvers();
    expect(second?.gatewayMessageId).toBe(first?.gatewayMessageId);
    expect(second?.verdicts).toEqual(first?.verdicts);
  });

  it('takes 700 recipients, whose headers are larger than Node’s usual limit', async () => {
    const to = Array.from({ length: 700 }, (_, index) => `a-person-with-quite-a-long-name-${index}@example.test`);
    await scan(mail({ 'X-Test-Score': '20' }, 'buy'), { to });
    expect(handOvers()[0]?.verdicts[0]?.recipients).toEqual(to);
  });

  it(
    'S6: is told to come again when we are away, so that nothing is lost (defer)',
    async () => {
      const away = new Receiver();
      await away.start();
      const dead = away.port;
      await away.stop();
      const other = new PrivateService('rspamd', { files: { 'local.d/metadata_exporter.conf': exporter(dead) } });
      try {
        port = (await other.start()).port;
        expect(await scan(mail({ 'X-Test-Score': '20' }, 'buy'))).toBe('soft reject');
      } finally {
        port = (await rspamd.start()).port;
        await other.remove();
      }
    },
    START_MS,
  );

  it('has a default mapping that knows nothing of this test', () => {
    expect(loadVerdictMapping().rspamd.rules.some((rule) => rule.option?.('Test.Office.MacroDocument'))).toBe(false);
  });
});
