import { PresenceFilter } from 'ldapts';
import type { LdapConnectionSettings } from './connection-settings.js';
import type { DirectoryClient } from './directory-client.js';
import { isWithin, normaliseDn } from './distinguished-name.js';
import { LdapError } from './ldap-error.js';
import { msToGeneralizedTime } from './directory-time.js';
import { guidText } from './object-guid.js';

/** How far a synchronisation has come: plain data, to be stored and handed back to `readChanges`. */
export type ChangeMark =
  | { readonly kind: 'USN'; readonly server: string; readonly invocationId: string; readonly usn: number }
  | { readonly kind: 'TIME'; readonly time: string };

/** What a server says about itself (RFC 4512, 5.1). */
export interface ServerFacts {
  readonly namingContexts: readonly string[];
  readonly schemaNamingContext: string | null;
  readonly subschemaSubentry: string | null;
  readonly highestUsn: number | null;
  readonly serviceName: string | null;
}

const ANY = new PresenceFilter({ attribute: 'objectClass' });
// Our clock may differ from that of the directory; what changed within this span is read twice.
const CLOCK_TOLERANCE_MS = 10 * 60_000;

/** Reads the root DSE of the connected server. */
export async function readServerFacts(client: DirectoryClient): Promise<ServerFacts> {
  const attributes = [
    'namingContexts',
    'schemaNamingContext',
    'subschemaSubentry',
    'highestCommittedUSN',
    'dsServiceName',
  ];
  const [root] = await client.find('', { scope: 'base', filter: ANY, attributes });
  if (!root) throw new LdapError('PROTOCOL', 'The directory does not describe itself (its root DSE is empty).');
  const usn = root.text('highestCommittedUSN');
  return {
    namingContexts: root.texts('namingContexts'),
    schemaNamingContext: root.text('schemaNamingContext') || null,
    subschemaSubentry: root.text('subschemaSubentry') || null,
    highestUsn: /^\d{1,15}$/.test(usn) ? Number(usn) : null,
    serviceName: root.text('dsServiceName') || null,
  };
}

/**
 * Where changes count from now on: change number and invocationId of this domain controller, or the time elsewhere.
 * Null when a domain controller does not show its invocationId: its change numbers cannot be trusted then.
 */
export async function readMark(
  client: DirectoryClient,
  settings: LdapConnectionSettings,
  facts?: ServerFacts,
): Promise<ChangeMark | null> {
  if (settings.preset !== 'ACTIVE_DIRECTORY') {
    return { kind: 'TIME', time: msToGeneralizedTime(Date.now() - CLOCK_TOLERANCE_MS) };
  }
  const { highestUsn, serviceName } = facts ?? (await readServerFacts(client));
  if (highestUsn === null || serviceName === null) return null;
  const invocationId = await readInvocationId(client, serviceName);
  return invocationId === null ? null : { kind: 'USN', server: client.server, invocationId, usn: highestUsn };
}

/** The naming context that a DN lies in: the longest one that the server names; the DN itself when none fits. */
export function namingContextOf(facts: ServerFacts, dn: string): string {
  const key = normaliseDn(dn);
  const fitting = facts.namingContexts.filter((context) => context !== '' && isWithin(key, normaliseDn(context)));
  return fitting.sort((left, right) => right.length - left.length)[0] ?? dn;
}

async function readInvocationId(client: DirectoryClient, serviceName: string): Promise<string | null> {
  try {
    const [service] = await client.find(serviceName, {
      scope: 'base',
      filter: ANY,
      attributes: ['invocationId'],
      binary: ['invocationId'],
    });
    const octets = service?.octets('invocationId');
    return octets ? guidText(octets) : null;
  } catch (error) {
    // Not every account may read the configuration; then there is no incremental synchronisation.
    if (error instanceof LdapError && (error.kind === 'BASE_DN_NOT_FOUND' || error.kind === 'ACCESS_DENIED'))
      return null;
    throw error;
  }
}
