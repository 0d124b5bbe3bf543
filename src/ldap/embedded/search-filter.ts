import { normaliseDn } from '../distinguished-name.js';
import { BerSyntaxError, readElements, type BerElement } from './ber.js';
import type { AttributeValue } from './organisation.js';

/** A search filter (RFC 4511, 4.5.1.7). */
export type SearchFilter =
  | { readonly kind: 'and' | 'or'; readonly filters: readonly SearchFilter[] }
  | { readonly kind: 'not'; readonly filter: SearchFilter }
  | {
      readonly kind: 'equal' | 'atLeast' | 'atMost';
      readonly attribute: string;
      readonly value: Buffer;
      readonly text: string;
    }
  | {
      readonly kind: 'substrings';
      readonly attribute: string;
      readonly pieces: readonly { place: 'initial' | 'any' | 'final'; text: string }[];
    }
  | { readonly kind: 'present'; readonly attribute: string }
  | { readonly kind: 'extensible'; readonly attribute: string; readonly rule: string; readonly value: Buffer };

/** What a filter looks at: the values of an attribute of one entry, by any spelling of its name. */
export type ReadAttribute = (name: string) => readonly AttributeValue[];

// The asserted value as octets, and as text in the form in which it is compared.
interface Assertion {
  readonly attribute: string;
  readonly value: Buffer;
  readonly text: string;
}

/** Bitwise AND and OR, and membership through nested groups (MS-ADTS 3.1.1.3.4.4). */
export const MATCHING_RULE = {
  bitAnd: '1.2.840.113556.1.4.803',
  bitOr: '1.2.840.113556.1.4.804',
} as const;

// Deeper filters are an attack on the stack, not a question.
const MAX_DEPTH = 50;
const DN_ATTRIBUTES = new Set([
  'distinguishedname',
  'member',
  'memberof',
  'manager',
  'objectcategory',
  'msexchdelegatelistlink',
  'lastknownparent',
  'ncname',
]);

/** Reads a filter from its BER form. */
export function decodeFilter(element: BerElement, depth = 0): SearchFilter {
  if (depth > MAX_DEPTH) throw new BerSyntaxError(`A filter is nested deeper than ${MAX_DEPTH}.`);
  const nested = (): SearchFilter[] => readElements(element.content).map((child) => decodeFilter(child, depth + 1));
  switch (element.tag) {
    case 0xa0:
      return { kind: 'and', filters: nested() };
    case 0xa1:
      return { kind: 'or', filters: nested() };
    case 0xa2: {
      const [filter] = nested();
      if (!filter) throw new BerSyntaxError('A negation is empty.');
      return { kind: 'not', filter };
    }
    case 0xa3:
    case 0xa8:
      return { kind: 'equal', ...decodeAssertion(element) };
    case 0xa5:
      return { kind: 'atLeast', ...decodeAssertion(element) };
    case 0xa6:
      return { kind: 'atMost', ...decodeAssertion(element) };
    case 0xa4:
      return decodeSubstrings(element);
    case 0x87:
      return { kind: 'present', attribute: element.content.toString('utf8').toLowerCase() };
    case 0xa9:
      return decodeExtensible(element);
    default:
      throw new BerSyntaxError('A filter has an unknown kind.');
  }
}

/** Whether an entry satisfies a filter; comparisons ignore case as those of Active Directory do. */
export function matches(filter: SearchFilter, read: ReadAttribute): boolean {
  switch (filter.kind) {
    case 'and':
      return filter.filters.every((inner) => matches(inner, read));
    case 'or':
      return filter.filters.some((inner) => matches(inner, read));
    case 'not':
      return !matches(filter.filter, read);
    case 'present':
      return filter.attribute === 'objectclass' || read(filter.attribute).length > 0;
    case 'equal':
      return read(filter.attribute).some((value) => areEqual(filter, value));
    case 'atLeast':
      return read(filter.attribute).some((value) => compareOrdered(value, filter.text) >= 0);
    case 'atMost':
      return read(filter.attribute).some((value) => compareOrdered(value, filter.text) <= 0);
    case 'substrings':
      return read(filter.attribute).some((value) => containsPieces(value, filter.pieces));
    case 'extensible':
      return read(filter.attribute).some((value) => matchesRule(value, filter.rule, filter.value));
  }
}

