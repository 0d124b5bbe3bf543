import { promises as dns, getServers, type SrvRecord } from 'node:dns';
import { CONNECT_TIMEOUT_MS, type LdapConnectionSettings } from './connection-settings.js';
import { LdapError } from './ldap-error.js';

/** A server to connect to. */
export interface ResolvedServer {
  readonly host: string;
  readonly port: number;
}

/** Looks up SRV records; replaced by tests. */
export type ResolveSrv = (name: string) => Promise<SrvRecord[]>;

const LDAP_PORT = 389;
const LDAPS_PORT = 636;
// More servers than this are not tried in one go: each may cost the whole connect time-out.
const MAX_SERVERS = 8;

// Answers of DNS that say that there is no such record; all others say nothing about it.
const NO_RECORDS = new Set<unknown>(['ENOTFOUND', 'ENODATA']);

/** The servers of a connection in the order in which they are tried: those given, or those that DNS names for the domain. */
export async function resolveServers(
  settings: Pick<LdapConnectionSettings, 'servers' | 'domain' | 'tlsMode' | 'connectTimeoutMs'>,
  resolveSrv: ResolveSrv = (name) => askDns(name, settings.connectTimeoutMs ?? CONNECT_TIMEOUT_MS),
): Promise<ResolvedServer[]> {
  const standardPort = settings.tlsMode === 'LDAPS' ? LDAPS_PORT : LDAP_PORT;
  if (settings.servers.length > 0) {
    return settings.servers.slice(0, MAX_SERVERS).map(({ host, port }) => ({ host, port: port ?? standardPort }));
  }
  const name = `_ldap._tcp.${settings.domain}`;
  let records: SrvRecord[];
  try {
    records = await resolveSrv(name);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new LdapError(
      'UNREACHABLE',
      NO_RECORDS.has(code)
        ? `DNS knows no servers for ${name}; enter the servers, or check the domain.`
        : `DNS gave no answer about ${name} (${code}); check the name servers of this machine, or enter the servers.`,
      null,
      { cause: error },
    );
  }
  // A single record with the target "." says that the service is not offered (RFC 2782).
  const offered = records.filter((record) => record.name !== '' && record.name !== '.');
  if (offered.length === 0) throw new LdapError('UNREACHABLE', `DNS says that ${settings.domain} offers no LDAP.`);
  return orderByWeight(offered)
    .slice(0, MAX_SERVERS)
    .map(({ name: host, port }) => ({
      host: host.replace(/\.$/, ''),
      // Active Directory publishes the plain port only; LDAPS has its own.
      port: port === LDAP_PORT ? standardPort : port,
    }));
}

/** Asks the name servers of this machine in turn; a silent one gets half of the time at first. */
async function askDns(name: string, timeoutMs: number): Promise<SrvRecord[]> {
  // Node's shared resolver would wait for 24 seconds for every name server that is silent.
  const resolver = new dns.Resolver({ timeout: Math.ceil(timeoutMs / 2), tries: 2 });
  resolver.setServers(getServers());
  const timer = setTimeout(() => resolver.cancel(), timeoutMs);
  try {
    return await resolver.resolveSrv(name);
  } finally {
    clearTimeout(timer);
  }
}

/** Orders SRV records by priority, and at random by weight within one priority (RFC 2782). */
export function orderByWeight(records: readonly SrvRecord[], random: () => number = Math.random): SrvRecord[] {
  const rest = [...records].sort((left, right) => left.priority - right.priority || left.weight - right.weight);
  const ordered: SrvRecord[] = [];
  while (rest.length > 0) {
    const group = rest.filter(({ priority }) => priority === rest[0]?.priority);
    const total = group.reduce((sum, { weight }) => sum + weight, 0);
    let mark = random() * total;
    const chosen = group.find(({ weight }) => (mark -= weight) <= 0) ?? (group[0] as SrvRecord);
    ordered.push(chosen);
    rest.splice(rest.indexOf(chosen), 1);
  }
  return ordered;
}
