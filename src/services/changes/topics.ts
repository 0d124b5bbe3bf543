/** What a change is about: followers name the topics they want, so an event costs only those who follow its topic. */
export const topics = {
  /** Every message of Backup, for administrators. */
  backup: 'backup',
  /** Messages to one address, given as its mailbox key. */
  mailbox: (mailboxKey: string): string => `mailbox:${mailboxKey}`,
  /** What personal Backup allows, for everybody. */
  personalBackupSettings: 'personal-backup-settings',
  /** What one person of the directory may see, given as the person's lasting identity. */
  person: (directoryId: string): string => `person:${directoryId}`,
  /** State of directory connections. */
  directory: 'directory',
  /** The end of one session. */
  session: (sessionId: number): string => `session:${sessionId}`,
  /** Progress of one operation. */
  operation: (operationId: string): string => `operation:${operationId}`,
} as const;

/** Whether a topic tells of a session's end. */
export const isSessionTopic = (topic: string): boolean => topic.startsWith('session:');
