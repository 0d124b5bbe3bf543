import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { request } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { ApiTokenScope } from '../../src/entities/api-token.js';
import { startTestApp, TEST_AUTHOR, type TestApp } from '../support/app.js';
import type { Client } from '../support/client.js';
import { describeOnBothDatabases } from '../support/databases.js';
import { until } from '../support/until.js';

const LIMIT_BYTES = 2 * 1024 * 1024;
const MESSAGE = 'From: a@example.net\r\nSubject: Form\r\n\r\nHello\r\n';

interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: { readonly id?: string; readonly created?: boolean; readonly error?: Record<string, string> };
}

interface Part {
  readonly name: string;
  readonly body: string | Buffer;
  readonly filename?: string;
  readonly type?: string;
}

const BOUNDARY = 'a-boundary';
function form(parts: readonly Part[], end = `--${BOUNDARY}--\r\n`): Buffer {
  const pieces = parts.flatMap(({ name, body, filename, type }) => [
    `--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"${filename === undefined ? '' : `; filename="${filename}"`}\r\n`,
    type === undefined ? '' : `Content-Type: ${type}\r\n`,
    '\r\n',
    body,
    '\r\n',
  ]);
  return Buffer.concat([...pieces, end].map((piece) => Buffer.from(piece as string)));
}

