import type { Database } from '../../entities/database.js';
import { nameKey } from '../../entities/mailbox-key.js';

/** A person of the LDAP cache, as sign-in needs them. */
export interface KnownPerson {
  readonly directoryId: string;
  readonly connectionId: number;
  readonly dn: string;
  readonly name: string;
  readonly disabled: number | boolean;
  readonly expiresAt: number | null;
}

/** A login in its parts. */
export interface Login {
  /** The part before a backslash, lower case; null where there is none. */
  readonly domain: string | null;
  readonly name: string;
}

interface Row extends KnownPerson {
  readonly principal: string | null;
}

// Each is asked with the password: more with one name are a mistake of the directory, and too many locked accounts.
const MAX_PEOPLE = 5;

/** Takes `DOMAIN\name` apart; everything else is a name. */
export function readLogin(login: string): Login {
  const backslash = login.indexOf('\\');
  return backslash > 0
    ? { domain: login.slice(0, backslash).toLowerCase(), name: login.slice(backslash + 1) }
    : { domain: null, name: login.slice(backslash + 1) };
}

/**
 * People of the cache by user principal name, account name or mail address, a principal name before an address; by
 * account name and DNS name of the domain, when nobody has that as a name of their own: every account of Active Directory
 * has such a principal name without being told (MS-ADTS 5.1.1.1.1).
 */
export async function findKnownPeople(database: Database, name: string): Promise<KnownPerson[]> {
  const value = nameKey(name);
  const named = await withIdentifier(database, value, null);
  if (named.length > 0) {
    const isPrincipal = ({ principal }: Row) => principal !== null && nameKey(principal) === value;
    return named.sort((one, other) => Number(isPrincipal(other)) - Number(isPrincipal(one))).slice(0, MAX_PEOPLE);
  }
  const at = value.lastIndexOf('@');
  return at > 0 ? withIdentifier(database, value.slice(0, at), value.slice(at + 1)) : [];
}

async function withIdentifier(database: Database, value: string, domain: string | null): Promise<Row[]> {
  // A cross join keeps SQLite from reading all names: it would begin with them, and they are in order within a connection.
  const rows = await database.rows<Row>(
    `SELECT DISTINCT e.directory_id AS directoryId, e.connection_id AS connectionId, e.dn, e.display_name AS name, e.disabled,
            e.expires_at AS expiresAt, e.user_principal_name AS principal
       FROM ldap_connection c
      CROSS JOIN directory_identifier i ON i.connection_id = c.id AND i.generation = c.generation
       JOIN directory_entry e ON e.directory_id = i.directory_id AND e.connection_id = i.connection_id AND e.generation = i.generation
      WHERE i.value = ? AND i.owner_kind = 'PERSON'${domain === null ? '' : ' AND c.domain = ?'}
      ORDER BY e.directory_id, e.connection_id LIMIT 100`,
    domain === null ? [value] : [value, domain],
  );
  // Overlapping connections show the same person twice; one bind is enough.
  return [...new Map([...rows].reverse().map((row) => [row.directoryId, row])).values()].slice(
    0,
    domain === null ? 100 : MAX_PEOPLE,
  );
}
