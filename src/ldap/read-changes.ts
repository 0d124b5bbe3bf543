import { AndFilter, Control, GreaterThanEqualsFilter, type Filter } from 'ldapts';
import { namingContextOf, readMark, readServerFacts, type ChangeMark } from './change-mark.js';
import type { LdapConnectionSettings } from './connection-settings.js';
import { DirectoryClient, type ConnectOptions } from './directory-client.js';
import { binaryAttributes, entryId, type DirectoryEntry } from './directory-entry.js';
import { namesOf } from './directory-names.js';
import { readAllKinds, type OnSkipped } from './entry-reader.js';
import { requireFilter } from './filter-text.js';
import { LdapError } from './ldap-error.js';
import type { RawEntry } from './raw-entry.js';

/** Why changes alone are not enough. */
export type FullPassReason =
  'OTHER_SERVER' | 'SERVER_RESTORED' | 'NO_CHANGE_NUMBERS' | 'CONTAINER_CHANGED' | 'TOO_MANY_CHANGES';

/** What changed since a mark, or why everything has to be read anew. */
export type DirectoryChanges =
  | {
      readonly outcome: 'CHANGES';
      readonly upserted: readonly DirectoryEntry[];
      /** Identities of what was deleted, moved away or is no longer of a kind that is read; may name entries never seen. */
      readonly removedIds: readonly string[];
      readonly mark: ChangeMark;
      /** False: deletions stay unnoticed until the next full pass. */
      readonly deletionsSeen: boolean;
    }
  | { readonly outcome: 'FULL_PASS_NEEDED'; readonly reason: FullPassReason; readonly explanation: string };

/** How changes are read. */
export interface ReadChangesOptions extends ConnectOptions {
  /** More changes than this are cheaper and safer as a full pass; default 5000. */
  readonly maxChanges?: number;
  readonly onSkipped?: OnSkipped;
}

const EXPLANATIONS: Readonly<Record<FullPassReason, string>> = {
  OTHER_SERVER: 'Another domain controller answered; change numbers count per server.',
  SERVER_RESTORED: 'The domain controller was restored from a backup, or its change numbers went back.',
  NO_CHANGE_NUMBERS: 'The server does not show the change numbers that incremental synchronisation needs.',
  CONTAINER_CHANGED: 'An organisational unit was changed; the names of all entries below it may be others now.',
  TOO_MANY_CHANGES: 'So much changed that reading everything is cheaper.',
};
const SHOW_DELETED = '1.2.840.113556.1.4.417';
const MAX_CHANGES = 5000;

/** What the connected server says about its place in the sequence of changes. */
export async function readServerState(
  settings: LdapConnectionSettings,
  options: ConnectOptions = {},
): Promise<{ server: string; mark: ChangeMark | null }> {
  const client = await DirectoryClient.bind(settings, options);
  try {
    return { server: client.server, mark: await readMark(client, settings) };
  } finally {
    client.close();
  }
}

/** Reads what changed since a mark; the cost follows the number of changes, not the size of the directory. */
export async function readChanges(
  settings: LdapConnectionSettings,
  since: ChangeMark,
  options: ReadChangesOptions = {},
): Promise<DirectoryChanges> {
  const preferred = since.kind === 'USN' ? { preferServer: since.server } : {};
  const client = await DirectoryClient.bind(settings, { ...options, ...preferred });
  try {
    const facts = await readServerFacts(client);
    const mark = await readMark(client, settings, facts);
    const obstacle = compareMarks(since, mark);
    if (obstacle) return fullPass(obstacle);
    const context = namingContextOf(facts, settings.baseDn);
    return await collectChanges(client, settings, context, since, mark as ChangeMark, options);
  } finally {
    client.close();
  }
}

function compareMarks(since: ChangeMark, mark: ChangeMark | null): FullPassReason | undefined {
  if (mark === null || mark.kind !== since.kind) return 'NO_CHANGE_NUMBERS';
  if (mark.kind === 'TIME' || since.kind === 'TIME') return undefined;
  // A restored server gets a new invocationId, another server has its own; either way the numbers are strange ones.
  if (mark.invocationId !== since.invocationId)
    return mark.server === since.server ? 'SERVER_RESTORED' : 'OTHER_SERVER';
  return mark.usn < since.usn ? 'SERVER_RESTORED' : undefined;
}