describeOnBothDatabases('POST /intake/message', (location) => {
  let test: TestApp;
  let secret: string;
  let admin: Client;

  beforeAll(async () => {
    test = await startTestApp(location(), { messageLimitBytes: LIMIT_BYTES });
    secret = await test.intakeToken();
    admin = await test.signedIn('admin');
  }, 60_000);
  afterAll(() => test?.stop());

  const post = (
    body: string | Buffer,
    headers: Record<string, string>,
    authorization: string | null = `Bearer ${secret}`,
  ): Promise<Reply> =>
    new Promise((resolve, reject) => {
      const sent = request(`${test.url}/intake/message`, {
        method: 'POST',
        headers: { ...(authorization === null ? {} : { authorization }), ...headers },
      });
      sent.on('error', reject);
      sent.on('response', (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: JSON.parse(Buffer.concat(chunks).toString()) as Reply['body'],
          }),
        );
      });
      // A text would go out in one piece with the header fields, all of it in UTF-8.
      sent.end(Buffer.from(body));
    });
  const postForm = (parts: readonly Part[], end?: string) =>
    post(form(parts, end), { 'content-type': `multipart/form-data; boundary=${BOUNDARY}` });
  const raw = { 'content-type': 'message/rfc822', 'x-mailkeep-metadata': '{"recipients":["anna@example.com"]}' };
  const count = async () =>
    (await test.app.database.rows<{ count: number }>('SELECT count(*) AS count FROM message'))[0]?.count;
  const rows = async () =>
    Promise.all(
      ['message', 'content', 'content_chunk', 'verdict', 'recipient', 'change_event'].map(
        async (table) =>
          (await test.app.database.rows<{ count: number }>(`SELECT count(*) AS count FROM ${table}`))[0]?.count,
      ),
    );
  const openFiles = () => readdirSync('/proc/self/fd').length;

  const metadata = (number: number): Part => ({
    name: 'metadata',
    body: JSON.stringify({ recipients: ['anna@example.com'], gatewayMessageId: `form ${number}` }),
  });
  const message: Part = { name: 'message', body: MESSAGE, filename: 'message.eml', type: 'message/rfc822' };

  it.each([
    ['metadata first', () => [metadata(1), message]],
    ['message first', () => [message, metadata(2)]],
    ['metadata with a type', () => [{ ...metadata(3), type: 'application/json' }, message]],
    ['metadata with a file name', () => [{ ...metadata(4), filename: 'm.json', type: 'application/json' }, message]],
    ['message first, metadata with a file name', () => [message, { ...metadata(5), filename: 'm.json' }]],
    [
      'a message that is larger than memory',
      () => [{ ...message, body: Buffer.alloc(LIMIT_BYTES - 1, 'x\r\n') }, metadata(6)],
    ],
    ['an empty message', () => [metadata(7), { ...message, body: '' }]],
  ])('takes a form with %s', async (_, parts) => {
    const given = parts();
    const { status, body } = await postForm(given);
    expect({ status, created: body.created }).toEqual({ status: 200, created: true });
    const chunks = test.app.services.contents.open(
      (
        await test.app.database.rows<{ id: number }>('SELECT content_id AS id FROM message WHERE id = ?', [
          Number(body.id),
        ])
      )[0]?.id ?? 0,
    );
    const bytes: Buffer[] = [];
    for await (const chunk of chunks) bytes.push(chunk);
    const sent = given.find(({ name }) => name === 'message')?.body ?? '';
    expect(Buffer.concat(bytes).equals(Buffer.from(sent as string))).toBe(true);
  });

  it.each([
    ['without a message', () => [metadata(10)], undefined, 400, 'BAD_USER_INPUT', 'message'],
    ['without metadata', () => [message], undefined, 400, 'BAD_USER_INPUT', 'metadata'],
    ['without anything', () => [], undefined, 400, 'BAD_USER_INPUT', undefined],
    [
      'with two messages',
      () => [metadata(11), message, { ...message, body: 'other' }],
      undefined,
      400,
      'BAD_USER_INPUT',
      undefined,
    ],
    [
      'with a foreign part',
      () => [metadata(12), { name: 'other', body: 'x' }, message],
      undefined,
      400,
      'BAD_USER_INPUT',
      undefined,
    ],
    [
      'with a foreign file',
      () => [metadata(13), { name: 'other', filename: 'x', body: 'x' }, message],
      undefined,
      400,
      'BAD_USER_INPUT',
      undefined,
    ],
    [
      'with metadata that is no JSON',
      () => [{ name: 'metadata', body: '{"sender":' }, message],
      undefined,
      400,
      'BAD_USER_INPUT',
      'metadata',
    ],
    [
      'with a message over the limit',
      () => [metadata(14), { ...message, body: Buffer.alloc(LIMIT_BYTES + 1, 'x') }],
      undefined,
      413,
      'MESSAGE_TOO_LARGE',
      undefined,
    ],
    [
      'with a message over the limit in front',
      () => [{ ...message, body: Buffer.alloc(LIMIT_BYTES + 1, 'x') }, metadata(15)],
      undefined,
      413,
      'MESSAGE_TOO_LARGE',
      undefined,
    ],
    [
      'with metadata over the limit',
      () => [{ name: 'metadata', body: Buffer.alloc(8 * 1024 * 1024 + 1, ' ') }, message],
      undefined,
      400,
      'BAD_USER_INPUT',
      'metadata',
    ],
    ['that ends within the message', () => [metadata(16), message], '', 400, 'BAD_USER_INPUT', 'body'],
    ['that ends within the message in front', () => [message], `--${BOUNDARY}`, 400, 'BAD_USER_INPUT', undefined],
  ] as const)('refuses a form %s, and keeps nothing of it', async (_, parts, end, status, code, field) => {
    const before = await rows();
    const files = openFiles();
    const reply = await postForm(parts(), end);
    expect({ status: reply.status, code: reply.body.error?.['code'] }).toEqual({ status, code });
    if (field) expect(reply.body.error?.['field']).toBe(field);
    expect(await rows()).toEqual(before);
    await until('the temporary files are closed', openFiles, (open) => open <= files + 2);
  });

  it.each([
    ['multipart/form-data', 400],
    ['multipart/form-data; boundary=', 400],
    ['text/plain', 415],
    ['application/json', 415],
    ['message/rfc822x', 415],
  ])('refuses the content type %j with %i', async (type, status) => {
    const reply = await post(MESSAGE, { ...raw, 'content-type': type });
    expect(reply.status).toBe(status);
    expect(reply.body.error?.['message']).toMatch(/multipart|message\/rfc822/);
  });

  it('refuses a packed body, which would be stored as it is', async () => {
    const reply = await post(MESSAGE, { ...raw, 'content-encoding': 'gzip' });
    expect(reply).toMatchObject({ status: 415, body: { error: { code: 'UNSUPPORTED_MEDIA_TYPE' } } });
  });

  it.each([
    [undefined, 'x-mailkeep-metadata'],
    ['', 'metadata'],
    ['null', 'metadata'],
    ['[]', 'metadata'],
    ['{"recipients":"anna@example.com"}', 'metadata.recipients'],
    ['{"recipients":["a@example.com",5]}', 'metadata.recipients.1'],
    ['{"recipient":["a@example.com"]}', 'metadata'],
    ['{"verdicts":[{"recipients":[]},{"action":"SKIP"}]}', 'metadata.verdicts.1.recipients'],
    ['{"scanResults":[{"module":"ANTI_SPAM"}]}', 'metadata.scanResults.0.status'],
    ['{"receivedAt":"yesterday"}', 'metadata.receivedAt'],
    ['{"receivedAt":"2026-02-30T00:00:00Z"}', 'metadata.receivedAt'],
    [`{"sender":"${'x'.repeat(321)}"}`, 'metadata.sender'],
    ['{"sender":"j\u00f6rg@example.com"}', 'x-mailkeep-metadata'],
  ])('refuses the metadata number %#, naming the place', async (json, field) => {
    const before = await count();
    const { 'x-mailkeep-metadata': _, ...rest } = raw;
    // The header goes out as latin1, which is no UTF-8 in the last case.
    const reply = await post(MESSAGE, json === undefined ? rest : { ...rest, 'x-mailkeep-metadata': json });
    expect(reply).toMatchObject({ status: 400, body: { error: { code: 'BAD_USER_INPUT', field } } });
    expect(reply.body.error?.['message']).toContain(field);
    expect(await count()).toBe(before);
  });

  it('takes non-ASCII metadata as the bytes of UTF-8, and as JSON escapes', async () => {
    for (const json of [
      Buffer.from('{"recipients":["jörg@bücher.example"],"node":"1"}').toString('latin1'),
      '{"recipients":["j\\u00f6rg@b\\u00fccher.example"],"node":"2"}',
    ]) {
      const { body } = await post(`Subject: ${json.length}\r\n\r\n`, { ...raw, 'x-mailkeep-metadata': json });
      expect(
        await test.app.database.rows('SELECT address FROM recipient WHERE message_id = ?', [Number(body.id)]),
      ).toEqual([{ address: 'jörg@bücher.example' }]);
    }
  });

  describe('with a token that', () => {
    const refusal = async (authorization: string | null) => {
      const { status, headers, body } = await post(MESSAGE, raw, authorization);
      return { status, code: body.error?.['code'], challenge: headers['www-authenticate'] };
    };
    const unauthenticated = {
      status: 401,
      code: 'UNAUTHENTICATED',
      challenge: 'Bearer realm="intake", Basic realm="intake"',
    };

    it.each([
      ['is absent', () => null],
      ['is empty', () => 'Bearer '],
      ['is wrong', () => 'Bearer mk_wrong'],
      ['is a session’s', () => `Bearer ${admin.token}`],
      ['comes by an unknown scheme', () => `Digest ${secret}`],
      ['is wrong in basic authentication', () => `Basic ${Buffer.from('gateway:wrong').toString('base64')}`],
      ['is the user name of basic authentication', () => `Basic ${Buffer.from(`${secret}:`).toString('base64')}`],
    ])('%s is refused', async (_, authorization) => {
      expect(await refusal(authorization())).toEqual(unauthenticated);
    });

    it('has expired, was revoked, or lacks the scope is refused', async () => {
      const { tokens } = test.app.services;
      const short = await tokens.create('short', [ApiTokenScope.INTAKE], Date.now() + 60_000, TEST_AUTHOR);
      const gone = await tokens.create('gone', [ApiTokenScope.INTAKE], null, TEST_AUTHOR);
      const weak = await tokens.create('weak', [ApiTokenScope.INTAKE], null, TEST_AUTHOR);
      expect((await post(MESSAGE, raw, `Bearer ${short.secret}`)).status).toBe(200);
      expect((await post(MESSAGE, raw, `Bearer ${gone.secret}`)).status).toBe(200);
      await test.app.database.transaction(async (transaction) => {
        await transaction.run('UPDATE api_token SET expires_at = ? WHERE id = ?', [Date.now() - 1, short.token.id]);
        await transaction.run("UPDATE api_token SET scopes = '[]' WHERE id = ?", [weak.token.id]);
      });
      await tokens.revoke(gone.token.id, TEST_AUTHOR);
      expect(await refusal(`Bearer ${short.secret}`)).toEqual(unauthenticated);
      expect(await refusal(`Bearer ${gone.secret}`)).toEqual(unauthenticated);
      expect(await refusal(`Bearer ${weak.secret}`)).toMatchObject({ status: 403, code: 'FORBIDDEN' });
    });

    it('is the password of basic authentication is taken, whatever the user name', async () => {
      for (const name of ['gateway', ''])
        expect((await post(MESSAGE, raw, `Basic ${Buffer.from(`${name}:${secret}`).toString('base64')}`)).status).toBe(
          200,
        );
    });

    it('is wrong is refused before the message is read', async () => {
      const socket = connect(test.app.port, '127.0.0.1');
      socket.write(
        `POST /intake/message HTTP/1.1\r\nHost: x\r\nContent-Type: message/rfc822\r\nContent-Length: 1000000\r\n\r\n`,
      );
      const [answer] = (await once(socket, 'data')) as [Buffer];
      expect(answer.toString()).toMatch(/^HTTP\/1\.1 401 /);
      expect(answer.toString()).toMatch(/connection: close/i);
      socket.destroy();
    });
  });

  it.each([
    ['a declared length', () => [`Content-Type: message/rfc822\r\nContent-Length: 5000000\r\n\r\n`, MESSAGE]],
    ['chunks', () => [`Content-Type: message/rfc822\r\nTransfer-Encoding: chunked\r\n\r\n`, `5\r\nHello\r\n`]],
    [
      'a file on disk',
      () => [`Content-Type: message/rfc822\r\nContent-Length: 2000000\r\n\r\n`, 'x'.repeat(1_500_000)],
    ],
    [
      'a form whose message comes first',
      () => [
        `Content-Type: multipart/form-data; boundary=${BOUNDARY}\r\nContent-Length: 2000000\r\n\r\n`,
        form([{ ...message, body: 'x'.repeat(1_500_000) }], '').toString(),
      ],
    ],
  ])('keeps nothing of a message that was cut within %s', async (_, pieces) => {
    const before = await rows();
    const files = openFiles();
    const [head = '', body = ''] = pieces();
    const socket = connect(test.app.port, '127.0.0.1');
    await once(socket, 'connect');
    socket.write(
      `POST /intake/message HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${secret}\r\nX-Mailkeep-Metadata: {}\r\n${head}${body}`,
    );
    // As much of it as goes into a file has gone there.
    if (body.length > 1_000_000) await until('it is being received', openFiles, (open) => open > files + 1);
    socket.destroy();
    await until('everything is closed again', openFiles, (open) => open <= files);
    expect(await rows()).toEqual(before);
    expect(readdirSync(join(test.config.dataDir, 'tmp'))).toEqual([]);
  });

  it('answers a message over the limit with 413, whether its length was declared or not', async () => {
    const before = await rows();
    const tooLarge = Buffer.alloc(LIMIT_BYTES + 1, 'x');
    const reply = await post(tooLarge, raw);
    expect(reply).toMatchObject({ status: 413, body: { error: { code: 'MESSAGE_TOO_LARGE' } } });
    expect(reply.body.error?.['message']).toContain(String(LIMIT_BYTES));
    expect((await post(tooLarge, { ...raw, 'transfer-encoding': 'chunked' })).status).toBe(413);
    // A refusal reaches even those who go on sending, as most clients do.
    const farTooLarge = Buffer.alloc(5 * LIMIT_BYTES, 'x');
    expect((await post(farTooLarge, raw)).status).toBe(413);
    expect((await postForm([metadata(20), { ...message, body: farTooLarge }])).status).toBe(413);
    expect((await post(farTooLarge, raw, 'Bearer mk_wrong')).status).toBe(401);
    expect((await post(farTooLarge, { ...raw, 'x-mailkeep-metadata': '{' })).status).toBe(400);
    expect(await rows()).toEqual(before);
    expect((await post(tooLarge.subarray(1), raw)).status).toBe(200);
  });

  it('keeps unknown modules, statuses and actions as text, even those that JavaScript knows', async () => {
    const names = ['TIME_MACHINE', 'toString', 'constructor', '__proto__', 'hasOwnProperty'];
    for (const name of names) {
      const { status, body } = await post(MESSAGE, {
        ...raw,
        'x-mailkeep-metadata': JSON.stringify({
          gatewayMessageId: name,
          recipients: ['anna@example.com'],
          action: name,
          reason: 'as told',
          scanResults: [
            { module: name, status: 'DETECTED', scannerVerdict: 'own words' },
            { module: 'ANTI_VIRUS', status: name },
            { module: 'ANTI_SPAM', status: 'DISINFECTED' },
            { module: 'SENDER_AUTHENTICATION', status: name, authentication: { spf: name } },
          ],
        }),
      });
      expect({ name, status, body }).toMatchObject({ status: 200, body: { created: true } });
    }
    const { backup } = await admin.ask<{ backup: { messages: { nodes: unknown[] } } }>(
      '{ backup { messages(first: 5) { nodes { gatewayMessageId action detectedBy rules { action reason scanResults { module status scannerVerdict } } } } } }',
    );
    expect(backup.messages.nodes).toEqual(
      names.toReversed().map((name) => ({
        gatewayMessageId: name,
        action: 'SKIP',
        detectedBy: ['ANTI_VIRUS', 'ANTI_SPAM', 'CONTENT_FILTERING', 'SENDER_AUTHENTICATION'],
        rules: [
          {
            action: 'SKIP',
            reason: `unknown action ${name}; as told`,
            scanResults: [
              { module: 'CONTENT_FILTERING', status: 'DETECTED', scannerVerdict: `${name}: DETECTED; own words` },
              { module: 'ANTI_VIRUS', status: 'DETECTED', scannerVerdict: `ANTI_VIRUS: ${name}` },
              { module: 'ANTI_SPAM', status: 'SPAM', scannerVerdict: 'ANTI_SPAM: DISINFECTED' },
              {
                module: 'SENDER_AUTHENTICATION',
                status: 'VIOLATION',
                scannerVerdict: `SENDER_AUTHENTICATION: ${name}`,
              },
            ],
          },
        ],
      })),
    );
  });
});
