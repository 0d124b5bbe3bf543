import {
  dnOfDomain,
  DnSyntaxError,
  isWithin,
  normaliseDn,
  parentOfNormalised,
  parseDn,
} from '../distinguished-name.js';
import { configurationDn, SHOW_DELETED } from './configuration.js';
import type { EntryStore, StoredEntry } from './entry-store.js';
import type { SearchRequest } from './request.js';
import { RESULT, type Result } from './response.js';
import { matches } from './search-filter.js';

/** What a search found before paging, or why it was refused. */
export type SearchOutcome =
  { readonly entries: StoredEntry[]; readonly references: readonly string[] } | { readonly refusal: Result };

/** Everything that a search may look at. */
export interface SearchScope {
  readonly store: EntryStore;
  readonly configuration: readonly StoredEntry[];
  /** Whether the show-deleted control has an effect; without the right it has none. */
  readonly deletedObjectsReadable: boolean;
}

/** Finds the entries of a search; a search at the root of a domain also points to the other naming contexts, as Windows does. */
export function search(scope: SearchScope, request: SearchRequest): SearchOutcome {
  try {
    parseDn(request.base);
  } catch (error) {
    if (!(error instanceof DnSyntaxError)) throw error;
    return {
      refusal: {
        code: RESULT.invalidDnSyntax,
        message: "0000208F: NameErr: DSID-03100225, problem 2006 (BAD_NAME), data 8350, best match of: ''\0",
      },
    };
  }
  const { store } = scope;
  const base = normaliseDn(request.base);
  const configurationKey = normaliseDn(configurationDn(store));
  const contexts = [configurationKey, ...store.organisation.domains.map(({ name }) => normaliseDn(dnOfDomain(name)))];
  // The longest one first: a child domain lies below its parent by name.
  const context = contexts
    .sort((left, right) => right.length - left.length)
    .find((candidate) => isWithin(base, candidate));
  if (context === undefined) return { refusal: referToOther(request.base) };

  const showsDeleted = scope.deletedObjectsReadable && request.controls.some(({ oid }) => oid === SHOW_DELETED);
  const visible = (entry: StoredEntry): boolean => !entry.deleted || showsDeleted;
  const find = (key: string): StoredEntry | undefined =>
    store.find(key) ?? scope.configuration.find((entry) => entry.key === key);
  const baseEntry = find(base);
  if (!baseEntry || !visible(baseEntry)) return { refusal: noSuchObject(find, base) };

  const candidates = request.scope === 'base' ? [baseEntry] : [...scope.configuration, ...store.all()].filter(visible);
  const entries = candidates.filter(
    (entry) =>
      inScope(entry, base, request.scope, context, configurationKey) &&
      matches(request.filter, (name) => store.read(entry, name)),
  );
  const isDomainRoot = base === context && context !== configurationKey && request.scope === 'sub';
  return { entries, references: isDomainRoot ? referencesOf(store, base) : [] };
}

function inScope(
  entry: StoredEntry,
  base: string,
  scope: SearchRequest['scope'],
  context: string,
  configurationKey: string,
): boolean {
  if (scope === 'base') return entry.key === base;
  if (scope === 'one') return parentOfNormalised(entry.key) === base && entry.key !== configurationKey;
  if (!isWithin(entry.key, base)) return false;
  // The configuration lies below the root domain by name, but is a naming context of its own.
  return context === configurationKey || !isWithin(entry.key, configurationKey);
}

function noSuchObject(find: (key: string) => StoredEntry | undefined, base: string): Result {
  let matched = parentOfNormalised(base);
  while (matched && !find(matched)) matched = parentOfNormalised(matched);
  const matchedDn = find(matched)?.dn ?? '';
  return {
    code: RESULT.noSuchObject,
    matchedDn,
    message: `0000208D: NameErr: DSID-0310028B, problem 2001 (NO_OBJECT), data 0, best match of:\n\t'${matchedDn}'\n\0`,
  };
}

function referToOther(base: string): Result {
  const host =
    base
      .match(/dc=([^,]+)/gi)
      ?.map((part) => part.slice(3))
      .join('.') ?? 'unknown.invalid';
  return {
    code: RESULT.referral,
    message: '0000202B: RefErr: DSID-0310082F, data 0, 1 access points\0',
    referrals: [`ldap://${host}/${encodeURI(base)}`],
  };
}

function referencesOf(store: EntryStore, base: string): string[] {
  const domain = store.organisation.domains.find(({ name }) => normaliseDn(dnOfDomain(name)) === base);
  if (!domain) return [];
  const root = dnOfDomain(domain.name);
  return [
    `ldap://ForestDnsZones.${domain.name}/DC=ForestDnsZones,${root}`,
    `ldap://DomainDnsZones.${domain.name}/DC=DomainDnsZones,${root}`,
    `ldap://${domain.name}/CN=Configuration,${root}`,
  ];
}
