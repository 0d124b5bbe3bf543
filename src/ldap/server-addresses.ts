import { promises as dns, type SrvRecord } from 'node:dns';
import type { LdapConnectionSettings } from './connection-settings.js';
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

/** The servers of a connection in the order in which they are tried: those given, or those that DNS names for the domain. */
export async function resolveServers(
  settings: Pick<LdapConnectionSettings, 'servers' | 'domain' | 'tlsMode'>,
  resolveSrv: ResolveSrv = (name) => dns.resolveSrv(name),
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
    throw new LdapError(
      'UNREACHABLE',
      `DNS knows no servers for ${name}; enter the servers, or check the domain.`,
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
