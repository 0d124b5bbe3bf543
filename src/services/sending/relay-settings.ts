import { isIP } from 'node:net';
import { BadInputError, PublicError } from '../../errors.js';

/** The relay that messages from Backup are handed to (rule D7). */
export interface RelaySettings {
  readonly host: string;
  readonly port: number;
  readonly protocol: 'SMTP' | 'LMTP';
  /**
   * IMPLICIT: TLS from the first byte. STARTTLS: required. OPPORTUNISTIC: encrypts where the relay can, without checking who it
   * is (RFC 7435). NONE: never.
   */
  readonly tls: 'IMPLICIT' | 'STARTTLS' | 'OPPORTUNISTIC' | 'NONE';
  /** Certificates of own authorities, PEM; instead of the public ones. */
  readonly ca?: string;
  /** The name in the relay's certificate, where it is not `host`. */
  readonly serverName?: string;
  readonly auth?: { readonly user: string; readonly password: string };
  /** Our name in EHLO. */
  readonly clientName: string;
  /** Most connections at once; further messages wait for one. */
  readonly connections: number;
  /** Messages on one connection before a new one is made; relays limit it, and balancers need it. */
  readonly messagesPerConnection: number;
  /** How long an unused connection is kept, ms; below the relay's own time-out (Postfix: 300 s). */
  readonly idleMs: number;
  /** Name look-up, connecting, TLS and greeting together, ms. */
  readonly connectTimeoutMs: number;
  /** Longest silence of the relay, ms; RFC 5321 4.5.3.2.6 asks for 10 minutes after the final dot. */
  readonly answerTimeoutMs: number;
}

/** Settings that suit a relay on the same network. */
export const RELAY_DEFAULTS = {
  protocol: 'SMTP',
  tls: 'OPPORTUNISTIC',
  clientName: 'mailkeep.invalid',
  connections: 5,
  messagesPerConnection: 100,
  idleMs: 30_000,
  connectTimeoutMs: 30_000,
  answerTimeoutMs: 10 * 60_000,
} as const satisfies Partial<RelaySettings>;

/** No relay is set: said at once, not after days in the queue. */
export class RelayNotConfiguredError extends PublicError {
  constructor() {
    super(
      'RELAY_NOT_CONFIGURED',
      'Sending needs a relay: an administrator has to set its host and port first.',
      'warn',
    );
  }
}

const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|::1)$/i;

function bounded(field: string, value: number, min: number, max: number): void {
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new BadInputError(field, `${field} has to be a whole number from ${min} to ${max}.`);
  }
}

/** Refuses settings that cannot work or would give the password away; BadInputError names the field. */
export function checkRelaySettings(settings: RelaySettings): void {
  if (!isIP(settings.host) && !/^[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9.])?$/.test(settings.host)) {
    throw new BadInputError('host', 'The host of the relay has to be a host name or an IP address.');
  }
  if (!/^[A-Za-z0-9.:[\]-]{1,255}$/.test(settings.clientName)) {
    throw new BadInputError('clientName', 'The name for EHLO has to be a host name or an address literal.');
  }
  bounded('port', settings.port, 1, 65_535);
  bounded('connections', settings.connections, 1, 100);
  bounded('messagesPerConnection', settings.messagesPerConnection, 1, 100_000);
  bounded('idleMs', settings.idleMs, 0, 3_600_000);
  bounded('connectTimeoutMs', settings.connectTimeoutMs, 10, 600_000);
  bounded('answerTimeoutMs', settings.answerTimeoutMs, 10, 3_600_000);
  if (settings.auth && (!settings.auth.user || !settings.auth.password)) {
    throw new BadInputError('auth', 'Signing in at the relay needs a user and a password.');
  }
  if (settings.auth && (settings.tls === 'NONE' || settings.tls === 'OPPORTUNISTIC') && !LOOPBACK.test(settings.host)) {
    throw new BadInputError(
      'tls',
      'A password is sent only over checked TLS: choose IMPLICIT or STARTTLS, or leave out the sign-in.',
    );
  }
}
