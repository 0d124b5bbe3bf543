import type { Database } from '../../entities/database.js';
import type { LdapConnection } from '../../entities/ldap-connection.js';
import { checkPassword } from '../../ldap/check-password.js';
import { findPerson, type PersonLookup } from '../../ldap/find-person.js';
import { readNetbiosName } from '../../ldap/netbios-name.js';
import { PublicError } from '../../errors.js';
import type { ChangeFeed } from '../changes/change-feed.js';
import type { DirectoryAnswer, DirectoryPasswords, SignInFailure } from '../session/sign-in.js';
import type { LdapConnections } from './connections.js';
import { findKnownPeople, type KnownPerson, type Login, readLogin } from './known-people.js';
import { storeOneEntry } from './store-one-entry.js';

/** Connections that did not answer, with the reason. */
type Faults = Map<number, unknown>;

type BindOutcome =
  { readonly outcome: 'OK' | SignInFailure } | { readonly outcome: 'UNAVAILABLE'; readonly cause: unknown };

// Domains hardly ever change their short names.
const NETBIOS_NAME_MS = 10 * 60_000;
// After a refusal these may be old news: the directory is asked whether the account is another one now.
const MAY_BE_OUTDATED: ReadonlySet<string> = new Set<SignInFailure>(['WRONG_PASSWORD', 'DISABLED', 'EXPIRED']);

/**
 * Checks passwords by a bind (RFC 4513). The login is looked up in the LDAP cache and the bind is made with the DN found
 * there; somebody whom the cache does not know, or not under that DN any more, is looked up in the directory itself.
 *
 * Who is refused hears the same whether the account exists or not. So every directory that the login may belong to is
 * asked after every refusal, and one that does not answer makes the answer UNAVAILABLE, whoever was meant.
 */
export class DirectorySignIn implements DirectoryPasswords {
  // By connection and version: asked anew after each change of a connection.
  readonly #netbiosNames = new Map<string, { readonly name: string | null; readonly readAtMs: number }>();

  constructor(
    private readonly database: Database,
    private readonly changes: ChangeFeed,
    private readonly connections: LdapConnections,
  ) {}

  async identify(login: string): Promise<string[]> {
    return (await findKnownPeople(this.database, readLogin(login).name)).map(({ directoryId }) => directoryId);
  }

  async check(login: string, password: string): Promise<DirectoryAnswer> {
    // An empty password must not reach a directory, which would take it for an anonymous bind (rule L8).
    if (password === '') return { outcome: 'WRONG_PASSWORD' };
    const parsed = readLogin(login);
    const { asked, faults } = await this.#connectionsFor(parsed);
    const connections = new Map(asked.map((connection) => [connection.id, connection]));
    const known = (await findKnownPeople(this.database, parsed.name)).filter(({ connectionId }) =>
      connections.has(connectionId),
    );
    const refusals: SignInFailure[] = [];
    // Several accounts can have one name; the one whose password it is signs in, and finds its personal Backup unavailable (rule V8).
    for (const person of known) {
      const answer = await this.#bind(connections.get(person.connectionId), person, password);
      if (answer.outcome === 'OK') return { outcome: 'OK', directoryId: person.directoryId, name: person.name };
      if (answer.outcome === 'UNAVAILABLE') faults.set(person.connectionId, answer.cause);
      else refusals.push(answer.outcome);
    }
    const lookups = await this.#lookUp(asked, parsed, faults);
    if (refusals.every((outcome) => MAY_BE_OUTDATED.has(outcome))) {
      const places = known.length > 0 ? new Set(known.map(({ connectionId }) => connectionId)) : connections;
      const found = new Map([...lookups].filter(([id]) => places.has(id)));
      const answer = await this.#enter(found, connections, known, password);
      if (answer.outcome === 'OK') return answer;
      if (answer.outcome === 'UNAVAILABLE') faults.set(answer.connectionId, answer.cause);
      else refusals.push(answer.outcome);
    }
    return refused(refusals, faults, asked);
  }

  async probe(login: string): Promise<DirectoryAnswer> {
    const parsed = readLogin(login);
    const { asked, faults } = await this.#connectionsFor(parsed);
    await this.#lookUp(asked, parsed, faults);
    return refused([], faults, asked);
  }

