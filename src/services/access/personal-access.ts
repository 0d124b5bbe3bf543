import type { Database } from '../../entities/database.js';
import type { DeliveryFormat } from '../../entities/delivery-format.js';
import { marksFor } from '../../entities/marks-for.js';
import { topics } from '../changes/topics.js';
import { gather } from '../gather.js';

/** Whether a person has a personal Backup, and if not, why (rules V7, V8). */
export enum PersonalBackupAvailability {
  AVAILABLE = 'AVAILABLE',
  DIRECTORY_NOT_CONFIGURED = 'DIRECTORY_NOT_CONFIGURED',
  ACCOUNT_NOT_IN_DIRECTORY = 'ACCOUNT_NOT_IN_DIRECTORY',
  ACCOUNT_AMBIGUOUS = 'ACCOUNT_AMBIGUOUS',
}

/** Whether a person sees group mailboxes, and if not, which condition of rule V9 is missing. */
export enum GroupMailboxAccess {
  GRANTED = 'GRANTED',
  SWITCHED_OFF = 'SWITCHED_OFF',
  DELEGATION_ATTRIBUTE_NOT_CONFIGURED = 'DELEGATION_ATTRIBUTE_NOT_CONFIGURED',
  DELEGATION_NOT_LOADED = 'DELEGATION_NOT_LOADED',
}

/** Whose messages a section of personal Backup shows (rule V10). */
export enum MailboxKind {
  OWN = 'OWN',
  GROUP = 'GROUP',
}

/** One section of personal Backup: a mailbox and every address that leads to it. */
export interface MailboxSection {
  readonly kind: MailboxKind;
  /** The mailbox's main address, which names the section. */
  readonly address: string;
  readonly name: string;
  /** All its addresses as mailbox keys (rule V5). */
  readonly mailboxKeys: readonly string[];
}

/** The switches that hold for personal Backup now (rules, section 8). */
export interface PersonalSwitches {
  readonly preview: boolean;
  readonly deletion: boolean;
  readonly sending: boolean;
  readonly deliveryFormat: DeliveryFormat;
  readonly removeMessageId: boolean;
}

/** What one person may see of Backup at this moment. */
export interface PersonalAccess {
  readonly directoryId: string;
  readonly availability: PersonalBackupAvailability;
  readonly switches: PersonalSwitches;
  /** Null unless AVAILABLE. */
  readonly own: MailboxSection | null;
  readonly groupMailboxAccess: GroupMailboxAccess;
  /** Empty unless GRANTED. */
  readonly groupMailboxes: readonly MailboxSection[];
}

interface PersonRow {
  directoryId: string | null;
  enabled: number;
  preview: number;
  deletion: number;
  sending: number;
  deliveryFormat: DeliveryFormat;
  removeMessageId: number;
  groupMailboxes: number;
  connections: number;
  domain: string | null;
  ambiguous: number | null;
  delegationConfigured: number | null;
  delegationLoaded: number | null;
}

interface SectionRow {
  personId: string;
  domain: string;
  directoryId: string;
  name: string;
  primaryAddress: string | null;
  addressKeys: string;
}

// People that are looked up in one statement.
const GATHERED = 250;

// One statement for everything that stands in single rows: switches, the people, and their domains' delegation. There is
// a row even when nobody of them is known, for the switches.
const people = (ids: readonly string[]) => `
  SELECT s.enabled, s.preview, s.deletion, s.sending, s.delivery_format AS deliveryFormat,
         s.remove_message_id AS removeMessageId, s.group_mailboxes AS groupMailboxes,
         (SELECT count(*) FROM ldap_connection) AS connections,
         p.directory_id AS directoryId, p.domain AS domain,
         EXISTS (SELECT 1 FROM directory_clash x WHERE x.directory_id = p.directory_id) AS ambiguous,
         (SELECT max(CASE WHEN d.delegation_attributes <> '[]' THEN 1 ELSE 0 END)
            FROM ldap_connection d WHERE d.domain = p.domain) AS delegationConfigured,
         (SELECT max(CASE WHEN d.delegation_attributes <> '[]' THEN d.delegation_loaded ELSE 0 END)
            FROM ldap_connection d WHERE d.domain = p.domain) AS delegationLoaded
    FROM personal_backup_settings s
    LEFT JOIN (
      SELECT e.directory_id, min(c.domain) AS domain
        FROM directory_entry e
        JOIN ldap_connection c ON c.id = e.connection_id AND c.generation = e.generation
       WHERE e.directory_id IN (${marksFor(ids)}) AND e.kind = 'PERSON' GROUP BY e.directory_id
    ) p ON 1 = 1
   WHERE s.id = 1`;

const addresses = (person: string) => `
  SELECT ${person} AS personId, c.domain AS domain, e.directory_id AS directoryId, e.display_name AS name, e.primary_address AS primaryAddress, e.address_keys AS addressKeys
    FROM directory_entry e
    JOIN ldap_connection c ON c.id = e.connection_id AND c.generation = e.generation`;

const own = (ids: readonly string[]) => `${addresses('e.directory_id')} WHERE e.directory_id IN (${marksFor(ids)})`;

// A clash takes a group mailbox away like a personal one (rule V8); its connection must have its delegation loaded (rule V9).
const groups = (ids: readonly string[]) => `${addresses('a.person_id')}
    JOIN mailbox_access a ON a.mailbox_id = e.directory_id AND a.domain = c.domain
   WHERE a.person_id IN (${marksFor(ids)}) AND a.mailbox_id <> a.person_id
     AND c.delegation_loaded = 1 AND c.delegation_attributes <> '[]'
     AND NOT EXISTS (SELECT 1 FROM directory_clash x WHERE x.directory_id = e.directory_id)`;

