import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import SMTPConnection from 'nodemailer/lib/smtp-connection';
import { BadInputError, UnavailableError } from '../../../src/errors';
import { GatewayAction, type HandOver } from '../../../src/entities/vocabulary';
import { createLogger } from '../../../src/log';
import { LmtpListener, type Receive } from '../../../src/services/intake/lmtp-listener';
import { LMTP_DEFAULTS, type LmtpListenerSettings } from '../../../src/services/intake/lmtp-settings';
import { HandOverUnreadableError } from '../../../src/services/intake/scanners/hand-over-errors';
import { readVerdictMapping } from '../../../src/services/intake/scanners/verdict-mapping';

const fixture = (name: string) => readFileSync(join(__dirname, 'fixtures', name));
const VIRUS = fixture('amavis-virus.eml');
const MAPPING = readVerdictMapping();
const log = createLogger('silent');

interface Taken {
  readonly handOver: HandOver;
  readonly bytes: Buffer;
}

/** A listener together with what it was handed. */
class Fixture {
  readonly taken: Taken[] = [];
  readonly listener: LmtpListener;
  address = '';

  constructor(settings: Partial<LmtpListenerSettings> = {}, receive?: Receive) {
    const take: Receive = async (handOver, message) => {
      const chunks: Buffer[] = [];
      for await (const chunk of message) chunks.push(chunk);
      this.taken.push({ handOver, bytes: Buffer.concat(chunks) });
      return 'STORED';
    };
    const all = {
      ...LMTP_DEFAULTS,
      listen: { host: '127.0.0.1', port: 0 },
      messageBytes: 1 << 20,
      stopTimeoutMs: 2000,
      ...settings,
    };
    this.listener = new LmtpListener(all, MAPPING, receive ?? take, log);
  }

  async start(): Promise<this> {
    this.address = (await this.listener.start()).address;
    return this;
  }

  get port(): number {
    return Number(this.address.split(':').pop());
  }

  client(options: Partial<SMTPConnection.Options> = {}): Promise<SMTPConnection> {
    const client = new SMTPConnection({ host: '127.0.0.1', port: this.port, lmtp: true, ignoreTLS: true, ...options });
    return new Promise((resolve, reject) => {
      client.once('error', reject);
      client.connect((error) => (error ? reject(error) : resolve(client)));
    });
  }

  /** A conversation by hand; resolves with the lines of the answers so far once `count` of them match. */
  talk(): Promise<Talk> {
    return Talk.open(
      connect(this.address.startsWith('/') ? { path: this.address } : { host: '127.0.0.1', port: this.port }),
    );
  }
}

class Talk {
  #text = '';
  #wake: () => void = () => undefined;
  closed = false;

  private constructor(readonly socket: Socket) {
    socket.on('data', (chunk) => {
      this.#text += chunk.toString('latin1');
      this.#wake();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.closed = true;
      this.#wake();
    });
  }

  static async open(socket: Socket): Promise<Talk> {
    const talk = new Talk(socket);
    await talk.until(/^\d{3} .*\r\n/m);
    return talk;
  }