  async #bind(connection: LdapConnection | undefined, person: KnownPerson, password: string): Promise<BindOutcome> {
    if (!connection) return { outcome: 'UNKNOWN' };
    if (person.disabled) return { outcome: 'DISABLED' };
    if (person.expiresAt !== null && person.expiresAt <= Date.now()) return { outcome: 'EXPIRED' };
    try {
      const result = await checkPassword(this.connections.settingsOf(connection), person.dn, password);
      if (result.outcome === 'UNAVAILABLE') return { outcome: 'UNAVAILABLE', cause: result.error };
      return { outcome: result.outcome === 'WRONG_CREDENTIALS' ? 'WRONG_PASSWORD' : result.outcome };
    } catch (error) {
      // The stored password of the connection cannot be read.
      if (error instanceof PublicError) return { outcome: 'UNAVAILABLE', cause: error };
      throw error;
    }
  }

  /** Asks the directories themselves, all at the same time; those that do not answer are noted in `faults`. */
  async #lookUp(asked: readonly LdapConnection[], { name }: Login, faults: Faults): Promise<Map<number, PersonLookup>> {
    const found = new Map<number, PersonLookup>();
    await Promise.all(
      asked
        .filter(({ id }) => !faults.has(id))
        .map(async (connection) => {
          try {
            found.set(connection.id, await findPerson(this.connections.settingsOf(connection), name));
          } catch (error) {
            if (!(error instanceof PublicError)) throw error;
            faults.set(connection.id, error);
          }
        }),
    );
    return found;
  }

  /** Lets in who was found in the directory and is not, or not like this, in the cache; they are in it from then on. */
  async #enter(
    lookups: ReadonlyMap<number, PersonLookup>,
    connections: ReadonlyMap<number, LdapConnection>,
    known: readonly KnownPerson[],
    password: string,
  ): Promise<
    | { readonly outcome: 'OK'; readonly directoryId: string; readonly name: string }
    | { readonly outcome: SignInFailure }
    | { readonly outcome: 'UNAVAILABLE'; readonly cause: unknown; readonly connectionId: number }
  > {
    const found = new Map(
      [...lookups].flatMap(([connectionId, lookup]) =>
        lookup.outcome === 'FOUND' ? [[lookup.entry.id, { connectionId, entry: lookup.entry }] as const] : [],
      ),
    );
    const [only, ...more] = found.values();
    const connection = only && connections.get(only.connectionId);
    const isAmbiguous = more.length > 0 || [...lookups.values()].some(({ outcome }) => outcome === 'AMBIGUOUS');
    // Who is meant must be certain before somebody becomes known by signing in.
    if (!only || !connection || isAmbiguous) return { outcome: 'UNKNOWN' };
    const { connectionId, entry } = only;
    const person: KnownPerson = {
      directoryId: entry.id,
      connectionId,
      dn: entry.dn,
      name: entry.displayName,
      disabled: entry.disabled,
      expiresAt: entry.expiresAtMs,
    };
    // The cache knew all this: the refusal stands.
    if (known.some((each) => isSame(each, person))) return { outcome: 'UNKNOWN' };
    const answer = await this.#bind(connection, person, password);
    if (answer.outcome === 'UNAVAILABLE') return { ...answer, connectionId };
    if (answer.outcome !== 'OK') return { outcome: answer.outcome };
    await storeOneEntry(this.database, this.changes, connection, entry);
    return { outcome: 'OK', directoryId: entry.id, name: entry.displayName };
  }

  /** The connections that a login can belong to: all, or those of the domain before the backslash. */
  async #connectionsFor({ domain }: Login): Promise<{ asked: LdapConnection[]; faults: Faults }> {
    const all = await this.connections.list();
    const faults: Faults = new Map();
    if (domain === null) return { asked: all, faults };
    const named = all.filter((each) => each.domain === domain || each.domain.split('.')[0] === domain);
    if (named.length > 0) return { asked: named, faults };
    const asked: LdapConnection[] = [];
    await Promise.all(
      all.map(async (connection) => {
        try {
          if ((await this.#netbiosNameOf(connection)) === domain) asked.push(connection);
        } catch (error) {
          if (!(error instanceof PublicError)) throw error;
          // It may be the one that is meant.
          faults.set(connection.id, error);
          asked.push(connection);
        }
      }),
    );
    return { asked, faults };
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

const isSame = (known: KnownPerson, now: KnownPerson) =>
  known.directoryId === now.directoryId &&
  known.dn === now.dn &&
  Boolean(known.disabled) === Boolean(now.disabled) &&
  known.expiresAt === now.expiresAt;

/** What is told when nobody was let in: that a directory could not judge, or the reason that says most. */
function refused(
  refusals: readonly SignInFailure[],
  faults: Faults,
  asked: readonly LdapConnection[],
): DirectoryAnswer {
  const weight = (outcome: SignInFailure) => (outcome === 'UNKNOWN' ? 0 : outcome === 'WRONG_PASSWORD' ? 1 : 2);
  const reason = refusals.reduce<SignInFailure>((best, each) => (weight(each) > weight(best) ? each : best), 'UNKNOWN');
  const [cause] = faults.values();
  if (faults.size === 0) return { outcome: reason };
  return { outcome: 'UNAVAILABLE', cause, reason, isAnyoneThere: asked.some(({ id }) => !faults.has(id)) };
}
