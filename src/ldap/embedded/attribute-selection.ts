import type { EntryStore, StoredEntry } from './entry-store.js';
import { isExchangeAttribute } from './configuration.js';
import { backLinkNames } from './link-index.js';
import type { AttributeValue } from './organisation.js';

/** How much of an entry goes out. */
export interface SelectionOptions {
  /** Most values of one attribute in an answer (MaxValRange); more are cut and marked with a range. */
  readonly maxValRange: number;
  readonly exchangeSchema: boolean;
  readonly typesOnly: boolean;
}

/** The asked range lies beyond the values; Active Directory answers with an operations error. */
export class RangeBeyondEndError extends Error {}

type Selected = readonly [name: string, values: readonly AttributeValue[]];

const RANGE = /^(?<name>[^;]+);range=(?<low>\d+)-(?<high>\d+|\*)$/i;

/** The attributes of an entry that a search asked for, large ones cut to ranges such as `member;range=0-1499`. */
export function selectAttributes(
  store: EntryStore,
  entry: StoredEntry,
  asked: readonly string[],
  options: SelectionOptions,
): Selected[] {
  const selected: Selected[] = [];
  for (const request of expand(entry, asked)) {
    const range = RANGE.exec(request)?.groups;
    const name = range?.name ?? request;
    if (!options.exchangeSchema && isExchangeAttribute(name)) continue;
    const values = store.read(entry, name);
    if (values.length === 0) continue;
    const spelling = entry.attributes.get(name.toLowerCase())?.name ?? spellBackLink(name);
    const low = Number(range?.low ?? 0);
    if (low >= values.length) throw new RangeBeyondEndError(name);
    const askedEnd = range && range.high !== '*' ? Number(range.high) + 1 : values.length;
    // Classes are never cut; everything else with many values is.
    const most = name.toLowerCase() === 'objectclass' ? values.length : options.maxValRange;
    const end = Math.min(askedEnd, low + most, values.length);
    const piece = options.typesOnly ? [] : values.slice(low, end);
    if (range || end < values.length) {
      // Without a range in the request the plain name is there too, empty.
      if (!range) selected.push([spelling, []]);
      selected.push([`${spelling};range=${low}-${end >= values.length ? '*' : end - 1}`, piece]);
    } else {
      selected.push([spelling, piece]);
    }
  }
  return selected;
}

function expand(entry: StoredEntry, asked: readonly string[]): string[] {
  if (asked.includes('1.1') && asked.length === 1) return [];
  const names = new Map<string, string>();
  if (asked.length === 0 || asked.includes('*')) {
    for (const { name } of entry.attributes.values()) names.set(name.toLowerCase(), name);
    for (const name of backLinkNames) names.set(name.toLowerCase(), name);
  }
  for (const name of asked) if (!['*', '+', '1.1'].includes(name)) names.set(name.toLowerCase(), name);
  return [...names.values()];
}

function spellBackLink(name: string): string {
  return backLinkNames.find((known) => known.toLowerCase() === name.toLowerCase()) ?? name;
}
