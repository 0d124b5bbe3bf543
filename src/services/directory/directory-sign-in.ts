import type { Database } from '../../entities/database.js';
import type { LdapConnection } from '../../entities/ldap-connection.js';
import { checkPassword } from '../../ldap/check-password.js';
import type { DirectoryEntry } from '../../ldap/directory-entry.js';
import { findPerson } from '../../ldap/find-person.js';
import { LdapError } from '../../ldap/ldap-error.js';
import { readNetbiosName } from '../../ldap/netbios-name.js';
import type { ChangeFeed } from '../changes/change-feed.js';
import type { DirectoryAnswer, DirectoryPasswords, SignInFailure } from '../session/sign-in.js';
import { nameKey } from './cache-writer.js';
import type { LdapConnections } from './connections.js';
import { storeOneEntry } from './store-one-entry.js';

interface Person {
  readonly directoryId: string;
  readonly connectionId: number;
  readonly dn: string;
  readonly name: string;
  readonly disabled: number | boolean;
  readonly expiresAt: number | null;
}

interface Login {
  /** The part before a backslash, lower case. */
  readonly domain: string | null;
  readonly name: string;
}

// Each is asked with the password: more with one name are a mistake of the directory, and too many locked accounts.
const MAX_CANDIDATES = 5;

// Domains hardly ever change their short names.
const NETBIOS_NAME_MS = 10 * 60_000;
// After a refusal these may be old news: the directory is asked whether the account is another one now.
const MAY_BE_OUTDATED: ReadonlySet<string> = new Set<SignInFailure>(['WRONG_PASSWORD', 'DISABLED', 'EXPIRED']);

/**
 * Checks passwords by a bind (RFC 4513). The login is looked up in the LDAP cache and the bind is made with the DN found
 * there; somebody whom the cache does not know, or not under that DN any more, is looked up in the directory itself.
 */
export class DirectorySignIn implements DirectoryPasswords {
  // By connection and version: asked anew after each change of a connection.
  readonly #netbiosNames = new Map<string, { readonly name: string | null; readonly readAtMs: number }>();

  constructor(
    private readonly database: Database,
    private readonly changes: ChangeFeed,
    private readonly connections: LdapConnections,
  ) {}

  async check(login: string, password: string): Promise<DirectoryAnswer> {
    // An empty password must not reach a directory, which would take it for an anonymous bind (rule L8).
    if (password === '') return { outcome: 'WRONG_PASSWORD' };
    const parsed = readLogin(login);
    const asked = await this.#connectionsFor(parsed);
    if ('cause' in asked) return { outcome: 'UNAVAILABLE', cause: asked.cause };
    const connections = new Map(asked.connections.map((connection) => [connection.id, connection]));
    const known = (await this.#candidates(parsed)).filter(({ connectionId }) => connections.has(connectionId));
    const answers: DirectoryAnswer[] = [];
    // Several accounts can have one name; the one whose password it is signs in, and finds its personal Backup unavailable (rule V8).
    for (const person of known) {
      const answer = await this.#bind(connections.get(person.connectionId), person, password);
      if (answer.outcome === 'OK') return answer;
      answers.push(answer);
    }
    if (answers.every(({ outcome }) => MAY_BE_OUTDATED.has(outcome))) {
      const places =
        known.length > 0 ? known.flatMap((each) => connections.get(each.connectionId) ?? []) : asked.connections;
      answers.push(await this.#fetch(new Set(places), parsed, known, password));
    }
    return strongest(answers);
  }

  async #bind(connection: LdapConnection | undefined, person: Person, password: string): Promise<DirectoryAnswer> {
    if (!connection) return { outcome: 'UNKNOWN' };
    if (person.disabled) return { outcome: 'DISABLED' };
    if (person.expiresAt !== null && person.expiresAt <= Date.now()) return { outcome: 'EXPIRED' };
    const result = await checkPassword(this.connections.settingsOf(connection), person.dn, password);
    switch (result.outcome) {
      case 'OK':
        return { outcome: 'OK', directoryId: person.directoryId, name: person.name };
      case 'WRONG_CREDENTIALS':
        return { outcome: 'WRONG_PASSWORD' };
      case 'UNAVAILABLE':
        return { outcome: 'UNAVAILABLE', cause: result.error };
      default:
        return { outcome: result.outcome };
    }
  }

  /** Asks the directories themselves; who is found and accepted is in the cache from then on. */
  async #fetch(
    places: ReadonlySet<LdapConnection>,
    { name }: Login,
    known: readonly Person[],
    password: string,
  ): Promise<DirectoryAnswer> {
    const found = new Map<string, { connection: LdapConnection; entry: DirectoryEntry }>();
    const away: unknown[] = [];
    let ambiguous = false;
    await Promise.all(
      [...places].map(async (connection) => {
        try {
          const lookup = await findPerson(this.connections.settingsOf(connection), name);
          if (lookup.outcome === 'FOUND') found.set(lookup.entry.id, { connection, entry: lookup.entry });
          ambiguous ||= lookup.outcome === 'AMBIGUOUS';
        } catch (error) {
          if (!(error instanceof LdapError)) throw error;
          away.push(error);
        }
      }),
    );
    const [only, ...more] = found.values();
    // Who is meant must be certain before somebody becomes known by signing in.
    if (ambiguous || more.length > 0) return { outcome: 'UNKNOWN' };
    if (!only)
      return away.length > 0 && away.length === places.size
        ? { outcome: 'UNAVAILABLE', cause: away[0] }
        : { outcome: 'UNKNOWN' };
    const { connection, entry } = only;
    const person: Person = {
      directoryId: entry.id,
      connectionId: connection.id,
      dn: entry.dn,
      name: entry.displayName,
      disabled: entry.disabled,
      expiresAt: entry.expiresAtMs,
    };
    // The cache knew all this: the refusal stands.
    if (known.some((each) => isSame(each, person))) return { outcome: 'UNKNOWN' };
    const answer = await this.#bind(connection, person, password);
    if (answer.outcome === 'OK') await storeOneEntry(this.database, this.changes, connection, entry);
    return answer;
  }

