import { AndFilter, EqualityFilter, PresenceFilter } from 'ldapts';
import { namingContextOf, readServerFacts } from './change-mark.js';
import type { LdapConnectionSettings } from './connection-settings.js';
import { DirectoryClient, type ConnectOptions } from './directory-client.js';
import { LdapError } from './ldap-error.js';

/**
 * The short name of an Active Directory domain, as in `EXAMPLE\anna`, lower case: it need not be the first label of the
 * DNS name (MS-ADTS 6.1.1.2.1.1). Null where the directory does not tell.
 */
export async function readNetbiosName(
  settings: LdapConnectionSettings,
  options: ConnectOptions = {},
): Promise<string | null> {
  if (settings.preset !== 'ACTIVE_DIRECTORY') return null;
  const client = await DirectoryClient.bind(settings, options);
  try {
    const facts = await readServerFacts(client);
    const [root] = await client.find('', {
      scope: 'base',
      filter: new PresenceFilter({ attribute: 'objectClass' }),
      attributes: ['configurationNamingContext'],
    });
    const configuration = root?.text('configurationNamingContext');
    if (!configuration) return null;
    const isDomain = new EqualityFilter({ attribute: 'nCName', value: namingContextOf(facts, settings.baseDn) });
    const hasName = new PresenceFilter({ attribute: 'nETBIOSName' });
    const [domain] = await client.find(`CN=Partitions,${configuration}`, {
      scope: 'one',
      filter: new AndFilter({ filters: [isDomain, hasName] }),
      attributes: ['nETBIOSName'],
    });
    return domain?.text('nETBIOSName').toLowerCase() || null;
  } catch (error) {
    // Not every account may read the configuration.
    if (error instanceof LdapError && (error.kind === 'BASE_DN_NOT_FOUND' || error.kind === 'ACCESS_DENIED'))
      return null;
    throw error;
  } finally {
    client.close();
  }
}
