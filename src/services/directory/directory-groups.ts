import type { Transaction } from '../../entities/database.js';
import { marksFor } from '../../entities/marks-for.js';

/** The generation of a connection that is read. */
export interface ReadGeneration {
  readonly connectionId: number;
  readonly generation: number;
}

/** Somebody or something of the directory. */
export interface DirectoryObject {
  readonly id: string;
  readonly kind: 'PERSON' | 'GROUP' | 'CONTACT';
}

const IN_BATCH = 500;
const NAME_PREFIX = 'name:';

/** Runs a query for many values, some at a time. */
export async function inBatches(
  values: Iterable<string>,
  work: (batch: readonly string[], marks: string) => Promise<void>,
): Promise<void> {
  const distinct = [...new Set(values)];
  for (let start = 0; start < distinct.length; start += IN_BATCH) {
    const batch = distinct.slice(start, start + IN_BATCH);
    await work(batch, marksFor(batch));
  }
}

/**
 * Finds people and groups by their keys, and who is in groups, however nested. It reads from the cache only what the
 * questions lead to, level by level, so its cost follows the groups that matter and not the size of the directory.
 */
export class DirectoryGroups {
  /** By member key: the hash of a distinguished name, or "name:" and an account name. */
  readonly #byKey = new Map<string, readonly DirectoryObject[]>();
  readonly #members = new Map<string, string[]>();
  /** By group: people whose primary group it is; it does not list them. */
  readonly #primaryMembers = new Map<string, string[]>();
  readonly #scope: string;
  readonly #scopeParameters: readonly number[];

  constructor(
    private readonly transaction: Transaction,
    generations: readonly ReadGeneration[],
  ) {
    const pairs = generations.map(() => '(connection_id = ? AND generation = ?)');
    this.#scope = pairs.length > 0 ? `(${pairs.join(' OR ')})` : '1 = 0';
    this.#scopeParameters = generations.flatMap(({ connectionId, generation }) => [connectionId, generation]);
  }

  /** Looks up everybody that these keys name. */
  async find(keys: Iterable<string>): Promise<void> {
    const missing = [...keys].filter((key) => !this.#byKey.has(key));
    for (const key of missing) this.#byKey.set(key, []);
    const take = (key: string, found: DirectoryObject) => {
      const known = this.#byKey.get(key) ?? [];
      if (!known.some(({ id }) => id === found.id)) this.#byKey.set(key, [...known, found]);
    };
    const isName = (key: string) => key.startsWith(NAME_PREFIX);
    await inBatches(
      missing.filter((key) => !isName(key)),
      async (batch, marks) => {
        const rows = await this.transaction.rows<DirectoryObject & { memberKey: string }>(
          `SELECT dn_hash AS memberKey, directory_id AS id, kind FROM directory_entry WHERE dn_hash IN (${marks}) AND ${this.#scope}`,
          [...batch, ...this.#scopeParameters],
        );
        for (const { memberKey, ...found } of rows) take(memberKey, found);
      },
    );
    const names = missing.filter(isName).map((key) => key.slice(NAME_PREFIX.length));
    await inBatches(names, async (batch, marks) => {
      const rows = await this.transaction.rows<DirectoryObject & { value: string }>(
        `SELECT value, directory_id AS id, owner_kind AS kind FROM directory_identifier WHERE value IN (${marks}) AND ${this.#scope}`,
        [...batch, ...this.#scopeParameters],
      );
      for (const { value, ...found } of rows) take(NAME_PREFIX + value, found);
    });
  }

  /** Reads the members of these groups and of all groups below them; a cycle brings nothing new and so ends. */
  async expand(groupIds: Iterable<string>): Promise<void> {
    let level = [...groupIds];
    while (level.length > 0) {
      const unread = level.filter((id) => !this.#members.has(id));
      for (const id of unread) this.#members.set(id, []);
      const met: string[] = [];
      await inBatches(unread, async (batch, marks) => {
        const rows = await this.transaction.rows<{ groupId: string; memberKey: string }>(
          `SELECT group_id AS groupId, member_key AS memberKey FROM directory_member WHERE group_id IN (${marks}) AND ${this.#scope}`,
          [...batch, ...this.#scopeParameters],
        );
        for (const { groupId, memberKey } of rows) {
          this.#members.get(groupId)?.push(memberKey);
          met.push(memberKey);
        }
      });
      await this.#findPrimaryMembers(unread);
      await this.find(met);
      level = met.flatMap((key) => this.named(key).flatMap(({ id, kind }) => (kind === 'GROUP' ? [id] : [])));
    }
  }

  async #findPrimaryMembers(groupIds: readonly string[]): Promise<void> {
    const groups = new Map<string, string[]>();
    await inBatches(groupIds, async (batch, marks) => {
      const rows = await this.transaction.rows<{ groupId: string; name: string }>(
        `SELECT DISTINCT directory_id AS groupId, primary_group AS name FROM directory_entry
          WHERE directory_id IN (${marks}) AND kind = 'GROUP' AND primary_group IS NOT NULL AND ${this.#scope}`,
        [...batch, ...this.#scopeParameters],
      );
      for (const { groupId, name } of rows) groups.set(name, [...(groups.get(name) ?? []), groupId]);
    });
    await inBatches(groups.keys(), async (batch, marks) => {
      const rows = await this.transaction.rows<{ personId: string; name: string }>(
        `SELECT DISTINCT directory_id AS personId, primary_group AS name FROM directory_entry
          WHERE primary_group IN (${marks}) AND kind = 'PERSON' AND ${this.#scope}`,
        [...batch, ...this.#scopeParameters],
      );
      for (const { personId, name } of rows) {
        for (const groupId of groups.get(name) ?? []) {
          const people = this.#primaryMembers.get(groupId);
          if (people) people.push(personId);
          else this.#primaryMembers.set(groupId, [personId]);
        }
      }
    });
  }

  /** Whom a key names, after {@link find}; several when a name is not unique. */
  named(key: string): readonly DirectoryObject[] {
    return this.#byKey.get(key) ?? [];
  }

  /** Everybody in a group, directly or through other groups, after {@link expand}. */
  peopleIn(groupId: string): Set<string> {
    const people = new Set<string>();
    const seen = new Set([groupId]);
    const waiting = [groupId];
    for (let group = waiting.pop(); group !== undefined; group = waiting.pop()) {
      for (const id of this.#primaryMembers.get(group) ?? []) people.add(id);
      for (const member of (this.#members.get(group) ?? []).flatMap((key) => this.named(key))) {
        if (member.kind === 'PERSON') people.add(member.id);
        else if (member.kind === 'GROUP' && !seen.has(member.id)) {
          seen.add(member.id);
          waiting.push(member.id);
        }
      }
    }
    return people;
  }
}