/** Decides, from the LDAP cache and the settings alone, what a person may see (rules V3, V5, V7 to V10). */
export class PersonalAccessPolicy {
  readonly #people = gather(GATHERED, (ids: readonly string[]) => this.#personRows(ids));
  readonly #own = gather(GATHERED, (ids: readonly string[]) => this.#sectionRows(own(ids), ids));
  readonly #groups = gather(GATHERED, (ids: readonly string[]) => this.#sectionRows(groups(ids), ids));

  constructor(private readonly database: Database) {}

  /** What the person may see now; null while personal Backup is switched off (rule V3). Two statements, three with group mailboxes. */
  async forPerson(directoryId: string): Promise<PersonalAccess | null> {
    const row = (await this.#people(directoryId))(directoryId);
    if (!row?.enabled) return null;
    const availability = availabilityOf(row);
    const groupMailboxAccess = groupMailboxAccessOf(row);
    const available = availability === PersonalBackupAvailability.AVAILABLE;
    const seesGroups = available && groupMailboxAccess === GroupMailboxAccess.GRANTED;
    const [ownRows, groupRows] = await Promise.all([
      available ? this.#own(directoryId).then((rows) => rows.get(directoryId) ?? []) : [],
      seesGroups ? this.#groups(directoryId).then((rows) => rows.get(directoryId) ?? []) : [],
    ]);
    return {
      directoryId,
      availability,
      switches: {
        preview: Boolean(row.preview),
        deletion: Boolean(row.deletion),
        sending: Boolean(row.sending),
        deliveryFormat: row.deliveryFormat,
        removeMessageId: Boolean(row.removeMessageId),
      },
      own: sections(ownRows, MailboxKind.OWN)[0] ?? null,
      groupMailboxAccess,
      // Delegation never crosses the domain (rule V9).
      groupMailboxes: sections(
        groupRows.filter(({ domain }) => domain === row.domain),
        MailboxKind.GROUP,
      ),
    };
  }

  async #personRows(ids: readonly string[]): Promise<(id: string) => PersonRow | undefined> {
    const distinct = [...new Set(ids)];
    const rows = await this.database.rows<PersonRow>(people(distinct), distinct);
    const known = new Map(rows.map((row) => [row.directoryId, row]));
    const [any] = rows;
    const unknown = any && {
      ...any,
      directoryId: null,
      domain: null,
      ambiguous: 0,
      delegationConfigured: null,
      delegationLoaded: null,
    };
    return (id) => known.get(id) ?? unknown;
  }

  async #sectionRows(sql: string, ids: readonly string[]): Promise<Map<string, SectionRow[]>> {
    const byPerson = new Map<string, SectionRow[]>();
    for (const row of await this.database.rows<SectionRow>(sql, ids)) {
      const rows = byPerson.get(row.personId);
      if (rows) rows.push(row);
      else byPerson.set(row.personId, [row]);
    }
    return byPerson;
  }
}

function availabilityOf(row: PersonRow): PersonalBackupAvailability {
  if (row.connections === 0) return PersonalBackupAvailability.DIRECTORY_NOT_CONFIGURED;
  if (row.domain === null) return PersonalBackupAvailability.ACCOUNT_NOT_IN_DIRECTORY;
  return row.ambiguous ? PersonalBackupAvailability.ACCOUNT_AMBIGUOUS : PersonalBackupAvailability.AVAILABLE;
}

function groupMailboxAccessOf(row: PersonRow): GroupMailboxAccess {
  if (!row.groupMailboxes) return GroupMailboxAccess.SWITCHED_OFF;
  if (!row.delegationConfigured) return GroupMailboxAccess.DELEGATION_ATTRIBUTE_NOT_CONFIGURED;
  return row.delegationLoaded ? GroupMailboxAccess.GRANTED : GroupMailboxAccess.DELEGATION_NOT_LOADED;
}

function sections(rows: readonly SectionRow[], kind: MailboxKind): MailboxSection[] {
  const byMailbox = new Map<string, { name: string; address: string; mailboxKeys: Set<string> }>();
  for (const row of rows) {
    const keys = JSON.parse(row.addressKeys) as string[];
    const [first] = keys;
    // Nobody can send a message to a mailbox without an address.
    if (first === undefined) continue;
    const section = byMailbox.get(row.directoryId);
    if (section) for (const key of keys) section.mailboxKeys.add(key);
    else
      byMailbox.set(row.directoryId, {
        name: row.name,
        address: row.primaryAddress ?? first,
        mailboxKeys: new Set(keys),
      });
  }
  return [...byMailbox.values()]
    .map(({ name, address, mailboxKeys }) => ({ kind, name, address, mailboxKeys: [...mailboxKeys].sort() }))
    .sort((one, other) => (one.address < other.address ? -1 : 1));
}

/** Every section that a person may see. */
export function sectionsOf(access: PersonalAccess | null): MailboxSection[] {
  return access ? [...(access.own ? [access.own] : []), ...access.groupMailboxes] : [];
}

/** The topics whose changes concern a person with this access. */
export function topicsOf(directoryId: string, access: PersonalAccess | null): string[] {
  return [
    topics.personalBackupSettings,
    topics.person(directoryId),
    ...sectionsOf(access).flatMap((section) => section.mailboxKeys.map(topics.mailbox)),
  ];
}
