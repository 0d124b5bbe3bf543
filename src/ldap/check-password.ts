import type { LdapConnectionSettings } from './connection-settings.js';
import { DirectoryClient, type ConnectOptions } from './directory-client.js';
import { LdapError } from './ldap-error.js';

/** Whether a directory accepts a name and a password, or why not. */
export type PasswordCheck =
  | { readonly outcome: 'OK' | 'WRONG_CREDENTIALS' | 'DISABLED' | 'EXPIRED' | 'LOCKED' | 'MUST_CHANGE_PASSWORD' }
  /** The directory could not judge; says nothing about the password. */
  | { readonly outcome: 'UNAVAILABLE'; readonly error: LdapError };

const OUTCOMES: Readonly<Record<string, 'DISABLED' | 'EXPIRED' | 'LOCKED' | 'MUST_CHANGE_PASSWORD'>> = {
  '532': 'MUST_CHANGE_PASSWORD',
  '533': 'DISABLED',
  '701': 'EXPIRED',
  '773': 'MUST_CHANGE_PASSWORD',
  '775': 'LOCKED',
};

/**
 * Binds as a person, by DN, user principal name or DOMAIN\name. An empty password or name never reaches the directory,
 * which would take it for an anonymous bind and accept it (RFC 4513, 5.1.2; rule L8).
 */
export async function checkPassword(
  settings: LdapConnectionSettings,
  name: string,
  password: string,
  options: ConnectOptions = {},
): Promise<PasswordCheck> {
  if (password === '' || name.trim() === '') return { outcome: 'WRONG_CREDENTIALS' };
  let client: DirectoryClient | undefined;
  try {
    client = await DirectoryClient.open(settings, options);
    await client.authenticate(name, password);
    return { outcome: 'OK' };
  } catch (error) {
    if (!(error instanceof LdapError)) throw error;
    if (error.kind !== 'BIND_REFUSED') return { outcome: 'UNAVAILABLE', error };
    return { outcome: OUTCOMES[error.subcode ?? ''] ?? 'WRONG_CREDENTIALS' };
  } finally {
    client?.close();
  }
}
