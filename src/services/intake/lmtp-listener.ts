import { chmod, unlink } from 'node:fs/promises';
import { connect, isIP } from 'node:net';
import { type SMTPServerDataStream, SMTPServer, type SMTPServerSession } from 'smtp-server';
import { BadInputError, PublicError } from '../../errors.js';
import { type HandOver } from '../../entities/vocabulary.js';
import { type Logger } from '../../log.js';
import { LmtpSessions } from './lmtp-sessions.js';
import { type LmtpListenerSettings } from './lmtp-settings.js';
import { PeerList, UNIX_PEER } from './peer-list.js';
import { PeerRate } from './peer-rate.js';
import { readSmtpMessage, type SmtpEnvelope } from './scanners/amavis-hand-over.js';
import { asCut } from './scanners/byte-source.js';
import { HandOverCutError, isTemporary, MessageTooLargeError } from './scanners/hand-over-errors.js';
import { type VerdictMapping } from './scanners/verdict-mapping.js';

/** Takes a message into safety; resolves once it is durable (rule S6), and rejects when it is not. */
export type Receive = (handOver: HandOver, message: AsyncIterable<Buffer>) => Promise<'STORED' | 'SPOOLED'>;

/** What the listener does at the moment, and did since it started; for metrics. */
export interface LmtpListenerState {
  readonly connections: number;
  readonly transfers: number;
  readonly accepted: number;
  readonly refusedTemporarily: number;
  readonly refusedForGood: number;
}

/** An answer of the listener: SMTP code and text; the server puts the enhanced code between them (RFC 2034). */
class Refusal extends Error {
  constructor(
    readonly responseCode: number,
    message: string,
  ) {
    super(message);
  }
}

const BUSY = 'Not taken at the moment, please come again';

/** What refusing means to the peer: 552 5.3.4 and 554 are final, anything else is to be tried again (rule S6). */
function refusalOf(error: unknown): Refusal {
  if (error instanceof Refusal) return error;
  if (error instanceof MessageTooLargeError) return new Refusal(552, error.message);
  if (error instanceof PublicError && !isTemporary(error)) return new Refusal(554, error.message);
  return new Refusal(451, BUSY);
}

/** Takes messages over LMTP or SMTP from scanners on the list of peers. Nothing is acknowledged before it is durable (rule S6). */
export class LmtpListener {
  readonly #allowed: PeerList;
  readonly #amavis: PeerList;
  readonly #spamHeaders: PeerList;
  readonly #rate: PeerRate;
  readonly #server: SMTPServer;
  readonly #sessions: LmtpSessions;
  readonly #tlsRequired: boolean;
  /** How many RCPT commands of a transaction were accepted; LMTP owes an answer for each (RFC 2033, 4.2). */
  readonly #answersOwed = new WeakMap<object, number>();
  readonly #transfers = new Set<Promise<void>>();
  #stopping = false;
  #counts = { accepted: 0, refusedTemporarily: 0, refusedForGood: 0 };

  /** Throws BadInputError for a list of peers or an address that cannot be used. */
  constructor(
    private readonly settings: LmtpListenerSettings,
    private readonly mapping: VerdictMapping,
    private readonly receive: Receive,
    private readonly logger: Logger,
  ) {
    this.#allowed = new PeerList('allowedPeers', settings.allowedPeers);
    this.#amavis = new PeerList('amavisPeers', settings.amavisPeers ?? settings.allowedPeers);
    this.#spamHeaders = new PeerList('spamHeaderPeers', settings.spamHeaderPeers ?? []);
    this.#rate = new PeerRate(settings.messagesPerSecondPerPeer);
    this.#sessions = new LmtpSessions(settings.transferTimeoutMs);
    const { listen, tls } = settings;
    if ('host' in listen && isIP(listen.host) === 0)
      throw new BadInputError('listen', 'The listener needs an IP address, such as 127.0.0.1.');
    const isBeyondHere = 'host' in listen && !new PeerList('listen', ['127.0.0.0/8', '::1']).has(listen.host);
    this.#tlsRequired = tls?.required ?? isBeyondHere;
    if (isBeyondHere && !tls) {
      throw new BadInputError(
        'listen',
        'The listener needs TLS on any address but 127.0.0.1 and ::1: messages would cross the network unprotected.',
      );
    }
    this.#server = this.#createServer();
  }

