import type { Transaction } from '../../entities/database.js';

/** What is written down: who did what to what, from where, and how it ended. */
export interface AuditRecord {
  /** "account:<login>", "person:<login>", "token:<name>" or "system". */
  readonly actor: string;
  /** Client address; empty for the program itself. */
  readonly remoteAddress: string;
  readonly event: AuditEvent;
  readonly outcome: 'DONE' | 'REFUSED' | 'FAILED';
  /** What it was done to, such as "message:42"; empty when the event says it. */
  readonly subject?: string;
  /** Further facts; never a credential (rule L8) and never content. */
  readonly details?: Readonly<Record<string, unknown>>;
}

/** Everything that is audited. */
export type AuditEvent =
  | 'SIGN_IN'
  | 'SIGN_OUT'
  | 'PERSONAL_BACKUP_SETTINGS_UPDATE'
  | 'BACKUP_SETTINGS_UPDATE'
  | 'MESSAGE_READ'
  | 'MESSAGE_DOWNLOAD'
  | 'LDAP_CONNECTION_CREATE'
  | 'LDAP_CONNECTION_UPDATE'
  | 'LDAP_CONNECTION_DELETE'
  | 'DIRECTORY_SYNCHRONIZE'
  | 'API_TOKEN_CREATE'
  | 'API_TOKEN_REVOKE'
  | 'ACCOUNT_CREATE'
  | 'ACCOUNT_UPDATE'
  | 'ACCOUNT_DELETE'
  | 'PASSWORD_CHANGE'
  | 'ROLE_CREATE'
  | 'ROLE_UPDATE'
  | 'ROLE_DELETE'
  | 'ROLE_ASSIGN'
  | 'ROLE_WITHDRAW'
  | 'SEND_REQUEST'
  | 'SEND_RESULT'
  | 'SEND_FINISH'
  | 'DELETE_REQUEST'
  | 'DELETE_FINISH'
  | 'RESTORE_REQUEST'
  | 'RESTORE_FINISH'
  | 'OPERATION_CANCEL';

/** Writes an audit entry in the transaction of what it tells of. */
export async function recordAudit(transaction: Transaction, record: AuditRecord): Promise<void> {
  await recordAudits(transaction, [record]);
}

/** Writes several audit entries in the transaction of what they tell of. */
export async function recordAudits(transaction: Transaction, records: readonly AuditRecord[]): Promise<void> {
  const now = Date.now();
  await transaction.insert(
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
