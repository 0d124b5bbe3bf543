import { isDn } from '../distinguished-name.js';
import { fileTimeToMs } from '../directory-time.js';
import type { EntryStore, StoredEntry } from './entry-store.js';
import { ACCOUNT_DISABLED } from './organisation.js';
import { RESULT, type Result } from './response.js';

/** Sub-codes that Active Directory puts into the text of a refused bind, in hex (Windows error numbers). */
export const BIND_SUBCODE = {
  noSuchUser: '525',
  wrongPassword: '52e',
  disabled: '533',
  expired: '701',
  mustChangePassword: '773',
  locked: '775',
} as const;

/** The answer to a bind: the account that is now bound (null: anonymous), or the refusal. */
export type BindOutcome = { readonly account: StoredEntry | null } | { readonly refusal: Result };

/** Judges a simple bind by DN, user principal name or DOMAIN\name; a mail address is no name (MS-ADTS 5.1.1.1.1). */
export function checkAccount(store: EntryStore, name: string, password: string, nowMs: number): BindOutcome {
  // A name without a password is an anonymous bind that succeeds (RFC 4513, 5.1.2).
  if (password === '') return { account: null };
  const account = findAccount(store, name);
  if (!account || account.deleted || !account.password) return refuse(BIND_SUBCODE.noSuchUser);
  const text = (attribute: string): string => String(store.read(account, attribute)[0] ?? '');
  if (Number(text('lockoutTime')) > 0) return refuse(BIND_SUBCODE.locked);
  if (account.password !== password) return refuse(BIND_SUBCODE.wrongPassword);
  if (Number(text('userAccountControl')) & ACCOUNT_DISABLED) return refuse(BIND_SUBCODE.disabled);
  const expiresAtMs = fileTimeToMs(text('accountExpires'));
  if (expiresAtMs !== null && expiresAtMs <= nowMs) return refuse(BIND_SUBCODE.expired);
  if (text('pwdLastSet') === '0') return refuse(BIND_SUBCODE.mustChangePassword);
  return { account };
}

function findAccount(store: EntryStore, name: string): StoredEntry | undefined {
  const backslash = name.indexOf('\\');
  if (isDn(name)) return store.find(name);
  if (backslash > 0) {
    const domain = store.organisation.domains.find(({ netbiosName, name: dnsName }) =>
      [netbiosName.toLowerCase(), dnsName].includes(name.slice(0, backslash).toLowerCase()),
    );
    return domain && findBy(store, 'sAMAccountName', name.slice(backslash + 1), domain.name);
  }
  const at = name.lastIndexOf('@');
  if (at <= 0) return undefined;
  // Every account has an implicit principal name too: its sAMAccountName at the DNS name of its domain.
  return (
    findBy(store, 'userPrincipalName', name) ?? findBy(store, 'sAMAccountName', name.slice(0, at), name.slice(at + 1))
  );
}

function findBy(store: EntryStore, attribute: string, value: string, domain?: string): StoredEntry | undefined {
  const suffix =
    domain &&
    `,${domain
      .toLowerCase()
      .split('.')
      .map((label) => `dc=${label}`)
      .join(',')}`;
  for (const entry of store.all()) {
    if (suffix && !entry.key.endsWith(suffix)) continue;
    if (store.read(entry, attribute).some((held) => String(held).toLowerCase() === value.toLowerCase())) return entry;
  }
  return undefined;
}

function refuse(subcode: string): BindOutcome {
  const message = `80090308: LdapErr: DSID-0C090449, comment: AcceptSecurityContext error, data ${subcode}, v4563\0`;
  return { refusal: { code: RESULT.invalidCredentials, message } };
}
