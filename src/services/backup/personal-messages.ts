import type { Database } from '../../entities/database.js';
import {
  ACTION_CODES,
  type AttachmentSummary,
  type GatewayAction,
  type ScanResult,
  STATUS_CODES,
} from '../../entities/vocabulary.js';
import { marksFor } from '../../entities/marks-for.js';
import { MailboxKind, type MailboxSection, type PersonalAccess, sectionsOf } from '../access/personal-access.js';
import type { MessageFacts } from '../access/message-capabilities.js';
import { gather } from '../gather.js';
import { type CopyId, copyIdKey, copyIdOf } from './copy-id.js';
import { type FilterSql, type PersonalBackupFilter, personalFilterSql } from './message-filter.js';
import { BackupOrderField, ORDER_COLUMNS, type Page, type PageOf, pageOf, pageSql } from './message-order.js';
import { Visibility } from './visibility.js';

/** One recipient's copy of a message: what a person may know of it (rule V6). */
export interface PersonalCopy {
  readonly messageId: number;
  /** Position of the recipient within the message; never told to people, it counts the others. */
  readonly recipient: number;
  readonly contentId: number;
  readonly section: MailboxSection;
  /** Mailbox key of the address that it came in by. */
  readonly mailbox: string;
  /** Whether it was deleted from the section and can be restored (rule X5). */
  readonly deleted: boolean;
  readonly receivedAtMs: number;
  readonly sender: string | null;
  readonly senderKey: string;
  readonly senderIp: string | null;
  readonly subject: string;
  readonly subjectKey: string;
  readonly sizeBytes: number;
  readonly gatewayMessageId: string | null;
  readonly smtpMessageId: string | null;
  readonly action: GatewayAction;
  readonly detectedBits: number;
  readonly scanResults: () => readonly ScanResult[];
  readonly attachments: () => readonly AttachmentSummary[];
  readonly facts: MessageFacts;
  readonly sent: boolean;
}

interface CopyRow {
  messageId: number;
  recipient: number;
  contentId: number;
  mailbox: string;
  visibility: number;
  receivedAt: number;
  sender: string | null;
  senderKey: string;
  senderIp: string | null;
  subject: string;
  subjectKey: string;
  sizeBytes: number;
  gatewayMessageId: string | null;
  smtpMessageId: string | null;
  action: number;
  detectedBy: number;
  antiVirus: number | null;
  antiPhishing: number | null;
  linkScanning: number | null;
  scanResults: string;
  attachments: string;
  hasHtml: number;
  sentAt: number | null;
}

const COPY = `
  r.message_id AS messageId, r.position AS recipient, r.mailbox, r.visibility, r.received_at AS receivedAt, r.action, r.sent_at AS sentAt,
  m.content_id AS contentId, m.sender, m.sender_key AS senderKey, m.sender_ip AS senderIp, m.subject, m.subject_key AS subjectKey,
  m.size_bytes AS sizeBytes, m.gateway_message_id AS gatewayMessageId, m.smtp_message_id AS smtpMessageId,
  m.attachments, m.has_html AS hasHtml, v.detected_by AS detectedBy, v.anti_virus AS antiVirus,
  v.anti_phishing AS antiPhishing, v.link_scanning AS linkScanning, v.scan_results AS scanResults`;

const JOINS = `
  JOIN message m ON m.id = r.message_id
  JOIN verdict v ON v.message_id = r.message_id AND v.position = r.verdict`;

// Every branch is one range of one index; with more of them than this (people with very many addresses) one range scan over all is cheaper to plan.
const MAX_BRANCHES = 32;

// Readers of the same news whose copies are looked up in one statement.
const GATHERED = 100;
// Who asks for more asks alone, so that no statement passes SQLite's 32,766 parameters.
const FEW_MESSAGES = 16;
const FEW_KEYS = 50;

/** Which copies of a section are meant: those that it shows, or those that were deleted from it (rule X5). */
export type CopyState = 'SHOWN' | 'DELETED';

