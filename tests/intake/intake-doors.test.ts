import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { parseHttpDump } from '../../src/services/intake/scanners/http-dump.js';
import { RetentionWorker } from '../../src/services/backup/retention-worker.js';
import { startTestApp, type TestApp } from '../support/app.js';
import type { Client } from '../support/client.js';
import { describeOnBothDatabases } from '../support/databases.js';
import { handOverOf, received } from '../support/hand-overs.js';
import { createLogger } from '../../src/log.js';

const fixture = (name: string) => readFileSync(join(__dirname, 'scanners', 'fixtures', name));
const FORMS = [
  'rspamd-3.4-raw.http',
  'rspamd-3.8-raw.http',
  'rspamd-multipart-metadata-first.http',
  'rspamd-multipart-message-first.http',
  'rspamd-json-with-message.http',
];
const METRICS_TOKEN = 'a-token-for-prometheus';

interface Answer {
  readonly status: number;
  readonly body: string;
}

function send(url: string, headers: Record<string, string | string[] | undefined>, body: Buffer): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { method: 'POST', headers });
    sent.on('error', reject);
    sent.on('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() }));
    });
    sent.end(body);
  });
}

/** Speaks LMTP line by line; gives the answers to everything that was sent. */
function speak(address: string, lines: readonly string[]): Promise<string[]> {
  const [host = '', port = ''] = address.split(':');
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), host);
    const answers: string[] = [];
    let rest = '';
    let next = 0;
    socket.on('error', reject);
    socket.on('close', () => resolve(answers));
    socket.on('data', (data) => {
      rest += data.toString();
      const complete = rest.split('\r\n');
      rest = complete.pop() ?? '';
      for (const line of complete) {
        answers.push(line);
        if (/^\d{3} /.test(line) && next < lines.length) socket.write(`${lines[next++]}\r\n`);
      }
    });
  });
}

const QUERY = `{ backup {
  storage { usedBytes limitBytes messageCount nearlyFull oldestMessageAt spool { waiting setAside } }
  statistics(interval: HOUR) { messages size byModule { module messages } byAction { action messages } buckets { startsAt action detectedBy messages size } }
  messages(first: 50) { edges { node { id action gatewayMessageId sender recipients { address } } } }
} }`;

interface Seen {
  readonly backup: {
    readonly storage: Record<string, unknown> & { readonly usedBytes: number; readonly messageCount: number };
    readonly statistics: {
      readonly messages: number;
      readonly size: number;
      readonly byAction: readonly { readonly action: string; readonly messages: number }[];
      readonly buckets: readonly { readonly messages: number; readonly size: number }[];
    };
    readonly messages: { readonly edges: readonly { readonly node: Record<string, unknown> }[] };
  };
}

