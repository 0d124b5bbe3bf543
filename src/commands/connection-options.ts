import { readFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { parseArgs } from 'node:util';
import { namedVariable } from '../config.js';
import type { LdapConnectionSettings, LdapServerAddress } from '../ldap/connection-settings.js';
import { readSchedule, type Schedule } from '../services/directory/schedule.js';
import { UsageError } from './command.js';

const OPTIONS = {
  rename: { type: 'string' },
  domain: { type: 'string' },
  server: { type: 'string', multiple: true },
  tls: { type: 'string' },
  'allow-plain': { type: 'boolean' },
  'ca-file': { type: 'string' },
  'base-dn': { type: 'string' },
  'bind-name': { type: 'string' },
  'password-env': { type: 'string' },
  'password-stdin': { type: 'boolean' },
  addresses: { type: 'string' },
  contacts: { type: 'boolean' },
  'no-contacts': { type: 'boolean' },
  delegation: { type: 'string', multiple: true },
  preset: { type: 'string' },
  override: { type: 'string', multiple: true },
  schedule: { type: 'string' },
} as const;

/** How the options are described in the help. */
export const OPTION_HELP = [
  '--domain NAME            DNS name of the domain, such as example.com',
  '--server HOST[:PORT]     a server; several are tried in their order; none: found by DNS',
  '--tls MODE               LDAPS (default), STARTTLS or PLAIN; PLAIN needs --allow-plain',
  '--ca-file FILE           certificates (PEM) of the authorities to trust',
  '--base-dn DN             where people and groups are searched',
  '--bind-name NAME         account that reads the directory: DN, principal name or DOMAIN\\name',
  '--password-env VARIABLE  its password is in this environment variable',
  '--password-stdin         its password is read from standard input',
  '--addresses WHICH        MAIL, PROXY_ADDRESSES or BOTH (default)',
  '--contacts, --no-contacts',
  '--delegation ATTRIBUTE   names who has access to a group mailbox; may be given several times; "" for none',
  '--preset KIND            ACTIVE_DIRECTORY (default), OPENLDAP or FREEIPA',
  '--override NAME=VALUE    such as loginAttribute=uid or personFilter=(objectClass=person)',
  '--schedule WHEN          "INTERVAL 30", "DAILY 03:30", "WEEKLY 1 03:30", "MONTHLY 31 03:30", each with a zone behind it if not UTC; "MANUAL"',
  '--rename NAME            another name for the connection',
] as const;

const TLS_MODES = ['LDAPS', 'STARTTLS', 'PLAIN'] as const;
const ADDRESSES = ['MAIL', 'PROXY_ADDRESSES', 'BOTH'] as const;
const PRESETS = ['ACTIVE_DIRECTORY', 'OPENLDAP', 'FREEIPA'] as const;
const OVERRIDES = [
  'personFilter',
  'groupFilter',
  'contactFilter',
  'idAttribute',
  'loginAttribute',
  'displayNameAttribute',
  'mailAttribute',
  'memberAttribute',
];

/** What the arguments of a command say about a connection. */
export interface ConnectionOptions {
  readonly name: string | undefined;
  readonly rename: string | undefined;
  readonly schedule: Schedule | undefined;
  /** Settings that were given; undefined when none was. */
  readonly settings: Partial<LdapConnectionSettings> | undefined;
}

const DEFAULTS: LdapConnectionSettings = {
  domain: '',
  servers: [],
  tlsMode: 'LDAPS',
  plainAllowed: false,
  caPem: null,
  baseDn: '',
  bindName: '',
  bindPassword: '',
  addressAttributes: 'BOTH',
  contacts: false,
  delegationAttributes: [],
  preset: 'ACTIVE_DIRECTORY',
  overrides: {},
};

/** Given settings on top of those that are known, or of the defaults; an empty password stays to be filled in. */
export const completed = (
  given: Partial<LdapConnectionSettings> | undefined,
  known: LdapConnectionSettings = DEFAULTS,
): LdapConnectionSettings => ({ ...known, ...given, overrides: { ...known.overrides, ...given?.overrides } });

/** Reads the arguments; throws {@link UsageError}. The password never stands among them, where other users could see it. */
export async function readConnectionOptions(arguments_: readonly string[]): Promise<ConnectionOptions> {
  const { values, positionals } = parseArgs({ args: [...arguments_], allowPositionals: true, options: OPTIONS });
  if (positionals.length > 1) throw new UsageError(`There is one name too many: ${positionals.slice(1).join(' ')}.`);
  const given: Partial<Record<keyof LdapConnectionSettings, unknown>> = {
    domain: values.domain,
    servers: values.server?.map(readServer),
    tlsMode: oneOf('--tls', TLS_MODES, values.tls),
    plainAllowed: values['allow-plain'],
    caPem: values['ca-file'] === undefined ? undefined : readCertificates(values['ca-file']),
    baseDn: values['base-dn'],
    bindName: values['bind-name'],
    bindPassword: await readPassword(values['password-env'], values['password-stdin'] ?? false),
    addressAttributes: oneOf('--addresses', ADDRESSES, values.addresses),
    contacts: values['no-contacts'] ? false : values.contacts,
    delegationAttributes: values.delegation?.filter((attribute) => attribute !== ''),
    preset: oneOf('--preset', PRESETS, values.preset),
    overrides: values.override && Object.fromEntries(values.override.map(readOverride)),
  };
  const entries = Object.entries(given).filter(([, value]) => value !== undefined);
  return {
    name: positionals[0],
    rename: values.rename,
    schedule: values.schedule === undefined ? undefined : readWhen(values.schedule),
    settings: entries.length > 0 ? Object.fromEntries(entries) : undefined,
  };
}

function oneOf<Value extends string>(option: string, values: readonly Value[], given: string | undefined) {
  const found = values.find((value) => value === given?.toUpperCase());
  if (given !== undefined && found === undefined)
    throw new UsageError(`${option} must be one of ${values.join(', ')}.`);
  return found;
}

function readServer(text_: string): LdapServerAddress {
  // An IPv6 address has colons of its own, so with a port it stands in brackets (RFC 3986, 3.2.2).
  const [, bracketed, host, port] = /^(?:\[([^\]]+)\]|([^:]+)):(\d+)$/.exec(text_) ?? [];
  return port === undefined
    ? { host: text_.replace(/^\[|\]$/g, '') }
    : { host: bracketed ?? host ?? '', port: Number(port) };
}

