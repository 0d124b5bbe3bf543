import { domainToASCII, domainToUnicode } from 'node:url';

/** Longest mail address that is kept, in characters: 64 + "@" + 255 (RFC 5321, 4.5.3.1); longer ones are cut before they meet an index. */
export const MAX_ADDRESS_LENGTH = 320;

/**
 * The form in which mail addresses are compared, indexed and searched: lower case (rule V5), normalised to NFC, the
 * domain with its letters as people write them (RFC 5890), without angle brackets. Never fails: what is no address is
 * folded the same way.
 */
export function mailboxKey(address: string): string {
  // What nearly all addresses are; folding the others takes five times as long.
  if (SIMPLE.test(address)) return address.toLowerCase();
  const bare = address
    .trim()
    .replace(/^<(.*)>$/s, '$1')
    .normalize('NFC')
    .toLowerCase();
  const at = bare.lastIndexOf('@');
  if (at < 0) return bare.slice(0, MAX_ADDRESS_LENGTH);
  const domain = bare.slice(at + 1);
  return `${bare.slice(0, at)}@${isInternational(domain) ? withLetters(domain) : domain}`.slice(0, MAX_ADDRESS_LENGTH);
}

/**
 * How account names, principal names and addresses are compared: lower case, NFC (rule V8). What has an "@" is folded as
 * an address, because a principal name and an address that look alike must meet.
 */
export const nameKey = (name: string): string =>
  name.includes('@')
    ? mailboxKey(name)
    : name.trim().normalize('NFC').toLowerCase().slice(0, MAX_ADDRESS_LENGTH).trimEnd();

/** Part of an address in the form in which it stands in a {@link mailboxKey}. */
export function mailboxNeedle(part: string): string {
  return part
    .normalize('NFC')
    .toLowerCase()
    .replace(/xn--[a-z0-9-]+/g, withLetters);
}

// Printable ASCII without spaces and angle brackets, no longer than an index takes, no encoded domain.
const SIMPLE = /^(?!.*xn--)[!-;=?-~]{1,320}$/i;

const isInternational = (domain: string): boolean => /xn--|[^ -~]/.test(domain);

// Both functions answer '' for what is no host name, such as an address literal.
const withLetters = (domain: string): string => domainToUnicode(domainToASCII(domain)) || domain;
