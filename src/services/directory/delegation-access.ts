import type { Transaction } from '../../entities/database.js';
import { DirectoryGroups, inBatches, type ReadGeneration } from './directory-groups.js';

/** A person may see a mailbox. */
export interface Access {
  readonly personId: string;
  readonly mailboxId: string;
}

/** Why a name in a delegation attribute gives nobody access (rules L6, V9). */
export type DelegationProblem = 'UNKNOWN' | 'AMBIGUOUS' | 'NOT_A_PERSON' | 'OTHER_DOMAIN';

/** A name in a delegation attribute that leads to nobody. */
export interface UnresolvedDelegation {
  readonly connectionId: number;
  readonly mailboxId: string;
  readonly valueKey: string;
  readonly problem: DelegationProblem;
}

interface Delegation {
  connectionId: number;
  mailboxId: string;
  valueKey: string;
}

/**
 * Who may see which mailbox within one domain (rules V9, L6): from delegation values to people, through nested groups.
 * Names are looked for in the generations of the mailbox's own domain, so nobody of another domain gets access; those
 * of the other domains only tell why.
 */
export async function resolveDelegations(
  transaction: Transaction,
  own: readonly ReadGeneration[],
  others: readonly ReadGeneration[],
  /** Only these mailboxes; undefined: all. */
  mailboxIds?: readonly string[],
): Promise<{ readonly access: Access[]; readonly unresolved: UnresolvedDelegation[] }> {
  if (own.length === 0) return { access: [], unresolved: [] };
  const delegations: Delegation[] = [];
  const read = async (condition: string, parameters: readonly string[]) => {
    const rows = await transaction.rows<Delegation>(
      `SELECT connection_id AS connectionId, mailbox_id AS mailboxId, value_key AS valueKey FROM directory_delegation
        WHERE (${own.map(() => '(connection_id = ? AND generation = ?)').join(' OR ')})${condition}`,
      [...own.flatMap(({ connectionId, generation }) => [connectionId, generation]), ...parameters],
    );
    for (const row of rows) delegations.push(row);
  };
  if (mailboxIds) await inBatches(mailboxIds, (batch, marks) => read(` AND mailbox_id IN (${marks})`, batch));
  else await read('', []);
  const keys = delegations.map(({ valueKey }) => valueKey);
  const groups = new DirectoryGroups(transaction, own);
  await groups.find(keys);
  await groups.expand(
    keys.flatMap((key) => groups.named(key).flatMap(({ id, kind }) => (kind === 'GROUP' ? [id] : []))),
  );
  const elsewhere = new DirectoryGroups(transaction, others);
  await elsewhere.find(keys.filter((key) => groups.named(key).length === 0));

  const pairs = new Map<string, Access>();
  const unresolved: UnresolvedDelegation[] = [];
  for (const delegation of delegations) {
    const { mailboxId, valueKey } = delegation;
    const named = groups.named(valueKey);
    const accounts = named.filter(({ kind }) => kind !== 'CONTACT');
    // A contact that has somebody's address does not make the account doubtful (rule V8).
    const [found, ...more] = accounts.length > 0 ? accounts : named;
    const problem: DelegationProblem | undefined = !found
      ? elsewhere.named(valueKey).length > 0
        ? 'OTHER_DOMAIN'
        : 'UNKNOWN'
      : more.length > 0
        ? 'AMBIGUOUS'
        : found.kind === 'CONTACT'
          ? 'NOT_A_PERSON'
          : undefined;
    if (problem || !found) {
      unresolved.push({ ...delegation, problem: problem ?? 'UNKNOWN' });
      continue;
    }
    for (const personId of found.kind === 'PERSON' ? [found.id] : groups.peopleIn(found.id)) {
      pairs.set(`${personId} ${mailboxId}`, { personId, mailboxId });
    }
  }
  return { access: [...pairs.values()], unresolved };
}
