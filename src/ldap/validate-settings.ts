import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { BadInputError } from '../errors.js';
import type { LdapConnectionSettings, LdapServerAddress } from './connection-settings.js';
import { domainOfDn, requireDn } from './distinguished-name.js';
import { requireFilter } from './filter-text.js';

const HOST_NAME =
  /^(?=.{1,253}$)[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?)*\.?$/;
const ATTRIBUTE_NAME = /^(?:[A-Za-z][A-Za-z0-9-]{0,127}|\d+(?:\.\d+){1,20})$/;
// Longer texts are no names, passwords or certificates, and would be kept, encrypted and sent with every connection.
const MAX_LENGTHS = { bindName: 1024, bindPassword: 1024, caPem: 100_000 } as const;
const MAX_SERVERS = 8;
const MAX_DELEGATION_ATTRIBUTES = 5;
const FILTERS = ['personFilter', 'groupFilter', 'contactFilter'] as const;
const ATTRIBUTES = [
  'idAttribute',
  'loginAttribute',
  'displayNameAttribute',
  'mailAttribute',
  'memberAttribute',
] as const;
const LIMITS = { connectTimeoutMs: [100, 60_000], operationTimeoutMs: [100, 600_000], pageSize: [1, 1000] } as const;

/** Checks the settings of a connection and brings them into one form; throws a {@link BadInputError} that names the field. */
export function validateSettings(settings: LdapConnectionSettings): LdapConnectionSettings {
  const domain = requireDomain('domain', settings.domain);
  const baseDn = requireDn('baseDn', settings.baseDn);
  if (settings.servers.length > MAX_SERVERS)
    throw new BadInputError('servers', `servers lists more than ${MAX_SERVERS}; leave some out.`);
  if (settings.tlsMode === 'PLAIN' && !settings.plainAllowed) {
    throw new BadInputError(
      'tlsMode',
      'tlsMode PLAIN sends passwords readably; choose LDAPS or STARTTLS, or allow it explicitly with plainAllowed.',
    );
  }
  if (settings.bindName.trim() === '')
    throw new BadInputError(
      'bindName',
      'bindName is empty; give the DN or the principal name of an account that may read the directory.',
    );
  // A name without a password is an anonymous bind that succeeds, and finds nothing (RFC 4513, 5.1.2).
  if (settings.bindPassword === '')
    throw new BadInputError('bindPassword', 'bindPassword is empty; give the password of the bind account.');
  if (settings.delegationAttributes.length > MAX_DELEGATION_ATTRIBUTES) {
    throw new BadInputError(
      'delegationAttributes',
      `delegationAttributes names more than ${MAX_DELEGATION_ATTRIBUTES} attributes; leave some out.`,
    );
  }
  for (const [field, most] of Object.entries(MAX_LENGTHS)) {
    if ((settings[field as keyof typeof MAX_LENGTHS]?.length ?? 0) > most)
      throw new BadInputError(field, `${field} must have at most ${most} characters.`);
  }
  for (const field of FILTERS) {
    const filter = settings.overrides[field];
    if (filter) requireFilter(`overrides.${field}`, filter);
  }
  for (const field of ATTRIBUTES) {
    const attribute = settings.overrides[field];
    if (attribute) requireAttributeName(`overrides.${field}`, attribute);
  }
  for (const [field, [least, most]] of Object.entries(LIMITS)) {
    const value = settings[field as keyof typeof LIMITS];
    if (value !== undefined && !(Number.isInteger(value) && value >= least && value <= most)) {
      throw new BadInputError(field, `${field} must be a whole number from ${least} to ${most}.`);
    }
  }
  return {
    ...settings,
    domain,
    baseDn,
    bindName: settings.bindName.trim(),
    servers: settings.servers.map((server, index) => requireServer(`servers.${index}`, server)),
    caPem: settings.caPem?.trim() ? requireCertificates('caPem', settings.caPem) : null,
    delegationAttributes: distinctAttributes('delegationAttributes', settings.delegationAttributes),
  };
}

/** What an administrator should know about settings that are allowed nevertheless. */
export function settingsWarnings(settings: LdapConnectionSettings): string[] {
  const warnings: string[] = [];
  if (settings.tlsMode === 'PLAIN') warnings.push('Passwords are sent readably: this connection does not use TLS.');
  const named = domainOfDn(settings.baseDn);
  if (named && named !== settings.domain) warnings.push(`The base DN lies in ${named}, not in ${settings.domain}.`);
  return warnings;
}

/** Checks a DNS name; answers it in lower case. */
export function requireDomain(field: string, domain: string): string {
  const name = domain.trim().toLowerCase().replace(/\.$/, '');
  if (!HOST_NAME.test(name) || isIP(name))
    throw new BadInputError(field, `${field} is not a DNS name; write it like example.com.`);
  return name;
}

/** Checks a host name or an IP address. */
export function requireHost(field: string, host: string): string {
  const name = host.trim().toLowerCase();
  if (isIP(name) || HOST_NAME.test(name)) return name;
  throw new BadInputError(
    field,
    `${field} is neither a host name nor an IP address; write it without ldap:// and port, like dc1.example.com.`,
  );
}

/** Checks the name of an attribute (RFC 4512, 2.5). */
export function requireAttributeName(field: string, name: string): string {
  const trimmed = name.trim();
  if (ATTRIBUTE_NAME.test(trimmed)) return trimmed;
  throw new BadInputError(
    field,
    `${field} is not an attribute name; it consists of letters, digits and "-", like extensionAttribute1.`,
  );
}

/** Attribute names, each once however it is spelt: directories compare them without regard to case (RFC 4512, 2.5). */
function distinctAttributes(field: string, names: readonly string[]): string[] {
  const distinct = new Map<string, string>();
  for (const given of names) {
    const name = requireAttributeName(field, given);
    if (!distinct.has(name.toLowerCase())) distinct.set(name.toLowerCase(), name);
  }
  return [...distinct.values()];
}

function requireServer(field: string, { host, port }: LdapServerAddress): LdapServerAddress {
  if (port !== undefined && !(Number.isInteger(port) && port >= 1 && port <= 65_535)) {
    throw new BadInputError(
      `${field}.port`,
      `${field}.port must be a whole number from 1 to 65535; usual ones are 636 and 389.`,
    );
  }
  const name = requireHost(`${field}.host`, host);
  return port === undefined ? { host: name } : { host: name, port };
}

function requireCertificates(field: string, pem: string): string {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g);
  if (!blocks)
    throw new BadInputError(
      field,
      `${field} holds no certificate; paste the PEM text from BEGIN CERTIFICATE to END CERTIFICATE.`,
    );
  if (/PRIVATE KEY-----/.test(pem))
    throw new BadInputError(field, `${field} holds a private key; paste the certificate only.`);
  for (const block of blocks) {
    let certificate: X509Certificate;
    try {
      certificate = new X509Certificate(block);
    } catch {
      throw new BadInputError(field, `${field} holds a certificate that cannot be read; paste the whole PEM text.`);
    }
    if (Date.parse(certificate.validTo) < Date.now())
      throw new BadInputError(field, `${field} holds a certificate that has expired.`);
  }
  return `${blocks.join('\n')}\n`;
}
