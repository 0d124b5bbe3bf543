import { ResultCodeError } from 'ldapts';
import { PublicError } from '../errors.js';

/** What went wrong between us and a directory, in the few ways that call for different actions. */
export type LdapErrorKind =
  | 'UNREACHABLE'
  | 'TLS_REFUSED'
  | 'TLS_REQUIRED'
  | 'BIND_REFUSED'
  | 'ACCESS_DENIED'
  | 'BASE_DN_NOT_FOUND'
  | 'SIZE_LIMIT'
  | 'TIMEOUT'
  | 'BUSY'
  | 'CONNECTION_LOST'
  | 'PROTOCOL';

/** Where in a conversation with a directory an error arose. */
export type LdapPhase = 'RESOLVE' | 'CONNECT' | 'TLS' | 'BIND' | 'SEARCH';

/** A failure of a directory, explained for the administrator; holds no credential and no name of a person. */
export class LdapError extends PublicError {
  constructor(
    readonly kind: LdapErrorKind,
    message: string,
    /** The code that Active Directory gives for a refused bind, such as 52e; null elsewhere. */
    readonly subcode: string | null = null,
    options?: ErrorOptions,
  ) {
    super(`LDAP_${kind}`, message, 'warn', subcode ? { subcode } : {}, options);
  }
}

/** Kinds after which another server of the same directory may do better. */
export const FAIL_OVER_KINDS: ReadonlySet<LdapErrorKind> = new Set([
  'UNREACHABLE',
  'TLS_REFUSED',
  'TIMEOUT',
  'BUSY',
  'CONNECTION_LOST',
  'PROTOCOL',
]);

// Windows error numbers in hex, as they stand in the text of a refused bind (MS-ERREF 2.2).
const SUBCODES: Readonly<Record<string, string>> = {
  '525': 'there is no such account',
  '52e': 'the name or the password is wrong',
  '52f': 'the account is restricted',
  '530': 'the account may not sign in at this time',
  '531': 'the account may not sign in from this computer',
  '532': 'the password has expired',
  '533': 'the account is disabled',
  '568': 'the account is in too many groups',
  '701': 'the account has expired',
  '773': 'the password must be changed first',
  '775': 'the account is locked',
};

const RESULT_KINDS: Readonly<Record<number, readonly [LdapErrorKind, string]>> = {
  1: [
    'ACCESS_DENIED',
    'The directory refused the operation, mostly because the bind did not count; check the bind name.',
  ],
  3: ['TIMEOUT', 'The directory gave up after its own time limit.'],
  4: [
    'SIZE_LIMIT',
    'The directory cut the answer at its size limit; smaller pages or a higher limit for the bind account help.',
  ],
  7: ['BIND_REFUSED', 'The directory does not offer simple binds.'],
  8: ['TLS_REQUIRED', 'The directory accepts passwords only over TLS; use LDAPS or StartTLS.'],
  10: [
    'BASE_DN_NOT_FOUND',
    'The base DN belongs to another directory (a referral came back; referrals are not followed).',
  ],
  11: ['SIZE_LIMIT', 'The directory refused the page size or the number of entries; set smaller pages.'],
  12: ['PROTOCOL', 'The directory does not support paged results, which are needed.'],
  13: ['TLS_REQUIRED', 'The directory accepts passwords only over TLS; use LDAPS or StartTLS.'],
  32: ['BASE_DN_NOT_FOUND', 'The base DN does not exist in this directory, or the bind account may not see it.'],
  34: ['BASE_DN_NOT_FOUND', 'The directory does not accept the base DN as a name.'],
  48: ['BIND_REFUSED', 'The directory refused the bind: this account cannot use a password here.'],
  50: ['ACCESS_DENIED', 'The bind account lacks the right to read this.'],
  51: ['BUSY', 'The directory is busy.'],
  52: ['BUSY', 'The directory is not available at the moment.'],
  53: ['PROTOCOL', 'The directory is unwilling to do this.'],
};

