import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { z } from 'zod';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const KIB = 1024;
const MIB = 1024 * KIB;

const whole = (min: number, max: number) => z.coerce.number().int().min(min).max(max);
const flag = z.preprocess(
  (value) => (value === 'true' || value === '1' ? true : value === 'false' || value === '0' ? false : value),
  z.boolean(),
);
const list = z.preprocess(
  (value) =>
    typeof value === 'string'
      ? value
          .split(',')
          .map((item) => item.trim())
          .filter(Boolean)
      : value,
  z.array(z.string()),
);

/**
 * Every process setting once. Each is read from the environment as MAILKEEP_<NAME>, words separated by underscores
 * (httpPort: MAILKEEP_HTTP_PORT), or from the JSON file named by MAILKEEP_CONFIG_FILE under the name written here;
 * the environment wins.
 */
const schema = z.strictObject({
  dataDir: z.string().default('.data').describe('Folder of the SQLite file, the intake spool and temporary files.'),
  databaseUrl: z
    .string()
    .default('')
    .describe('mysql://user:password@host:port/database for MariaDB or MySQL; empty: SQLite in dataDir.'),
  databaseConnections: whole(2, 500).default(10).describe('Most connections to MariaDB or MySQL at once.'),
  httpHost: z.string().default('127.0.0.1').describe('Address that HTTP and WebSocket listen on.'),
  httpPort: whole(0, 65_535).default(4000).describe('Port of HTTP and WebSocket; 0 takes a free one.'),
  publicUrl: z
    .string()
    .default('')
    .describe('Address that clients use, such as https://backup.example.com; https makes cookies Secure.'),
  allowedOrigins: list
    .default([])
    .describe('Origins besides our own that browsers may call from, such as https://studio.apollographql.com.'),
  httpMaxConnections: whole(10, 1_000_000)
    .default(20_000)
    .describe('Most connections of HTTP and WebSocket at once; more are closed at once, before they cost anything.'),
  headersTimeoutMs: whole(100, 10 * MINUTE_MS)
    .default(20_000)
    .describe(
      'How long the header fields of a request may take to arrive, ms; stops clients that send them byte by byte.',
    ),
  clientIdleMs: whole(100, HOUR_MS)
    .default(2 * MINUTE_MS)
    .describe('How long a connection of HTTP or LMTP may be silent in the middle of something, ms.'),
  trustedProxies: list
    .default([])
    .describe('Addresses or networks of reverse proxies whose X-Forwarded-For is believed.'),
  explorer: flag.default(true).describe('Serves the GraphQL explorer at /explorer.'),
  introspection: flag.default(true).describe('Lets clients read the schema.'),
  logLevel: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
  adminLogin: z.string().min(1).max(64).default('admin').describe('Login of the first local administrator.'),
  adminPassword: z
    .string()
    .default('')
    .describe('Password of the first local administrator; empty: a one-time password is printed at the first start.'),
  passwordCostLog2: whole(14, 20)
    .default(17)
    .describe(
      'Cost of hashing local passwords: binary logarithm of N of scrypt (RFC 7914); 17 takes about 0.3 s and 128 MiB.',
    ),
  secretKey: z
    .string()
    .default('')
    .describe(
      'At least 32 characters: encrypts directory credentials and signs links; empty: kept in dataDir/secret.key.',
    ),
  privilegedIdleMs: whole(10_000, 30 * DAY_MS)
    .default(10 * MINUTE_MS)
    .describe('Idle time-out of sessions that hold a role, ms.'),
  personalIdleMs: whole(10_000, 30 * DAY_MS)
    .default(60 * MINUTE_MS)
    .describe('Idle time-out of other sessions, ms.'),
  sessionLifetimeMs: whole(MINUTE_MS, 365 * DAY_MS)
    .default(12 * HOUR_MS)
    .describe('Longest life of a session, ms.'),
  signInFailuresPerAccount: whole(1, 1000)
    .default(10)
    .describe('Failed sign-ins of one account within 15 minutes before it has to wait.'),
  signInFailuresPerAddress: whole(1, 100_000)
    .default(50)
    .describe('Failed sign-ins from one client address within 15 minutes before it has to wait.'),
  bodyLimitBytes: whole(KIB, 16 * MIB)
    .default(256 * KIB)
    .describe('Largest GraphQL request, bytes; stops memory exhaustion by bodies.'),
  messageLimitBytes: whole(KIB, 4096 * MIB)
    .default(200 * MIB)
    .describe('Largest message that intake accepts, bytes.'),
  intakeMaxUnderWay: whole(1, 10_000)
    .default(256)
    .describe('Most messages that intake carries at once; more are refused for the moment.'),
  intakeMemoryBytes: whole(MIB, 16_384 * MIB)
    .default(64 * MIB)
    .describe('Most bytes of arriving messages in memory; more are refused for the moment.'),
  intakeTransferMs: whole(100, 24 * HOUR_MS)
    .default(10 * MINUTE_MS)
    .describe('How long one message may take to arrive, ms; stops senders of a byte now and then.'),
  intakeMessagesPerSecond: whole(1, 1_000_000)
    .default(5_000)
    .describe('Messages that one peer may hand over in a second; more are refused for the moment.'),
  intakeStoreLimitMs: whole(10, 10 * MINUTE_MS)
    .default(3_000)
    .describe(
      'Time that the database has for one message before the spool takes it, ms; keep it below the time-out of the gateway.',
    ),
  spoolLimitBytes: whole(MIB, 1024 * 1024 * MIB)
    .default(1024 * MIB)
    .describe('Most bytes in the intake spool of this process, in dataDir/spool.'),
  spoolLimitMessages: whole(1, 10_000_000).default(200_000).describe('Most messages in the intake spool.'),
  spoolMinFreeBytes: whole(0, 1024 * 1024 * MIB)
    .default(256 * MIB)
    .describe('Bytes of the disk that the spool leaves free.'),
  verdictMappingFile: z
    .string()
    .default('')
    .describe('JSON file with changes to how verdicts of scanners are understood (docs/gateways.md); empty: none.'),
  lmtpListen: z
    .string()
    .regex(/^$|^unix:\/.+$|^.+:\d{1,5}$/, 'must be ADDRESS:PORT, [IPV6]:PORT or unix:/PATH')
    .default('')
    .describe('Where scanners hand over by LMTP or SMTP: 127.0.0.1:2424 or unix:/run/mailkeep/lmtp; empty: off.'),
  lmtpProtocol: z.enum(['LMTP', 'SMTP']).default('LMTP').describe('Protocol of lmtpListen.'),
  lmtpAllowedPeers: list
    .default(['127.0.0.1', '::1', 'unix'])
    .describe('Addresses or networks that may hand over by LMTP; "unix" for its socket.'),
  lmtpAmavisPeers: list
    .default([])
    .describe('Of those, whose leading amavis header block is believed; empty: all of them.'),
  lmtpSpamHeaderPeers: list.default([]).describe('Of those, whose X-Spam-* fields are believed in plain copies.'),
  lmtpTlsKeyFile: z
    .string()
    .default('')
    .describe(
      'PEM file of the key of lmtpListen; with lmtpTlsCertFile it offers STARTTLS, and insists on it beyond loopback.',
    ),
  lmtpTlsCertFile: z.string().default('').describe('PEM file of the certificate of lmtpListen.'),
  retentionIntervalMs: whole(100, DAY_MS)
    .default(MINUTE_MS)
    .describe('How often messages beyond the size limit or the storage period are looked for, ms.'),
  metricsListen: z
    .string()
    .regex(/^$|^.+:\d{1,5}$/, 'must be ADDRESS:PORT')
    .default('')
    .describe('Where Prometheus reads /metrics without a token, such as 127.0.0.1:9464; empty: nowhere.'),
  metricsToken: z
    .string()
    .default('')
    .describe('Bearer token with which Prometheus reads /metrics at the port of HTTP; empty: not at all.'),
  maxDepth: whole(3, 100).default(14).describe('Deepest nesting of fields in one operation.'),
  maxCost: whole(100, 10_000_000).default(20_000).describe('Highest estimated number of values in one answer.'),
  maxAliases: whole(0, 10_000)
    .default(30)
    .describe('Most aliases in one operation; stops repeated work under many names.'),
  maxTokens: whole(100, 100_000).default(2_000).describe('Most tokens in one document; stops costly parsing.'),
  maxSubscriptionsPerSocket: whole(1, 1000).default(20).describe('Most subscriptions open on one WebSocket.'),
  maxSocketsPerPerson: whole(1, 100_000)
    .default(50)
    .describe('Most WebSockets that one person or account has open on one process; each takes memory.'),
  socketBufferLimitBytes: whole(64 * KIB, 1024 * MIB)
    .default(1 * MIB)
    .describe('Bytes that may wait for a slow WebSocket client before it is closed.'),
  socketStallMs: whole(500, 60 * MINUTE_MS)
    .default(10_000)
    .describe('How long a WebSocket client may take nothing of what waits for it before it is closed, ms.'),
  changeRetentionMs: whole(MINUTE_MS, 365 * DAY_MS)
    .default(7 * DAY_MS)
    .describe('How long a client may be away and still resume its subscription, ms.'),
  changePollMs: whole(20, 60_000)
    .default(250)
    .describe('How often changes made by other processes are looked for, ms.'),
  ldapTimeoutMs: whole(100, 10 * MINUTE_MS)
    .default(10_000)
    .describe('Time that a directory server has for one answer, ms.'),
  directoryFullPassMs: whole(MINUTE_MS, 7 * DAY_MS)
    .default(HOUR_MS)
    .describe('How long a deletion may go unnoticed in a directory that does not show deletions, ms.'),
  relayHost: z
    .string()
    .default('')
    .describe('Host of the relay that messages are sent through; empty: sending is refused.'),
  relayPort: whole(1, 65_535).default(25).describe('Port of the relay.'),
  relayProtocol: z.enum(['SMTP', 'LMTP']).default('SMTP').describe('What the relay speaks: SMTP or LMTP.'),
  relayTls: z
    .enum(['IMPLICIT', 'STARTTLS', 'OPPORTUNISTIC', 'NONE'])
    .default('OPPORTUNISTIC')
    .describe(
      'IMPLICIT: TLS from the first byte. STARTTLS: required. OPPORTUNISTIC: where the relay can. NONE: never.',
    ),
  relayCaFile: z.string().default('').describe('PEM file of the authority of the relay, instead of the public ones.'),
  relayServerName: z.string().default('').describe("Name in the relay's certificate where it is not relayHost."),
  relayUser: z.string().default('').describe('User for signing in at the relay; empty: without.'),
  relayPassword: z.string().default('').describe('Password for signing in at the relay.'),
  relayName: z.string().default('mailkeep.invalid').describe('Our name in EHLO.'),
  relayConnections: whole(1, 100).default(5).describe('Most connections to the relay at once.'),
  relayMessagesPerConnection: whole(1, 100_000).default(100).describe('Messages on one connection to the relay.'),
  relayIdleMs: whole(0, HOUR_MS).default(30_000).describe('How long an unused connection to the relay is kept, ms.'),
  relayAnswerTimeoutMs: whole(10, HOUR_MS)
    .default(10 * MINUTE_MS)
    .describe('Longest silence of the relay, ms; RFC 5321 asks for 10 minutes.'),
  senderAddress: z
    .string()
    .default('')
    .describe('Address that messages are sent from, such as backup@example.com; needed with relayHost.'),
  senderName: z.string().max(255).default('').describe('Name beside senderAddress.'),
  retryLimitMs: whole(MINUTE_MS, 30 * DAY_MS)
    .default(5 * DAY_MS)
    .describe('How long a temporary refusal of the relay is met with further attempts, ms.'),
  operationLeaseMs: whole(500, HOUR_MS)
    .default(30_000)
    .describe('How long a process may be silent before another one takes its sendings and operations over, ms.'),
  auditRetentionDays: whole(1, 36_500).default(400).describe('How long audit entries are kept, days.'),
  stopTimeoutMs: whole(100, 10 * MINUTE_MS)
    .default(10_000)
    .describe('Time that running work has to end at a stop, ms.'),
});

