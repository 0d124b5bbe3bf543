import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePorts } from '../../../scripts/services/index.cjs';
import { createDatabase, describeWhenPresent, PrivateService, type TestDatabase } from '../../support/services.js';
import { BehindTheDoor, nextOf, sendTo } from './behind-the-door.js';
import { EICAR, macroDocument, mail } from './real-mail.js';
import { parameters, snippet } from './snippets.js';

const START_MS = 240_000;
const DEBIAN = 'rspamd 3.4 (Debian 12) up to 3.14.1';

/** A second rule that pushes the same messages in the form that newer versions write. */
const SECOND_RULE = (http: number, token: string) => `
  MAILKEEP_TOO {
    backend = "http";
    url = "http://127.0.0.1:${http}/intake/rspamd";
    user = "intake";
    password = "${token}";
    selector = "twice";
    formatter = "as_form";
    mime_type = "multipart/form-data; boundary=0123456789abcdef0123456789abcdef";
    defer = true;
    timeout = 20s;
  }
`;
const SECOND_FORM = `
custom_select {
  twice = <<EOD
return function(task)
  return task:get_header('X-Test-Twice') ~= nil
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

describeWhenPresent(
  ['rspamd', 'clamd', 'postfix', 'mariadb'],
  'Postfix with rspamd and clamd, set up as docs/gateways.md says',
  () => {
    const folder = mkdtempSync(join(tmpdir(), 'mailkeep-gateway-'));
    const application = new BehindTheDoor();
    let database: TestDatabase;
    let rspamd: PrivateService<'rspamd'>;
    let postfix: PrivateService<'postfix'>;
    let port: number;

    beforeAll(async () => {
      database = await createDatabase();
      const mapping = JSON.parse(snippet('What becomes of the mail', '/etc/mailkeep/verdict-mapping.json')) as {
        rspamd: Record<string, unknown>;
      };
      // The test's signature stands in for clamd's own Heuristics.OLE2.ContainsMacros.
      mapping.rspamd['findings'] = [
        { symbol: 'CLAM_VIRUS', option: 'Test.Office.MacroDocument*', module: 'ANTI_VIRUS', status: 'MACROS' },
      ];
      const verdictMappingFile = join(folder, 'verdict-mapping.json');
      writeFileSync(verdictMappingFile, JSON.stringify(mapping));
      const [clamdPort = 0] = await freePorts(1);
      const { http, token } = await application.start(
        { kind: 'mysql', url: database.url, connections: 10 },
        { verdictMappingFile },
      );
      const exporter = snippet(DEBIAN, '/etc/rspamd/local.d/metadata_exporter.conf', {
        '127.0.0.1:4000': `127.0.0.1:${http}`,
        TOKEN: token,
      });
      rspamd = new PrivateService('rspamd', {
        clamd: { ports: { port: clamdPort } },
        files: {
          'local.d/metadata_exporter.conf':
            exporter.replace('rules {', `rules {${SECOND_RULE(http, token)}`) + SECOND_FORM,
          'local.d/actions.conf': snippet('What becomes of the mail', '/etc/rspamd/local.d/actions.conf'),
          'local.d/antivirus.conf': snippet('What becomes of the mail', '/etc/rspamd/local.d/antivirus.conf', {
            '127.0.0.1:3310': `127.0.0.1:${clamdPort}`,
          }),
        },
      });
      const { milterPort } = await rspamd.start();
      postfix = new PrivateService('postfix', {
        settings: parameters(snippet('Postfix in front', '/etc/postfix/main.cf', { '11332': String(milterPort) })),
      });
      port = (await postfix.start()).port;
    }, START_MS);
    afterAll(async () => {
      await postfix?.remove();
      await rspamd?.remove();
      await application.stop();
      await database?.drop();
      rmSync(folder, { recursive: true });
    }, 120_000);

    it('S1, S2: puts EICAR aside with envelope, action and threat, byte for byte and live for those it was for', async () => {
      const events = await application.follow('anna');
      const message = mail({ Subject: 'Infected invoice' }, 'Grüße\r\n.dots', [
        { name: 'eicar.txt', type: 'application/octet-stream', bytes: Buffer.from(EICAR) },
      ]);
      const to = ['Anna@example.com', 'sales@example.com', 'stranger@elsewhere.test'];
      expect(await sendTo(port, message, { to })).toMatch(/^250 /);
      const [seen] = await application.stored('Infected invoice');
      expect(seen).toMatchObject({
        sender: 'sender@example.net',
        senderIp: '127.0.0.1',
        node: expect.stringMatching(/./) as string,
        gatewayMessageId: expect.stringMatching(/^[0-9A-Za-z]{6,}$/) as string,
        action: 'DELETE_MESSAGE',
        recipients: to.map((address) => ({ address })),
      });
      expect(seen?.scanResults).toContainEqual(
        expect.objectContaining({
          module: 'ANTI_VIRUS',
          status: 'DETECTED',
          threatNames: ['Eicar-Test-Signature.UNOFFICIAL'],
        }),
      );
      expect((await application.source(seen as never)).equals(message)).toBe(true);
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
      expect(await sendTo(port, mail({ Subject: 'With macros' }, 'see attached', [macros]))).toMatch(/^250 /);
      const [seen] = await application.stored('With macros');
      expect(seen).toMatchObject({ action: 'DELETE_MESSAGE' });
      expect(seen?.scanResults).toContainEqual(
        expect.objectContaining({
          module: 'ANTI_VIRUS',
          status: 'MACROS',
          threatNames: [expect.stringContaining('MacroDocument')],
        }),
      );
    });

    it('V4: shows people what was refused at SMTP time once the mapping says so, and not what they got', async () => {
      const events = await application.follow('anna');
      expect(await sendTo(port, mail({ Subject: 'Marked', 'X-Test-Score': '7' }, 'buy'))).toMatch(/^250 /);
      expect(await sendTo(port, mail({ Subject: 'Refused spam', 'X-Test-Score': '20' }, 'buy'))).toMatch(/^5\d\d /);
      const status = (status: string) => expect.objectContaining({ module: 'ANTI_SPAM', status }) as unknown;
      const [refused] = await application.stored('Refused spam');
      expect(refused).toMatchObject({ action: 'DELETE_MESSAGE', recipients: [{ address: 'anna@example.com' }] });
      expect(refused?.scanResults).toContainEqual(status('SPAM'));
      const [marked] = await application.stored('Marked');
      expect(marked).toMatchObject({ action: 'SKIP' });
      expect(marked?.scanResults).toContainEqual(status('PROBABLE_SPAM'));
      expect(await nextOf(events, 1)).toEqual(['anna@example.com: Refused spam']);
      expect(events.waiting).toEqual([]);
      await events.close();
    });

    it('takes many recipients, the null sender and a subject in raw UTF-8', async () => {
      const to = Array.from({ length: 700 }, (_, index) => `a-person-with-quite-a-long-name-${index}@example.com`);
      await sendTo(port, mail({ Subject: 'Müll für viele', 'X-Test-Score': '20' }, 'buy'), { from: '', to });
      const [seen] = await application.stored('Müll für viele');
      expect(seen).toMatchObject({ sender: null, recipients: to.map((address) => ({ address })) });
    });

    it('S5: makes one message of the pushes of two rules', async () => {
      const message = mail({ Subject: 'Pushed twice', 'X-Test-Score': '20', 'X-Test-Twice': 'yes' }, 'buy');
      await sendTo(port, message, { to: ['anna@example.com', 'ben@example.com'] });
      expect(await application.stored('Pushed twice')).toHaveLength(1);
    });

    it(
      'S6: has senders come again while we are away (defer), and stores their mail once',
      async () => {
        const message = mail({ Subject: 'While away', 'X-Test-Score': '20' }, 'buy');
        await application.goAway();
        expect(await sendTo(port, message)).toMatch(/^4\d\d /);
        await application.comeBack();
        expect(await sendTo(port, message)).toMatch(/^5\d\d /);
        expect(await application.stored('While away')).toHaveLength(1);
      },
      START_MS,
    );
  },
);