  /** Starts to listen; resolves with the address ("127.0.0.1:2424" or the socket's path). */
  async start(): Promise<{ address: string }> {
    const { listen } = this.settings;
    if ('socketPath' in listen) await removeStaleSocket(listen.socketPath);
    await new Promise<void>((resolve, reject) => {
      const { server } = this.#server;
      server.once('error', reject);
      this.#server.listen(
        'host' in listen ? { host: listen.host, port: listen.port } : { path: listen.socketPath },
        () => {
          server.off('error', reject);
          resolve();
        },
      );
    });
    if ('socketPath' in listen) {
      // Others than our own group have no business here (rule V1 holds for what comes in, too).
      await chmod(listen.socketPath, listen.socketMode ?? 0o660);
      return { address: listen.socketPath };
    }
    const bound = this.#server.server.address();
    const port = bound !== null && typeof bound === 'object' ? bound.port : listen.port;
    return { address: isIP(listen.host) === 6 ? `[${listen.host}]:${port}` : `${listen.host}:${port}` };
  }

  /** Takes no more connections and messages, lets running transfers end within the time set, then closes. */
  async stop(): Promise<void> {
    this.#stopping = true;
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, this.settings.stopTimeoutMs)));
    await Promise.race([Promise.all(this.#transfers), late]);
    for (const connection of this.#server.connections) {
      connection.send(421, `${this.settings.name} is shutting down`);
      connection.close();
    }
    await Promise.race([closed, late]);
    clearTimeout(timer);
  }

  /** What goes on, for metrics. */
  state(): LmtpListenerState {
    return { connections: this.#server.connections.size, transfers: this.#transfers.size, ...this.#counts };
  }

  #createServer(): SMTPServer {
    const { settings } = this;
    const server = new SMTPServer({
      lmtp: settings.protocol === 'LMTP',
      name: settings.name,
      size: settings.messageBytes,
      rejectOversized: true,
      maxClients: settings.maxClients,
      maxRecipients: settings.maxRecipients,
      socketTimeout: settings.idleTimeoutMs,
      closeTimeout: settings.stopTimeoutMs,
      // amavis refuses all mail for the moment unless it sees both PIPELINING and ENHANCEDSTATUSCODES.
      hideENHANCEDSTATUSCODES: false,
      hidePIPELINING: false,
      hide8BITMIME: false,
      hideSMTPUTF8: false,
      // Scanners hand on what they got: an address that looks wrong is no reason to lose the message.
      lenientAddressParsing: true,
      disableReverseLookup: true,
      useXForward: true,
      authOptional: true,
      disabledCommands: ['AUTH', ...(settings.tls && !settings.tls.implicit ? [] : ['STARTTLS'])],
      secure: settings.tls?.implicit ?? false,
      ...(settings.tls && { key: settings.tls.key, cert: settings.tls.cert }),
      logger: false,
      onConnect: (session, done) => done(this.#admit(session)),
      onMailFrom: (_address, session, done) => done(this.#admitMessage(session)),
      onRcptTo: (_address, session, done) => {
        this.#answersOwed.set(session.envelope, (this.#answersOwed.get(session.envelope) ?? 0) + 1);
        done();
      },
      onData: (stream, session, done) => {
        const transfer = this.#take(stream, session)
          .then(
            () => this.#answers(session, 'Kept'),
            (error: unknown) => this.#answers(session, refusalOf(error)),
          )
          .then((answers) => {
            this.#sessions.allow(session.id, () => this.#disconnect(session.id));
            done(null, answers);
          });
        this.#transfers.add(transfer);
        void transfer.finally(() => this.#transfers.delete(transfer));
      },
      onClose: (session) => this.#sessions.close(session.id),
    });
    // Broken connections and failed handshakes; without a listener they would end the process.
    server.on('error', (error: NodeJS.ErrnoException) =>
      this.logger.debug({ code: error.code }, 'intake connection failed'),
    );
    return server;
  }

  /** LMTP answers once for each accepted recipient, SMTP once. */
  #answers(session: SMTPServerSession, answer: string | Refusal): (string | Error)[] {
    const count = this.settings.protocol === 'LMTP' ? (this.#answersOwed.get(session.envelope) ?? 1) : 1;
    return Array<string | Error>(count).fill(answer);
  }

  #admit(session: SMTPServerSession): Refusal | null {
    const peer = session.remoteAddress || UNIX_PEER;
    if (!this.#allowed.has(peer)) {
      this.logger.warn({ peer }, 'intake connection refused: not on the list of peers');
      return new Refusal(554, 'Not allowed from here');
    }
    if (this.#sessions.count(peer) >= this.settings.maxClientsPerPeer)
      return new Refusal(421, 'Too many connections from here');
    this.#sessions.open(session.id, peer);
    this.#sessions.allow(session.id, () => this.#disconnect(session.id));
    return null;
  }

  #admitMessage(session: SMTPServerSession): Refusal | null {
    if (this.#stopping) return new Refusal(421, `${this.settings.name} is shutting down`);
    if (this.#tlsRequired && !session.secure) return new Refusal(530, 'Must issue STARTTLS first');
    if (!this.#rate.take(this.#sessions.peerOf(session.id)))
      return new Refusal(451, 'Too many messages from here, please come again');
    return null;
  }

  async #take(stream: SMTPServerDataStream, session: SMTPServerSession): Promise<void> {
    const peer = this.#sessions.peerOf(session.id);
    const envelope: SmtpEnvelope = {
      sender: session.envelope.mailFrom ? session.envelope.mailFrom.address : '',
      recipients: session.envelope.rcptTo.map((recipient) => recipient.address),
      senderIp: forwardedAddress(session),
      node: session.hostNameAppearsAs || null,
    };
    const trust = { amavisBlock: this.#amavis.has(peer), spamFields: this.#spamHeaders.has(peer) };
    this.#sessions.allow(session.id, () => {
      stream.destroy(new HandOverCutError());
      this.#disconnect(session.id);
    });
    stream.once('end', () => this.#sessions.wait(session.id));
    try {
      const { handOver, message } = await readSmtpMessage(
        this.#bytesOf(stream),
        envelope,
        trust,
        this.mapping,
        Date.now(),
      );
      const outcome = await this.receive(handOver, message);
      this.#counts.accepted += 1;
      this.logger.debug({ sessionId: session.id, outcome, sizeBytes: stream.byteLength }, 'message taken');
    } catch (error) {
      const refusal = refusalOf(error);
      if (refusal.responseCode < 500) this.#counts.refusedTemporarily += 1;
      else this.#counts.refusedForGood += 1;
      if (error instanceof PublicError)
        this.logger[error.logLevel](
          { sessionId: session.id, code: error.code, reply: refusal.responseCode },
          'message refused',
        );
      else this.logger.error({ sessionId: session.id, err: error, reply: refusal.responseCode }, 'message refused');
      throw refusal;
    } finally {
      // What was not read has to go by before the answer can be given.
      stream.resume();
    }
  }

  async *#bytesOf(stream: SMTPServerDataStream): AsyncGenerator<Buffer> {
    try {
      for await (const chunk of stream.iterator({ destroyOnReturn: false })) {
        if (stream.sizeExceeded) throw new MessageTooLargeError(this.settings.messageBytes);
        yield chunk as Buffer;
      }
    } catch (error) {
      throw asCut(error);
    }
    if (stream.sizeExceeded) throw new MessageTooLargeError(this.settings.messageBytes);
  }

  #disconnect(sessionId: string): void {
    for (const connection of this.#server.connections) {
      if (connection.id !== sessionId) continue;
      connection.send(421, 'Too slow, please come again');
      connection.close();
    }
  }
}

function forwardedAddress(session: SMTPServerSession): string | null {
  const address = session.xForward.get('ADDR');
  return typeof address === 'string' ? address : null;
}

/** A socket that nobody listens on is left from a crash and would make listening fail. */
async function removeStaleSocket(path: string): Promise<void> {
  const alive = await new Promise<boolean>((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (error: NodeJS.ErrnoException) =>
      resolve(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT'),
    );
  });
  if (alive) throw new BadInputError('listen', `Somebody already listens on ${path}, or it cannot be used.`);
  await unlink(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
}