function readCertificates(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    throw new UsageError(`The file ${path} of --ca-file cannot be read.`);
  }
}

async function readPassword(variable: string | undefined, fromInput: boolean): Promise<string | undefined> {
  if (variable !== undefined && fromInput)
    throw new UsageError('Give either --password-env or --password-stdin, not both.');
  if (variable !== undefined) {
    const password = namedVariable(variable);
    if (!password) throw new UsageError(`The environment variable ${variable} of --password-env is empty.`);
    return password;
  }
  if (!fromInput) return undefined;
  const password = (await text(process.stdin)).replace(/\r?\n$/, '');
  if (password === '') throw new UsageError('Standard input, from which --password-stdin reads, is empty.');
  return password;
}

function readOverride(given: string): [string, string] {
  const equals = given.indexOf('=');
  const name = given.slice(0, Math.max(0, equals));
  if (!OVERRIDES.includes(name))
    throw new UsageError(`--override must be NAME=VALUE with one of ${OVERRIDES.join(', ')}.`);
  return [name, given.slice(equals + 1)];
}

/** A schedule as people write it, such as "WEEKLY 1 03:30 Europe/Berlin". */
function readWhen(given: string): Schedule {
  const [kind = '', ...rest] = given.trim().split(/\s+/);
  const upper = kind.toUpperCase();
  const clock = ([time, timeZone]: string[]) => ({ time, ...(timeZone === undefined ? {} : { timeZone }) });
  if (upper === 'INTERVAL') return readSchedule({ kind: upper, minutes: Number(rest[0]) });
  if (upper === 'WEEKLY') return readSchedule({ kind: upper, weekday: Number(rest[0]), ...clock(rest.slice(1)) });
  if (upper === 'MONTHLY') return readSchedule({ kind: upper, day: Number(rest[0]), ...clock(rest.slice(1)) });
  return readSchedule(upper === 'DAILY' ? { kind: upper, ...clock(rest) } : { kind: upper });
}
