import libmime from 'libmime';
import { MAX_ADDRESS_LENGTH } from '../../entities/mailbox-key.js';
import { decodeRawHeader } from './header-words.js';

/** Most addresses taken from one header field; stops lists that exist only to be long. */
export const MAX_LISTED_ADDRESSES = 5000;

// Longest value that is read: MAX_LISTED_ADDRESSES of usual length. Stops fields of many megabytes.
const MAX_LIST_CHARACTERS = 256 * 1024;

// What cannot stand in an address outside quotes (RFC 5322 section 3.2.3), apart from "@" and ":" in what is broken.
const DELIMITERS = new Set(' \t\r\n"<>(),;:@[]\\');

/** The part of `text` around the "@" at `at` that reads as an address, and where it ends; `from` bounds it to the left. */
function readAddressAt(text: string, at: number, from: number): { address: string; end: number } {
  let localEnd = at;
  while (localEnd > from && isBlank(text[localEnd - 1])) localEnd--;
  let localStart = localEnd;
  if (text[localEnd - 1] === '"') {
    let open = localEnd - 2;
    while (open > from && (text[open] !== '"' || text[open - 1] === '\\')) open--;
    if (text[open] === '"') localStart = Math.max(open, from);
  } else {
    while (localStart > from && !DELIMITERS.has(text[localStart - 1] ?? '')) localStart--;
  }
  let domainStart = at + 1;
  while (isBlank(text[domainStart])) domainStart++;
  let end = domainStart;
  if (text[domainStart] === '[') {
    // Bounded, so that brackets that never close are not searched for to the end each time.
    const close = text.slice(domainStart, domainStart + MAX_ADDRESS_LENGTH).indexOf(']');
    end = domainStart + close + 1;
  } else {
    while (end < text.length && !DELIMITERS.has(text[end] ?? '')) end++;
  }
  let local = text.slice(localStart, localEnd);
  let domain = text.slice(domainStart, end);
  // Some programs put quotes of their own around addresses; a stop after the domain is punctuation.
  if (local.startsWith("'") && domain.endsWith("'")) {
    local = local.slice(1);
    domain = domain.slice(0, -1);
  }
  domain = domain.replace(/\.$/, '');
  return { address: local && domain ? `${local}@${domain}` : '', end: Math.max(end, at + 1) };
}

function isBlank(character: string | undefined): boolean {
  return character === ' ' || character === '\t' || character === '\r' || character === '\n';
}

/** Every address in a piece of text, whatever stands between them. */
function findAddresses(text: string): string[] {
  const found: string[] = [];
  let from = 0;
  let quote = text.indexOf('"');
  for (let at = text.indexOf('@'); at >= 0 && found.length < MAX_LISTED_ADDRESSES; at = text.indexOf('@', from)) {
    while (quote >= 0 && quote < at) {
      // A quoted local part (RFC 5321 section 4.1.2) may hold an "@" of its own.
      const close = endOfQuoted(text, quote);
      if (close > at && text[close + 1] === '@') at = close + 1;
      quote = text.indexOf('"', Math.max(quote + 1, at === close + 1 ? at : 0));
    }
    const { address, end } = readAddressAt(text, at, from);
    if (address) found.push(address);
    from = end;
  }
  return found;
}

/** What stands between "<" and ">": one address, perhaps behind a route (RFC 5322 section 4.4) or "mailto:". */
function readAngle(content: string): string[] {
  const bare = /^\s*(@[^:]{0,2000}|mailto):/i.exec(content);
  return findAddresses(bare ? content.slice(bare[0].length) : content).slice(0, 1);
}

/** Where the comment that opens at `open` ends (RFC 5322 section 3.2.2, nested); -1 when it never does. */
function endOfComment(text: string, open: number): number {
  let depth = 0;
  for (let index = open; index < text.length; index++) {
    const character = text[index];
    if (character === '\\') index++;
    else if (character === '(') depth++;
    else if (character === ')' && --depth === 0) return index;
  }
  return -1;
}

function endOfQuoted(text: string, open: number): number {
  for (let index = open + 1; index < text.length; index++) {
    if (text[index] === '\\') index++;
    else if (text[index] === '"') return index;
  }
  return -1;
}

/** Collects the addresses of one list in one pass, so that no input costs more than its length. */
class ListReader {
  readonly addresses: string[] = [];
  /** What was read since the last separator, without comments; quoted strings keep their quotes. */
  private words = '';
  /** The words in front of "<" while inside angle brackets, else null. */
  private phrase: string | null = null;

  read(text: string, decodeWords: boolean): string[] {
    let comments = true;
    let quotes = true;
    for (let index = 0; index < text.length && this.addresses.length < MAX_LISTED_ADDRESSES; index++) {
      const character = text[index] ?? '';
      if (character === '"') {
        const close = quotes ? endOfQuoted(text, index) : -1;
        // Without its partner this quote, like all after it, is punctuation.
        if (close < 0) quotes = false;
        else {
          this.words += text.slice(index, close + 1);
          index = close;
        }
      } else if (character === '(') {
        const close = comments ? endOfComment(text, index) : -1;
        if (close < 0) comments = false;
        else index = close;
      } else this.readSpecial(character, decodeWords);
    }
    this.finishEntry(decodeWords);
    return this.addresses.slice(0, MAX_LISTED_ADDRESSES);
  }

  private readSpecial(character: string, decodeWords: boolean): void {
    if (character === '<') {
      if (this.phrase === null) this.phrase = this.words;
      this.words = '';
    } else if (character === '>' && this.phrase !== null) this.finishEntry(decodeWords);
    else if (character === ';' || character === ',') {
      const inRoute = character === ',' && this.phrase !== null && this.words.trimStart().startsWith('@');
      if (inRoute) this.words += character;
      else this.finishEntry(decodeWords);
    } else if (character === ':' && this.phrase === null && !this.words.includes('[')) {
      // The name of a group (RFC 5322 section 3.4); an address in front of it lacks its separator.
      this.addresses.push(...findAddresses(this.words));
      this.words = '';
    } else this.words += character;
  }

  private finishEntry(decodeWords: boolean): void {
    const { words, phrase } = this;
    this.words = '';
    this.phrase = null;
    let found = phrase === null ? findAddresses(words) : readAngle(words);
    if (found.length === 0 && phrase) found = findAddresses(phrase);
    if (found.length === 0 && decodeWords) {
      // Against RFC 2047 section 5 some programs encode the address itself.
      const encoded = `${phrase ?? ''} ${words}`;
      if (encoded.includes('=?')) found = new ListReader().read(libmime.decodeWords(encoded.slice(0, 4096)), false);
    }
    this.addresses.push(...found);
  }
}

/**
 * The addresses of a To or Cc value given as raw bytes, as written but without names, comments, groups and routes
 * (RFC 5322 section 3.4, RFC 6532); reads on through broken syntax, at most {@link MAX_LISTED_ADDRESSES}.
 */
export function parseAddressList(raw: string): string[] {
  const text = decodeRawHeader(raw.slice(0, MAX_LIST_CHARACTERS)).replace(/[\u0000-\u0008\u000b-\u001f\u007f]+/g, ' ');
  return new ListReader().read(text, true).map((address) => address.slice(0, MAX_ADDRESS_LENGTH));
}
