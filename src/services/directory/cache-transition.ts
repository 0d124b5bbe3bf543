import type { Transaction } from '../../entities/database.js';
import type { ChangeFeed, NewChange } from '../changes/change-feed.js';
import { topics } from '../changes/topics.js';
import { lockRoles } from '../session/accounts.js';
import { renewGrantedRoles } from '../session/granted-roles.js';
import type { ChangeReach } from './changed-entries.js';
import { type Access, resolveDelegations, type UnresolvedDelegation } from './delegation-access.js';
import { mailboxesWithin } from './mailboxes-within.js';
import { inBatches, type ReadGeneration } from './directory-groups.js';

/** What follows from a change of the cache. */
export interface TransitionOutcome {
  /** Names in delegation attributes of the domain that lead to nobody (rule L6). */
  readonly unresolved: number;
  /** Accounts whose names or addresses clash, over all connections (rule V8). */
  readonly ambiguous: number;
}

/** What changed. */
export interface CacheChange {
  /** Domain of the connection whose rows changed; null when all its rows are gone with the connection. */
  readonly domain: string;
  /** Names and addresses that may clash now or no more; undefined: any. */
  readonly touched?: readonly string[] | undefined;
  /** Where the consequences begin; undefined: everywhere. */
  readonly reach?: ChangeReach | undefined;
  /** Whether the domain's delegation became usable or unusable as a whole. */
  readonly everybody: boolean;
}

const CURRENT = 'JOIN ldap_connection c ON c.id = i.connection_id AND c.generation = i.generation';

/**
 * A change of the LDAP cache together with everything that follows from it, in one transaction: who may see which
 * mailbox (rule V9), which accounts are ambiguous (rule V8), which roles groups give, whose session ends (rule L7), and
 * who has to hear of it (rule V11). Make one before the rows change and call {@link complete} after.
 */
export class CacheTransition {
  private constructor(
    private readonly transaction: Transaction,
    private readonly changes: ChangeFeed,
    private readonly followers: readonly string[],
    private readonly before: ReadonlyMap<string, string>,
  ) {}

  /** Locks the cache and remembers what people with a session see now. */
  static async begin(transaction: Transaction, changes: ChangeFeed): Promise<CacheTransition> {
    await lockCache(transaction);
    const rows = await transaction.rows<{ id: string }>(
      "SELECT DISTINCT subject AS id FROM session WHERE subject_kind = 'PERSON'",
    );
    const followers = rows.map(({ id }) => id);
    return new CacheTransition(transaction, changes, followers, await views(transaction, followers));
  }

  /** Derives everything anew from the rows as they are now, and tells those concerned. */
  async complete({ domain, touched, reach, everybody }: CacheChange): Promise<TransitionOutcome> {
    await this.#renewAccess(domain, reach);
    await this.#renewClashes(touched);
    const roleNews = await renewGrantedRoles(this.transaction);
    const ended = await endLapsedSessions(this.transaction);
    const after = await views(this.transaction, this.followers);
    const concerned = this.followers.filter((id) => this.before.get(id) !== after.get(id));
    const news: NewChange[] = [
      ...ended,
      ...roleNews,
      ...concerned.map((id): NewChange => ({ topic: topics.person(id), kind: 'ACCESS' })),
      ...(everybody ? [{ topic: topics.personalBackupSettings, kind: 'ACCESS' } as const] : []),
      { topic: topics.directory, kind: 'UPDATED' },
    ];
    await this.changes.append(this.transaction, news);
    return countProblems(this.transaction, domain);
  }

