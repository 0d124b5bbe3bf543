import { Readable } from 'node:stream';
import SMTPConnection, { type SMTPConnectionOptions } from 'nodemailer/lib/smtp-connection';
import type { NodemailerError } from 'nodemailer/lib/errors';
import { type RelayFeatures, readFeatures } from './relay-features.js';
import { RelaySessionError, sessionError } from './relay-session-error.js';
import type { RelaySettings } from './relay-settings.js';
import { type SmtpReply, parseReply } from './smtp-reply.js';
import type { TransactionRecord } from './transaction-results.js';

/** Addresses of one transaction, already checked. */
export interface TransactionEnvelope {
  /** null is the empty reverse-path (RFC 5321 4.5.5). */
  readonly from: string | null;
  readonly to: readonly string[];
  readonly sizeBytes: number;
  readonly eightBit: boolean;
}

const QUIT_TIMEOUT_MS = 1_000;

/** One session with the relay; carries one transaction at a time. */
export class RelayConnection {
  /** Transactions begun on this connection. */
  transactions = 0;
  features: RelayFeatures = {
    encrypted: false,
    eightBitMime: false,
    smtpUtf8: false,
    pipelining: false,
    sizeLimitBytes: null,
  };
  private replies: SmtpReply[] = [];
  private socketClosed = false;
  private readonly connection: SMTPConnection;

  private constructor(
    private readonly settings: RelaySettings,
    tls: RelaySettings['tls'],
  ) {
    const options: SMTPConnectionOptions = {
      host: settings.host,
      port: settings.port,
      name: settings.clientName,
      lmtp: settings.protocol === 'LMTP',
      secure: tls === 'IMPLICIT',
      requireTLS: tls === 'STARTTLS',
      ignoreTLS: tls === 'NONE',
      opportunisticTLS: tls === 'OPPORTUNISTIC',
      ...(settings.serverName ? { servername: settings.serverName } : {}),
      tls: {
        minVersion: 'TLSv1.2',
        rejectUnauthorized: tls !== 'OPPORTUNISTIC',
        ...(settings.ca ? { ca: settings.ca } : {}),
      },
      connectionTimeout: settings.connectTimeoutMs,
      dnsTimeout: settings.connectTimeoutMs,
      greetingTimeout: settings.connectTimeoutMs,
      socketTimeout: settings.answerTimeoutMs,
      // The transaction log is the one public place where every answer passes, in order: nodemailer itself keeps the answers
      // of refused recipients only, and we keep all of them (rule D7).
      transactionLog: true,
      logger: {
        debug: (entry: { tnx?: string }, text?: string) => {
          // What comes up once the socket is closed is the beginning of an answer, not an answer: half a 250 is no consent.
          if (entry.tnx === 'server' && text !== undefined && !this.socketClosed) this.replies.push(parseReply(text));
        },
      },
    };
    this.connection = new SMTPConnection(options);
  }

  /** Connects, encrypts and signs in as the settings say; throws {@link RelaySessionError}. */
  static async open(settings: RelaySettings): Promise<RelayConnection> {
    try {
      return await RelayConnection.openWith(settings, settings.tls);
    } catch (error) {
      // Without TLS is what opportunistic means when a handshake fails (RFC 7435 3).
      if (settings.tls !== 'OPPORTUNISTIC' || !(error instanceof RelaySessionError) || error.kind !== 'TLS')
        throw error;
      return RelayConnection.openWith(settings, 'NONE');
    }
  }

  private static async openWith(settings: RelaySettings, tls: RelaySettings['tls']): Promise<RelayConnection> {
    const opened = new RelayConnection(settings, tls);
    await opened.connect();
    return opened;
  }

  private async connect(): Promise<void> {
    const { connection } = this;
    await new Promise<void>((resolve, reject) => {
      const failed = (error: NodemailerError) => {
        const duringUpgrade = connection.upgrading ? 'TLS' : undefined;
        connection.close();
        reject(sessionError(error, duringUpgrade));
      };
      connection.once('error', failed);
      connection.connect((error) => (error ? failed(error) : resolve()));
    });
    connection.removeAllListeners('error');
    // A failure is told by the transaction that meets it, or noticed as `ended` before the next one.
    connection.on('error', () => undefined);
    if (connection._socket) connection._socket.prependOnceListener('close', () => (this.socketClosed = true));
    this.features = readFeatures(String(connection.lastServerResponse || ''), connection.secure);
    const { auth } = this.settings;
    if (!auth) return;
    if (!connection.allowsAuth) {
      connection.close();
      throw new RelaySessionError('AUTH', 'The relay offers no sign-in.', null);
    }
    const refusal = await this.untilEnd<NodemailerError | null>(
      new Error('The connection ended during the sign-in.'),
      (resolve) => connection.login({ user: auth.user, pass: auth.password }, resolve),
    );
    if (!refusal) return;
    this.cut();
    throw sessionError(refusal, 'AUTH');
  }