const CERTIFICATE_PROBLEMS: Readonly<Record<string, string>> = {
  SELF_SIGNED_CERT_IN_CHAIN:
    'its certificate comes from an authority that is not trusted; give the CA certificate of the directory',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is self-signed; give that certificate as CA, or one from an authority',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    'its certificate comes from an authority that is not trusted; give the CA certificate of the directory',
  UNABLE_TO_GET_ISSUER_CERT: 'an intermediate certificate is missing',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    'its certificate comes from an authority that is not trusted; give the CA certificate of the directory',
  CERT_SIGNATURE_FAILURE: 'its certificate is not signed by the given CA',
  CERT_HAS_EXPIRED: 'its certificate has expired',
  CERT_NOT_YET_VALID: 'its certificate is not valid yet; check the clocks',
  ERR_TLS_CERT_ALTNAME_INVALID:
    'its certificate is for another host name; enter the server by the name that the certificate bears',
  EPROTO: 'the port does not speak TLS',
};

const UNREACHABLE_REASONS: Readonly<Record<string, string>> = {
  ENOTFOUND: 'its name is not known to DNS',
  EAI_AGAIN: 'DNS does not answer',
  ECONNREFUSED: 'nothing listens on that port',
  EHOSTUNREACH: 'there is no route to it',
  ENETUNREACH: 'there is no route to it',
  ETIMEDOUT: 'it does not answer',
  ECONNRESET: 'it hung up',
};

/** The sub-code that Active Directory puts into the text of a refused bind; null where there is none. */
export function bindSubcode(message: string): string | null {
  return /\bdata ([0-9a-f]{3,8})\b/i.exec(message)?.[1]?.toLowerCase() ?? null;
}

/** Turns whatever a library or the network threw into an {@link LdapError}; errors that are public already pass. */
export function toLdapError(error: unknown, phase: LdapPhase, server: string): PublicError {
  if (error instanceof PublicError) return error;
  const cause = { cause: error };
  if (error instanceof ResultCodeError) return fromResultCode(error, phase);
  const { code, text } = describe(error);
  if (/timed out|Connection timeout/i.test(text))
    return new LdapError('TIMEOUT', `${server} did not answer in time.`, null, cause);
  const certificate = CERTIFICATE_PROBLEMS[code];
  if (certificate)
    return new LdapError(
      'TLS_REFUSED',
      `The TLS connection to ${server} was not accepted: ${certificate}.`,
      null,
      cause,
    );
  if (phase === 'TLS' || code.startsWith('ERR_SSL') || code.startsWith('ERR_TLS')) {
    return new LdapError(
      'TLS_REFUSED',
      `The TLS connection to ${server} failed; check that the port speaks TLS.`,
      null,
      cause,
    );
  }
  if (phase === 'CONNECT' || phase === 'RESOLVE') {
    const reason = UNREACHABLE_REASONS[code] ?? 'the connection failed';
    return new LdapError('UNREACHABLE', `${server} cannot be reached: ${reason}.`, null, cause);
  }
  if (/closed before|Socket error|Socket connection not established/i.test(text) || UNREACHABLE_REASONS[code]) {
    return new LdapError('CONNECTION_LOST', `The connection to ${server} broke off.`, null, cause);
  }
  return new LdapError('PROTOCOL', `${server} answered something that is not understood.`, null, cause);
}

function fromResultCode(error: ResultCodeError, phase: LdapPhase): LdapError {
  const cause = { cause: error };
  if (error.code === 49 || (phase === 'BIND' && (error.code === 32 || error.code === 34))) {
    const subcode = bindSubcode(error.message);
    const explanation = (subcode && SUBCODES[subcode]) ?? 'the name or the password is wrong';
    return new LdapError('BIND_REFUSED', `The directory refused the bind: ${explanation}.`, subcode, cause);
  }
  const [kind, message] = RESULT_KINDS[error.code] ?? [
    'PROTOCOL',
    `The directory answered with result code ${error.code}.`,
  ];
  return new LdapError(kind, message, null, cause);
}

// Not by instanceof: errors of Node's core may come from another realm.
function describe(error: unknown): { code: string; text: string } {
  if (typeof error !== 'object' || error === null) return { code: '', text: '' };
  const { code, message } = error as { code?: unknown; message?: unknown };
  return { code: typeof code === 'string' ? code : '', text: typeof message === 'string' ? message : '' };
}