async function collectChanges(
  client: DirectoryClient,
  settings: LdapConnectionSettings,
  context: string,
  since: ChangeMark,
  mark: ChangeMark,
  options: ReadChangesOptions,
): Promise<DirectoryChanges> {
  const { maxChanges = MAX_CHANGES } = options;
  const changedSince = sinceFilter(since);

  const touched = new Set<string>();
  for await (const raw of searchTouched(client, settings, context, changedSince)) {
    if (mayHaveMoved(raw, since)) return fullPass('CONTAINER_CHANGED');
    const id = entryId(raw, namesOf(settings));
    if (id !== null) touched.add(id);
    if (touched.size > maxChanges) return fullPass('TOO_MANY_CHANGES');
  }
  const upserted: DirectoryEntry[] = [];
  const reading = { alsoMatching: changedSince, ...(options.onSkipped ? { onSkipped: options.onSkipped } : {}) };
  // Nothing was touched: nothing to read. What changes from here on has a number beyond the new mark.
  for await (const entry of touched.size > 0 ? readAllKinds(client, settings, reading) : []) {
    upserted.push(entry);
    if (upserted.length > maxChanges) return fullPass('TOO_MANY_CHANGES');
  }
  const deleted = since.kind === 'USN' ? await readDeletedIds(client, settings, context, changedSince) : null;
  const present = new Set(upserted.map(({ id }) => id));
  const removedIds = [...new Set([...touched, ...(deleted ?? [])])].filter((id) => !present.has(id));
  return { outcome: 'CHANGES', upserted, removedIds, mark, deletionsSeen: deleted !== null };
}

/** Everything that changed in the whole naming context, so that what left the base DN or its filter is noticed too. */
function searchTouched(
  client: DirectoryClient,
  settings: LdapConnectionSettings,
  context: string,
  changedSince: Filter,
): AsyncGenerator<RawEntry> {
  const names = namesOf(settings);
  // Computers change their passwords by themselves. Elsewhere their class is unknown, and a negation of what is unknown
  // matches nothing (RFC 4511, 4.5.1.7).
  const isActiveDirectory = settings.preset === 'ACTIVE_DIRECTORY';
  const notComputer = requireFilter('filter', '(!(objectClass=computer))');
  return client.search(context, {
    filter: isActiveDirectory ? new AndFilter({ filters: [changedSince, notComputer] }) : changedSince,
    attributes: [names.idAttribute, 'objectClass', 'uSNCreated', 'createTimestamp'],
    binary: binaryAttributes(names),
  });
}

/**
 * An organisational unit or container that existed before the mark: if it was renamed or moved, the entries below it
 * have other names without a change number of their own. New ones hold only entries that are new or moved themselves.
 */
function mayHaveMoved(raw: RawEntry, since: ChangeMark): boolean {
  const classes = raw.texts('objectClass').map((name) => name.toLowerCase());
  // Group policies and the like derive from container; Active Directory lists the actual class last.
  const structural = classes.at(-1);
  if (structural !== 'container' && !classes.includes('organizationalunit')) return false;
  if (since.kind === 'USN') return Number(raw.text('uSNCreated')) <= since.usn;
  return raw.text('createTimestamp') < since.time;
}

/** Identities of deleted entries (MS-ADTS 3.1.1.5.5); null when the account may not see the container of deleted objects. */
async function readDeletedIds(
  client: DirectoryClient,
  settings: LdapConnectionSettings,
  context: string,
  changedSince: Filter,
): Promise<string[] | null> {
  const names = namesOf(settings);
  const ids: string[] = [];
  try {
    const found = client.search(`CN=Deleted Objects,${context}`, {
      filter: new AndFilter({ filters: [requireFilter('filter', '(isDeleted=TRUE)'), changedSince] }),
      attributes: [names.idAttribute],
      binary: binaryAttributes(names),
      controls: [new Control(SHOW_DELETED, { critical: true })],
    });
    for await (const raw of found) {
      const id = entryId(raw, names);
      if (id !== null) ids.push(id);
    }
    return ids;
  } catch (error) {
    const isHidden =
      error instanceof LdapError && ['BASE_DN_NOT_FOUND', 'ACCESS_DENIED', 'PROTOCOL'].includes(error.kind);
    if (isHidden) return null;
    throw error;
  }
}

function sinceFilter(since: ChangeMark): Filter {
  return since.kind === 'USN'
    ? new GreaterThanEqualsFilter({ attribute: 'uSNChanged', value: String(since.usn + 1) })
    : new GreaterThanEqualsFilter({ attribute: 'modifyTimestamp', value: since.time });
}

function fullPass(reason: FullPassReason): DirectoryChanges {
  return { outcome: 'FULL_PASS_NEEDED', reason, explanation: EXPLANATIONS[reason] };
}
