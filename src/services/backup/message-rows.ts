import { hash } from 'node:crypto';
import type { SqlRow } from '../../entities/database.js';
import { mailboxKey, MAX_ADDRESS_LENGTH } from '../../entities/mailbox-key.js';
import {
  ACTION_CODES,
  type GatewayAction,
  type HandOver,
  Module,
  MODULE_BITS,
  type ScanResult,
  ScanStatus,
  STATUS_CODES,
} from '../../entities/vocabulary.js';
import type { NewChange } from '../changes/change-feed.js';
import { topics } from '../changes/topics.js';
import { recipientKinds } from '../intake/recipient-kind.js';
import type { MessageSummary } from '../intake/summarise-message.js';
import { ipKey } from './ip-key.js';
import { initialVisibility, Visibility } from './visibility.js';

const CLEAN: ReadonlySet<ScanStatus> = new Set([
  ScanStatus.NOT_DETECTED,
  ScanStatus.NOT_SCANNED,
  ScanStatus.BASES_ERROR,
  ScanStatus.SCAN_ERROR,
  ScanStatus.TRUSTED,
  ScanStatus.FORMAL,
  ScanStatus.NO_VIOLATION,
]);

/** Longest text that lists are ordered and searched by, in characters: an index entry may have 3072 bytes. */
export const SORT_KEY_LENGTH = 700;

/** The form in which subjects are compared: compatibility composition, lower case. */
export function subjectKey(subject: string): string {
  return subject.normalize('NFKC').toLowerCase().slice(0, SORT_KEY_LENGTH);
}

/** One bit for each module that found something. */
export function detectedBits(results: readonly ScanResult[]): number {
  return results.reduce((bits, result) => (CLEAN.has(result.status) ? bits : bits | MODULE_BITS[result.module]), 0);
}

/** The modules behind a set of bits. */
export function modulesOf(bits: number): Module[] {
  return Object.values(Module).filter((module) => (bits & MODULE_BITS[module]) !== 0);
}

/** Everything that is stored of one hand-over besides its bytes; ids are added when they are known. */
export interface MessageRows {
  readonly handOverKey: string;
  readonly message: SqlRow;
  readonly verdicts: readonly SqlRow[];
  readonly recipients: readonly SqlRow[];
  /** The changes to tell of, given the message's id. */
  changes(messageId: number): NewChange[];
}

const cut = (text: string | null, length: number): string | null => text && text.slice(0, length);

function statusCode(results: readonly ScanResult[], module: Module): number | null {
  const status = results.find((result) => result.module === module)?.status;
  return status === undefined ? null : STATUS_CODES.indexOf(status);
}

/** The same hand-over has the same key (rule S5): gateway id, recipients and bytes, whatever order and case they come in. */
export function handOverKey(handOver: HandOver, sha256: string): string {
  const recipients = [...new Set(handOver.verdicts.flatMap((verdict) => verdict.recipients.map(mailboxKey)))].sort();
  return hash('sha256', JSON.stringify([handOver.gatewayMessageId, recipients, sha256]), 'hex');
}

/** Turns a hand-over into rows: one verdict for each group of recipients, each mailbox once with its strictest verdict (rule S4). */
export function messageRows(
  handOver: HandOver,
  summary: MessageSummary,
  sha256: string,
  sizeBytes: number,
  source: string,
  storedAtMs: number,
): MessageRows {
  const key = handOverKey(handOver, sha256);
  const verdicts = handOver.verdicts.map((verdict, position) => ({
    position,
    rule_name: verdict.ruleName.slice(0, 255),
    action: ACTION_CODES.indexOf(verdict.action),
    detected_by: detectedBits(verdict.scanResults),
    anti_virus: statusCode(verdict.scanResults, Module.ANTI_VIRUS),
    anti_phishing: statusCode(verdict.scanResults, Module.ANTI_PHISHING),
    link_scanning: statusCode(verdict.scanResults, Module.LINK_SCANNING),
    scan_results: JSON.stringify(verdict.scanResults),
    reason: cut(verdict.reason, 1000),
  }));
  const strictest = new Map<string, { address: string; verdict: number; action: GatewayAction }>();
  handOver.verdicts.forEach((verdict, position) => {
    for (const address of verdict.recipients) {
      const mailbox = mailboxKey(address);
      const known = strictest.get(mailbox);
      if (!known || ACTION_CODES.indexOf(known.action) < ACTION_CODES.indexOf(verdict.action)) {
        strictest.set(mailbox, { address: known?.address ?? address, verdict: position, action: verdict.action });
      }
    }
  });
  const kinds = recipientKinds([...strictest.keys()], summary.headerTo, summary.headerCc);
  const recipients = [...strictest].map(([mailbox, { address, verdict, action }], position) => ({
    position,
    verdict,
    mailbox,
    address: address.slice(0, MAX_ADDRESS_LENGTH),
    kind: kinds[position] as string,
    action: ACTION_CODES.indexOf(action),
    visibility: initialVisibility(action) as number,
    received_at: handOver.receivedAtMs,
    sent_at: null,
  }));
  return {
    handOverKey: key,
    verdicts,
    recipients,
    message: {
      hand_over_key: key,
      source,
      received_at: handOver.receivedAtMs,
      stored_at: storedAtMs,
      sender: cut(handOver.sender, MAX_ADDRESS_LENGTH),
      sender_key: handOver.sender === null ? '' : mailboxKey(handOver.sender),
      sender_ip: cut(handOver.senderIp, 45),
      sender_ip_key: handOver.senderIp === null ? null : ipKey(handOver.senderIp),
      subject: summary.subject.slice(0, 998),
      subject_key: subjectKey(summary.subject),
      size_bytes: sizeBytes,
      gateway_message_id: cut(handOver.gatewayMessageId, 255),
      smtp_message_id: cut(summary.smtpMessageId, SORT_KEY_LENGTH),
      node: cut(handOver.node, 255),
      action: Math.max(0, ...verdicts.map((verdict) => verdict.action)),
      detected_by: verdicts.reduce((bits, verdict) => bits | verdict.detected_by, 0),
      has_html: summary.hasHtml ? 1 : 0,
      attachments: JSON.stringify(summary.attachments),
      sent_at: null,
      loop_sent_at: summary.loopMark?.sentAtMs ?? null,
    },
    changes: (messageId) => [
      { topic: topics.backup, kind: 'STORED', messageId },
      ...recipients
        .filter((recipient) => recipient.visibility === (Visibility.LISTED as number))
        .map((recipient): NewChange => ({
          topic: topics.mailbox(recipient.mailbox),
          kind: 'STORED',
          messageId,
          recipient: recipient.position,
        })),
    ],
  };
}
