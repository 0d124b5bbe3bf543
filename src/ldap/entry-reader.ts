import { AndFilter, PresenceFilter, type Filter } from 'ldapts';
import type { LdapConnectionSettings } from './connection-settings.js';
import type { DirectoryClient } from './directory-client.js';
import {
  attributesToRead,
  binaryAttributes,
  toDirectoryEntry,
  type DirectoryEntry,
  type DirectoryEntryKind,
} from './directory-entry.js';
import { namesOf } from './directory-names.js';
import { requireFilter } from './filter-text.js';
import { LdapError } from './ldap-error.js';
import type { RawEntry } from './raw-entry.js';

/** Told why an entry could not be used; without names of people. */
export type OnSkipped = (reason: string) => void;

/** Which entries are read, and who hears of the others. */
export interface ReadEntriesOptions {
  readonly alsoMatching?: Filter;
  readonly onSkipped?: OnSkipped;
}

const ANY = new PresenceFilter({ attribute: 'objectClass' });
// Pieces of one attribute that are fetched at most: 10,000 of 1500 are more members than any group has.
const MAX_PIECES = 10_000;

/** The kinds that a connection reads. */
export function kindsToRead(settings: LdapConnectionSettings): DirectoryEntryKind[] {
  const hasContacts = settings.contacts && namesOf(settings).contactFilter !== null;
  return hasContacts ? ['PERSON', 'GROUP', 'CONTACT'] : ['PERSON', 'GROUP'];
}

/** The filter for one kind of entry. */
export function filterOf(settings: LdapConnectionSettings, kind: DirectoryEntryKind): Filter {
  const { personFilter, groupFilter, contactFilter } = namesOf(settings);
  if (kind === 'PERSON') return requireFilter('personFilter', personFilter);
  if (kind === 'GROUP') return requireFilter('groupFilter', groupFilter);
  return requireFilter('contactFilter', contactFilter ?? '');
}

/**
 * Reads the entries of all kinds that a connection reads; where filters overlap, an entry is a person first, then a
 * group. Not by negated filters: a negation of a class that the schema lacks matches nothing (RFC 4511, 4.5.1.7).
 */
export async function* readAllKinds(
  client: DirectoryClient,
  settings: LdapConnectionSettings,
  options: ReadEntriesOptions = {},
): AsyncGenerator<DirectoryEntry> {
  // 36 characters each: a few megabytes for 100,000 entries.
  const seen = new Set<string>();
  for (const kind of kindsToRead(settings)) {
    for await (const entry of readEntries(client, settings, kind, options)) {
      if (seen.has(entry.id)) continue;
      seen.add(entry.id);
      yield entry;
    }
  }
}

// Page by page, large attributes to their last value.
async function* readEntries(
  client: DirectoryClient,
  settings: LdapConnectionSettings,
  kind: DirectoryEntryKind,
  options: ReadEntriesOptions,
): AsyncGenerator<DirectoryEntry> {
  const filter = filterOf(settings, kind);
  const query = {
    filter: options.alsoMatching ? new AndFilter({ filters: [options.alsoMatching, filter] }) : filter,
    attributes: attributesToRead(settings, kind),
    binary: binaryAttributes(namesOf(settings)),
  };
  for await (const raw of client.search(settings.baseDn, query)) {
    const isWhole = await completeRanges(client, raw, rangedAttributes(settings, kind));
    const entry = isWhole ? toDirectoryEntry(raw, kind, settings) : 'an entry vanished while it was read';
    if (typeof entry === 'string') options.onSkipped?.(entry);
    else yield entry;
  }
}

function rangedAttributes(settings: LdapConnectionSettings, kind: DirectoryEntryKind): string[] {
  const members = kind === 'GROUP' ? namesOf(settings).memberAttributes : [];
  return [...members, ...settings.delegationAttributes, 'proxyAddresses'];
}

/** Fetches the remaining pieces of attributes that came as `member;range=0-1499`; false when the entry is gone. */
async function completeRanges(client: DirectoryClient, raw: RawEntry, attributes: readonly string[]): Promise<boolean> {
  for (const attribute of attributes) {
    let pieces = 0;
    for (let start = raw.nextRangeStart(attribute); start !== undefined; start = raw.nextRangeStart(attribute)) {
      const piece = await fetchPiece(client, raw.dn, `${attribute};range=${start}-*`);
      if (!piece) return false;
      raw.extend(attribute, piece);
      const next = raw.nextRangeStart(attribute);
      if (++pieces > MAX_PIECES || (next !== undefined && next <= start)) {
        throw new LdapError('PROTOCOL', `The directory never comes to an end of the attribute ${attribute}.`);
      }
    }
  }
  return true;
}

async function fetchPiece(client: DirectoryClient, dn: string, attribute: string): Promise<RawEntry | undefined> {
  try {
    const [piece] = await client.find(dn, { scope: 'base', filter: ANY, attributes: [attribute] });
    return piece;
  } catch (error) {
    if (error instanceof LdapError && error.kind === 'BASE_DN_NOT_FOUND') return undefined;
    throw error;
  }
}
