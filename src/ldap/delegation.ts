import { mailboxKey } from '../entities/mailbox-key.js';
import type { DelegationValue, DirectoryEntry, DirectoryEntryKind } from './directory-entry.js';
import { isDn, normaliseDn } from './distinguished-name.js';
import { GroupMembership } from './membership.js';

/** Why a delegation value gives nobody access (rules L6, V9). */
export type UnresolvedReason = 'UNKNOWN' | 'AMBIGUOUS' | 'NOT_A_PERSON' | 'OTHER_DOMAIN';

/** One name within a delegation value that leads to nobody. */
export interface UnresolvedDelegation extends DelegationValue {
  readonly reason: UnresolvedReason;
}

/** Who may see one group mailbox, and which names could not be used. */
export interface MailboxDelegation {
  readonly mailboxId: string;
  readonly personIds: ReadonlySet<string>;
  readonly unresolved: readonly UnresolvedDelegation[];
}

/** What delegation needs of an entry. */
export type DelegationEntry = Pick<
  DirectoryEntry,
  'id' | 'kind' | 'dnKey' | 'domain' | 'accountName' | 'userPrincipalName' | 'addresses' | 'members' | 'delegations'
>;

interface Node {
  readonly id: string;
  readonly kind: DirectoryEntryKind;
  readonly domain: string;
  readonly dnKey: string;
}

/** The names within one value: semicolons separate them, unless escaped as within a DN (rule L6). */
export function delegationNames(value: string): string[] {
  const names: string[] = [];
  let start = 0;
  for (let index = 0; index < value.length; index++) {
    if (value[index] === '\\') index++;
    else if (value[index] === ';') {
      names.push(value.slice(start, index).trim());
      start = index + 1;
    }
  }
  names.push(value.slice(start).trim());
  return names.filter((name) => name !== '');
}

/**
 * From delegation values to people (rules V9, L6): give it all entries of all domains, then ask for the mailboxes.
 * People get access only within the mailbox's own domain.
 */
export class DelegationResolver {
  readonly #byDn = new Map<string, Node>();
  // Null: several entries share the name, so it names nobody (rule V8).
  readonly #byName = new Map<string, Node | null>();
  readonly #membership = new GroupMembership();
  readonly #mailboxes: { node: Node; delegations: readonly DelegationValue[] }[] = [];
  readonly #peopleOfGroup = new Map<string, readonly Node[]>();

  /** Takes an entry in, in any order. */
  add(entry: DelegationEntry): void {
    const node: Node = { id: entry.id, kind: entry.kind, domain: entry.domain, dnKey: entry.dnKey };
    this.#byDn.set(entry.dnKey, node);
    const names = [entry.accountName, entry.userPrincipalName].filter((name) => name !== null);
    const keys = new Set([...names, ...entry.addresses.map(({ address }) => address)].map(mailboxKey));
    for (const key of keys) {
      // Account names are unique within a domain only, and nobody of another domain gets access anyway.
      const scoped = scopedName(entry.domain, key);
      const holder = this.#byName.get(scoped);
      this.#byName.set(scoped, holder === undefined || holder?.id === node.id ? node : null);
    }
    if (entry.kind === 'GROUP') this.#membership.add(entry.dnKey, entry.members);
    if (entry.delegations.length > 0) this.#mailboxes.push({ node, delegations: entry.delegations });
  }

  /** Resolves the delegations of every mailbox that has some. */
  *resolve(): Generator<MailboxDelegation> {
    for (const { node: mailbox, delegations } of this.#mailboxes) {
      const personIds = new Set<string>();
      const unresolved: UnresolvedDelegation[] = [];
      for (const { attribute, value } of delegations) {
        for (const name of delegationNames(value)) {
          const people = this.#peopleNamed(name, mailbox);
          if (typeof people === 'string') unresolved.push({ attribute, value: name, reason: people });
          else for (const { id } of people) personIds.add(id);
        }
      }
      yield { mailboxId: mailbox.id, personIds, unresolved };
    }
  }

  #peopleNamed(name: string, mailbox: Node): readonly Node[] | UnresolvedReason {
    const found = isDn(name)
      ? this.#byDn.get(normaliseDn(name))
      : this.#byName.get(scopedName(mailbox.domain, mailboxKey(name)));
    if (found === null) return 'AMBIGUOUS';
    if (found === undefined) return 'UNKNOWN';
    if (found.kind === 'CONTACT') return 'NOT_A_PERSON';
    const people = found.kind === 'PERSON' ? [found] : this.#peopleIn(found);
    const inDomain = people.filter(({ domain }) => domain === mailbox.domain);
    // A group without people is no mistake; one whose people are all elsewhere is.
    return inDomain.length === 0 && people.length > 0 ? 'OTHER_DOMAIN' : inDomain;
  }

  #peopleIn(group: Node): readonly Node[] {
    const known = this.#peopleOfGroup.get(group.dnKey);
    if (known) return known;
    const people: Node[] = [];
    for (const member of this.#membership.membersOf(group.dnKey)) {
      // posixGroups list account names instead of DNs.
      const node = this.#byDn.get(member) ?? this.#byName.get(scopedName(group.domain, member));
      if (node?.kind === 'PERSON') people.push(node);
    }
    this.#peopleOfGroup.set(group.dnKey, people);
    return people;
  }
}

function scopedName(domain: string, key: string): string {
  return `${domain} ${key}`;
}
