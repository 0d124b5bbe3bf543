import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseHttpDump } from '../../src/services/intake/scanners/http-dump.js';
import { startTestApp, type TestApp } from '../support/app.js';
import { describeOnBothDatabases } from '../support/databases.js';
import { handOverByLmtp } from '../support/gateways.js';
import { LogLines } from '../support/log-lines.js';
import { ALL_ON, setSwitches } from '../support/people.js';
import { until } from '../support/until.js';

// Stands in every subject, body, file name and address that the story uses, and nowhere else.
const MARK = 'zanzibar';
const MAIL = [
  `From: ${MARK}-from@${MARK}.example`,
  `To: ${MARK}-to@example.com`,
  `Subject: ${MARK} subject`,
  `Message-ID: <${MARK}-id@example.net>`,
  'Content-Type: multipart/mixed; boundary=b',
  '',
  '--b',
  'Content-Type: text/html',
  '',
  `<p>${MARK} body <a href="http://${MARK}.example/">x</a><img src="http://${MARK}.example/i.png"></p>`,
  '--b',
  `Content-Disposition: attachment; filename="${MARK}.pdf"`,
  '',
  `${MARK} attachment`,
  '--b--',
  '',
].join('\r\n');

describeOnBothDatabases('What a day leaves in the log at the level info', (location) => {
  const log = new LogLines();
  let test: TestApp;

  beforeAll(async () => {
    test = await startTestApp(
      location(),
      { logLevel: 'info', lmtpListen: '127.0.0.1:0', messageLimitBytes: 200_000, retentionIntervalMs: 100 },
      log,
    );
    await setSwitches(test.app.database, ALL_ON);
  }, 120_000);
  afterAll(() => test?.stop());

  const change = (sql: string) => test.app.database.transaction((transaction) => transaction.run(sql));

  it('has no subject, no content and no address, whatever happens, and names the request', async () => {
    const secret = await test.intakeToken();
    const gateway = test.client();
    const metadata = {
      sender: `${MARK}-sender@example.net`,
      recipients: ['anna@example.com', `${MARK}-rcpt@example.com`],
      reason: `${MARK} reason`,
    };
    // Taken, in every form; repeated; refused for good; too large.
    expect((await gateway.handOver(secret, MAIL, metadata)).status).toBe(200);
    expect((await gateway.handOver(secret, MAIL, metadata)).status).toBe(200);
    for (const dump of ['rspamd-3.4-raw.http', 'rspamd-multipart-message-first.http']) {
      const { headers, body } = parseHttpDump(readFileSync(join(__dirname, '../intake/scanners/fixtures', dump)));
      const { status } = await fetch(`${test.url}/intake/rspamd`, {
        method: 'POST',
        headers: {
          'content-type': headers['content-type'] as string,
          authorization: `Bearer ${secret}`,
          'x-rspamd-subject': MARK,
        },
        body: new Uint8Array(body),
      });
      expect(status).toBeLessThan(500);
    }
    expect(await handOverByLmtp(test.app.lmtpAddress ?? '', { id: MARK, bytes: Buffer.from(MAIL) })).toBe(
      'ACKNOWLEDGED',
    );
    for (const wrong of [
      { ...metadata, sender: 7 },
      { ...metadata, [MARK]: MARK },
      { ...metadata, receivedAt: MARK },
    ])
      expect((await gateway.handOver(secret, MAIL, wrong)).status).toBe(400);
    const refused = await fetch(`${test.url}/intake/message`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${secret}`,
        'content-type': 'message/rfc822',
        'x-mailkeep-metadata': `{"sender": ${MARK}`,
      },
      body: MAIL,
    });
    expect(refused.status).toBe(400);
    expect((await gateway.handOver(secret, MAIL + 'x'.repeat(300_000), metadata)).status).toBe(413);
    expect((await gateway.handOver(`${MARK}-token`, MAIL, metadata)).status).toBe(401);

    // Read, searched, previewed, refused, deleted, asked wrongly.
    const anna = await test.signedIn('anna');
    const admin = await test.signedIn('admin');
    const seen = await admin.ask<{ backup: { messages: { nodes: { id: string }[] } } }>(
      `{ backup { messages(first: 20, filter: { subject: "${MARK}" }) { nodes { id subject sender recipients { address } } } } }`,
    );
    expect(seen.backup.messages.nodes.length).toBeGreaterThan(0);
    await anna.query(
      '{ viewer { personalBackup { own { messages { nodes { id subject previewText { text } previewUrl } } } } } }',
    );
    for (const query of [
      `{ backup { messages(filter: { sender: "${MARK}" }, first: 100000) { nodes { id } } } }`,
      `query { ${MARK} }`,
      `{ backup { message(id: "${MARK}") { id } } }`,
      `mutation { signIn(input: { login: "${MARK}@example.com", password: "${MARK}" }) { token userErrors { code } } }`,
    ])
      for (const client of [anna, admin]) await client.query(query);

    // A fault of the database in the middle of storing: the statement with its values must not be told.
    await change('ALTER TABLE recipient RENAME TO recipient_broken');
    try {
      for (let index = 0; index < 3; index += 1) {
        const answer = await gateway.handOver(secret, `X: ${index}\r\n${MAIL}`, metadata);
        expect(answer).toMatchObject({ status: 200, body: { spooled: true } });
      }
      const broken = await fetch(`${test.url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${admin.token}` },
        body: JSON.stringify({ query: '{ backup { messages { nodes { recipients { address } } } } }' }),
      });
      const requestId = broken.headers.get('x-request-id');
      expect(log.entries.find((entry) => entry['requestId'] === requestId)).toMatchObject({ msg: 'internal error' });
      await until('they were tried', () => log.text.includes('a spooled message could not be stored'), Boolean, 20_000);
    } finally {
      await change('ALTER TABLE recipient_broken RENAME TO recipient');
    }
    // A fault that hit every message sets none aside.
    await until(
      'they are stored',
      async () => (await fetch(`${test.url}/readyz`)).text(),
      (text) => !text.includes('spool'),
      20_000,
    );
    expect(log.text).not.toContain('set aside');

    // Expired.
    await change('UPDATE message SET stored_at = 1');
    await until(
      'retention has worked',
      () => log.text.includes('messages beyond the limits were removed'),
      Boolean,
      20_000,
    );

    const { entries } = log;
    expect(entries.find((entry) => entry['requestId'] === refused.headers.get('x-request-id'))).toMatchObject({
      msg: 'intake refused a message',
    });
    for (const entry of entries) expect(JSON.stringify(entry)).not.toMatch(new RegExp(`${MARK}|@example`, 'i'));
  }, 90_000);
});
