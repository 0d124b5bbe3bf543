import { AndFilter, EqualityFilter, OrFilter, type Filter } from 'ldapts';
import { mailboxKey, nameKey } from '../entities/mailbox-key.js';
import type { LdapConnectionSettings } from './connection-settings.js';
import { DirectoryClient, type ConnectOptions } from './directory-client.js';
import { attributesToRead, binaryAttributes, toDirectoryEntry, type DirectoryEntry } from './directory-entry.js';
import { namesOf } from './directory-names.js';
import { filterOf } from './entry-reader.js';
import type { RawEntry } from './raw-entry.js';

/** The person that a login names, if exactly one is meant. */
export type PersonLookup =
  { readonly outcome: 'FOUND'; readonly entry: DirectoryEntry } | { readonly outcome: 'NOT_FOUND' | 'AMBIGUOUS' };

// Enough to see that a login is not unique.
const CANDIDATES = 5;
// Longer ones are no logins: 64 + "@" + 255 (RFC 5321, 4.5.3.1) is the longest address.
const MAX_LOGIN_LENGTH = 320;

/**
 * Fetches one person by user principal name, DOMAIN\name, account name or mail address, without waiting for a synchronisation.
 * What the directory finds must bear the name by our comparison, too: Active Directory disregards accents and widths, and Samba
 * what follows a NUL, and each such spelling would be a name of its own where failed sign-ins are counted.
 */
export async function findPerson(
  settings: LdapConnectionSettings,
  login: string,
  options: ConnectOptions = {},
): Promise<PersonLookup> {
  const wanted = login.trim();
  const match = loginFilter(settings, wanted);
  if (!match || wanted.length > MAX_LOGIN_LENGTH) return { outcome: 'NOT_FOUND' };
  const client = await DirectoryClient.bind(settings, options);
  try {
    const found = await client.find(settings.baseDn, {
      filter: new AndFilter({ filters: [filterOf(settings, 'PERSON'), match] }),
      attributes: attributesToRead(settings, 'PERSON'),
      binary: binaryAttributes(namesOf(settings)),
      sizeLimit: CANDIDATES,
    });
    const entries = found
      .filter((raw) => bearsName(raw, settings, wanted))
      .map((raw) => toDirectoryEntry(raw, 'PERSON', settings))
      .filter((entry) => typeof entry !== 'string');
    return choose(entries, wanted);
  } finally {
    client.close();
  }
}

/** The comparison for a login; values go into filter objects, never into filter text (no injection). Null when it names nobody. */
function loginFilter(settings: LdapConnectionSettings, login: string): Filter | null {
  const names = namesOf(settings);
  const equals = (attribute: string, value: string): Filter => new EqualityFilter({ attribute, value });
  const backslash = login.indexOf('\\');
  const name = backslash < 0 ? login : login.slice(backslash + 1);
  if (name === '') return null;
  if (backslash >= 0 || !name.includes('@')) return equals(names.loginAttribute, name);
  const filters = [equals(names.principalAttribute, name), equals(names.loginAttribute, name)];
  // Every account of Active Directory has this principal name without being told (MS-ADTS 5.1.1.1.1).
  const at = name.lastIndexOf('@');
  if (name.slice(at + 1).toLowerCase() === settings.domain)
    filters.push(equals(names.loginAttribute, name.slice(0, at)));
  if (settings.addressAttributes !== 'PROXY_ADDRESSES') filters.push(equals(names.mailAttribute, name));
  if (settings.addressAttributes !== 'MAIL')
    filters.push(equals('proxyAddresses', `smtp:${name}`), equals('proxyAddresses', `SMTP:${name}`));
  return new OrFilter({ filters });
}

function bearsName(raw: RawEntry, settings: LdapConnectionSettings, login: string): boolean {
  const { loginAttribute, principalAttribute, mailAttribute } = namesOf(settings);
  const wanted = nameKey(login.slice(login.indexOf('\\') + 1));
  const accounts = raw.texts(loginAttribute);
  const names = [
    ...accounts,
    ...accounts.map((name) => `${name}@${settings.domain}`),
    ...raw.texts(principalAttribute),
    ...raw.texts(mailAttribute),
    ...raw.texts('proxyAddresses').map((value) => value.replace(/^smtp:/i, '')),
  ];
  return names.some((name) => nameKey(name) === wanted);
}

function choose(entries: readonly DirectoryEntry[], login: string): PersonLookup {
  const key = mailboxKey(login);
  // Someone else's address may look like this principal name; the principal name is the stronger one.
  const byPrincipal = entries.filter(
    ({ userPrincipalName }) => userPrincipalName !== null && mailboxKey(userPrincipalName) === key,
  );
  const [first, second] = byPrincipal.length > 0 ? byPrincipal : entries;
  if (!first) return { outcome: 'NOT_FOUND' };
  return second ? { outcome: 'AMBIGUOUS' } : { outcome: 'FOUND', entry: first };
}