function decodeAssertion(element: BerElement): Assertion {
  const [attribute, value] = readElements(element.content);
  if (!attribute || !value) throw new BerSyntaxError('An assertion is incomplete.');
  const text = value.content.toString('utf8');
  const name = attribute.content.toString('utf8').toLowerCase();
  return { attribute: name, value: value.content, text: isDnCompared(name, text) ? normaliseDn(text) : fold(text) };
}

function decodeSubstrings(element: BerElement): SearchFilter {
  const [attribute, sequence] = readElements(element.content);
  if (!attribute || !sequence) throw new BerSyntaxError('A substring filter is incomplete.');
  const places = { 0x80: 'initial', 0x81: 'any', 0x82: 'final' } as const;
  const pieces = readElements(sequence.content).map(({ tag, content }) => ({
    place: places[tag as keyof typeof places] ?? 'any',
    text: fold(content.toString('utf8')),
  }));
  return { kind: 'substrings', attribute: attribute.content.toString('utf8').toLowerCase(), pieces };
}

function decodeExtensible(element: BerElement): SearchFilter {
  const parts = readElements(element.content);
  const text = (tag: number): string => parts.find((part) => part.tag === tag)?.content.toString('utf8') ?? '';
  const value = parts.find((part) => part.tag === 0x83)?.content ?? Buffer.alloc(0);
  return { kind: 'extensible', attribute: text(0x82).toLowerCase(), rule: text(0x81), value };
}

// Active Directory accepts the short name of a category where the DN is stored.
function isDnCompared(attribute: string, asserted: string): boolean {
  return DN_ATTRIBUTES.has(attribute) && (attribute !== 'objectcategory' || asserted.includes('='));
}

function areEqual({ attribute, value: octets, text }: Assertion, value: AttributeValue): boolean {
  if (Buffer.isBuffer(value)) return value.equals(octets);
  if (isDnCompared(attribute, text)) return normaliseDn(value) === text;
  return attribute === 'objectcategory' ? fold(value).startsWith(`cn=${text},`) : fold(value) === text;
}

function compareOrdered(value: AttributeValue, text: string): number {
  const left = value.toString();
  if (/^-?\d{1,15}$/.test(left) && /^-?\d{1,15}$/.test(text)) return Number(left) - Number(text);
  if (/^-?\d{1,20}$/.test(left) && /^-?\d{1,20}$/.test(text)) {
    const difference = BigInt(left) - BigInt(text);
    return difference > 0n ? 1 : difference < 0n ? -1 : 0;
  }
  return fold(left) < text ? -1 : fold(left) > text ? 1 : 0;
}

function containsPieces(value: AttributeValue, pieces: readonly { place: string; text: string }[]): boolean {
  let rest = fold(value.toString());
  for (const { place, text } of pieces) {
    if (place === 'final') return rest.endsWith(text);
    const at = place === 'initial' ? (rest.startsWith(text) ? 0 : -1) : rest.indexOf(text);
    if (at < 0) return false;
    rest = rest.slice(at + text.length);
  }
  return true;
}

function matchesRule(value: AttributeValue, rule: string, asserted: Buffer): boolean {
  const left = value.toString();
  const right = asserted.toString('utf8');
  if (rule === MATCHING_RULE.bitAnd || rule === MATCHING_RULE.bitOr) {
    if (!/^-?\d{1,20}$/.test(left) || !/^-?\d{1,20}$/.test(right)) return false;
    const common = BigInt.asUintN(64, BigInt(left)) & BigInt.asUintN(64, BigInt(right));
    return rule === MATCHING_RULE.bitAnd ? common === BigInt.asUintN(64, BigInt(right)) : common !== 0n;
  }
  // A rule that is not known makes the filter undefined, which matches nothing (RFC 4511, 4.5.1.7).
  return rule === '' && fold(left) === fold(right);
}

function fold(text: string): string {
  return text.normalize('NFC').toLowerCase();
}
