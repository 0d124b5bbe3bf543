import type { Database } from '../../entities/database.js';
import {
  ACTION_CODES,
  type AttachmentSummary,
  type GatewayAction,
  type RecipientKind,
  type ScanResult,
} from '../../entities/vocabulary.js';
import { marksFor } from '../../entities/marks-for.js';
import { type BackupFilter, globalFilterSql } from './message-filter.js';
import { ORDER_COLUMNS, type Page, type PageOf, pageOf, pageSql } from './message-order.js';
import { Visibility } from './visibility.js';

/** A message of Backup as administrators see it. */
export interface StoredMessage {
  readonly messageId: number;
  readonly contentId: number;
  readonly receivedAtMs: number;
  readonly sender: string | null;
  readonly senderKey: string;
  readonly senderIp: string | null;
  readonly subject: string;
  readonly subjectKey: string;
  readonly sizeBytes: number;
  readonly gatewayMessageId: string | null;
  readonly smtpMessageId: string | null;
  readonly node: string | null;
  /** The strictest over all recipients (rule S4). */
  readonly action: GatewayAction;
  readonly detectedBits: number;
  readonly attachments: () => readonly AttachmentSummary[];
  readonly hasHtml: boolean;
  readonly sent: boolean;
  /** When Backup itself sent this message, as the loop mark on it says; null for all that came from elsewhere. */
  readonly loopSentAtMs: number | null;
}

/** What one group of recipients met (rule S4). */
export interface StoredVerdict {
  readonly messageId: number;
  readonly position: number;
  readonly ruleName: string;
  readonly action: GatewayAction;
  readonly scanResults: readonly ScanResult[];
  readonly reason: string | null;
}

/** An envelope recipient of a message. */
export interface StoredRecipient {
  readonly messageId: number;
  readonly verdict: number;
  readonly address: string;
  readonly kind: RecipientKind;
  readonly action: GatewayAction;
  /** Whether personal Backup shows the copy to anybody. */
  readonly hidden: boolean;
  readonly sent: boolean;
}

interface MessageRow extends Omit<StoredMessage, 'action' | 'attachments' | 'hasHtml' | 'sent'> {
  action: number;
  attachments: string;
  hasHtml: number;
  sentAt: number | null;
}

const MESSAGE = `
  m.id AS messageId, m.content_id AS contentId, m.received_at AS receivedAtMs, m.sender, m.sender_key AS senderKey,
  m.sender_ip AS senderIp, m.subject, m.subject_key AS subjectKey, m.size_bytes AS sizeBytes,
  m.gateway_message_id AS gatewayMessageId, m.smtp_message_id AS smtpMessageId, m.node, m.action,
  m.detected_by AS detectedBits, m.attachments, m.has_html AS hasHtml, m.sent_at AS sentAt,
  m.loop_sent_at AS loopSentAtMs`;

/** Reads all messages of Backup, for viewers with the permission BACKUP_VIEW. */
export class GlobalMessages {
  constructor(private readonly database: Database) {}

  /** One page of all messages: a single statement. */
  async list(filter: BackupFilter, page: Page): Promise<PageOf<StoredMessage>> {
    const paging = pageSql(page, `m.${ORDER_COLUMNS[page.order.field]}`, 'm.id');
    const narrowing = globalFilterSql(filter);
    const rows = await this.database.rows<MessageRow>(
      `SELECT ${MESSAGE} FROM message m WHERE 1 = 1${narrowing.condition}${paging.condition} ORDER BY ${paging.orderBy} LIMIT ${page.size + 1}`,
      [...narrowing.parameters, ...paging.parameters],
    );
    return pageOf(page, rows.map(messageOf));
  }

  /** Those of the named messages that exist and that the filter lets through. */
  async find(messageIds: readonly number[], filter: BackupFilter = {}): Promise<StoredMessage[]> {
    if (messageIds.length === 0) return [];
    const narrowing = globalFilterSql(filter);
    const rows = await this.database.rows<MessageRow>(
      `SELECT ${MESSAGE} FROM message m WHERE m.id IN (${marksFor(messageIds)})${narrowing.condition}`,
      [...messageIds, ...narrowing.parameters],
    );
    return rows.map(messageOf);
  }

  /** The verdicts of several messages, in one statement. */
  async verdicts(messageIds: readonly number[]): Promise<StoredVerdict[]> {
    const rows = await this.database.rows<
      Omit<StoredVerdict, 'action' | 'scanResults'> & { action: number; scanResults: string }
    >(
      `SELECT message_id AS messageId, position, rule_name AS ruleName, action, scan_results AS scanResults, reason
         FROM verdict WHERE message_id IN (${marksFor(messageIds)}) ORDER BY message_id, position`,
      messageIds,
    );
    return rows.map((row) => ({
      ...row,
      action: ACTION_CODES[row.action] as GatewayAction,
      scanResults: JSON.parse(row.scanResults) as ScanResult[],
    }));
  }

  /** The recipients of several messages, in one statement. */
  async recipients(messageIds: readonly number[]): Promise<StoredRecipient[]> {
    const rows = await this.database.rows<{
      messageId: number;
      verdict: number;
      address: string;
      kind: RecipientKind;
      action: number;
      visibility: number;
      sentAt: number | null;
    }>(
      `SELECT message_id AS messageId, verdict, address, kind, action, visibility, sent_at AS sentAt
         FROM recipient WHERE message_id IN (${marksFor(messageIds)}) ORDER BY message_id, position`,
      messageIds,
    );
    return rows.map(({ visibility, sentAt, ...row }) => ({
      ...row,
      action: ACTION_CODES[row.action] as GatewayAction,
      hidden: visibility !== (Visibility.LISTED as number),
      sent: sentAt !== null,
    }));
  }
}

function messageOf({ action, attachments, hasHtml, sentAt, ...row }: MessageRow): StoredMessage {
  return {
    ...row,
    action: ACTION_CODES[action] as GatewayAction,
    attachments: () => JSON.parse(attachments) as AttachmentSummary[],
    hasHtml: Boolean(hasHtml),
    sent: sentAt !== null,
  };
}
