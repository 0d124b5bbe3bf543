/** What a role lets its holder do (rule V2). */
export enum Permission {
  BACKUP_VIEW = 'BACKUP_VIEW',
  BACKUP_READ = 'BACKUP_READ',
  BACKUP_DOWNLOAD = 'BACKUP_DOWNLOAD',
  BACKUP_SEND_TO_RECIPIENTS = 'BACKUP_SEND_TO_RECIPIENTS',
  BACKUP_SEND_TO_ANYONE = 'BACKUP_SEND_TO_ANYONE',
  BACKUP_DELETE = 'BACKUP_DELETE',
  SETTINGS_VIEW = 'SETTINGS_VIEW',
  SETTINGS_EDIT = 'SETTINGS_EDIT',
  ACCOUNTS_VIEW = 'ACCOUNTS_VIEW',
  ACCOUNTS_EDIT = 'ACCOUNTS_EDIT',
  AUDIT_VIEW = 'AUDIT_VIEW',
}

/** What each permission allows, in one sentence. */
export const PERMISSION_DESCRIPTIONS: Readonly<Record<Permission, string>> = {
  [Permission.BACKUP_VIEW]: 'See the list and the cards of all messages, statistics and storage.',
  [Permission.BACKUP_READ]: 'Read the content of any message; each reading is audited (rule P5).',
  [Permission.BACKUP_DOWNLOAD]:
    'Download the source and the attachments of any message; each download is audited (rule P5).',
  [Permission.BACKUP_SEND_TO_RECIPIENTS]: 'Send any message to its original recipients (rule D6).',
  [Permission.BACKUP_SEND_TO_ANYONE]: 'Send any message to any address (rule D6).',
  [Permission.BACKUP_DELETE]: 'Delete messages for everybody, bytes included (rule X4).',
  [Permission.SETTINGS_VIEW]: 'See settings and directory connections.',
  [Permission.SETTINGS_EDIT]: 'Change settings and directory connections.',
  [Permission.ACCOUNTS_VIEW]: 'See accounts, roles and API tokens.',
  [Permission.ACCOUNTS_EDIT]: 'Change accounts, roles and API tokens.',
  [Permission.AUDIT_VIEW]: 'Read the audit log.',
};