  async #renewAccess(domain: string, reach: ChangeReach | undefined): Promise<void> {
    const all = await this.transaction.rows<ReadGeneration & { domain: string }>(
      'SELECT id AS connectionId, generation, domain FROM ldap_connection',
    );
    const own = all.filter((each) => each.domain === domain);
    const others = all.filter((each) => each.domain !== domain);
    const mailboxIds = reach && (await mailboxesWithin(this.transaction, own, reach));
    const { access, unresolved } = await resolveDelegations(this.transaction, own, others, mailboxIds);
    const keyOf = ({ personId, mailboxId }: Access) => `${personId} ${mailboxId}`;
    const wanted = new Map(access.map((each) => [keyOf(each), each]));
    const ended = new Map<string, string[]>();
    for (const each of await this.#presentAccess(domain, mailboxIds)) {
      if (wanted.delete(keyOf(each))) continue;
      const people = ended.get(each.mailboxId);
      if (people) people.push(each.personId);
      else ended.set(each.mailboxId, [each.personId]);
    }
    for (const [mailboxId, people] of ended) {
      await inBatches(people, async (batch, marks) => {
        await this.transaction.run(
          `DELETE FROM mailbox_access WHERE mailbox_id = ? AND domain = ? AND person_id IN (${marks})`,
          [mailboxId, domain, ...batch],
        );
      });
    }
    await this.transaction.insert(
      'mailbox_access',
      [...wanted.values()].map(({ personId, mailboxId }) => ({ domain, person_id: personId, mailbox_id: mailboxId })),
    );
    for (const { connectionId, generation } of own) {
      await this.#markProblems(
        connectionId,
        generation,
        unresolved.filter((each) => each.connectionId === connectionId),
        mailboxIds,
      );
    }
  }

  async #presentAccess(domain: string, mailboxIds: readonly string[] | undefined): Promise<Access[]> {
    const sql = 'SELECT person_id AS personId, mailbox_id AS mailboxId FROM mailbox_access WHERE domain = ?';
    if (!mailboxIds) return this.transaction.rows<Access>(sql, [domain]);
    const present: Access[] = [];
    await inBatches(mailboxIds, async (batch, marks) => {
      for (const row of await this.transaction.rows<Access>(`${sql} AND mailbox_id IN (${marks})`, [domain, ...batch]))
        present.push(row);
    });
    return present;
  }

  async #markProblems(
    connectionId: number,
    generation: number,
    unresolved: readonly UnresolvedDelegation[],
    mailboxIds: readonly string[] | undefined,
  ): Promise<void> {
    const scope = 'connection_id = ? AND generation = ?';
    const clear = (condition: string, parameters: readonly string[]) =>
      this.transaction.run(
        `UPDATE directory_delegation SET problem = NULL WHERE ${scope} AND problem IS NOT NULL${condition}`,
        [connectionId, generation, ...parameters],
      );
    if (mailboxIds)
      await inBatches(mailboxIds, async (batch, marks) => {
        await clear(` AND mailbox_id IN (${marks})`, batch);
      });
    else await clear('', []);
    for (const { mailboxId, valueKey, problem } of unresolved) {
      await this.transaction.run(
        `UPDATE directory_delegation SET problem = ? WHERE ${scope} AND mailbox_id = ? AND value_key = ?`,
        [problem, connectionId, generation, mailboxId, valueKey],
      );
    }
  }

  /** Accounts and groups that share a name or an address with another one; contacts are neither (rule V8). */
  async #renewClashes(touched: readonly string[] | undefined): Promise<void> {
    const generations = await this.transaction.rows<{ id: number; generation: number }>(
      'SELECT id, generation FROM ldap_connection',
    );
    const current = generations.map(() => '(connection_id = ? AND generation = ?)').join(' OR ') || '1 = 0';
    const scope = `(${current}) AND owner_kind <> 'CONTACT'`;
    const scopeParameters = generations.flatMap(({ id, generation }) => [id, generation]);
    const find = async (condition: string, parameters: readonly string[]) => {
      const shared = await this.transaction.rows<{ value: string }>(
        `SELECT value FROM directory_identifier WHERE ${scope}${condition}
          GROUP BY value HAVING min(directory_id) <> max(directory_id)`,
        [...scopeParameters, ...parameters],
      );
      const found: { value: string; id: string }[] = [];
      const values = shared.map(({ value }) => value);
      await inBatches(values, async (batch, marks) => {
        const rows = await this.transaction.rows<{ value: string; id: string }>(
          `SELECT DISTINCT value, directory_id AS id FROM directory_identifier WHERE value IN (${marks}) AND ${scope}`,
          [...batch, ...scopeParameters],
        );
        for (const row of rows) found.push(row);
      });
      return found;
    };
    const store = (clashes: readonly { value: string; id: string }[]) =>
      this.transaction.insert(
        'directory_clash',
        clashes.map(({ value, id }) => ({ value, directory_id: id })),
      );
    if (touched === undefined) {
      await this.transaction.run('DELETE FROM directory_clash');
      await store(await find('', []));
    } else {
      await inBatches(touched, async (batch, marks) => {
        await this.transaction.run(`DELETE FROM directory_clash WHERE value IN (${marks})`, batch);
        await store(await find(` AND value IN (${marks})`, batch));
      });
    }
  }
}