  /** Waits for an answer that matches, or for the end of the connection; gives what came and forgets it. */
  async until(pattern: RegExp): Promise<string> {
    while (!pattern.test(this.#text) && !this.closed) await new Promise<void>((wake) => (this.#wake = wake));
    const text = this.#text;
    this.#text = '';
    return text;
  }

  async say(line: string, pattern = /^\d{3} .*\r\n/m): Promise<string> {
    this.socket.write(`${line}\r\n`);
    return this.until(pattern);
  }
}

const send = (
  client: SMTPConnection,
  from: string,
  to: string[],
  message: Buffer,
): Promise<SMTPConnection.SentMessageInfo> =>
  new Promise((resolve, reject) =>
    client.send({ from, to }, message, (error, info) => (error ? reject(error) : resolve(info))),
  );

describe('the listener', () => {
  const open: Fixture[] = [];
  const start = async (...args: ConstructorParameters<typeof Fixture>) => {
    const fixture = await new Fixture(...args).start();
    open.push(fixture);
    return fixture;
  };
  afterEach(async () => {
    await Promise.all(open.splice(0).map(({ listener }) => listener.stop()));
  });

  it('announces what amavis insists on', async () => {
    const talk = await (await start()).talk();
    const answer = await talk.say('LHLO mx1.example.com', /^250 /m);
    for (const word of ['PIPELINING', 'ENHANCEDSTATUSCODES', '8BITMIME', 'SMTPUTF8', 'SIZE 1048576'])
      expect(answer).toMatch(new RegExp(`^250[- ]${word}\\r$`, 'm'));
    expect(answer).not.toMatch(/AUTH|STARTTLS/);
    talk.socket.destroy();
  });

  it('S1, S2: takes a quarantined message over LMTP, byte for byte below amavis’s block', async () => {
    const fixture = await start();
    const client = await fixture.client({ name: 'mx1.example.com' });
    await send(client, '', ['virus-quarantine@quar.test'], VIRUS);
    client.quit();
    const [taken] = fixture.taken;
    expect(taken?.handOver).toMatchObject({
      sender: 'service@example.net',
      gatewayMessageId: 'jcSehcHwqZ-_',
      node: 'mx1.example.com',
    });
    expect(taken?.handOver.verdicts.map((verdict) => verdict.action)).toEqual([
      GatewayAction.DELETE_MESSAGE,
      GatewayAction.SKIP,
    ]);
    // Over SMTP a bare line feed becomes CRLF at the client, and the last line gets its end (RFC 5321, 2.3.8).
    const expected = VIRUS.subarray(VIRUS.indexOf('Received: from localhost'))
      .toString('latin1')
      .replace(/\r?\n/g, '\r\n');
    expect(taken?.bytes.toString('latin1').replace(/\r\n$/, '')).toBe(expected.replace(/\r\n$/, ''));
  });

  it('S1: keeps 8-bit bytes, lines that begin with dots, and long lines', async () => {
    const fixture = await start({ protocol: 'SMTP' });
    const message = Buffer.concat([
      Buffer.from('Subject: x\r\n\r\n.\r\n..\r\n.a\r\n'),
      Buffer.alloc(5000, 0xe4),
      Buffer.from('\r\n\x00\x1f\xff\r\n', 'latin1'),
    ]);
    const client = await fixture.client({ lmtp: false });
    await send(client, 'a@example.net', ['anna@example.com', 'boris@example.com'], message);
    client.quit();
    expect(fixture.taken[0]?.bytes.equals(message)).toBe(true);
    expect(fixture.taken[0]?.handOver.verdicts[0]?.recipients).toEqual(['anna@example.com', 'boris@example.com']);
  });

  it('S2: takes UTF-8 addresses and addresses that look wrong, and the client that XFORWARD names', async () => {
    const fixture = await start();
    const talk = await fixture.talk();
    await talk.say('LHLO mx1', /^250 /m);
    expect(await talk.say('XFORWARD ADDR=192.0.2.77 NAME=mail.example.net')).toMatch(/^2/);
    await talk.say('MAIL FROM:<odd..one.@example.net> SMTPUTF8');
    talk.socket.write('RCPT TO:<bör.is@exämple.com>\r\n');
    await talk.until(/^250 /m);
    await talk.say('DATA');
    expect(await talk.say('Subject: x\r\n\r\nbody\r\n.')).toMatch(/^250 2\.6\.0 Kept\r\n$/);
    talk.socket.destroy();
    expect(fixture.taken[0]?.handOver).toMatchObject({ sender: 'odd..one.@example.net', senderIp: '192.0.2.77' });
    expect(fixture.taken[0]?.handOver.verdicts[0]?.recipients).toEqual(['bör.is@exämple.com']);
  });

  it('answers once for each accepted recipient over LMTP, named twice or not', async () => {
    const talk = await (await start()).talk();
    await talk.say('LHLO mx1', /^250 /m);
    await talk.say('MAIL FROM:<>');
    for (const name of ['a', 'b', 'a']) await talk.say(`RCPT TO:<${name}@example.com>`);
    await talk.say('DATA');
    const answers = await talk.say('x: y\r\n\r\n.', /(?:250 .*\r\n){3}/);
    expect(answers.match(/^250 2\.6\.0 /gm)).toHaveLength(3);
    talk.socket.destroy();
  });

  it('S6: acknowledges only after the message is durable', async () => {
    const order: string[] = [];
    let durable: () => void = () => undefined;
    let reached: () => void = () => undefined;
    const read = new Promise<void>((resolve) => (reached = resolve));
    const fixture = await start({}, async (_handOver, message) => {
      for await (const chunk of message) void chunk;
      reached();
      await new Promise<void>((resolve) => (durable = resolve));
      order.push('durable');
      return 'SPOOLED';
    });
    const client = await fixture.client();
    const sent = send(client, 'a@x', ['b@y'], Buffer.from('x: y\r\n\r\nz\r\n')).then(() => order.push('acknowledged'));
    await read;
    // Whatever the listener has to say by now has been said before this round trip of another session ends.
    await (await fixture.talk()).say('NOOP');
    expect(order).toEqual([]);
    durable();
    await sent;
    expect(order).toEqual(['durable', 'acknowledged']);
    client.quit();
  });

  it.each<[string, () => Error, string, RegExp]>([
    [
      'a database that is away',
      () => new UnavailableError('DATABASE_UNAVAILABLE', 'secret details'),
      'refusedTemporarily',
      /^451 4\.3\.0 Not taken at the moment/,
    ],
    [
      'a fault of ours',
      () => new TypeError('secret details'),
      'refusedTemporarily',
      /^451 4\.3\.0 Not taken at the moment/,
    ],
    [
      'a message that cannot be understood',
      () => new HandOverUnreadableError('x', 'cannot be read'),
      'refusedForGood',
      /^554 5\.6\.0 cannot be read/,
    ],
  ])('S6: answers for each recipient when it meets %s', async (_, failure, count, answer) => {
    const fixture = await start({}, () => Promise.reject(failure()));
    const talk = await fixture.talk();
    await talk.say('LHLO mx1', /^250 /m);
    await talk.say('MAIL FROM:<>');
    await talk.say('RCPT TO:<a@example.com>');
    await talk.say('RCPT TO:<b@example.com>');
    await talk.say('DATA');
    const answers = (await talk.say('x: y\r\n\r\nbody\r\n.', /(?:\d{3} .*\r\n){2}/)).trim().split('\r\n');
    expect(answers).toEqual([expect.stringMatching(answer), expect.stringMatching(answer)]);
    expect(answers.join()).not.toContain('secret');
    expect(fixture.listener.state()).toMatchObject({ accepted: 0, [count]: 1 });
    // The session goes on: a refused message is no reason to hang up.
    expect(await talk.say('RSET')).toMatch(/^250/);
    talk.socket.destroy();
  });

  it('refuses a message beyond the limit for good, announced or not', async () => {
    const fixture = await start({ messageBytes: 10_000 });
    const talk = await fixture.talk();
    await talk.say('LHLO mx1', /^250 /m);
    expect(await talk.say('MAIL FROM:<a@x> SIZE=10001')).toMatch(/^552 5\.3\.4 /);
    await talk.say('MAIL FROM:<a@x>');
    await talk.say('RCPT TO:<a@example.com>');
    await talk.say('DATA');
    expect(await talk.say(`x: y\r\n\r\n${'a'.repeat(20_000)}\r\n.`)).toMatch(/^552 5\.3\.4 /);
    expect(fixture.taken).toHaveLength(0);
    talk.socket.destroy();
  });

  it('S6: forgets a message that is cut, and takes the next', async () => {
    let failed: (error: unknown) => void = () => undefined;
    const failure = new Promise((resolve) => (failed = resolve));
    const fixture = await start({}, async (_handOver, message) => {
      try {
        for await (const chunk of message) void chunk;
      } catch (error) {
        failed(error);
        throw error;
      }
      return 'STORED';
    });
    const talk = await fixture.talk();
    await talk.say('LHLO mx1', /^250 /m);
    await talk.say('MAIL FROM:<a@x>');
    await talk.say('RCPT TO:<a@example.com>');
    await talk.say('DATA');
    talk.socket.write(`x: y\r\n\r\n${'half of it '.repeat(1000)}`);
    talk.socket.end();
    expect(await failure).toMatchObject({ code: 'HAND_OVER_CUT' });
    const client = await fixture.client();
    await send(client, 'a@x', ['b@y'], Buffer.from('x: y\r\n\r\nz\r\n'));
    client.quit();
    expect(fixture.listener.state()).toMatchObject({ accepted: 1, refusedTemporarily: 1 });
  });

  it('V1: admits only peers on its list', async () => {
    const fixture = await start({ allowedPeers: ['192.0.2.0/24', 'unix'] });
    const talk = await fixture.talk();
    expect(talk.closed || (await talk.until(/nothing/)) === '').toBe(true);
    await expect(fixture.client()).rejects.toThrow(/554/);
  });

  it('believes amavis’s block only from the peers set for it', async () => {
    const fixture = await start({ amavisPeers: ['192.0.2.1'] });
    const client = await fixture.client();
    await send(client, 'real@example.net', ['virus-quarantine@quar.test'], VIRUS);
    client.quit();
    expect(fixture.taken[0]?.handOver).toMatchObject({ sender: 'real@example.net', gatewayMessageId: null });
  });

  it('refuses more messages than a peer’s rate for the moment', async () => {
    const fixture = await start({ messagesPerSecondPerPeer: 0.001 });
    const talk = await fixture.talk();
    await talk.say('LHLO mx1', /^250 /m);
    for (let index = 0; index < 10; index += 1) {
      expect(await talk.say('MAIL FROM:<a@x>')).toMatch(/^250/);
      await talk.say('RSET');
    }
    expect(await talk.say('MAIL FROM:<a@x>')).toMatch(/^451 4\.3\.0 Too many messages/);
    talk.socket.destroy();
  });

  it('refuses more connections than set, in all and of one peer', async () => {
    for (const limit of [{ maxClients: 2 }, { maxClientsPerPeer: 2 }]) {
      const fixture = await start(limit);
      const talks = [await fixture.talk(), await fixture.talk()];
      await expect(fixture.client()).rejects.toThrow(/421/);
      for (const talk of talks) talk.socket.destroy();
    }
  });

  it('hangs up on a peer that sends a byte now and then', async () => {
    const fixture = await start({ transferTimeoutMs: 1500, idleTimeoutMs: 60_000 });
    const talk = await fixture.talk();
    await talk.say('LHLO mx1', /^250 /m);
    await talk.say('MAIL FROM:<a@x>');
    await talk.say('RCPT TO:<a@example.com>');
    await talk.say('DATA');
    const drip = setInterval(() => talk.socket.write('x'), 20);
    const answer = await talk.until(/nothing/);
    clearInterval(drip);
    expect(answer).toMatch(/^421 /m);
    expect(fixture.taken).toHaveLength(0);
  });

  it('hangs up on a peer that is silent', async () => {
    const talk = await (await start({ idleTimeoutMs: 200 })).talk();
    expect(await talk.until(/nothing/)).toMatch(/^421 /m);
  });

  it('lets a running transfer end at a stop, and takes no new one', async () => {
    let reading: () => void = () => undefined;
    const begun = new Promise<void>((resolve) => (reading = resolve));
    const fixture = new Fixture({}, async (_handOver, message) => {
      reading();
      for await (const chunk of message) void chunk;
      return 'STORED';
    });
    await fixture.start();
    const talk = await fixture.talk();
    await talk.say('LHLO mx1', /^250 /m);
    await talk.say('MAIL FROM:<a@x>');
    await talk.say('RCPT TO:<a@example.com>');
    await talk.say('DATA');
    talk.socket.write('x: y\r\n\r\nfirst half of the body, ');
    await begun;
    const stopped = fixture.listener.stop();
    await expect(fixture.client()).rejects.toThrow();
    expect(await talk.say('second half\r\n.')).toMatch(/^250 2\.6\.0 /);
    await stopped;
    expect(fixture.listener.state()).toMatchObject({ accepted: 1 });
  });

  it('listens on a Unix socket that others cannot open, and takes the place of one left from a crash', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'mailkeep-lmtp-'));
    const socketPath = join(folder, 'lmtp.sock');
    // What a crash leaves: a socket that nobody listens on.
    const crash = `require('net').createServer().listen(${JSON.stringify(socketPath)}, () => process.kill(process.pid, 'SIGKILL'))`;
    expect(spawnSync(process.execPath, ['-e', crash]).signal).toBe('SIGKILL');
    expect(statSync(socketPath).isSocket()).toBe(true);
    const fixture = await start({ listen: { socketPath } });
    expect(statSync(socketPath).mode & 0o777).toBe(0o660);
    const talk = await fixture.talk();
    expect(await talk.say('LHLO mx1', /^250 /m)).toMatch(/PIPELINING/);
    talk.socket.destroy();
    await expect(new Fixture({ listen: { socketPath } }).start()).rejects.toThrow(/already listens/);
    await fixture.listener.stop();
    rmSync(folder, { recursive: true });
  });

