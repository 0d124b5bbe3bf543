import type { Database } from '../../entities/database.js';
import { checkPassword } from '../../ldap/check-password.js';
import type { DirectoryAnswer, DirectoryPasswords } from '../session/sign-in.js';
import type { LdapConnections } from './connections.js';

interface Candidate {
  directoryId: string;
  connectionId: number;
  dn: string;
  name: string;
  disabled: number;
  expiresAt: number | null;
}

/** Checks passwords by a bind (RFC 4513): the login is looked up in the LDAP cache, the bind is made with the DN found there. */
export class DirectorySignIn implements DirectoryPasswords {
  constructor(
    private readonly database: Database,
    private readonly connections: LdapConnections,
  ) {}

  async check(login: string, password: string): Promise<DirectoryAnswer> {
    let answer: DirectoryAnswer = { outcome: 'UNKNOWN' };
    // Several accounts can have one name; the one whose password it is signs in, and finds its personal Backup unavailable (rule V8).
    for (const candidate of await this.#candidates(login)) {
      answer = await this.#bind(candidate, password);
      if (answer.outcome === 'OK') return answer;
    }
    return answer;
  }

  async #bind(candidate: Candidate, password: string): Promise<DirectoryAnswer> {
    if (candidate.disabled) return { outcome: 'DISABLED' };
    if (candidate.expiresAt !== null && candidate.expiresAt <= Date.now()) return { outcome: 'EXPIRED' };
    const connection = await this.connections.find(candidate.connectionId);
    if (!connection) return { outcome: 'UNKNOWN' };
    const result = await checkPassword(this.connections.settingsOf(connection), candidate.dn, password);
    switch (result.outcome) {
      case 'OK':
        return { outcome: 'OK', directoryId: candidate.directoryId, name: candidate.name };
      case 'WRONG_CREDENTIALS':
        return { outcome: 'WRONG_PASSWORD' };
      case 'UNAVAILABLE':
        return { outcome: 'UNAVAILABLE', cause: result.error };
      default:
        return { outcome: result.outcome };
    }
  }

  /** People by user principal name, account name, mail address, or DOMAIN\name. */
  async #candidates(login: string): Promise<Candidate[]> {
    const backslash = login.indexOf('\\');
    const name = login.slice(backslash + 1);
    const domain = backslash > 0 ? login.slice(0, backslash) : null;
    const rows = await this.database.rows<Candidate & { domain: string }>(
      `SELECT DISTINCT e.directory_id AS directoryId, e.connection_id AS connectionId, e.dn, e.display_name AS name, e.disabled, e.expires_at AS expiresAt, c.domain
         FROM directory_identifier i
         JOIN ldap_connection c ON c.id = i.connection_id AND c.generation = i.generation
         JOIN directory_entry e ON e.directory_id = i.directory_id AND e.connection_id = i.connection_id AND e.generation = i.generation
        WHERE i.value = ? AND i.owner_kind = 'PERSON'`,
      [name],
    );
    // The short name of a domain is its first label unless somebody renamed it.
    return domain === null ? rows : rows.filter((row) => row.domain === domain || row.domain.split('.')[0] === domain);
  }
}
