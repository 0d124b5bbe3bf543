import type { NodemailerError } from 'nodemailer/lib/errors';
import { parseReply, type SmtpReply } from './smtp-reply.js';

/** No session with the relay came about; `message` is for people and holds neither credential nor address. */
export class RelaySessionError extends Error {
  constructor(
    readonly kind: 'CONNECT' | 'TLS' | 'AUTH' | 'GREETING',
    message: string,
    readonly reply: SmtpReply | null,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = 'RelaySessionError';
  }
}

const FAILURES: Readonly<Record<RelaySessionError['kind'], string>> = {
  CONNECT: 'The relay cannot be reached.',
  TLS: 'No encrypted connection to the relay came about.',
  AUTH: 'The relay refused our sign-in.',
  GREETING: 'The relay refused the session.',
};

// How Node names what can be wrong with a certificate or a handshake.
const TLS_CODES = /^(?:ERR_TLS|ERR_SSL|CERT_|UNABLE_TO|DEPTH_ZERO|SELF_SIGNED|EPROTO$)/;

/** What kept us from a session, out of what nodemailer reports; `step` where the caller knows it. */
export function sessionError(cause: NodemailerError, step?: 'AUTH' | 'TLS'): RelaySessionError {
  const byCode =
    cause.code === 'ETLS' || TLS_CODES.test(cause.originalCode ?? '')
      ? 'TLS'
      : cause.responseCode
        ? 'GREETING'
        : 'CONNECT';
  const kind = step ?? byCode;
  return new RelaySessionError(kind, FAILURES[kind], cause.response ? parseReply(cause.response) : null, { cause });
}
