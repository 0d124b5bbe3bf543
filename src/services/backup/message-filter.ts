import { mailboxNeedle } from '../../entities/mailbox-key.js';
import {
  ACTION_CODES,
  type GatewayAction,
  type Module,
  MODULE_BITS,
  type ScanStatus,
  STATUS_CODES,
} from '../../entities/vocabulary.js';
import { BadInputError } from '../../errors.js';
import { ipRange } from './ip-key.js';
import { subjectKey } from './message-rows.js';

type Given<Value> = Value | null | undefined;

/** What a list can be narrowed by; every given criterion must hold. */
export interface PersonalBackupFilter {
  readonly detectedBy?: Given<readonly Module[]>;
  readonly sender?: Given<string>;
  readonly subject?: Given<string>;
  readonly receivedFrom?: Given<Date>;
  readonly receivedTo?: Given<Date>;
  readonly sizeFrom?: Given<number>;
  readonly sizeTo?: Given<number>;
  readonly action?: Given<GatewayAction>;
  readonly smtpMessageId?: Given<string>;
  readonly sent?: Given<boolean>;
}

/** What the list of all messages can be narrowed by besides. */
export interface BackupFilter extends PersonalBackupFilter {
  readonly senderIp?: Given<string>;
  readonly recipient?: Given<string>;
  readonly gatewayMessageId?: Given<string>;
  readonly antiVirusStatus?: Given<ScanStatus>;
  readonly node?: Given<string>;
}

/** SQL conditions that stand behind a WHERE, each starting with AND. */
export interface FilterSql {
  readonly condition: string;
  readonly parameters: readonly (string | number)[];
}

// Longer needles match nothing and only cost time.
const MAX_TEXT = 998;

// The escape character is named because SQLite has none by default, and "!" because the backslash is quoted differently.
const LIKE = "LIKE ? ESCAPE '!'";

function containing(field: string, text: string, fold: (text: string) => string): string {
  if (text.length > MAX_TEXT)
    throw new BadInputError(`filter.${field}`, `filter.${field} must have at most ${MAX_TEXT} characters.`);
  return `%${fold(text).replace(/[!%_]/g, '!$&')}%`;
}

/** Collects conditions; a criterion that was not given adds nothing. */
class Conditions {
  readonly #conditions: string[] = [];
  readonly #parameters: (string | number)[] = [];

  add<Value>(value: Given<Value>, sql: string, parameters: (value: Value) => (string | number)[]): void {
    if (value === null || value === undefined) return;
    this.#conditions.push(` AND ${sql}`);
    this.#parameters.push(...parameters(value));
  }

  get sql(): FilterSql {
    return { condition: this.#conditions.join(''), parameters: this.#parameters };
  }
}

function addCommon(conditions: Conditions, filter: PersonalBackupFilter): void {
  conditions.add(filter.sender, `m.sender_key ${LIKE}`, (text) => [containing('sender', text, mailboxNeedle)]);
  conditions.add(filter.subject, `m.subject_key ${LIKE}`, (text) => [containing('subject', text, subjectKey)]);
  conditions.add(filter.sizeFrom, 'm.size_bytes >= ?', (bytes) => [bytes]);
  conditions.add(filter.sizeTo, 'm.size_bytes <= ?', (bytes) => [bytes]);
  conditions.add(filter.smtpMessageId, 'm.smtp_message_id = ?', (id) => [id]);
}

const bitsOf = (modules: readonly Module[]) => modules.reduce((bits, module) => bits | MODULE_BITS[module], 0);

/** Conditions for one mailbox's copies: recipient r, message m, verdict v. Action, verdict and sending are the recipient's own (rule S4). */
export function personalFilterSql(filter: PersonalBackupFilter): FilterSql {
  const conditions = new Conditions();
  addCommon(conditions, filter);
  conditions.add(filter.receivedFrom, 'r.received_at >= ?', (date) => [date.getTime()]);
  conditions.add(filter.receivedTo, 'r.received_at <= ?', (date) => [date.getTime()]);
  conditions.add(filter.detectedBy, '(v.detected_by & ?) = ?', (modules) => [bitsOf(modules), bitsOf(modules)]);
  conditions.add(filter.action, 'r.action = ?', (action) => [ACTION_CODES.indexOf(action)]);
  conditions.add(filter.sent, 'CASE WHEN r.sent_at IS NULL THEN 0 ELSE 1 END = ?', (sent) => [sent ? 1 : 0]);
  return conditions.sql;
}

/** Conditions for all messages: message m. */
export function globalFilterSql(filter: BackupFilter): FilterSql {
  const conditions = new Conditions();
  addCommon(conditions, filter);
  conditions.add(filter.receivedFrom, 'm.received_at >= ?', (date) => [date.getTime()]);
  conditions.add(filter.receivedTo, 'm.received_at <= ?', (date) => [date.getTime()]);
  conditions.add(filter.detectedBy, '(m.detected_by & ?) = ?', (modules) => [bitsOf(modules), bitsOf(modules)]);
  conditions.add(filter.action, 'm.action = ?', (action) => [ACTION_CODES.indexOf(action)]);
  conditions.add(filter.sent, 'CASE WHEN m.sent_at IS NULL THEN 0 ELSE 1 END = ?', (sent) => [sent ? 1 : 0]);
  conditions.add(filter.gatewayMessageId, 'm.gateway_message_id = ?', (id) => [id]);
  conditions.add(filter.node, 'm.node = ?', (node) => [node]);
  conditions.add(filter.senderIp, 'm.sender_ip_key BETWEEN ? AND ?', (text) => {
    const range = ipRange(text);
    if (!range)
      throw new BadInputError(
        'filter.senderIp',
        'filter.senderIp must be an IP address or a network such as 192.0.2.0/24 or 2001:db8::/32.',
      );
    return [range.first, range.last];
  });
  // Not EXISTS: MariaDB would turn that into a join and read all recipients before the first message of the page. With a
  // value to compare it walks the list in its order and stops when the page is full.
  conditions.add(
    filter.recipient,
    `(SELECT 1 FROM recipient r WHERE r.message_id = m.id AND r.mailbox ${LIKE} LIMIT 1) = 1`,
    (text) => [containing('recipient', text, mailboxNeedle)],
  );
  conditions.add(
    filter.antiVirusStatus,
    '(SELECT 1 FROM verdict v WHERE v.message_id = m.id AND v.anti_virus = ? LIMIT 1) = 1',
    (status) => [STATUS_CODES.indexOf(status)],
  );
  return conditions.sql;
}
