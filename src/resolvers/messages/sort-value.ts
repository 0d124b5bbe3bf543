import { BackupOrderField, type MessageOrder } from '../../services/backup/message-order.js';

/** What both kinds of messages carry of the values that lists are ordered by. */
interface Sortable {
  readonly receivedAtMs: number;
  readonly sizeBytes: number;
  readonly senderKey: string;
  readonly subjectKey: string;
}

/** The value by which a message stands where it stands; it becomes part of the cursor. */
export function sortValue(message: Sortable, { field }: MessageOrder): string | number {
  switch (field) {
    case BackupOrderField.RECEIVED_AT:
      return message.receivedAtMs;
    case BackupOrderField.SIZE:
      return message.sizeBytes;
    case BackupOrderField.SENDER:
      return message.senderKey;
    case BackupOrderField.SUBJECT:
      return message.subjectKey;
  }
}