  /** Whether the connection is gone. */
  get ended(): boolean {
    return this.connection.destroyed;
  }

  /** Runs `listener` when the connection goes, once. */
  onEnd(listener: () => void): void {
    this.connection.once('end', listener);
  }

  /**
   * One transaction. The record tells what the relay answered and how far it came; afterwards the connection has been cut unless
   * it can carry the next one. Throws only what reading the message throws, and then the final dot has not been sent.
   */
  async transact(envelope: TransactionEnvelope, open: () => AsyncIterable<Buffer>): Promise<TransactionRecord> {
    this.transactions += 1;
    this.replies = [];
    let messageComplete = false;
    let sourceFailure: { error: unknown } | undefined;
    // Started only when the relay has taken the envelope: a generator runs at its first read.
    const read = async function* () {
      try {
        // An empty piece would read like the end of a stream.
        for await (const piece of open()) if (piece.length > 0) yield piece;
      } catch (error) {
        sourceFailure = { error };
        throw error;
      }
      messageComplete = true;
    };
    const message = Readable.from(read(), { objectMode: false, highWaterMark: 64 * 1024 });
    const error = await this.untilEnd<NodemailerError | null>(new Error('The connection was ended.'), (resolve) => {
      const { from, to, sizeBytes, eightBit } = envelope;
      this.connection.send({ from: from ?? '', to: [...to], size: sizeBytes, use8BitMime: eightBit }, message, resolve);
    });
    const { replies } = this;
    this.replies = [];
    const refusedEnvelope = error?.code === 'EENVELOPE' && error.responseCode !== undefined;
    // Answered before the dot had left: what the relay makes of the rest is uncertain, so nothing follows on this connection.
    const answeredInTurn = messageComplete && (error === null || error.responseCode !== undefined) && this.flushed;
    if (!refusedEnvelope && !answeredInTurn) this.cut();
    message.destroy();
    if (sourceFailure) throw sourceFailure.error;
    if (refusedEnvelope) await this.reset();
    return { replies, messageComplete, failure: error ? failureText(error) : null };
  }

  private get flushed(): boolean {
    const socket = this.connection._socket;
    return Boolean(socket) && socket !== null && socket !== false && socket.writableLength === 0;
  }

  /** What `start` resolves with, or `ended` when the connection goes first: nodemailer tells no callback when we cut it ourselves. */
  private async untilEnd<T>(ended: T, start: (resolve: (value: T) => void) => void): Promise<T> {
    if (this.ended) return ended;
    let onEnd: (() => void) | undefined;
    const result = await new Promise<T>((resolve) => {
      // A turn later, because on an error the callback with the cause follows the event.
      onEnd = () => setImmediate(() => resolve(ended));
      this.connection.once('end', onEnd);
      start(resolve);
    });
    if (onEnd) this.connection.removeListener('end', onEnd);
    return result;
  }

  /** Ends a transaction that the relay refused before the message, so that the next one may begin; cuts where that fails. */
  private async reset(): Promise<void> {
    const clean = await this.untilEnd(false, (resolve) => this.connection.reset((error) => resolve(!error)));
    this.replies = [];
    if (!clean) this.cut();
  }

  /** Says QUIT; the connection goes when the relay has answered, or after a second. */
  quit(): void {
    if (this.ended) return;
    const impatient = setTimeout(() => this.cut(), QUIT_TIMEOUT_MS);
    this.connection.once('end', () => clearTimeout(impatient));
    this.connection.quit();
  }

  /** Ends the connection at once; a transaction in flight ends with what is known then. */
  cut(): void {
    this.connection.close();
  }
}

function failureText(error: NodemailerError): string {
  if (error.code === 'ETIMEDOUT') return 'The relay did not answer in time.';
  if (error.code === 'EPROTOCOL') return 'The relay answered what SMTP does not know.';
  return 'The connection to the relay was lost.';
}