/** How many names lead to nobody in a domain, and how many accounts clash in all. */
export async function countProblems(transaction: Transaction, domain: string): Promise<TransitionOutcome> {
  const [row] = await transaction.rows<TransitionOutcome>(
    `SELECT (SELECT count(*) FROM directory_delegation i ${CURRENT} WHERE c.domain = ? AND i.problem IS NOT NULL) AS unresolved,
            (SELECT count(DISTINCT directory_id) FROM directory_clash) AS ambiguous`,
    [domain],
  );
  if (!row) throw new Error('Counting gave no row.');
  return row;
}

/**
 * Locks all connections, because two transitions at once would each derive from the other's old rows, and the roles,
 * because they are derived, too. Always the first thing in a transaction, so that nobody waits in a circle.
 */
export async function lockCache(transaction: Transaction): Promise<void> {
  await transaction.rows(`SELECT id FROM ldap_connection ORDER BY id${transaction.forUpdate}`);
  await lockRoles(transaction);
}

/** Ends the sessions of accounts that are gone, disabled or expired (rule L7), and gives the news of it. */
export async function endLapsedSessions(transaction: Transaction): Promise<NewChange[]> {
  const sessions = await transaction.rows<{ id: number }>(
    `SELECT s.id FROM session s
      WHERE s.subject_kind = 'PERSON' AND NOT EXISTS (
        SELECT 1 FROM directory_entry i ${CURRENT}
         WHERE i.directory_id = s.subject AND i.kind = 'PERSON' AND i.disabled = 0
           AND (i.expires_at IS NULL OR i.expires_at > ?))`,
    [Date.now()],
  );
  for (const { id } of sessions) await transaction.run('DELETE FROM session WHERE id = ?', [id]);
  return sessions.map(({ id }) => ({ topic: topics.session(id), kind: 'REMOVED' }));
}

/** Everything in the cache that decides what these people see, in a form that can be compared. */
async function views(transaction: Transaction, people: readonly string[]): Promise<Map<string, string>> {
  const facts = new Map<string, Set<string>>(people.map((id) => [id, new Set()]));
  const gather = (source: string, sql: (marks: string) => string) =>
    inBatches(people, async (batch, marks) => {
      const rows = await transaction.rows<{ id: string; fact: string; domain?: string }>(sql(marks), batch);
      for (const { id, fact, domain = '' } of rows) facts.get(id)?.add(`${source} ${domain} ${fact}`);
    });
  await gather(
    'own',
    (marks) =>
      `SELECT i.directory_id AS id, i.address_keys AS fact, c.domain FROM directory_entry i ${CURRENT} WHERE i.directory_id IN (${marks})`,
  );
  await gather(
    'delegated',
    (marks) =>
      `SELECT a.person_id AS id, i.address_keys AS fact, c.domain FROM mailbox_access a
         JOIN directory_entry i ON i.directory_id = a.mailbox_id ${CURRENT} AND c.domain = a.domain WHERE a.person_id IN (${marks})`,
  );
  await gather(
    'clashing',
    (marks) => `SELECT directory_id AS id, value AS fact FROM directory_clash WHERE directory_id IN (${marks})`,
  );
  await gather(
    'hidden',
    (marks) =>
      `SELECT a.person_id AS id, x.directory_id AS fact FROM mailbox_access a
         JOIN directory_clash x ON x.directory_id = a.mailbox_id WHERE a.person_id IN (${marks})`,
  );
  return new Map([...facts].map(([id, set]) => [id, [...set].sort().join('\n')]));
}
