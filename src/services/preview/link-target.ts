import { domainToUnicode } from 'node:url';

/** Where a link leads, in words a reader can judge. */
export interface LinkTarget {
  /** The true address, cut to a readable length; empty for a link inside the message. */
  readonly shown: string;
  /** The true address, longer; for the tooltip. */
  readonly full: string;
  /** Why the link deserves distrust; empty when nothing is wrong with it. */
  readonly warnings: readonly string[];
}

const MAX_SHOWN_CHARACTERS = 80;
const MAX_FULL_CHARACTERS = 1000;

/** Invisible and direction-turning characters, which make an address read as another one. */
const INVISIBLE =
  /[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0]/g;

const BLANK = /[\u0000-\u0020\u007f-\u00a0]/g;
const clean = (address: string) => address.replace(INVISIBLE, '').replace(BLANK, '');

/** Endings of files that are no top-level domains; others, such as zip, are both. */
const FILE_ENDINGS = /\.(pdf|docx?|xlsx?|pptx?|odt|ods|html?|txt|csv|jpe?g|png|gif|exe|eml|php|asp|js)$/;

const cut = (text: string, limit: number) => (text.length > limit ? `${text.slice(0, limit)}…` : text);

/** Top-level domains that make a word in the middle of a text a host name; others begin the text or stand behind a scheme. */
const COMMON_DOMAINS =
  /\.(com|net|org|edu|gov|mil|int|info|biz|io|co|app|dev|eu|de|at|ch|uk|ie|fr|es|pt|it|nl|be|lu|dk|se|no|fi|pl|cz|sk|hu|ro|bg|gr|tr|ru|ua|by|us|ca|mx|br|ar|au|nz|jp|cn|kr|in|za|il|bank|online|shop|site|xyz)$/;

// Longest text of a link that is searched for host names; stops long computation.
const MAX_SEARCHED_CHARACTERS = 1000;
// Longest word that can hold a scheme, a user and a host name.
const MAX_WORD_CHARACTERS = 400;

const ADDRESS =
  /^([a-z][a-z0-9+.-]{1,20}:\/\/)?(?:[^\s/@]{1,100}@)?((?:[\p{L}\p{N}](?:[\p{L}\p{N}-]{0,61}[\p{L}\p{N}])?\.)+[\p{L}]{2,24}|\d{1,3}(?:\.\d{1,3}){3})(?![\p{L}\p{N}-])/iu;

/** Host names that a text claims to lead to, in lower case. */
function findClaimedHosts(text: string): string[] {
  // The URL standard reads wide letters and the ideographic stops like their plain forms.
  const plain = text
    .slice(0, MAX_SEARCHED_CHARACTERS)
    .normalize('NFKC')
    .replace(/[\u3002\uff61]/g, '.')
    .replace(INVISIBLE, '');
  const words = plain.split(/\s+/).filter((word) => /[\p{L}\p{N}]/u.test(word));
  return words.flatMap((word, at) => {
    if (!word.includes('.')) return [];
    const match = ADDRESS.exec(word.slice(0, MAX_WORD_CHARACTERS).replace(/^[^\p{L}\p{N}]+/u, ''));
    const host = match?.[2]?.toLowerCase();
    if (!host) return [];
    const isSure = match?.[1] !== undefined || host.startsWith('www.');
    if (isSure) return [host];
    return (at === 0 && !FILE_ENDINGS.test(host)) || COMMON_DOMAINS.test(host) ? [host] : [];
  });
}

const stripWww = (host: string) => host.replace(/^www\d?\./, '');

function isSameSite(claimed: string, host: string): boolean {
  let ascii = claimed;
  try {
    ascii = new URL(`http://${claimed}`).hostname;
  } catch {
    // A host name that no browser accepts is compared as it is written.
  }
  const [one, other] = [stripWww(ascii), stripWww(host)];
  return one === other || other.endsWith(`.${one}`);
}

const SCRIPTS = [
  /\p{Script=Latin}/u,
  /\p{Script=Cyrillic}/u,
  /\p{Script=Greek}/u,
  /\p{Script=Armenian}/u,
  /\p{Script=Cherokee}/u,
];

