import libmime from 'libmime';

// Where a line is folded if it can be (RFC 5322 2.1.1).
const FOLD_AT = 78;
// Length of one encoded word's content; with charset and delimiters it stays below the 75 of RFC 2047 2.
const ENCODED_WORD_CHARACTERS = 52;

/** Replaces everything that could end or forge a header line (CR, LF, NUL and other controls) by a space. */
export function withoutControls(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, ' ');
}

/** One header line with CRLF, folded between its tokens at 78 characters where a blank allows it (RFC 5322 2.2.3). */
export function headerField(name: string, tokens: readonly string[]): string {
  let line = `${name}:`;
  let text = '';
  for (const token of tokens.map(withoutControls)) {
    // The first token stays on the line of the name: a line of blanks alone is obsolete syntax (RFC 5322 4.2).
    if (line.length + 1 + token.length > FOLD_AT && line !== `${name}:`) {
      text += `${line}\r\n`;
      line = '';
    }
    line += ` ${token}`;
  }
  return `${text}${line}\r\n`;
}

/** The tokens of an address list; each address is one token and carries its comma. */
export function addressTokens(addresses: readonly string[]): string[] {
  return addresses.map((address, index) => (index < addresses.length - 1 ? `${address},` : address));
}

/** The tokens of free text: words as they are when plain, else encoded words (RFC 2047). */
export function textTokens(text: string): string[] {
  const clean = withoutControls(text).trim();
  // An encoded word in plain text would be decoded by the reader: such text is encoded as a whole.
  const plain =
    /^[\x20-\x7e]*$/.test(clean) &&
    !clean.includes('=?') &&
    !clean.split(' ').some((word) => word.length > FOLD_AT - 10);
  return (plain ? clean : libmime.encodeWord(clean, 'B', ENCODED_WORD_CHARACTERS)).split(' ').filter(Boolean);
}

/** The tokens of a mailbox with a display name (RFC 5322 3.4). */
export function mailboxTokens(address: string, name: string | undefined): string[] {
  const clean = withoutControls(name ?? '').trim();
  if (!clean) return [address];
  if (!/^[\x20-\x7e]*$/.test(clean) || clean.includes('=?')) return [...textTokens(clean), `<${address}>`];
  return [`"${clean.replace(/(["\\])/g, '\\$1')}"`, `<${address}>`];
}

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** A time as RFC 5322 3.3 writes it, in UTC. */
export function headerDate(time: Date): string {
  const two = (value: number) => String(value).padStart(2, '0');
  const clock = [time.getUTCHours(), time.getUTCMinutes(), time.getUTCSeconds()].map(two).join(':');
  const day = `${DAYS[time.getUTCDay()]}, ${time.getUTCDate()} ${MONTHS[time.getUTCMonth()]} ${time.getUTCFullYear()}`;
  return `${day} ${clock} +0000`;
}