/** The visibilities behind them: the owner's own deletions concern the own section only (rules X2, X3). */
function visibilitiesOf(kind: MailboxKind, state: CopyState): readonly Visibility[] {
  if (state === 'DELETED') return kind === MailboxKind.OWN ? [Visibility.HIDDEN_FROM_OWNER] : [Visibility.HIDDEN];
  return kind === MailboxKind.OWN ? [Visibility.LISTED] : [Visibility.LISTED, Visibility.HIDDEN_FROM_OWNER];
}

/** Reads the copies of messages in sections of personal Backup; the caller decides which sections a person may see. */
export class PersonalMessages {
  readonly #copies = gather(GATHERED, (wanted: readonly WantedCopies[]) => this.#readCopies(wanted));

  constructor(private readonly database: Database) {}

  /** One page of a section: a single statement, whatever the size of Backup. */
  async list(
    section: MailboxSection,
    filter: PersonalBackupFilter,
    page: Page,
    state: CopyState = 'SHOWN',
  ): Promise<PageOf<PersonalCopy>> {
    const alias = page.order.field === BackupOrderField.RECEIVED_AT ? 'r' : 'm';
    const column = `${alias}.${ORDER_COLUMNS[page.order.field]}`;
    const paging = pageSql(page, column, 'r.message_id');
    const narrowing = personalFilterSql(filter);
    const joins = alias === 'm' || narrowing.condition !== '' ? JOINS : '';
    const limit = page.size + 1;
    // A branch over several mailboxes meets a message once for each of them: repetitions must not count towards the limit.
    const branch = (where: string, several: boolean) =>
      `SELECT r.message_id, ${several ? 'min(r.position) AS position' : 'r.position'}, ${column} AS sort` +
      ` FROM recipient r${joins} WHERE ${where}${narrowing.condition}${paging.condition}` +
      `${several ? ` GROUP BY r.message_id, ${column}` : ''} ORDER BY ${paging.orderBy} LIMIT ${limit}`;
    const { sql, parameters } = unite(section, state, branch, [...narrowing.parameters, ...paging.parameters]);
    const outer = paging.orderBy.replaceAll(column, 'k.sort').replaceAll('r.message_id', 'k.message_id');
    // A message to two addresses of one person is one message (rule V4).
    const keys = `SELECT u.message_id, min(u.position) AS position, u.sort FROM (${sql}) u GROUP BY u.message_id, u.sort`;
    const rows = await this.database.rows<CopyRow>(
      `SELECT ${COPY} FROM (${keys}) k JOIN recipient r ON r.message_id = k.message_id AND r.position = k.position${JOINS}` +
        ` ORDER BY ${outer} LIMIT ${limit}`,
      parameters,
    );
    return pageOf(
      page,
      rows.map((row) => copyOf(row, section)),
    );
  }

  /** How many messages a section shows. */
  async count(section: MailboxSection): Promise<number> {
    const { sql, parameters } = unite(
      section,
      'SHOWN',
      (where) => `SELECT r.message_id FROM recipient r WHERE ${where}`,
      [],
    );
    const [row] = await this.database.rows<{ count: number }>(
      `SELECT count(DISTINCT u.message_id) AS count FROM (${sql}) u`,
      parameters,
    );
    return row?.count ?? 0;
  }

  /** Those of the named copies that the person may see now; foreign, hidden and unknown ones are simply absent (rule V6). */
  async find(access: PersonalAccess | null, ids: readonly CopyId[]): Promise<PersonalCopy[]> {
    const wanted = new Set(ids.map(copyIdKey));
    const copies = await this.copiesOf(access, [...new Set(ids.map((id) => id.messageId))]);
    return copies.filter((copy) => wanted.has(copyIdKey(copyIdOf(copy))));
  }