describeOnBothDatabases('Intake from scanners, and what it leaves', (location) => {
  let test: TestApp;
  let secret: string;
  let admin: Client;

  beforeAll(async () => {
    test = await startTestApp(location(), {
      lmtpListen: '127.0.0.1:0',
      metricsListen: '127.0.0.1:0',
      metricsToken: METRICS_TOKEN,
      retentionIntervalMs: 86_400_000,
    });
    secret = await test.intakeToken();
    admin = await test.signedIn('admin');
  }, 120_000);
  afterAll(() => test?.stop());

  const see = () => admin.ask<Seen>(QUERY);
  const rspamd = (name: string, authorization = `Basic ${Buffer.from(`intake:${secret}`).toString('base64')}`) => {
    const { headers, body } = parseHttpDump(fixture(name));
    return send(`${test.url}/intake/rspamd`, { ...headers, authorization }, body);
  };
  const recount = async () => {
    const { database } = test.app;
    const [total] = await database.rows('SELECT messages, used_bytes AS bytes FROM backup_total');
    const [counted] = await database.rows(
      'SELECT (SELECT count(*) FROM message) AS messages, (SELECT COALESCE(SUM(stored_bytes), 0) FROM content) AS bytes',
    );
    const numbers = (row: unknown) => Object.values(row as object).map(Number);
    expect(numbers(total)).toEqual(numbers(counted));
    const groups = (rows: unknown[]) => rows.map(numbers);
    const kept = await database.rows(
      'SELECT hour_at, action, detected_by, messages, size_bytes FROM backup_statistic WHERE messages <> 0 ORDER BY 1, 2, 3',
    );
    const wanted = await database.rows(
      `SELECT received_at - received_at % 3600000, action, detected_by, count(*), SUM(size_bytes) FROM message
        GROUP BY received_at - received_at % 3600000, action, detected_by ORDER BY 1, 2, 3`,
    );
    expect(groups(kept)).toEqual(groups(wanted));
  };

  it.each(FORMS)('takes %s with 200, and S5: repeats are one message', async (name) => {
    const before = (await see()).backup.storage.messageCount;
    const first = await rspamd(name);
    expect(first).toMatchObject({ status: 200 });
    const again = await rspamd(name, `Bearer ${secret}`);
    expect(again).toMatchObject({ status: 200 });
    expect(JSON.parse(again.body)).toEqual({ ...(JSON.parse(first.body) as object), created: false });
    // Recorded hand-overs may tell of the same message in two forms: that is one message too.
    expect((await see()).backup.storage.messageCount - before).toBeLessThanOrEqual(1);
  });

  it('S4: keeps what rspamd told of it', async () => {
    const { edges } = (await see()).backup.messages;
    expect(edges.length).toBeGreaterThan(0);
    for (const { node } of edges) expect(node['recipients']).not.toEqual([]);
  });

  it('refuses strangers, and what has no message, for good', async () => {
    expect(await rspamd(FORMS[0] as string, 'Bearer mk_wrong')).toMatchObject({ status: 401 });
    const nothing = await send(
      `${test.url}/intake/rspamd`,
      { authorization: `Bearer ${secret}`, 'content-type': 'application/json' },
      Buffer.from('{"action":"reject","size":10}'),
    );
    expect(nothing).toMatchObject({ status: 400 });
    expect(JSON.parse(nothing.body)).toMatchObject({ error: { code: 'HAND_OVER_UNREADABLE' } });
  });

  it('takes what amavis hands over by LMTP, with the recipients of its block', async () => {
    const block =
      'X-Envelope-From: <s@example.net>\r\nX-Envelope-To: <anna@example.com>, <ben@example.com>\r\nX-Envelope-To-Blocked: <anna@example.com>\r\nX-Quarantine-ID: <AbCdEfGh1234>\r\nX-Amavis-Alert: INFECTED, message contains virus: Eicar-Signature\r\n';
    const answers = await speak(test.app.lmtpAddress ?? '', [
      'LHLO scanner.example.com',
      'MAIL FROM:<s@example.net>',
      'RCPT TO:<quarantine@example.com>',
      'DATA',
      `${block}Subject: by LMTP\r\n\r\nHello\r\n.`,
      'QUIT',
    ]);
    expect(answers.filter((line) => line.startsWith('250 2.')).length).toBeGreaterThan(0);
    expect(answers.filter((line) => /^[45]/.test(line))).toEqual([]);
    const node = (await see()).backup.messages.edges.find((edge) => edge.node['gatewayMessageId'] === 'AbCdEfGh1234');
    expect(node?.node['recipients']).toEqual([{ address: 'anna@example.com' }, { address: 'ben@example.com' }]);
  });

  it('S7: counts what is there, by action and time, as a recount does', async () => {
    await recount();
    const { statistics, storage } = (await see()).backup;
    expect(storage).toMatchObject({ nearlyFull: false, spool: { waiting: 0, setAside: 0 } });
    expect(storage.usedBytes).toBeGreaterThan(0);
    expect(statistics.messages).toBe(storage.messageCount);
    const sum = (rows: readonly { readonly messages: number }[]) => rows.reduce((all, row) => all + row.messages, 0);
    expect(sum(statistics.byAction)).toBe(statistics.messages);
    expect(sum(statistics.buckets)).toBe(statistics.messages);
    const refused = await admin.query(
      '{ backup { statistics(from: "2020-01-01T00:00:00Z", interval: HOUR) { messages } } }',
    );
    expect(JSON.stringify(refused.errors)).toContain('BAD_USER_INPUT');
  });

  it('tells Prometheus, with the token or on the port of its own, and nothing of the messages', async () => {
    const read = async (url: string, authorization?: string) => {
      const response = await fetch(url, authorization ? { headers: { authorization } } : {});
      return { status: response.status, text: await response.text() };
    };
    expect(await read(`${test.url}/metrics`)).toMatchObject({ status: 401, text: '' });
    const { status, text } = await read(`${test.url}/metrics`, `Bearer ${METRICS_TOKEN}`);
    expect(status).toBe(200);
    expect(text).toMatch(/mailkeep_intake_messages_total\{source="rspamd",outcome="stored"\} [1-9]/);
    expect(text).toMatch(/mailkeep_intake_messages_total\{source="rspamd",outcome="repeated"\} [1-9]/);
    expect(text).toMatch(/mailkeep_intake_messages_total\{source="lmtp",outcome="stored"\} 1/);
    expect(text).toMatch(/mailkeep_list_duration_seconds_count\{list="global"\} [1-9]/);
    expect(text).toMatch(/mailkeep_directory_sync_age_seconds\{connection="\d+"\} \d/);
    for (const name of [
      'mailkeep_ready 1',
      'mailkeep_spool_messages 0',
      'mailkeep_intake_under_way 0',
      'mailkeep_intake_waiting 0',
      'mailkeep_lmtp_connections ',
      'mailkeep_sending_queue 0',
      'mailkeep_live_clients 0',
      'mailkeep_backup_limit_bytes 7516192768',
      'nodejs_eventloop_lag_p99_seconds',
    ])
      expect(text).toContain(name);
    expect(text).not.toMatch(/@|anna/);
    expect((await read(`http://127.0.0.1:${test.app.metricsPort}/metrics`)).text).toContain('mailkeep_backup_messages');
  });

  it('S7: removes the oldest until the total is within the limit, frees bytes, and tells everybody', async () => {
    const { app } = test;
    for (let index = 0; index < 240; index += 1)
      await app.services.store.store(received(`filler ${index}`, handOverOf(['carl@example.com'])));
    const { usedBytes, messageCount } = (await see()).backup.storage;
    const limits = { sizeLimitBytes: Math.floor(usedBytes / 2), storagePeriodDays: 30 };
    const { database, services } = app;
    const [before] = await database.rows<{ place: number; newest: number }>(
      'SELECT last_place AS place, (SELECT max(id) FROM message) AS newest FROM change_feed',
    );
    const workers = [1, 2].map(
      () => new RetentionWorker(database, services.feed, async () => limits, 86_400_000, createLogger('silent')),
    );
    const removed = await Promise.all(workers.map((worker) => worker.run()));
    const after = (await see()).backup.storage;
    expect(after.usedBytes).toBeLessThanOrEqual(limits.sizeLimitBytes);
    const gone = messageCount - after.messageCount;
    expect(gone).toBeGreaterThan(0);
    // One process at a time: the other one left it alone.
    expect(removed.sort((a, b) => a - b)).toEqual([0, gone]);
    const told = await database.rows<{ topic: string; kind: string }>(
      'SELECT topic, kind FROM change_event WHERE place > ?',
      [before?.place ?? 0],
    );
    expect(told.filter(({ topic }) => topic === 'backup')).toHaveLength(gone);
    expect(told.filter(({ topic }) => topic === 'mailbox:carl@example.com').length).toBeGreaterThan(0);
    expect(new Set(told.map(({ kind }) => kind))).toEqual(new Set(['REMOVED']));
    expect(await database.rows('SELECT id FROM message WHERE id = ?', [before?.newest ?? 0])).toHaveLength(1);
    expect(await database.rows('SELECT id FROM content WHERE id NOT IN (SELECT content_id FROM message)')).toEqual([]);
    expect(
      await database.rows('SELECT message_id FROM recipient WHERE message_id NOT IN (SELECT id FROM message)'),
    ).toEqual([]);
    await recount();
  });

  it('S7: removes what is older than the storage period', async () => {
    const { database, services } = test.app;
    const [oldest] = await database.rows<{ id: number }>('SELECT min(id) AS id FROM message');
    await database.transaction((transaction) =>
      transaction.run('UPDATE message SET stored_at = ? WHERE id = ?', [Date.now() - 2 * 86_400_000, oldest?.id ?? 0]),
    );
    const limits = async () => ({ sizeLimitBytes: 2 ** 40, storagePeriodDays: 1 });
    const worker = new RetentionWorker(database, services.feed, limits, 86_400_000, createLogger('silent'));
    expect(await worker.run()).toBe(1);
    expect(await database.rows('SELECT id FROM message WHERE id = ?', [oldest?.id ?? 0])).toEqual([]);
    await recount();
  });
});
