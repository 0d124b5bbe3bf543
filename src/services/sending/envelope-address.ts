import { randomUUID } from 'node:crypto';
import { domainToASCII } from 'node:url';
import { BadInputError } from '../../errors.js';

// 64 for the mailbox, the sign, 255 for the domain (RFC 5321 4.5.3.1). The 64 alone is not enforced: forwarding services use more.
const MAX_ADDRESS_CHARACTERS = 320;

// Dot-atom or quoted string (RFC 5322 3.2.3, 3.2.4), with the characters beyond ASCII of RFC 6531. No controls, no angle
// brackets: these would end the SMTP command or its path and let an address carry commands of its own.
const ATOM =
  "[A-Za-z0-9!#$%&'*+/=?^_`{|}~\\u00a1-\\u2027\\u202a-\\ud7ff\\ue000-\\ufdcf\\ufdf0-\\ufffd\\u{10000}-\\u{10ffff}-]+";
const QUOTED = '"(?:[ !#-;=?-\\[\\]-~]|\\\\[ -;=?-~])*"';
const MAILBOX = new RegExp(`^(?:${ATOM}(?:\\.${ATOM})*|${QUOTED})$`, 'u');
const DOMAIN =
  /^(?=.{1,255}$)[\p{L}\p{N}_](?:[\p{L}\p{M}\p{N}_-]*[\p{L}\p{M}\p{N}_])?(?:\.[\p{L}\p{N}_](?:[\p{L}\p{M}\p{N}_-]*[\p{L}\p{M}\p{N}_])?)*$/u;
const LITERAL = /^\[[A-Za-z0-9:.-]{1,60}\]$/;

function parts(address: string): { mailbox: string; domain: string } {
  const at = address.lastIndexOf('@');
  return { mailbox: address.slice(0, Math.max(at, 0)), domain: address.slice(at + 1) };
}

const isAscii = (text: string) => /^[\x00-\x7f]*$/.test(text);

/**
 * Whether the address can stand in an SMTP command and in a header. Stops line breaks, NUL, angle brackets and overlong input,
 * with which an address could carry further commands or header fields.
 */
export function isUsableAddress(address: string): boolean {
  if (address.length > MAX_ADDRESS_CHARACTERS) return false;
  const { mailbox, domain } = parts(address);
  if (!MAILBOX.test(mailbox)) return false;
  return LITERAL.test(domain) || (DOMAIN.test(domain) && (isAscii(domain) || domainToASCII(domain) !== ''));
}

/** The address as given, when {@link isUsableAddress}; else BadInputError for `field`, which says nothing of the address. */
export function checkAddress(field: string, address: string): string {
  if (address.length > MAX_ADDRESS_CHARACTERS) {
    throw new BadInputError(field, `The address has more than ${MAX_ADDRESS_CHARACTERS} characters.`);
  }
  if (!isUsableAddress(address)) {
    throw new BadInputError(
      field,
      'This is no mail address: it must read name@domain, without spaces, line breaks or angle brackets.',
    );
  }
  return address;
}

/** Whether the address needs SMTPUTF8 (RFC 6531): its mailbox name is not ASCII. An international domain alone does not. */
export function needsSmtpUtf8(address: string): boolean {
  return !isAscii(parts(address).mailbox);
}

/** The address with its domain in ASCII (RFC 5890) where the mailbox name is ASCII too, so that any relay can take it. */
export function headerAddress(address: string): string {
  const { mailbox, domain } = parts(address);
  // An ASCII domain stays as it is: the URL rules behind domainToASCII would rewrite numbers to IP addresses.
  return isAscii(mailbox) && !isAscii(domain) ? `${mailbox}@${domainToASCII(domain)}` : address;
}

/** A new Message-ID in the domain of `sender`, with angle brackets (RFC 5322 3.6.4). */
export function newMessageId(sender: string): string {
  const { domain } = parts(headerAddress(sender));
  return `<${randomUUID()}@${domain}>`;
}
