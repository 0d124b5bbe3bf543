import { readFileSync } from 'node:fs';
import { type IncomingHttpHeaders } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { HandOverUnreadableError, MessageTooLargeError } from '../../../src/services/intake/scanners/hand-over-errors';
import { PublicError } from '../../../src/errors';
import { parseHttpDump } from '../../../src/services/intake/scanners/http-dump';
import { readRspamdRequest } from '../../../src/services/intake/scanners/rspamd-request';
import { msgpack } from './msgpack-writer';
import { Receiver } from './receiver';

const fixture = (name: string) => readFileSync(join(__dirname, 'fixtures', name));
const MESSAGE = fixture('message.eml');
const METADATA = JSON.parse(fixture('metadata.json').toString()) as Record<string, unknown>;
const BOUNDARY = 'b0undary';

function form(...parts: [name: string, body: Buffer, extra?: string][]): Buffer {
  const pieces = parts.flatMap(([name, body, extra = '']) => [
    Buffer.from(`--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"${extra}\r\n\r\n`),
    body,
    Buffer.from('\r\n'),
  ]);
  return Buffer.concat([...pieces, Buffer.from(`--${BOUNDARY}--\r\n`)]);
}
const FORM = { 'content-type': `multipart/form-data; boundary=${BOUNDARY}` };
const FILE = '; filename="message.eml"\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: binary';
const JSON_PART = '\r\nContent-Type: application/json';
const withMessage = (message: Buffer, fields: Record<string, unknown> = METADATA) => ({
  ...fields,
  message: message.toString('base64'),
});
const json = (fields: unknown) => Buffer.from(JSON.stringify(fields));

