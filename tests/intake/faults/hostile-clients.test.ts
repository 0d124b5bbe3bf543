import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { startTestApp, type TestApp } from '../../support/app.js';
import { makeCertificates, type TestCertificates } from '../../support/certificates.js';
import { Conversation, handOverByHttp, handOverByLmtp, messageOf } from '../../support/gateways.js';
import { until } from '../../support/until.js';

const METRICS_TOKEN = 'a-token-for-prometheus';
const HEADERS_MS = 400;
const TRANSFER_MS = 1_500;
const IDLE_MS = 600;

const closed = (socket: Socket) => new Promise<void>((resolve) => socket.once('close', () => resolve()));

describe('Clients that cut, stall and flood', () => {
  const folder = mkdtempSync(join(tmpdir(), 'mailkeep-hostile-'));
  let certificates: TestCertificates;
  let test: TestApp;
  let secret: string;
  const sockets: Socket[] = [];

  beforeAll(async () => {
    certificates = await makeCertificates();
    writeFileSync(join(folder, 'key.pem'), certificates.good.key);
    writeFileSync(join(folder, 'cert.pem'), certificates.good.cert);
    test = await startTestApp(
      { kind: 'sqlite', file: join(folder, 'mailkeep.db') },
      {
        lmtpListen: '127.0.0.1:0',
        lmtpTlsKeyFile: join(folder, 'key.pem'),
        lmtpTlsCertFile: join(folder, 'cert.pem'),
        metricsToken: METRICS_TOKEN,
        headersTimeoutMs: HEADERS_MS,
        intakeTransferMs: TRANSFER_MS,
        clientIdleMs: IDLE_MS,
        httpMaxConnections: 30,
      },
    );
    secret = await test.intakeToken();
  }, 60_000);
  afterAll(async () => {
    await test?.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  afterEach(() => {
    for (const socket of sockets.splice(0)) socket.destroy();
  });

  const open = async (port = test.app.port): Promise<Socket> => {
    const socket = connect(port, '127.0.0.1');
    sockets.push(socket);
    socket.on('error', () => undefined);
    socket.resume();
    await new Promise((connected) => socket.once('connect', connected));
    return socket;
  };
  const lmtp = async (): Promise<Conversation> =>
    new Conversation(await open(Number((test.app.lmtpAddress ?? '').split(':').pop())));
  const head = (...fields: string[]) =>
    [
      'POST /intake/message HTTP/1.1',
      'Host: mailkeep',
      `Authorization: Bearer ${secret}`,
      'X-Mailkeep-Metadata: {"recipients":["anna@example.com"]}',
      ...fields,
      '',
      '',
    ].join('\r\n');
  const FORM = [
    '--b',
    'Content-Disposition: form-data; name="metadata"',
    '',
    '{"recipients":["anna@example.com"]}',
    '--b',
    'Content-Disposition: form-data; name="message"; filename="m.eml"',
    'Content-Type: message/rfc822',
    '',
    'Subject: cut',
    '',
    'half',
  ].join('\r\n');

  const gauge = async (name: string) => {
    const answer = await fetch(`${test.url}/metrics`, { headers: { authorization: `Bearer ${METRICS_TOKEN}` } });
    return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(await answer.text())?.[1]);
  };
  const count = async () => {
    const [row] = await test.app.database.rows<{ count: number }>('SELECT count(*) AS count FROM message');
    return Number(row?.count);
  };
  /** Nothing of the hand-overs before is kept anywhere, and the next one is taken. */
  const expectNothingKept = async (before: number, name: string) => {
    await until(
      'nothing is under way',
      () => gauge('mailkeep_intake_under_way'),
      (value) => value === 0,
    );
    expect(await count()).toBe(before);
    expect(await handOverByHttp(test.url, secret, messageOf(`http after ${name}`))).toBe('ACKNOWLEDGED');
    expect(await handOverByLmtp(test.app.lmtpAddress ?? '', messageOf(`lmtp-after-${name}`))).toBe('ACKNOWLEDGED');
    expect(await count()).toBe(before + 2);
  };

  it.each<[string, () => string]>([
    [
      'its content-length',
      () => `${head('Content-Type: message/rfc822', 'Content-Length: 100000')}Subject: cut\r\n\r\nhalf`,
    ],
    [
      'the last chunk',
      () => `${head('Content-Type: message/rfc822', 'Transfer-Encoding: chunked')}c\r\nSubject: cut\r\n400\r\nhalf`,
    ],
    [
      'the end of its form',
      () => `${head('Content-Type: multipart/form-data; boundary=b', 'Content-Length: 100000')}${FORM}`,
    ],
    [
      'the end of its form, chunked',
      () => `${head('Content-Type: multipart/form-data; boundary=b', 'Transfer-Encoding: chunked')}400\r\n${FORM}`,
    ],
  ])('S6: keeps nothing of a request that is cut before %s', async (name, text) => {
    const before = await count();
    for (let index = 0; index < 10; index += 1) {
      const socket = await open();
      socket.write(text());
      await until('it is under way', () => gauge('mailkeep_intake_under_way'));
      socket.destroy();
    }
    await expectNothingKept(before, name);
  });

  it('S6: keeps nothing of an LMTP transaction that is cut in DATA', async () => {
    const before = await count();
    for (let index = 0; index < 10; index += 1) {
      const talk = await lmtp();
      for (const line of [undefined, 'LHLO x\r\n', 'MAIL FROM:<>\r\n', 'RCPT TO:<anna@example.com>\r\n', 'DATA\r\n'])
        await talk.say(line);
      talk.socket.write('Subject: cut\r\n\r\nhalf of it, and a dot in the line .\r\n');
      await until('it is under way', () => gauge('mailkeep_intake_under_way'));
      talk.end();
    }
    await expectNothingKept(before, 'DATA');
  });

  it.each<[string, () => string, string, number]>([
    [
      'header fields byte by byte',
      () => 'POST /intake/message HTTP/1.1\r\nHost: mailkeep\r\nX-Slow: ',
      'x',
      HEADERS_MS,
    ],
    ['a body byte by byte', () => head('Content-Type: message/rfc822', 'Content-Length: 100000'), 'x', TRANSFER_MS],
    [
      'a body and then nothing',
      () => `${head('Content-Type: message/rfc822', 'Content-Length: 100000')}half`,
      '',
      IDLE_MS,
    ],
  ])('hangs up on a client that sends %s', async (name, start, drop, limitMs) => {
    const before = await count();
    const socket = await open();
    const startedAt = Date.now();
    socket.write(start());
    const dripping = setInterval(() => drop && socket.write(drop), 50);
    await closed(socket);
    clearInterval(dripping);
    expect(Date.now() - startedAt).toBeGreaterThanOrEqual(limitMs - 50);
    await expectNothingKept(before, name);
  });

  it('hangs up on an LMTP peer that sends a message byte by byte', async () => {
    const before = await count();
    const talk = await lmtp();
    for (const line of [undefined, 'LHLO x\r\n', 'MAIL FROM:<>\r\n', 'RCPT TO:<anna@example.com>\r\n', 'DATA\r\n'])
      await talk.say(line);
    const dripping = setInterval(() => talk.socket.write('x'), 50);
    await closed(talk.socket);
    clearInterval(dripping);
    await expectNothingKept(before, 'dripping');
  });

  it('closes connections beyond the limit at once, and serves again when there is room', async () => {
    const held = await Promise.all(Array.from({ length: 29 }, () => open()));
    const beyond = await Promise.all(Array.from({ length: 20 }, () => open()));
    await Promise.all(beyond.slice(1).map(closed));
    for (const socket of [...held, ...beyond]) socket.destroy();
    await until(
      'there is room',
      () => handOverByHttp(test.url, secret, messageOf('room')),
      (heard) => heard === 'ACKNOWLEDGED',
    );
  });

  it('refuses more messages of one peer than its rate for the moment', async () => {
    const slow = await startTestApp({ kind: 'sqlite', file: '' }, { intakeMessagesPerSecond: 1 });
    try {
      const token = await slow.intakeToken();
      const handOver = (name: string | number) => handOverByHttp(slow.url, token, messageOf(`flood-${name}`));
      const heard = await Promise.all(Array.from({ length: 25 }, (_, index) => handOver(index)));
      expect(new Set(heard)).toEqual(new Set(['ACKNOWLEDGED', 'NOT_NOW']));
      await until(
        'the bucket fills again',
        () => handOver('after'),
        (word) => word === 'ACKNOWLEDGED',
      );
    } finally {
      await slow.stop();
    }
  });

  it('takes a message over STARTTLS with the configured certificate, which others do not pass for', async () => {
    const talk = await lmtp();
    await talk.say();
    talk.socket.write('LHLO x\r\n');
    expect(await talk.say('STARTTLS\r\n')).toMatch(/^250|^220/);
    const plain = talk.socket;
    plain.removeAllListeners('data');
    const socket = connectTls({ socket: plain, ca: certificates.ca, host: '127.0.0.1' });
    sockets.push(socket as unknown as Socket);
    await new Promise<void>((resolve, reject) => {
      socket.once('secureConnect', resolve);
      socket.once('error', reject);
    });
    expect(socket.authorized).toBe(true);
    const secure = new Conversation(socket);
    for (const [line, answer] of [
      ['LHLO x\r\n', /^250/],
      ['MAIL FROM:<>\r\n', /^250/],
      ['RCPT TO:<anna@example.com>\r\n', /^250/],
      ['DATA\r\n', /^354/],
      ['Subject: by TLS\r\n\r\nHello\r\n.\r\n', /^250/],
    ] as const)
      expect(await secure.say(line)).toMatch(answer);
    const [row] = await test.app.database.rows("SELECT id FROM message WHERE subject = 'by TLS'");
    expect(row).toBeDefined();
  });
});
