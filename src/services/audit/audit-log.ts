import type { Transaction } from '../../entities/database.js';

/** What is written down: who did what to what, from where, and how it ended. */
export interface AuditRecord {
  /** "account:<login>", "person:<login>", "token:<name>" or "system". */
  readonly actor: string;
  /** Client address; empty for the program itself. */
  readonly remoteAddress: string;
  readonly event: AuditEvent;
  readonly outcome: AuditOutcome;
  /** What it was done to, such as "message:42"; empty when the event says it. */
  readonly subject?: string;
  /** Further facts; never a credential (rule L8) and never content. */
  readonly details?: Readonly<Record<string, unknown>>;
}

/** Everything that is audited. */
export const AuditEvent = {
  SIGN_IN: 'SIGN_IN',
  SIGN_OUT: 'SIGN_OUT',
  PERSONAL_BACKUP_SETTINGS_UPDATE: 'PERSONAL_BACKUP_SETTINGS_UPDATE',
  BACKUP_SETTINGS_UPDATE: 'BACKUP_SETTINGS_UPDATE',
  MESSAGE_READ: 'MESSAGE_READ',
  MESSAGE_DOWNLOAD: 'MESSAGE_DOWNLOAD',
  LDAP_CONNECTION_CREATE: 'LDAP_CONNECTION_CREATE',
  LDAP_CONNECTION_UPDATE: 'LDAP_CONNECTION_UPDATE',
  LDAP_CONNECTION_DELETE: 'LDAP_CONNECTION_DELETE',
  DIRECTORY_SYNCHRONIZE: 'DIRECTORY_SYNCHRONIZE',
  API_TOKEN_CREATE: 'API_TOKEN_CREATE',
  API_TOKEN_REVOKE: 'API_TOKEN_REVOKE',
  ACCOUNT_CREATE: 'ACCOUNT_CREATE',
  ACCOUNT_UPDATE: 'ACCOUNT_UPDATE',
  ACCOUNT_DELETE: 'ACCOUNT_DELETE',
  PASSWORD_CHANGE: 'PASSWORD_CHANGE',
  ROLE_CREATE: 'ROLE_CREATE',
  ROLE_UPDATE: 'ROLE_UPDATE',
  ROLE_DELETE: 'ROLE_DELETE',
  ROLE_ASSIGN: 'ROLE_ASSIGN',
  ROLE_WITHDRAW: 'ROLE_WITHDRAW',
  SEND_REQUEST: 'SEND_REQUEST',
  SEND_RESULT: 'SEND_RESULT',
  SEND_FINISH: 'SEND_FINISH',
  DELETE_REQUEST: 'DELETE_REQUEST',
  DELETE_FINISH: 'DELETE_FINISH',
  RESTORE_REQUEST: 'RESTORE_REQUEST',
  RESTORE_FINISH: 'RESTORE_FINISH',
  OPERATION_CANCEL: 'OPERATION_CANCEL',
} as const;
/** One of {@link AuditEvent}. */
export type AuditEvent = keyof typeof AuditEvent;

/** How what was audited went. */
export const AuditOutcome = { DONE: 'DONE', REFUSED: 'REFUSED', FAILED: 'FAILED' } as const;
/** One of {@link AuditOutcome}. */
export type AuditOutcome = keyof typeof AuditOutcome;

/** Writes an audit entry in the transaction of what it tells of. */
export async function recordAudit(transaction: Transaction, record: AuditRecord): Promise<void> {
  await recordAudits(transaction, [record]);
}

/** Writes several audit entries in the transaction of what they tell of; in a bundled one, with its next statement. */
export async function recordAudits(transaction: Transaction, records: readonly AuditRecord[]): Promise<void> {
  const now = Date.now();
  await transaction.insertLater(
    'audit_entry',
    records.map((record) => ({
      at: now,
      actor: record.actor.slice(0, 320),
      remote_address: record.remoteAddress,
      event: record.event,
      outcome: record.outcome,
      subject: (record.subject ?? '').slice(0, 320),
      details: JSON.stringify(record.details ?? {}),
    })),
  );
}
