import { isIPv4, isIPv6 } from 'node:net';

/**
 * An IP address as 32 hexadecimal digits, IPv4 mapped into IPv6 (RFC 4291, 2.5.5.2), so that a network is one range of
 * text on both databases; null for what is no address.
 */
export function ipKey(address: string): string | null {
  const bare = address.replace(/^\[?(?:IPv6:)?|\]$/gi, '').replace(/%.*$/, '');
  if (isIPv4(bare)) return `${'0'.repeat(20)}ffff${hexOfIPv4(bare)}`;
  if (!isIPv6(bare)) return null;
  const embedded = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(bare);
  const hex = embedded?.[1] && embedded[2] ? `${embedded[1]}${hexOfIPv4(embedded[2]).replace(/^.{4}/, '$&:')}` : bare;
  const [head = '', tail] = hex.split('::');
  const groups = (part: string) => (part === '' ? [] : part.split(':'));
  const front = groups(head);
  const back = tail === undefined ? [] : groups(tail);
  const zeros = Array.from({ length: 8 - front.length - back.length }, () => '0');
  return [...front, ...zeros, ...back].map((group) => group.padStart(4, '0').toLowerCase()).join('');
}

const hexOfIPv4 = (address: string): string =>
  address
    .split('.')
    .map((byte) => Number(byte).toString(16).padStart(2, '0'))
    .join('');

/** First and last key of an address or of a network in CIDR notation (RFC 4632, RFC 4291); null when it is neither. */
export function ipRange(text: string): { readonly first: string; readonly last: string } | null {
  const [address = '', prefixText, ...more] = text.trim().split('/');
  const key = ipKey(address);
  if (key === null || more.length > 0) return null;
  if (prefixText === undefined) return { first: key, last: key };
  const offset = isIPv4(address) ? 96 : 0;
  if (!/^\d{1,3}$/.test(prefixText) || Number(prefixText) + offset > 128) return null;
  const bits = BigInt(128 - offset - Number(prefixText));
  const mask = (1n << bits) - 1n;
  const value = BigInt(`0x${key}`);
  const hex = (number: bigint) => number.toString(16).padStart(32, '0');
  return { first: hex(value & ~mask), last: hex(value | mask) };
}
