import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '../config.js';
import type { DatabaseLocation } from '../entities/database.js';
import { LMTP_DEFAULTS, type LmtpListenerSettings } from '../services/intake/lmtp-settings.js';
import type { SpoolSettings } from '../services/intake/spool-settings.js';
import { RELAY_DEFAULTS, type RelaySettings } from '../services/sending/relay-settings.js';

const SPOOL_LEASE_MS = 30_000;

/** Where the configuration says that the data is. */
export function databaseLocation(config: Config): DatabaseLocation {
  return config.databaseUrl
    ? { kind: 'mysql', url: config.databaseUrl, connections: config.databaseConnections }
    : { kind: 'sqlite', file: join(config.dataDir, 'mailkeep.db') };
}

/** The relay that the configuration names; null when it names none, and sending is refused at once. */
export function relaySettings(config: Config): RelaySettings | null {
  if (!config.relayHost) return null;
  return {
    ...RELAY_DEFAULTS,
    host: config.relayHost,
    port: config.relayPort,
    protocol: config.relayProtocol,
    tls: config.relayTls,
    ...(config.relayCaFile ? { ca: readFileSync(config.relayCaFile, 'utf8') } : {}),
    ...(config.relayServerName ? { serverName: config.relayServerName } : {}),
    ...(config.relayUser ? { auth: { user: config.relayUser, password: config.relayPassword } } : {}),
    clientName: config.relayName,
    connections: config.relayConnections,
    messagesPerConnection: config.relayMessagesPerConnection,
    idleMs: config.relayIdleMs,
    answerTimeoutMs: config.relayAnswerTimeoutMs,
  };
}

/** Where the configuration says that scanners hand over by LMTP or SMTP; undefined when they do not. */
export function lmtpSettings(config: Config): LmtpListenerSettings | undefined {
  if (!config.lmtpListen) return undefined;
  const [, host, port] = /^\[?(.+?)\]?:(\d+)$/.exec(config.lmtpListen) ?? [];
  const tls =
    config.lmtpTlsKeyFile && config.lmtpTlsCertFile
      ? { key: readFileSync(config.lmtpTlsKeyFile, 'utf8'), cert: readFileSync(config.lmtpTlsCertFile, 'utf8') }
      : undefined;
  return {
    ...LMTP_DEFAULTS,
    protocol: config.lmtpProtocol,
    listen: config.lmtpListen.startsWith('unix:')
      ? { socketPath: config.lmtpListen.slice('unix:'.length) }
      : { host: host ?? '', port: Number(port) },
    allowedPeers: config.lmtpAllowedPeers,
    ...(config.lmtpAmavisPeers.length > 0 ? { amavisPeers: config.lmtpAmavisPeers } : {}),
    spamHeaderPeers: config.lmtpSpamHeaderPeers,
    ...(tls ? { tls } : {}),
    messageBytes: config.messageLimitBytes,
    messagesPerSecondPerPeer: config.intakeMessagesPerSecond,
    idleTimeoutMs: config.clientIdleMs,
    transferTimeoutMs: config.intakeTransferMs,
    stopTimeoutMs: config.stopTimeoutMs,
  };
}

/** Where messages wait while the database is away, and how much of them. */
export function spoolSettings(config: Config): SpoolSettings {
  return {
    folder: join(config.dataDir, 'spool'),
    maxBytes: config.spoolLimitBytes,
    maxEntries: config.spoolLimitMessages,
    minFreeBytes: config.spoolMinFreeBytes,
    leaseMs: SPOOL_LEASE_MS,
  };
}