  /** Every copy of the named messages that the person may see now (or has deleted), in the order of the recipients. */
  async copiesOf(
    access: PersonalAccess | null,
    messageIds: readonly number[],
    state: CopyState = 'SHOWN',
  ): Promise<PersonalCopy[]> {
    const sections = sectionsOf(access);
    if (messageIds.length === 0 || sections.length === 0) return [];
    const keys = sections.flatMap((section) => section.mailboxKeys);
    const wanted = { messageIds, keys };
    const few = messageIds.length <= FEW_MESSAGES && keys.length <= FEW_KEYS;
    const found = await (few ? this.#copies(wanted) : this.#readCopies([wanted]));
    const rows = messageIds
      .flatMap((id) => keys.flatMap((key) => found.get(`${id} ${key}`) ?? []))
      .sort((one, other) => one.messageId - other.messageId || one.recipient - other.recipient);
    return rows.flatMap((row) => {
      const section = sections.find(
        (each) => each.mailboxKeys.includes(row.mailbox) && visibilitiesOf(each.kind, state).includes(row.visibility),
      );
      return section ? [copyOf(row, section)] : [];
    });
  }

  async #readCopies(wanted: readonly WantedCopies[]): Promise<Map<string, CopyRow[]>> {
    const messageIds = [...new Set(wanted.flatMap((each) => each.messageIds))];
    const keys = [...new Set(wanted.flatMap((each) => each.keys))];
    // Without the mailboxes a message to 50,000 recipients would come whole to each of its readers.
    const rows = await this.database.rows<CopyRow>(
      `SELECT ${COPY} FROM recipient r${JOINS} WHERE r.message_id IN (${marksFor(messageIds)}) AND r.mailbox IN (${marksFor(keys)})` +
        ` AND r.visibility <> ${Visibility.GLOBAL_ONLY}`,
      [...messageIds, ...keys],
    );
    const found = new Map<string, CopyRow[]>();
    for (const row of rows) {
      const name = `${row.messageId} ${row.mailbox}`;
      const known = found.get(name);
      if (known) known.push(row);
      else found.set(name, [row]);
    }
    return found;
  }
}

/** Which copies one reader asks for: those of some messages in some mailboxes. */
interface WantedCopies {
  readonly messageIds: readonly number[];
  readonly keys: readonly string[];
}

function unite(
  section: MailboxSection,
  state: CopyState,
  branch: (where: string, several: boolean) => string,
  branchParameters: FilterSql['parameters'],
): { readonly sql: string; readonly parameters: FilterSql['parameters'] } {
  const visibilities = visibilitiesOf(section.kind, state);
  const single = section.mailboxKeys.length * visibilities.length <= MAX_BRANCHES;
  const branches = single
    ? section.mailboxKeys.flatMap((key) =>
        visibilities.map((visibility) => ({ where: `r.mailbox = ? AND r.visibility = ${visibility}`, keys: [key] })),
      )
    : [
        {
          where: `r.mailbox IN (${marksFor(section.mailboxKeys)}) AND r.visibility IN (${visibilities.join(', ')})`,
          keys: section.mailboxKeys,
        },
      ];
  return {
    // SQLite accepts ORDER BY and LIMIT in a part of a UNION only inside a subselect.
    sql: branches.map(({ where }) => `SELECT * FROM (${branch(where, !single)}) b`).join(' UNION ALL '),
    parameters: branches.flatMap(({ keys }) => [...keys, ...branchParameters]),
  };
}

const statusOf = (code: number | null) => (code === null ? null : (STATUS_CODES[code] ?? null));

function copyOf(row: CopyRow, section: MailboxSection): PersonalCopy {
  return {
    messageId: row.messageId,
    recipient: row.recipient,
    contentId: row.contentId,
    section,
    mailbox: row.mailbox,
    deleted: !visibilitiesOf(section.kind, 'SHOWN').includes(row.visibility),
    receivedAtMs: row.receivedAt,
    sender: row.sender,
    senderKey: row.senderKey,
    senderIp: row.senderIp,
    subject: row.subject,
    subjectKey: row.subjectKey,
    sizeBytes: row.sizeBytes,
    gatewayMessageId: row.gatewayMessageId,
    smtpMessageId: row.smtpMessageId,
    action: ACTION_CODES[row.action] as GatewayAction,
    detectedBits: row.detectedBy,
    // Parsed only when asked for: most lists show neither.
    scanResults: () => JSON.parse(row.scanResults) as ScanResult[],
    attachments: () => JSON.parse(row.attachments) as AttachmentSummary[],
    facts: {
      hasHtml: Boolean(row.hasHtml),
      antiVirus: statusOf(row.antiVirus),
      antiPhishing: statusOf(row.antiPhishing),
      linkScanning: statusOf(row.linkScanning),
    },
    sent: row.sentAt !== null,
  };
}