  it('offers TLS, and insists on it when so set', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'mailkeep-tls-'));
    const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
    execFileSync(
      'openssl',
      [
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:prime256v1',
        '-nodes',
        '-days',
        '1',
        '-subj',
        '/CN=localhost',
        '-addext',
        'subjectAltName=IP:127.0.0.1',
        '-keyout',
        key,
        '-out',
        cert,
      ],
      { stdio: 'ignore' },
    );
    const tls = { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8'), required: true };
    const fixture = await start({ tls });
    const plain = await fixture.client();
    await expect(send(plain, 'a@x', ['b@y'], Buffer.from('x: y\r\n\r\n'))).rejects.toThrow(/530/);
    plain.close();
    const secure = await fixture.client({ ignoreTLS: false, requireTLS: true, tls: { ca: tls.cert } });
    await send(secure, 'a@x', ['b@y'], Buffer.from('x: y\r\n\r\n'));
    secure.quit();
    expect(fixture.taken).toHaveLength(1);
    rmSync(folder, { recursive: true });
  });

  it.each<[string, Partial<LmtpListenerSettings>]>([
    ['a peer that is no address', { allowedPeers: ['gateway.example.com'] }],
    ['a network with too long a mask', { allowedPeers: ['10.0.0.0/33'] }],
    ['a host name to listen on', { listen: { host: 'localhost', port: 0 } }],
    ['the network without TLS', { listen: { host: '0.0.0.0', port: 0 } }],
  ])('does not start with %s', (_, settings) => {
    expect(() => new Fixture(settings)).toThrow(BadInputError);
  });
});
