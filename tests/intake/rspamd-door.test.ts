import { connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import { ApiTokenScope } from '../../src/entities/api-token.js';
import { startTestApp, TEST_AUTHOR, type TestApp } from '../support/app.js';
import type { Client } from '../support/client.js';
import { msgpack } from './scanners/msgpack-writer.js';

const BOUNDARY = '0123456789abcdef0123456789abcdef';

interface Reply {
  readonly status: number;
  readonly body: {
    readonly created?: boolean;
    readonly error?: { readonly code: string; readonly field?: string; readonly message: string };
  };
}

interface Node {
  readonly sender: string | null;
  readonly action: string;
  readonly gatewayMessageId: string | null;
  readonly size: number;
  readonly recipients: readonly { readonly address: string }[];
  readonly scanResults: readonly { readonly module: string; readonly status: string }[];
}

const message = (subject: string) => Buffer.from(`From: a@example.net\r\nSubject: ${subject}\r\n\r\nGrüße\r\n`);
const latin1 = (text: string) => Buffer.from(text).toString('latin1');

/** A form as rspamd writes it. */
const form = (...parts: (readonly [name: string, headers: string, body: string | Buffer])[]): Buffer =>
  Buffer.concat(
    [
      ...parts.flatMap(([name, headers, body]) => [
        `--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"${headers}\r\n\r\n`,
        body,
        '\r\n',
      ]),
      `--${BOUNDARY}--\r\n`,
    ].map((piece) => Buffer.from(piece as string)),
  );
const asJson = '\r\nContent-Type: application/json\r\nContent-Transfer-Encoding: binary';
const asMessage = '; filename="message.eml"\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: binary';

describe('POST /intake/rspamd, written by hand', () => {
  let test: TestApp;
  let admin: Client;
  let secret: string;

  beforeAll(async () => {
    test = await startTestApp({ kind: 'sqlite', file: '' });
    admin = await test.signedIn('admin');
    secret = await test.intakeToken();
  }, 60_000);
  afterAll(() => test?.stop());

  /** Sends the lines and bytes as they are, and reads the answer. */
  const sendRaw = (head: readonly string[], body: Buffer): Promise<Reply> =>
    new Promise((resolve, reject) => {
      const socket = connect(Number(new URL(test.url).port), '127.0.0.1');
      let answer = '';
      socket.on('data', (bytes) => (answer += bytes.toString()));
      socket.on('error', reject);
      socket.on('close', () => {
        const [top = '', text = ''] = answer.split('\r\n\r\n', 2);
        const json = /\{.*\}/s.exec(text)?.[0];
        resolve({ status: Number(top.slice(9, 12)), body: json ? (JSON.parse(json) as Reply['body']) : {} });
      });
      socket.write(Buffer.from(head.map((line) => `${line}\r\n`).join('') + '\r\n', 'latin1'));
      socket.write(body);
    });
  const post = (headers: readonly string[], body: Buffer, authorization = `Bearer ${secret}`): Promise<Reply> =>
    sendRaw(
      [
        'POST /intake/rspamd HTTP/1.1',
        'Host: localhost',
        'Connection: close',
        ...(authorization ? [`Authorization: ${authorization}`] : []),
        ...(headers.some((line) => /^transfer-encoding/i.test(line)) ? [] : [`Content-Length: ${body.length}`]),
        ...headers,
      ],
      body,
    );
  const stored = async (subject: string): Promise<Node[]> =>
    (
      await admin.ask<{ backup: { messages: { nodes: Node[] } } }>(
        `query ($subject: String!) { backup { messages(first: 5, filter: { subject: $subject }) { nodes {
          sender action gatewayMessageId size recipients { address } scanResults { module status } } } } }`,
        { subject },
      )
    ).backup.messages.nodes;

  const chunked = (bytes: Buffer): Buffer =>
    Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n0\r\n\r\n')]);
  const fields = (subject: string, more: object = {}) => ({
    action: 'quarantine',
    from: 'bounce@example.net',
    rcpt: ['anna@example.com', 'jürgen@example.com'],
    qid: 'Q1',
    ip: '192.0.2.1',
    score: 20,
    symbols: [{ name: 'CLAM_VIRUS', score: 0, group: 'antivirus', groups: ['antivirus'], options: ['Eicar'] }],
    subject,
    ...more,
  });
  const multipartType = `Content-Type: multipart/form-data; boundary=${BOUNDARY}`;
  const envelope = {
    sender: 'bounce@example.net',
    action: 'DELETE_MESSAGE',
    gatewayMessageId: 'Q1',
    recipients: [{ address: 'anna@example.com' }, { address: 'jürgen@example.com' }],
  };
  const twoParts = (subject: string, more: object = {}) => [
    ['metadata', asJson, JSON.stringify(fields(subject, more))] as const,
    ['message', asMessage, message(subject)] as const,
  ];

  it.each<[string, (subject: string) => [string[], Buffer]]>([
    [
      'a raw body with header fields, their names in any case and with hyphens',
      (subject) => [
        [
          'content-type: Text/Plain',
          'X-RSPAMD-ACTION: quarantine',
          'x-rspamd-rcpt: ["anna@example.com","' + latin1('jürgen') + '@example.com"]',
          'X-Rspamd-From: bounce@example.net',
          'X-Rspamd-Qid: Q1',
          'X-Rspamd-Ip: 192.0.2.1',
          'X-Rspamd-Score: 20',
          `X-Rspamd-Subject: ${latin1('Grüße')}`,
          'X-Rspamd-scan_time: 12.5',
          'X-Rspamd-rspamd-server: mx1',
          `X-Rspamd-Symbols: ${JSON.stringify(fields('').symbols)}`,
          'X-Rspamd-Fuzzy: {}',
          'X-Rspamd-User: unknown',
        ],
        message(subject),
      ],
    ],
    ['a form, metadata first', (subject) => [[multipartType], form(...twoParts(subject))]],
    ['a form, message first', (subject) => [[multipartType], form(...twoParts(subject).reverse())]],
    [
      'a form whose type is spelled oddly',
      (subject) => [[`CONTENT-TYPE: Multipart/Form-Data ; Boundary="${BOUNDARY}"`], form(...twoParts(subject))],
    ],
    [
      'a packed form in chunks',
      (subject) => [
        [multipartType, 'Content-Encoding: GZIP', 'Transfer-Encoding: chunked'],
        chunked(gzipSync(form(...twoParts(subject)))),
      ],
    ],
    [
      'JSON with the message',
      (subject) => [
        ['Content-Type: Application/JSON; Charset=UTF-8'],
        Buffer.from(JSON.stringify({ ...fields(subject), message: message(subject).toString('base64') })),
      ],
    ],
    [
      'JSON under another type, beginning with a field of a version to come',
      (subject) => [
        ['Content-Type: text/plain'],
        Buffer.from(JSON.stringify({ new_field: 1, ...fields(subject), message: message(subject).toString('base64') })),
      ],
    ],
    [
      'MessagePack',
      (subject) => [['Content-Type: application/MsgPack'], msgpack({ ...fields(subject), message: message(subject) })],
    ],
    [
      'MessagePack under another type, beginning with a field of a version to come',
      (subject) => [
        ['Content-Type: text/plain'],
        msgpack({ new_field: 1, ...fields(subject), message: message(subject) }),
      ],
    ],
  ])('S1, S2: takes %s', async (name, request) => {
    const [headers, body] = request(name);
    expect(await post(headers, body)).toMatchObject({ status: 200, body: { created: true } });
    const [node, ...more] = await stored(name);
    expect(more).toEqual([]);
    expect(node).toMatchObject({ ...envelope, size: message(name).length });
    expect(node?.scanResults).toContainEqual({ module: 'ANTI_VIRUS', status: 'DETECTED' });
    // Basic authentication, as rspamd has it, and S5: the repeat is told apart from a new one.
    const basic = `basic ${Buffer.from(`any:${secret}`).toString('base64')}`;
    expect(await post(headers, body, basic)).toMatchObject({ status: 200, body: { created: false } });
  });

  it.each<[string, object, object]>([
    [
      'only unknown values',
      {
        from: 'unknown',
        rcpt: 'unknown',
        qid: 'unknown',
        ip: 'unknown',
        score: 'unknown',
        symbols: 'unknown',
        action: 'unknown',
        user: 'unknown',
      },
      { sender: null, recipients: [], gatewayMessageId: null, action: 'SKIP' },
    ],
    [
      'a text where a list is usual',
      { rcpt: 'anna@example.com', header_to: 'x' },
      { recipients: [{ address: 'anna@example.com' }] },
    ],
    [
      'empty tables',
      { rcpt: {}, symbols: {}, fuzzy: [], header_from: {} },
      { recipients: [], action: 'DELETE_MESSAGE' },
    ],
    ['lists that are empty', { rcpt: [], symbols: [], fuzzy: {} }, { recipients: [] }],
    ['the null sender', { from: '' }, { sender: null }],
    ['no queue id', { qid: undefined }, { gatewayMessageId: null }],
    [
      'null values',
      { from: null, rcpt: null, symbols: null, qid: null, score: null, action: null },
      { sender: null, recipients: [] },
    ],
    [
      'values of odd types',
      {
        from: 7,
        rcpt: [1, null, ['a'], 'anna@example.com'],
        symbols: [1, 'X', {}],
        qid: 42,
        score: '1e999',
        action: ['reject'],
      },
      { recipients: [{ address: 'anna@example.com' }], gatewayMessageId: '42', action: 'REJECT' },
    ],
  ])('survives %s', async (name, more, expected) => {
    expect(await post([multipartType], form(...twoParts(name, more)))).toMatchObject({ status: 200 });
    expect(await stored(name)).toMatchObject([expected]);
  });

  it('takes 50,000 recipients, and says that more are too many', async () => {
    const many = (count: number) => Array.from({ length: count }, (_, index) => `person${index}@example.com`);
    const send = (subject: string, count: number) =>
      post([multipartType], form(...twoParts(subject, { rcpt: many(count) })));
    expect(await send('many', 50_000)).toMatchObject({ status: 200 });
    expect(await send('too many', 50_001)).toMatchObject({
      status: 400,
      body: {
        error: { code: 'HAND_OVER_UNREADABLE', field: 'rcpt', message: expect.stringContaining('50000') as string },
      },
    });
  });

  it('takes 250 KiB of header fields, and says what is wrong with more', async () => {
    const symbols = (count: number) =>
      JSON.stringify(
        Array.from({ length: count }, (_, index) => ({ name: `SYMBOL_${index}`, score: 0, options: ['x'.repeat(60)] })),
      );
    const head = (count: number) => [
      'X-Rspamd-Action: quarantine',
      'X-Rspamd-Rcpt: ["anna@example.com"]',
      `X-Rspamd-Symbols: ${symbols(count)}`,
    ];
    expect(head(2400).join('').length).toBeGreaterThan(250 * 1024);
    expect(await post(head(2400), message('long head'))).toMatchObject({ status: 200 });
    expect(await post(head(2800), message('too long a head'))).toMatchObject({
      status: 431,
      body: { error: { code: 'HEADERS_TOO_LARGE', message: expect.stringContaining('multipart') as string } },
    });
    expect(await post(['X-Rspamd-Subject: a\u0001b'], message('a broken head'))).toMatchObject({
      status: 400,
      body: { error: { code: 'REQUEST_UNREADABLE' } },
    });
  });

  it.each<[string, string[], Buffer, number, object]>([
    [
      'a form without metadata',
      [multipartType],
      form(['message', asMessage, message('x')]),
      400,
      { code: 'HAND_OVER_UNREADABLE', field: 'metadata' },
    ],
    [
      'a form without the message that it told the size of',
      [multipartType],
      form(['metadata', asJson, JSON.stringify(fields('x', { size: 10 }))]),
      400,
      { code: 'HAND_OVER_UNREADABLE', field: 'message' },
    ],
    [
      'metadata that is no JSON',
      [multipartType],
      form(['metadata', asJson, '{'], ['message', asMessage, message('x')]),
      400,
      { field: 'metadata' },
    ],
    ['a form without a boundary', ['Content-Type: multipart/form-data'], form(), 400, { field: 'Content-Type' }],
    [
      'JSON without a message',
      ['Content-Type: application/json'],
      Buffer.from(JSON.stringify(fields('x'))),
      400,
      { field: 'message' },
    ],
    [
      'a packing that is unknown',
      ['Content-Encoding: br', 'X-Rspamd-Action: reject'],
      message('x'),
      400,
      { field: 'Content-Encoding' },
    ],
    [
      'what is packed otherwise than told',
      ['Content-Encoding: gzip', 'X-Rspamd-Action: reject'],
      message('x'),
      400,
      { code: 'HAND_OVER_UNREADABLE', field: 'Content-Encoding' },
    ],
  ])('refuses %s for good, with the reason', async (_, headers, body, status, error) => {
    expect(await post(headers, body)).toMatchObject({ status, body: { error } });
  });

  it('V1: takes nothing without a token of scope INTAKE that is valid now', async () => {
    const tokens = test.app.services.tokens;
    const { secret: leaked, token } = await tokens.create('leaked', [ApiTokenScope.INTAKE], null, TEST_AUTHOR);
    const asked = (authorization: string) => post(['X-Rspamd-Action: reject'], message('who'), authorization);
    expect(await asked('')).toMatchObject({ status: 401 });
    expect(await asked('Bearer wrong')).toMatchObject({ status: 401 });
    expect(await asked(`Basic ${Buffer.from('intake:wrong').toString('base64')}`)).toMatchObject({ status: 401 });
    expect(await asked(`Bearer ${leaked}`)).toMatchObject({ status: 200 });
    await tokens.revoke(token.id, TEST_AUTHOR);
    expect(await asked(`Bearer ${leaked}`)).toMatchObject({ status: 401 });
  });
});