/** The settings of this process, complete and checked. */
export type Config = z.infer<typeof schema>;

/** The configuration cannot be used; the message names every wrong setting. */
export class ConfigError extends Error {}

const environmentName = (name: string) => `MAILKEEP_${name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;

function readFile(path: string): Record<string, unknown> {
  try {
    const parsed: unknown = JSON.parse(readFileSync(path, 'utf8'));
    if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed))
      throw new Error('it holds no JSON object');
    return parsed as Record<string, unknown>;
  } catch (cause) {
    throw new ConfigError(
      `The configuration file ${path} cannot be read: ${cause instanceof Error ? cause.message : 'unknown reason'}.`,
      { cause },
    );
  }
}

/** Reads the settings; throws {@link ConfigError} with one line for each setting that is wrong or unknown. */
export function loadConfig(environment: NodeJS.ProcessEnv = process.env, overrides: Partial<Config> = {}): Config {
  const values: Record<string, unknown> = {};
  const configFile = environment['MAILKEEP_CONFIG_FILE'];
  if (configFile) Object.assign(values, readFile(configFile));
  const known = new Map(Object.keys(schema.shape).map((name) => [environmentName(name), name]));
  const wrong: string[] = [];
  for (const [name, value] of Object.entries(environment)) {
    if (!name.startsWith('MAILKEEP_') || name === 'MAILKEEP_CONFIG_FILE' || value === undefined) continue;
    const setting = known.get(name);
    if (setting) values[setting] = value;
    else wrong.push(`${name}: there is no such setting`);
  }
  const result = schema.safeParse({ ...values, ...overrides });
  if (!result.success) {
    for (const issue of result.error.issues) {
      const name = String(issue.path[0] ?? '');
      wrong.push(`${name ? `${name} (${environmentName(name)})` : 'configuration'}: ${issue.message}`);
    }
  } else if (result.data.secretKey && result.data.secretKey.length < 32) {
    wrong.push('secretKey (MAILKEEP_SECRET_KEY): must have at least 32 characters');
  }
  if (result.success && result.data.relayHost && !result.data.senderAddress)
    wrong.push('senderAddress (MAILKEEP_SENDER_ADDRESS): is needed with relayHost');
  if (!result.success || wrong.length > 0)
    throw new ConfigError(`The configuration is wrong.\n${wrong.map((line) => `  ${line}`).join('\n')}`);
  return { ...result.data, dataDir: resolve(result.data.dataDir) };
}

/** A variable of the environment that the operator named for one command, such as one with a password. */
export const namedVariable = (name: string): string | undefined => process.env[name];

/** One setting as `cli config` lists it. */
export interface SettingDescription {
  readonly name: string;
  readonly environmentName: string;
  readonly description: string;
}

/** Names, environment variables and meanings of all settings. */
export function describeSettings(): SettingDescription[] {
  return Object.entries(schema.shape).map(([name, type]) => ({
    name,
    environmentName: environmentName(name),
    description: type.description ?? '',
  }));
}
