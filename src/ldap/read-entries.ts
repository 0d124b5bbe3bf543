import { EqualityFilter, OrFilter } from 'ldapts';
import type { LdapConnectionSettings } from './connection-settings.js';
import { DirectoryClient, type ConnectOptions } from './directory-client.js';
import type { DirectoryEntry } from './directory-entry.js';
import { namesOf } from './directory-names.js';
import { readAllKinds } from './entry-reader.js';
import { guidBytes } from './object-guid.js';

// Identities that one filter asks for; servers refuse filters of many thousand terms.
const BATCH = 100;

/** Reads entries by their identities as they are now; those that are gone or no longer of a kind that is read are left out. */
export async function readEntriesById(
  settings: LdapConnectionSettings,
  ids: readonly string[],
  options: ConnectOptions = {},
): Promise<DirectoryEntry[]> {
  if (ids.length === 0) return [];
  const { idAttribute } = namesOf(settings);
  const isBinary = idAttribute.toLowerCase() === 'objectguid';
  const client = await DirectoryClient.bind(settings, options);
  try {
    const found: DirectoryEntry[] = [];
    for (let start = 0; start < ids.length; start += BATCH) {
      const filters = ids
        .slice(start, start + BATCH)
        .map((id) => new EqualityFilter({ attribute: idAttribute, value: isBinary ? guidBytes(id) : id }));
      for await (const entry of readAllKinds(client, settings, { alsoMatching: new OrFilter({ filters }) }))
        found.push(entry);
    }
    return found;
  } finally {
    client.close();
  }
}
