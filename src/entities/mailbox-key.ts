import { domainToASCII } from 'node:url';

/** Longest mail address that is kept, in characters: 64 + "@" + 255 (RFC 5321, 4.5.3.1); longer ones are cut before they meet an index. */
export const MAX_ADDRESS_LENGTH = 320;

/**
 * The form in which mail addresses are compared and indexed: lower case (rule V5), normalised to NFC, the domain in
 * its ASCII form (RFC 5890), without angle brackets. Never fails: what is no address is folded the same way.
 */
export function mailboxKey(address: string): string {
  const bare = address
    .trim()
    .replace(/^<(.*)>$/s, '$1')
    .normalize('NFC')
    .toLowerCase();
  const at = bare.lastIndexOf('@');
  if (at < 0) return bare.slice(0, MAX_ADDRESS_LENGTH);
  const domain = bare.slice(at + 1);
  // domainToASCII answers '' for what is no host name, such as an address literal.
  // eslint-disable-next-line no-control-regex -- only names with letters outside ASCII need the conversion
  const ascii = /^[\x00-\x7f]*$/.test(domain) ? domain : domainToASCII(domain) || domain;
  return `${bare.slice(0, at)}@${ascii}`.slice(0, MAX_ADDRESS_LENGTH);
}
