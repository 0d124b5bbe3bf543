import type { MigrationInterface, QueryRunner } from 'typeorm';
import { columnTypes, createTables, dropTables } from './column-types.js';

/** Backup itself: contents in chunks, messages, what the gateway did with them, and for whom. */
export class Backup1764000000002 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    const type = columnTypes(runner);
    await createTables(runner, [
      {
        name: 'content',
        columns: [
          `id ${type.id}`,
          `sha256 ${type.ascii(64)} NOT NULL`,
          `size_bytes ${type.integer} NOT NULL`,
          `stored_bytes ${type.integer} NOT NULL`,
        ],
        indexes: [{ name: 'content_sha256', columns: 'sha256', unique: true }],
      },
      {
        name: 'content_chunk',
        columns: [
          `content_id ${type.integer} NOT NULL`,
          `position ${type.integer} NOT NULL`,
          `deflated ${type.small} NOT NULL`,
          `bytes ${type.bytes} NOT NULL`,
          'PRIMARY KEY (content_id, position)',
          'FOREIGN KEY (content_id) REFERENCES content (id) ON DELETE CASCADE',
        ],
      },
      {
        name: 'message',
        columns: [
          `id ${type.id}`,
          `hand_over_key ${type.ascii(64)} NOT NULL`,
          `content_id ${type.integer} NOT NULL`,
          `source ${type.ascii(16)} NOT NULL`,
          `received_at ${type.integer} NOT NULL`,
          `stored_at ${type.integer} NOT NULL`,
          `sender ${type.text(320)}`,
          `sender_key ${type.text(320)} NOT NULL`,
          `sender_ip ${type.ascii(45)}`,
          `sender_ip_key ${type.ascii(32)}`,
          `subject ${type.text(998)} NOT NULL`,
          `subject_key ${type.text(700)} NOT NULL`,
          `size_bytes ${type.integer} NOT NULL`,
          `gateway_message_id ${type.text(255)}`,
          `smtp_message_id ${type.text(700)}`,
          `node ${type.text(255)}`,
          `action ${type.small} NOT NULL`,
          `detected_by ${type.small} NOT NULL`,
          `has_html ${type.small} NOT NULL`,
          `attachments ${type.longText} NOT NULL`,
          `sent_at ${type.integer}`,
          'FOREIGN KEY (content_id) REFERENCES content (id)',
        ],
        indexes: [
          { name: 'message_hand_over_key', columns: 'hand_over_key', unique: true },
          { name: 'message_content', columns: 'content_id' },
          { name: 'message_received_at', columns: 'received_at, id' },
          { name: 'message_size_bytes', columns: 'size_bytes, id' },
          { name: 'message_sender_key', columns: 'sender_key, id' },
          { name: 'message_subject_key', columns: 'subject_key, id' },
          { name: 'message_sender_ip_key', columns: 'sender_ip_key' },
          { name: 'message_gateway_message_id', columns: 'gateway_message_id' },
          { name: 'message_smtp_message_id', columns: 'smtp_message_id' },
        ],
      },
      {
        name: 'verdict',
        columns: [
          `message_id ${type.integer} NOT NULL`,
          `position ${type.small} NOT NULL`,
          `rule_name ${type.text(255)} NOT NULL`,
          `action ${type.small} NOT NULL`,
          `detected_by ${type.small} NOT NULL`,
          `anti_virus ${type.small}`,
          `anti_phishing ${type.small}`,
          `link_scanning ${type.small}`,
          `scan_results ${type.longText} NOT NULL`,
          `reason ${type.text(1000)}`,
          'PRIMARY KEY (message_id, position)',
          'FOREIGN KEY (message_id) REFERENCES message (id) ON DELETE CASCADE',
        ],
      },
      {
        name: 'recipient',
        columns: [
          `message_id ${type.integer} NOT NULL`,
          `position ${type.integer} NOT NULL`,
          `verdict ${type.small} NOT NULL`,
          `mailbox ${type.text(320)} NOT NULL`,
          `address ${type.text(320)} NOT NULL`,
          `kind ${type.ascii(3)} NOT NULL`,
          `action ${type.small} NOT NULL`,
          `visibility ${type.small} NOT NULL`,
          `received_at ${type.integer} NOT NULL`,
          `sent_at ${type.integer}`,
          'PRIMARY KEY (message_id, position)',
          'FOREIGN KEY (message_id) REFERENCES message (id) ON DELETE CASCADE',
        ],
        indexes: [{ name: 'recipient_mailbox', columns: 'mailbox, visibility, received_at, message_id' }],
      },
    ]);
  }

  async down(runner: QueryRunner): Promise<void> {
    await dropTables(runner, ['content', 'content_chunk', 'message', 'verdict', 'recipient']);
  }
}
