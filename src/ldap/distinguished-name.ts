import { BadInputError } from '../errors.js';

/** One attribute and its value within a relative distinguished name; the value is unescaped (RFC 4514). */
export interface RdnPart {
  readonly type: string;
  readonly value: string;
}

/** A relative distinguished name: one part, or several joined by "+" (RFC 4514, 2.2). */
export type Rdn = readonly RdnPart[];

/** Longest DN that is looked at, in characters; a longer one is an attack on the parser or on an index, not a name. */
export const MAX_DN_LENGTH = 8192;

const ATTRIBUTE_TYPE = /^(?:[A-Za-z][A-Za-z0-9-]*|\d+(?:\.\d+)+)$/;
const HEX_PAIR = /^[0-9A-Fa-f]{2}/;
const ESCAPABLE = ' "#+,;<=>\\';
// Without these characters a DN can be cut at its commas; true for nearly all of the member values of a directory.
const NEEDS_PARSER = /[\\"#+;]/;
const SIMPLE_DN = /^[A-Za-z][A-Za-z0-9-]*=[^\\"#+;,]*(?:,[A-Za-z][A-Za-z0-9-]*=[^\\"#+;,]*)*$/;

/** Thrown by {@link parseDn} for text that is no distinguished name. */
export class DnSyntaxError extends Error {
  constructor(readonly reason: string) {
    super(`Not a distinguished name: ${reason}.`);
    this.name = 'DnSyntaxError';
  }
}

/** Reads a distinguished name as RFC 4514 writes it; throws {@link DnSyntaxError}. The empty string is the empty name. */
export function parseDn(dn: string): Rdn[] {
  if (dn.length > MAX_DN_LENGTH) throw new DnSyntaxError(`longer than ${MAX_DN_LENGTH} characters`);
  if (dn.trim() === '') return [];
  const rdns: RdnPart[][] = [];
  let parts: RdnPart[] = [];
  let position = 0;
  for (;;) {
    const equals = dn.indexOf('=', position);
    if (equals < 0) throw new DnSyntaxError('a part has no "="');
    const type = dn.slice(position, equals).trim();
    if (!ATTRIBUTE_TYPE.test(type)) throw new DnSyntaxError('an attribute name is empty or has wrong characters');
    const { value, end } = readValue(dn, equals + 1);
    parts.push({ type: type.toLowerCase(), value });
    if (dn[end] !== '+') {
      rdns.push(parts);
      parts = [];
    }
    if (end >= dn.length) return rdns;
    position = end + 1;
  }
}

/**
 * The form in which names are compared: types and values in lower case, spaces and escapes in one way (RFC 4518, 2.6;
 * RFC 4514). Text that is no DN is folded too, so that the comparison never fails.
 */
export function normaliseDn(dn: string): string {
  if (!NEEDS_PARSER.test(dn)) {
    const simple = dn.split(',').map((part) => {
      const equals = part.indexOf('=');
      return equals < 0
        ? foldValue(part)
        : `${part.slice(0, equals).trim().toLowerCase()}=${foldValue(part.slice(equals + 1))}`;
    });
    return simple.join(',');
  }
  try {
    return formatNormalised(parseDn(dn));
  } catch (error) {
    if (error instanceof DnSyntaxError) return foldValue(dn);
    throw error;
  }
}

/** Whether the text is a distinguished name with at least one part. */
export function isDn(text: string): boolean {
  if (text.length <= MAX_DN_LENGTH && SIMPLE_DN.test(text)) return true;
  try {
    return parseDn(text).length > 0;
  } catch (error) {
    if (error instanceof DnSyntaxError) return false;
    throw error;
  }
}

/** The normalised name one level up; the empty string above the topmost one. */
export function parentOfNormalised(normalised: string): string {
  for (let index = 0; index < normalised.length; index++) {
    if (normalised[index] === '\\') index++;
    else if (normalised[index] === ',') return normalised.slice(index + 1);
  }
  return '';
}

/** Whether one normalised name is the other or lies below it; everything lies below the empty name. */
export function isWithin(normalised: string, base: string): boolean {
  return base === '' || normalised === base || normalised.endsWith(`,${base}`);
}

/** The DNS name that the trailing dc parts spell, lower case (RFC 2247); empty when there are none. */
export function domainOfDn(dn: string): string {
  return domainOfNormalised(normaliseDn(dn));
}

/** The same for a name that is normalised already. */
export function domainOfNormalised(normalised: string): string {
  const labels: string[] = [];
  for (let end = normalised.length; end > 0;) {
    const comma = normalised.lastIndexOf(',', end - 1);
    // An escaped comma belongs to the value of the part that it stands in.
    if (!normalised.startsWith('dc=', comma + 1) || normalised[comma - 1] === '\\') break;
    labels.unshift(normalised.slice(comma + 1 + 'dc='.length, end));
    end = comma;
  }
  return labels.join('.');
}

/** The distinguished name of a DNS domain: `example.com` is `DC=example,DC=com` (RFC 2247). */
export function dnOfDomain(domain: string): string {
  return domain
    .split('.')
    .map((label) => `DC=${label}`)
    .join(',');
}

/** Escapes one attribute value for use within a DN (RFC 4514, 2.4). */
export function escapeDnValue(value: string): string {
  return value
    .replace(/[\\,+"<>;=]/g, '\\$&')
    .replace(/(?!^) $/, '\\ ')
    .replace(/^[ #]/, '\\$&')
    .replaceAll('\0', '\\00')
    .replaceAll('\n', '\\0A');
}

/** Checks a DN that somebody typed; throws a {@link BadInputError} that names the field. */
export function requireDn(field: string, dn: string): string {
  try {
    if (parseDn(dn).length > 0) return dn.trim();
  } catch (error) {
    if (!(error instanceof DnSyntaxError)) throw error;
    throw new BadInputError(
      field,
      `${field} is not a distinguished name (${error.reason}); write it like OU=People,DC=example,DC=com.`,
    );
  }
  throw new BadInputError(field, `${field} is empty; write it like OU=People,DC=example,DC=com.`);
}

function readValue(dn: string, start: number): { value: string; end: number } {
  let position = start;
  while (dn[position] === ' ') position++;
  if (dn[position] === '#') return readHexValue(dn, position + 1);
  let text = '';
  // Hex pairs are octets of UTF-8; several in a row make one character.
  let octets: number[] = [];
  // Index in `text` up to which trailing spaces are significant, because they were escaped.
  let kept = 0;
  const flush = (): void => {
    if (octets.length === 0) return;
    text += Buffer.from(octets).toString('utf8');
    octets = [];
    kept = text.length;
  };
  for (; position < dn.length; position++) {
    const character = dn[position] as string;
    if (character === '\\') {
      const pair = HEX_PAIR.exec(dn.slice(position + 1, position + 3));
      if (pair) {
        octets.push(parseInt(pair[0], 16));
        position += 2;
        continue;
      }
      const next = dn[position + 1];
      if (next === undefined || !ESCAPABLE.includes(next))
        throw new DnSyntaxError('a backslash is not followed by a special character or two hex digits');
      flush();
      text += next;
      kept = text.length;
      position += 1;
      continue;
    }
    flush();
    if (character === ',' || character === '+') break;
    if (character === '"' || character === ';') throw new DnSyntaxError(`an unescaped ${character} in a value`);
    text += character;
  }
  flush();
  let length = text.length;
  while (length > kept && text[length - 1] === ' ') length--;
  return { value: text.slice(0, length), end: position };
}

function readHexValue(dn: string, start: number): { value: string; end: number } {
  const match = /^((?:[0-9A-Fa-f]{2})+) *(?=[,+]|$)/.exec(dn.slice(start));
  if (!match?.[1]) throw new DnSyntaxError('a "#" is not followed by pairs of hex digits');
  const bytes = Buffer.from(match[1], 'hex');
  const isShortString = [0x04, 0x0c, 0x13, 0x16].includes(bytes[0] ?? 0) && bytes[1] === bytes.length - 2;
  return { value: isShortString ? bytes.toString('utf8', 2) : `#${match[1]}`, end: start + match[0].length };
}

function formatNormalised(rdns: readonly Rdn[]): string {
  return rdns
    .map((rdn) =>
      rdn
        .map(({ type, value }) => `${type}=${foldValue(value).replace(/[\\,+]/g, '\\$&')}`)
        .sort()
        .join('+'),
    )
    .join(',');
}

function foldValue(value: string): string {
  return value.normalize('NFC').toLowerCase().trim().replace(/ {2,}/g, ' ');
}