describe('what rspamd hands over', () => {
  const receiver = new Receiver();
  beforeAll(() => receiver.start());
  afterAll(() => receiver.stop());
  beforeEach(() => {
    receiver.received.length = 0;
    receiver.errors.length = 0;
  });
  afterEach(async () => expect(await receiver.filesLeft()).toBe(0));

  describe.each([
    ['RAW', 'rspamd-3.4-raw.http'],
    ['RAW', 'rspamd-3.8-raw.http'],
    ['MULTIPART', 'rspamd-multipart-metadata-first.http'],
    ['MULTIPART', 'rspamd-multipart-message-first.http'],
    ['JSON', 'rspamd-json-with-message.http'],
  ])('recorded as %s in %s', (expected, name) => {
    it('S1: gives the message byte for byte', async () => {
      expect(await receiver.sendRaw(fixture(name))).toBe(200);
      expect(receiver.received).toHaveLength(1);
      expect(receiver.received[0]?.form).toBe(expected);
      expect(receiver.received[0]?.bytes.equals(MESSAGE)).toBe(true);
      expect(receiver.received[0]?.metadata).toMatchObject({
        action: expect.stringMatching(/reject|quarantine/),
        server: 'mx1.example.com',
      });
    });
  });

  it('S2: takes the envelope of the 3.4 header form, raw UTF-8 included', async () => {
    await receiver.sendRaw(fixture('rspamd-3.4-raw.http'));
    expect(receiver.received[0]?.metadata).toMatchObject({
      sender: 'service@example.net',
      senderIp: '192.0.2.25',
      queueId: '4Xz1Qk',
      user: null,
      recipients: ['anna@example.com', 'sales@example.com', 'böris@example.com'],
      score: 8.1,
      missing: [],
    });
    expect(receiver.received[0]?.metadata.symbols.map((symbol) => symbol.name)).toEqual([
      'CLAM_VIRUS',
      'BAYES_SPAM',
      'R_SPF_FAIL',
      'R_DKIM_NA',
      'DMARC_POLICY_REJECT',
    ]);
  });

  it('S2: decodes the encoded words that rspamd writes into addresses from 3.8.2 on', async () => {
    await receiver.sendRaw(fixture('rspamd-3.8-raw.http'));
    expect(receiver.received[0]?.metadata).toMatchObject({
      sender: 'günther@example.net',
      senderIp: '2001:db8::25',
      queueId: null,
      missing: ['qid'],
    });
  });

  it.each([
    ['with the type the rule sets', 'application/msgpack'],
    ['with the exporter’s default type', 'text/plain'],
  ])('S1: reads MessagePack %s', async (_, type) => {
    const { size, ...rest } = METADATA;
    expect(await receiver.post(msgpack({ ...rest, message: MESSAGE, size }), { 'content-type': type })).toBe(200);
    expect(receiver.received[0]?.form).toBe('MSGPACK');
    expect(receiver.received[0]?.bytes.equals(MESSAGE)).toBe(true);
    expect(receiver.received[0]?.metadata).toMatchObject({
      score: 17.25,
      sizeBytes: MESSAGE.length,
      recipients: METADATA['rcpt'],
    });
  });

  it('S1: unpacks what the exporter’s gzip option packed', async () => {
    expect(await receiver.post(gzipSync(json(withMessage(MESSAGE))), { 'content-encoding': 'gzip' })).toBe(200);
    expect(receiver.received[0]?.bytes.equals(MESSAGE)).toBe(true);
  });

  it('S1: keeps the bytes of a message part without a file name', async () => {
    expect(await receiver.post(form(['message', MESSAGE], ['metadata', json(METADATA), JSON_PART]), FORM)).toBe(200);
    expect(receiver.received[0]?.bytes.equals(MESSAGE)).toBe(true);
  });

  it('reads a metadata part that comes with a file name', async () => {
    const metadata = json(METADATA);
    expect(
      await receiver.post(form(['metadata', metadata, '; filename="m.json"'], ['message', MESSAGE, FILE]), FORM),
    ).toBe(200);
    expect(receiver.received[0]?.metadata.queueId).toBe('4Xz1Qk');
  });

  it('S1: reads escaped and folded base64, cut anywhere', async () => {
    const bytes = Buffer.from(Array.from({ length: 3000 }, (_, index) => (index * 7) % 256));
    const folded = bytes
      .toString('base64')
      .replace(/\//g, '\\/')
      .replace(/(.{76})/g, '$1\\r\\n');
    const body = `{"qid":"1","message" : "${folded}","rcpt":[]}`;
    for (const size of [1, 2, 3, 5, 1000])
      expect((await readInPieces({}, Buffer.from(body), size)).bytes.equals(bytes)).toBe(true);
  });

  it('finds the message at the top only, not in a symbol’s options', async () => {
    const fields = {
      ...METADATA,
      symbols: [{ name: 'A', options: ['"message":"AAAA"'], message: 'AAAA' }],
      nested: { message: 'BBBB' },
    };
    expect(await receiver.post(json(withMessage(MESSAGE, fields)), {})).toBe(200);
    expect(receiver.received[0]?.bytes.equals(MESSAGE)).toBe(true);
  });

  it('takes a raw message that begins with a brace for what it is', async () => {
    const odd = Buffer.from('{ not: json }\r\n\r\nbody');
    expect(await receiver.post(odd, { 'content-type': 'text/plain', 'x-rspamd-action': 'reject' })).toBe(200);
    expect(receiver.received[0]).toMatchObject({ form: 'RAW', bytes: odd });
  });

  it('keeps a raw message without any metadata and says what is missing', async () => {
    expect(await receiver.post(MESSAGE, { 'content-type': 'text/plain' })).toBe(200);
    expect(receiver.received[0]?.metadata.missing).toEqual(['from', 'ip', 'qid', 'rcpt', 'action', 'score', 'symbols']);
  });

  it('reads a field that came twice as one list, as a proxy may write it', async () => {
    const headers = {
      'x-rspamd-rcpt': '["anna@example.com"], ["boris@example.com"]',
      'x-rspamd-symbols': '[{"name":"A","score":1}], [{"name":"B","score":2}]',
    };
    expect(await receiver.post(MESSAGE, headers)).toBe(200);
    expect(receiver.received[0]?.metadata.recipients).toEqual(['anna@example.com', 'boris@example.com']);
    expect(receiver.received[0]?.metadata.symbols.map(({ name }) => name)).toEqual(['A', 'B']);
  });

  it('takes a header block of 200 KiB', async () => {
    const rcpt = JSON.stringify(Array.from({ length: 7000 }, (_, index) => `person-${index}@example.com`));
    expect(await receiver.post(MESSAGE, { 'x-rspamd-rcpt': rcpt, 'x-rspamd-action': 'reject' })).toBe(200);
    expect(receiver.received[0]?.metadata.recipients).toHaveLength(7000);
  });

  it.each([
    ['an empty multipart form', form(['metadata', json({ ...METADATA, size: 0 }), JSON_PART]), FORM],
    ['empty JSON', json({ ...METADATA, size: 0 }), {}],
    ['empty MessagePack', msgpack({ ...METADATA, size: 0 }), {}],
  ])('accepts %s as a message of no bytes', async (_, body, headers) => {
    expect(await receiver.post(body, headers)).toBe(200);
    expect(receiver.received[0]?.bytes).toHaveLength(0);
  });

  it.each([
    ['the formatter json, which has no message', json(METADATA), {}, 'message'],
    [
      'the formatter structured, which has none either',
      msgpack({ ...METADATA, uuid: 'x', text: 'hello' }),
      {},
      'message',
    ],
    ['a form without metadata', form(['message', MESSAGE, FILE]), FORM, 'metadata'],
    [
      'a form with metadata that is no JSON',
      form(['metadata', Buffer.from('{'), JSON_PART], ['message', MESSAGE, FILE]),
      FORM,
      'metadata',
    ],
    ['a form without a boundary', MESSAGE, { 'content-type': 'multipart/form-data' }, 'Content-Type'],
    [
      'two messages',
      form(['message', MESSAGE, FILE], ['message', MESSAGE, FILE], ['metadata', json(METADATA)]),
      FORM,
      'message',
    ],
    ['a message that is no base64', json({ qid: '1', message: 'AA!A' }), {}, 'message'],
    ['base64 that goes on after its end', json({ qid: '1', message: 'AA==AAAA' }), {}, 'message'],
    ['a JSON array', Buffer.from('[]'), { 'content-type': 'application/json' }, 'metadata'],
    [
      'MessagePack nested too deeply',
      Buffer.concat([Buffer.from([0x81, 0xa3]), Buffer.from('qid'), Buffer.alloc(100, 0x91)]),
      {},
      'body',
    ],
    ['metadata beyond its limit', json({ qid: 'x'.repeat(2 << 20), message: 'AAAA' }), {}, 'metadata'],
    ['an unknown content encoding', MESSAGE, { 'content-encoding': 'br' }, 'Content-Encoding'],
    [
      'more recipients than any server sends',
      json({ rcpt: Array.from({ length: 50_001 }, (_, index) => `${index}@x`), message: '' }),
      {},
      'rcpt',
    ],
  ])('refuses %s, naming the part', async (_, body, headers, part) => {
    expect(await receiver.post(body, headers as Record<string, string>)).toBe(400);
    expect(receiver.received).toHaveLength(0);
    expect(receiver.errors).toEqual([expect.any(HandOverUnreadableError)]);
    expect((receiver.errors[0] as HandOverUnreadableError).details).toEqual({ part });
  });

  it.each([
    'rspamd-3.4-raw.http',
    'rspamd-multipart-metadata-first.http',
    'rspamd-multipart-message-first.http',
    'rspamd-json-with-message.http',
  ])('S6: never takes %s for whole when it is cut', async (name) => {
    const whole = fixture(name);
    const headerEnd = whole.indexOf('\r\n\r\n') + 4;
    for (const share of [0.01, 0.5, 0.95, 0.999]) {
      const dealtWith = receiver.next();
      const { connect } = await import('node:net');
      const socket = connect(receiver.port, '127.0.0.1');
      socket.on('error', () => undefined);
      socket.end(whole.subarray(0, headerEnd + Math.floor((whole.length - headerEnd) * share)));
      await dealtWith;
      socket.destroy();
    }
    expect(receiver.received).toHaveLength(0);
    expect(receiver.errors).toHaveLength(4);
  });

  it('S6: never takes MessagePack for whole when it is cut', async () => {
    const whole = msgpack({ ...METADATA, message: MESSAGE });
    expect(await receiver.post(whole.subarray(0, whole.length - 1), {})).toBe(400);
    expect(receiver.received).toHaveLength(0);
  });
});

describe('limits', () => {
  const receiver = new Receiver({ messageBytes: 100_000, memoryBytes: 1024 });
  beforeAll(() => receiver.start());
  afterAll(() => receiver.stop());

  it.each([
    ['raw', Buffer.alloc(100_001, 'a'), { 'content-type': 'message/rfc822' }],
    [
      'multipart, metadata first',
      form(['metadata', json(METADATA), JSON_PART], ['message', Buffer.alloc(100_001, 'a'), FILE]),
      FORM,
    ],
    [
      'multipart, message first',
      form(['message', Buffer.alloc(100_001, 'a'), FILE], ['metadata', json(METADATA), JSON_PART]),
      FORM,
    ],
    ['JSON', json(withMessage(Buffer.alloc(100_001, 'a'))), {}],
    ['MessagePack', msgpack({ ...METADATA, message: Buffer.alloc(100_001, 'a') }), {}],
    [
      'gzip of a thousand times its size',
      gzipSync(Buffer.alloc(50 << 20)),
      { 'content-type': 'message/rfc822', 'content-encoding': 'gzip' },
    ],
  ])('refuses a larger message as %s', async (_, body, headers) => {
    receiver.errors.length = 0;
    expect(await receiver.post(body, headers as Record<string, string>).catch(() => 413)).toBe(413);
    expect(receiver.errors).toEqual([expect.any(MessageTooLargeError)]);
    expect(receiver.received).toHaveLength(0);
    expect(await receiver.filesLeft()).toBe(0);
  });

  it.each([
    [
      'multipart, message first',
      form(['message', Buffer.alloc(100_000, 'a'), FILE], ['metadata', json(METADATA), JSON_PART]),
      FORM,
    ],
    [
      'multipart, metadata first',
      form(['metadata', json(METADATA), JSON_PART], ['message', Buffer.alloc(100_000, 'a'), FILE]),
      FORM,
    ],
    ['JSON', json(withMessage(Buffer.alloc(100_000, 'a'))), {}],
  ])('takes a message of exactly the limit as %s', async (_, body, headers) => {
    expect(await receiver.post(body, headers as Record<string, string>)).toBe(200);
    expect(receiver.received.pop()?.bytes).toHaveLength(100_000);
  });
});

// A socket may join what was written in pieces; here each piece arrives as it is.
describe('in pieces of an exact size', () => {
  const dumps = [
    'rspamd-3.4-raw.http',
    'rspamd-3.8-raw.http',
    'rspamd-multipart-metadata-first.http',
    'rspamd-multipart-message-first.http',
    'rspamd-json-with-message.http',
  ];
  const recorded = dumps.map((name): [string, Record<string, unknown>, Buffer] => {
    const { headers, body } = parseHttpDump(fixture(name));
    return [name, headers, body];
  });
  const packed: [string, Record<string, unknown>, Buffer] = [
    'MessagePack',
    {},
    msgpack({ ...METADATA, message: MESSAGE }),
  ];

  it.each([...recorded, packed])('S1: gives the message of %s byte for byte', async (_, headers, body) => {
    for (const size of [1, 2, 3, 7, 64, 1000])
      expect((await readInPieces(headers, body, size)).bytes.equals(MESSAGE)).toBe(true);
  });

  it.each([...recorded.slice(2), packed])(
    'S6: never takes %s for whole when it ends early',
    async (_, headers, body) => {
      for (let length = body.length - 40; length < body.length - 4; length += 1) {
        await expect(readInPieces(headers, body.subarray(0, length), 7)).rejects.toBeInstanceOf(PublicError);
      }
    },
  );

  it('refuses base64 that goes on after its end, wherever it is cut', async () => {
    for (const size of [1, 2, 3, 4, 5, 100]) {
      await expect(readInPieces({}, json({ qid: '1', message: 'AA==AAAA' }), size)).rejects.toMatchObject({
        details: { part: 'message' },
      });
    }
  });
});

async function readInPieces(headers: Record<string, unknown>, body: Buffer, size: number) {
  const pieces = Array.from({ length: Math.ceil(body.length / size) }, (_, index) =>
    body.subarray(index * size, (index + 1) * size),
  );
  const limits = { messageBytes: 1 << 20, metadataBytes: 1 << 20, memoryBytes: 1 << 20, temporaryFolder: tmpdir() };
  const { metadata, message, discard } = await readRspamdRequest(
    Object.assign(Readable.from(pieces), { headers: headers as IncomingHttpHeaders }),
    limits,
  );
  try {
    const chunks: Buffer[] = [];
    for await (const chunk of message) chunks.push(chunk);
    return { metadata, bytes: Buffer.concat(chunks) };
  } finally {
    await discard();
  }
}
