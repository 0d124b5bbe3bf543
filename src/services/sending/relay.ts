import { BadInputError, UnavailableError } from '../../errors.js';
import { checkAddress, headerAddress, needsSmtpUtf8 } from './envelope-address.js';
import { RelayConnection, type TransactionEnvelope } from './relay-connection.js';
import type { RelayFeatures } from './relay-features.js';
import { RelayPool } from './relay-pool.js';
import { RelaySessionError } from './relay-session-error.js';
import { checkRelaySettings, RelayNotConfiguredError, type RelaySettings } from './relay-settings.js';
import { inspectForSmtp } from './smtp-form.js';
import { answered, type RecipientResult, transactionResults, unanswered } from './transaction-results.js';

/** A message to hand to the relay. */
export interface OutgoingMessage {
  /** `from` null is the empty reverse-path (RFC 5321 4.5.5). */
  readonly envelope: { readonly from: string | null; readonly to: readonly string[] };
  /** Size or a good estimate, bytes; announced to the relay (RFC 1870). */
  readonly size: number;
  /** Whether there are octets above 127; absent: found out where it matters. */
  readonly eightBit?: boolean;
  /** Called once there is a connection, before anything is said; when it throws, nothing is. */
  begin?(): Promise<void>;
  /** The bytes from the start; may be called more than once. */
  open(): AsyncIterable<Buffer>;
}

const NO_EIGHT_BIT =
  'The message has 8-bit content and the relay does not take any (no 8BITMIME): sending would damage it.';
const NO_SMTPUTF8 = 'The address has characters beyond ASCII and the relay does not take any (no SMTPUTF8).';
const TOO_LARGE = 'The message is larger than the relay takes.';

// Stops one request from holding a connection with endless RCPT commands; the rules allow 1,000 addresses.
const MAX_RECIPIENTS = 1_000;

/** Hands messages to the configured relay over SMTP or LMTP and tells the result for each recipient (rule D7). */
export class Relay {
  private readonly pool: RelayPool | null;

  /** @param settings null: sending is not configured, and everything says so at once. */
  constructor(private readonly settings: RelaySettings | null) {
    if (settings) checkRelaySettings(settings);
    this.pool = settings ? new RelayPool(settings) : null;
  }

  /** Whether there is a relay at all; ask before a request is queued. */
  get configured(): boolean {
    return this.settings !== null;
  }

  /**
   * Sends one message: a result for each distinct address, in their order. Throws RelayNotConfiguredError, BadInputError for
   * addresses, UnavailableError once closed, and what `begin` and reading the message throw: then nothing was delivered to anybody.
   */
  async send(message: OutgoingMessage): Promise<RecipientResult[]> {
    const { settings, pool } = this;
    if (!settings || !pool) throw new RelayNotConfiguredError();
    const from = message.envelope.from === null ? null : checkAddress('from', message.envelope.from);
    const recipients = [...new Set(message.envelope.to)].map((address) => checkAddress('to', address));
    if (recipients.length === 0) throw new BadInputError('to', 'There is nobody to send to.');
    if (recipients.length > MAX_RECIPIENTS)
      throw new BadInputError('to', `More than ${MAX_RECIPIENTS} recipients; send in parts.`);
    for (;;) {
      let connection: RelayConnection;
      try {
        connection = await pool.acquire();
      } catch (error) {
        if (!(error instanceof RelaySessionError)) throw error;
        return recipients.map((address) => sessionResult(address, error));
      }
      try {
        await message.begin?.();
        const reused = connection.transactions > 0;
        const results = await this.sendOver(connection, settings, from, recipients, message, reused);
        if (results) return results;
      } finally {
        pool.release(connection);
      }
    }
  }

  /** Connects, encrypts and signs in once, and tells what the relay can do; throws UnavailableError with the reason. */
  async verify(): Promise<RelayFeatures> {
    if (!this.settings) throw new RelayNotConfiguredError();
    try {
      const connection = await RelayConnection.open(this.settings);
      connection.quit();
      return connection.features;
    } catch (error) {
      if (!(error instanceof RelaySessionError)) throw error;
      throw new UnavailableError(
        `RELAY_${error.kind}`,
        error.reply ? `${error.message} It answered: ${error.reply.text}` : error.message,
        { cause: error },
      );
    }
  }

  /** Lets running messages end for `graceMs`, then cuts them off; nothing can be sent afterwards. */
  async close(graceMs = 10_000): Promise<void> {
    await this.pool?.close(graceMs);
  }

  /** Null: the kept connection had died unnoticed before anything was said; another one will do. */
  private async sendOver(
    connection: RelayConnection,
    settings: RelaySettings,
    from: string | null,
    recipients: readonly string[],
    message: OutgoingMessage,
    reused: boolean,
  ): Promise<RecipientResult[] | null> {
    const { features } = connection;
    const refuseAll = (reason: string, enhancedCode: string) =>
      recipients.map((address) => unanswered(address, 'PERMANENT', reason, enhancedCode));
    if (features.sizeLimitBytes !== null && message.size > features.sizeLimitBytes)
      return refuseAll(TOO_LARGE, '5.3.4');
    if (!features.smtpUtf8 && from !== null && needsSmtpUtf8(from)) return refuseAll(NO_SMTPUTF8, '5.6.7');
    // Unknown and taken by the relay: announced, because 8BITMIME is also right for 7-bit content (RFC 6152 3).
    const eightBit = message.eightBit ?? (features.eightBitMime || (await inspectForSmtp(message.open())).eightBit);
    if (eightBit && !features.eightBitMime) return refuseAll(NO_EIGHT_BIT, '5.6.3');

    const takes = (address: string) => features.smtpUtf8 || !needsSmtpUtf8(address);
    const sent = recipients.filter(takes);
    const results = new Map(
      recipients.map((address) => [address, unanswered(address, 'PERMANENT', NO_SMTPUTF8, '5.6.7')]),
    );
    if (sent.length > 0) {
      const envelope: TransactionEnvelope = {
        from: from === null ? null : headerAddress(from),
        to: sent.map(headerAddress),
        sizeBytes: message.size,
        eightBit,
      };
      const record = await connection.transact(envelope, () => message.open());
      const [first] = record.replies;
      if (
        reused &&
        connection.ended &&
        !record.messageComplete &&
        (!first || (first.code === 421 && record.replies.length === 1))
      )
        return null;
      for (const result of transactionResults(sent, record, settings.protocol === 'LMTP'))
        results.set(result.address, result);
    }
    return [...results.values()];
  }
}

// Whatever kept us from a session is a matter between the relay and its administrator, never a verdict on the message: it waits.
function sessionResult(address: string, error: RelaySessionError): RecipientResult {
  return error.reply
    ? answered(address, 'TEMPORARY', error.reply, error.message)
    : unanswered(address, 'TEMPORARY', error.message);
}