  /** People by user principal name, account name or mail address; a principal name goes before an address. */
  async #candidates({ name }: Login): Promise<Person[]> {
    const value = nameKey(name);
    const rows = await this.database.rows<Person & { principal: string | null }>(
      `SELECT DISTINCT e.directory_id AS directoryId, e.connection_id AS connectionId, e.dn, e.display_name AS name, e.disabled,
              e.expires_at AS expiresAt, e.user_principal_name AS principal
         FROM directory_identifier i
         JOIN ldap_connection c ON c.id = i.connection_id AND c.generation = i.generation
         JOIN directory_entry e ON e.directory_id = i.directory_id AND e.connection_id = i.connection_id AND e.generation = i.generation
        WHERE i.value = ? AND i.owner_kind = 'PERSON' ORDER BY e.directory_id, e.connection_id LIMIT 100`,
      [value],
    );
    const isPrincipal = ({ principal }: { principal: string | null }) =>
      principal !== null && nameKey(principal) === value;
    // Overlapping connections show the same person twice; one bind is enough.
    const people = new Map([...rows].reverse().map((row) => [row.directoryId, row]));
    return [...people.values()]
      .sort((one, other) => Number(isPrincipal(other)) - Number(isPrincipal(one)))
      .slice(0, MAX_CANDIDATES);
  }

  /** The connections that a login can belong to: all, or those of the domain before the backslash. */
  async #connectionsFor({
    domain,
  }: Login): Promise<{ readonly connections: readonly LdapConnection[] } | { readonly cause: unknown }> {
    const all = await this.connections.list();
    if (domain === null) return { connections: all };
    const named = all.filter((each) => each.domain === domain || each.domain.split('.')[0] === domain);
    if (named.length > 0) return { connections: named };
    const away: unknown[] = [];
    const matching: LdapConnection[] = [];
    await Promise.all(
      all.map(async (connection) => {
        try {
          if ((await this.#netbiosNameOf(connection)) === domain) matching.push(connection);
        } catch (error) {
          if (!(error instanceof LdapError)) throw error;
          away.push(error);
        }
      }),
    );
    if (matching.length === 0 && away.length > 0 && away.length === all.length) return { cause: away[0] };
    return { connections: matching };
  }

  async #netbiosNameOf(connection: LdapConnection): Promise<string | null> {
    const key = `${connection.id}:${connection.version}`;
    const known = this.#netbiosNames.get(key);
    if (known && Date.now() - known.readAtMs < NETBIOS_NAME_MS) return known.name;
    const name = await readNetbiosName(this.connections.settingsOf(connection));
    this.#netbiosNames.set(key, { name, readAtMs: Date.now() });
    return name;
  }
}

function readLogin(login: string): Login {
  const backslash = login.indexOf('\\');
  return backslash > 0
    ? { domain: login.slice(0, backslash).toLowerCase(), name: login.slice(backslash + 1) }
    : { domain: null, name: login.slice(backslash + 1) };
}

const isSame = (known: Person, now: Person) =>
  known.directoryId === now.directoryId &&
  known.dn === now.dn &&
  Boolean(known.disabled) === Boolean(now.disabled) &&
  known.expiresAt === now.expiresAt;

/** What is told when nobody was let in: that a directory could not judge weighs most, that nobody is known least. */
function strongest(answers: readonly DirectoryAnswer[]): DirectoryAnswer {
  const weight = ({ outcome }: DirectoryAnswer) =>
    outcome === 'OK'
      ? 4
      : outcome === 'UNAVAILABLE'
        ? 3
        : outcome === 'UNKNOWN'
          ? 0
          : outcome === 'WRONG_PASSWORD'
            ? 1
            : 2;
  return answers.reduce((best, each) => (weight(each) > weight(best) ? each : best), {
    outcome: 'UNKNOWN',
  } as DirectoryAnswer);
}
