import type { Transaction } from '../../entities/database.js';
import { nameMemberKey, primaryGroupKey, readKeys } from './cache-writer.js';
import type { ChangeReach } from './changed-entries.js';
import { inBatches, type ReadGeneration } from './directory-groups.js';

const PRIMARY = primaryGroupKey('');

/**
 * Mailboxes whose delegation may lead to somebody else after a change: those that changed themselves, and those that name
 * an entry that changed, directly or through groups. It walks from the change upwards, so its cost follows what the change
 * reaches and not the size of the directory; cycles of groups bring nothing new and so end.
 */
export async function mailboxesWithin(
  transaction: Transaction,
  generations: readonly ReadGeneration[],
  { keys, ids }: ChangeReach,
): Promise<string[]> {
  if (generations.length === 0) return [];
  const scope = `(${generations.map(() => '(connection_id = ? AND generation = ?)').join(' OR ')})`;
  const scopeParameters = generations.flatMap(({ connectionId, generation }) => [connectionId, generation]);
  const select = async (columns: string, table: string, column: string, values: Iterable<string>) => {
    const found: string[] = [];
    await inBatches(values, async (batch, marks) => {
      const rows = await transaction.rows<{ value: string }>(
        `SELECT DISTINCT ${columns} AS value FROM ${table} WHERE ${column} IN (${marks}) AND ${scope}`,
        [...batch, ...scopeParameters],
      );
      for (const { value } of rows) found.push(value);
    });
    return found;
  };
  const seenKeys = new Set(keys);
  const seenGroups = new Set<string>();
  for (let level = [...seenKeys]; level.length > 0;) {
    const primary = level.flatMap((key) => (key.startsWith(PRIMARY) ? [key.slice(PRIMARY.length)] : []));
    const groups = [
      ...(await select('group_id', 'directory_member', 'member_key', level)),
      ...(await select('directory_id', 'directory_entry', "kind = 'GROUP' AND primary_group", primary)),
    ].filter((id) => !seenGroups.has(id));
    for (const id of groups) seenGroups.add(id);
    const hashes = await select('dn_hash', 'directory_entry', 'directory_id', groups);
    const names = [
      ...(await select('name_keys', 'directory_entry', 'directory_id', groups)),
      ...(await select('address_keys', 'directory_entry', 'directory_id', groups)),
    ].flatMap(readKeys);
    level = [...hashes, ...names.map(nameMemberKey)].filter((key) => !seenKeys.has(key));
    for (const key of level) seenKeys.add(key);
  }
  const mailboxes = await select('mailbox_id', 'directory_delegation', 'value_key', seenKeys);
  return [...new Set([...ids, ...mailboxes])];
}
