/** Who is in which group, through groups in groups; keys are whatever identifies people and groups in the caller's data. */
export class GroupMembership {
  readonly #members = new Map<string, readonly string[]>();
  #parents: Map<string, string[]> | undefined;

  /** Adds a group with its direct members; groups may come in any order and may contain each other. */
  add(group: string, members: readonly string[]): void {
    this.#members.set(group, members);
    this.#parents = undefined;
  }

  /** Whether the key is a group. */
  has(key: string): boolean {
    return this.#members.has(key);
  }

  /** All members that are no groups, directly or through nested groups; each group is looked at once, so cycles end. */
  membersOf(group: string): Set<string> {
    const people = new Set<string>();
    const seen = new Set([group]);
    const waiting = [group];
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      for (const member of this.#members.get(next) ?? []) {
        if (!this.#members.has(member)) people.add(member);
        else if (!seen.has(member)) {
          seen.add(member);
          waiting.push(member);
        }
      }
    }
    return people;
  }

  /** All groups that the key is in, directly or through nested groups; a group in a cycle contains itself. */
  groupsOf(key: string): Set<string> {
    const parents = (this.#parents ??= this.#invert());
    const groups = new Set<string>();
    const waiting = [key];
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      for (const group of parents.get(next) ?? []) {
        if (groups.has(group)) continue;
        groups.add(group);
        waiting.push(group);
      }
    }
    return groups;
  }

  #invert(): Map<string, string[]> {
    const parents = new Map<string, string[]>();
    for (const [group, members] of this.#members) {
      for (const member of members) {
        const groups = parents.get(member);
        if (groups) groups.push(group);
        else parents.set(member, [group]);
      }
    }
    return parents;
  }
}
