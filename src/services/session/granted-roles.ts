import type { Transaction } from '../../entities/database.js';
import { RoleSubjectKind } from '../../entities/role-assignment.js';
import type { NewChange } from '../changes/change-feed.js';
import { topics } from '../changes/topics.js';
import { DirectoryGroups, type ReadGeneration } from '../directory/directory-groups.js';

interface Grant {
  readonly subjectKind: RoleSubjectKind;
  readonly subject: string;
  readonly roleId: number;
}

const keyOf = ({ subjectKind, subject, roleId }: Grant) => `${subjectKind} ${subject} ${roleId}`;

/**
 * Brings the roles in effect up to date with the assignments and with who is in which group of the directory, and gives
 * the changes to append: open subscriptions of the people concerned are decided anew (rules V2, V11).
 */
export async function renewGrantedRoles(transaction: Transaction): Promise<NewChange[]> {
  const assignments = await transaction.rows<Grant>(
    'SELECT subject_kind AS subjectKind, subject, role_id AS roleId FROM role_assignment',
  );
  const ofGroups = assignments.filter(({ subjectKind }) => subjectKind === RoleSubjectKind.GROUP);
  const wanted = new Map(
    assignments.filter((grant) => !ofGroups.includes(grant)).map((grant) => [keyOf(grant), grant] as const),
  );
  if (ofGroups.length > 0) {
    const generations = await transaction.rows<ReadGeneration>(
      'SELECT id AS connectionId, generation FROM ldap_connection',
    );
    const groups = new DirectoryGroups(transaction, generations);
    await groups.expand(ofGroups.map(({ subject }) => subject));
    for (const { subject: group, roleId } of ofGroups) {
      for (const subject of groups.peopleIn(group)) {
        const grant = { subjectKind: RoleSubjectKind.PERSON, subject, roleId };
        wanted.set(keyOf(grant), grant);
      }
    }
  }
  const present = await transaction.rows<Grant>(
    'SELECT subject_kind AS subjectKind, subject, role_id AS roleId FROM granted_role',
  );
  const concerned: Grant[] = [];
  for (const grant of present) {
    if (wanted.delete(keyOf(grant))) continue;
    concerned.push(grant);
    await transaction.run('DELETE FROM granted_role WHERE subject_kind = ? AND subject = ? AND role_id = ?', [
      grant.subjectKind,
      grant.subject,
      grant.roleId,
    ]);
  }
  const added = [...wanted.values()];
  await transaction.insert(
    'granted_role',
    added.map(({ subjectKind, subject, roleId }) => ({ subject_kind: subjectKind, subject, role_id: roleId })),
  );
  return [...(await sessionsOf(transaction, [...concerned, ...added]))].map((id) => ({
    topic: topics.session(id),
    kind: 'ACCESS',
  }));
}

async function sessionsOf(transaction: Transaction, grants: readonly Grant[]): Promise<Set<number>> {
  const sessions = new Set<number>();
  for (const { subjectKind, subject } of grants) {
    const rows = await transaction.rows<{ id: number }>(
      'SELECT id FROM session WHERE subject_kind = ? AND subject = ?',
      [subjectKind, subject],
    );
    for (const { id } of rows) sessions.add(id);
  }
  return sessions;
}