function describeHost(host: string): { text: string; warnings: string[] } {
  if (!/(^|\.)xn--/.test(host)) return { text: host, warnings: [] };
  const unicode = domainToUnicode(host);
  const mixed = SCRIPTS.filter((script) => script.test(unicode.replace(/\.[^.]*$/, ''))).length > 1;
  const warning = mixed ? 'letters of several alphabets in the name' : 'name with letters that can look like others';
  return { text: unicode && unicode !== host ? `${host} (${clean(unicode)})` : host, warnings: [warning] };
}

function describeWebAddress(url: URL, text: string): LinkTarget {
  const host = describeHost(url.hostname);
  const warnings = [...host.warnings];
  if (url.username || url.password) warnings.push('a misleading name in front of the true host');
  const claimed = findClaimedHosts(text).find((each) => !isSameSite(each, url.hostname));
  if (claimed) warnings.unshift(`the text says ${cut(claimed, 60)}`);
  const rest = `${url.port ? `:${url.port}` : ''}${url.pathname === '/' ? '' : url.pathname}${url.search}${url.hash}`;
  const address = `${url.protocol}//${host.text}${clean(rest)}`;
  return { shown: cut(address, MAX_SHOWN_CHARACTERS), full: cut(address, MAX_FULL_CHARACTERS), warnings };
}

/** The mail address, or the web site, that the text of a mail link claims instead of its true one. */
function findClaimedMailbox(text: string, target: string): string | undefined {
  const claimed = /[^\s<>@]{1,100}@[^\s<>@]{3,200}/.exec(text.replace(INVISIBLE, ''))?.[0];
  if (claimed !== undefined) return claimed.toLowerCase() === target.toLowerCase() ? undefined : claimed;
  const host = target.slice(target.lastIndexOf('@') + 1).toLowerCase();
  return findClaimedHosts(text).find((each) => !isSameSite(each, host));
}

/** Describes where a link leads and whether its text says something else. */
export function describeLink(href: string, text: string): LinkTarget {
  // The URL standard drops tabs and line breaks anywhere, and blanks and controls around the address.

  const address = href
    .replace(/[\t\n\r]/g, '')
    .replace(/^[\u0000-\u0020]+/, '')
    .trimEnd();
  if (address === '' || address.startsWith('#')) return { shown: '', full: '', warnings: [] };
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(address)?.[1]?.toLowerCase();
  if (scheme === 'mailto' || scheme === 'tel' || scheme === 'sms') {
    const [target = ''] = clean(address.slice(scheme.length + 1)).split('?');
    const claimed = scheme === 'mailto' ? findClaimedMailbox(text, target) : undefined;
    return {
      shown: cut(target, MAX_SHOWN_CHARACTERS),
      full: cut(target, MAX_FULL_CHARACTERS),
      warnings: claimed ? [`the text says ${cut(claimed, 60)}`] : [],
    };
  }
  const isWeb =
    scheme === 'http' ||
    scheme === 'https' ||
    scheme === 'ftp' ||
    address.startsWith('//') ||
    address.startsWith('\\\\');
  // "https:host" without slashes leads to that host; with a base of the same scheme it would be a path.
  const base = scheme ? undefined : 'https://invalid/';
  const url = isWeb && URL.canParse(address, base) ? new URL(address, base) : null;
  if (url) return describeWebAddress(url, text);
  const plain = clean(address);
  if (isWeb)
    return {
      shown: cut(plain, MAX_SHOWN_CHARACTERS),
      full: cut(plain, MAX_FULL_CHARACTERS),
      warnings: ['an address that leads nowhere'],
    };
  if (!scheme)
    return {
      shown: cut(plain, MAX_SHOWN_CHARACTERS),
      full: cut(plain, MAX_FULL_CHARACTERS),
      warnings: ['an address that is not complete'],
    };
  // What would run or open a program is named, not repeated.
  return { shown: `${scheme}:…`, full: `${scheme}:…`, warnings: [`not a web address (${cut(scheme, 20)})`] };
}
