import type { MigrationInterface, QueryRunner } from 'typeorm';
import { columnTypes, createTables, dropTables } from './column-types.js';

/** Operations on messages, what became of each message in them, and the queue of what is to be sent (rules D7 to D10). */
export class Sending1764000000006 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    const type = columnTypes(runner);
    await createTables(runner, [
      {
        name: 'operation',
        columns: [
          `id ${type.id}`,
          `public_id ${type.ascii(36)} NOT NULL`,
          `kind ${type.ascii(8)} NOT NULL`,
          `scope ${type.ascii(8)} NOT NULL`,
          `state ${type.ascii(8)} NOT NULL`,
          `owner ${type.ascii(80)} NOT NULL`,
          // The owner while it runs, then NULL: the unique index lets one run at a time (rule D10).
          `running_owner ${type.ascii(80)}`,
          `actor ${type.text(320)} NOT NULL`,
          `remote_address ${type.ascii(45)} NOT NULL`,
          `idempotency_key ${type.text(128)}`,
          `fingerprint ${type.ascii(64)} NOT NULL`,
          `cancelled ${type.small} NOT NULL`,
          `total ${type.integer} NOT NULL`,
          `done ${type.integer} NOT NULL`,
          `failed ${type.integer} NOT NULL`,
          `created_at ${type.integer} NOT NULL`,
          `started_at ${type.integer}`,
          `finished_at ${type.integer}`,
          `lease_owner ${type.ascii(36)}`,
          `lease_until ${type.integer} NOT NULL`,
        ],
        indexes: [
          { name: 'operation_public_id', columns: 'public_id', unique: true },
          { name: 'operation_running_owner', columns: 'running_owner', unique: true },
          { name: 'operation_idempotency_key', columns: 'owner, idempotency_key', unique: true },
          { name: 'operation_state', columns: 'state, kind' },
          { name: 'operation_finished_at', columns: 'finished_at' },
        ],
      },
      {
        name: 'operation_item',
        columns: [
          `operation_id ${type.integer} NOT NULL`,
          `position ${type.integer} NOT NULL`,
          `given_id ${type.text(255)} NOT NULL`,
          `message_id ${type.integer}`,
          `recipient ${type.integer}`,
          `outcome ${type.ascii(10)} NOT NULL`,
          `reason ${type.ascii(32)}`,
          `smtp_answer ${type.text(1000)}`,
          'PRIMARY KEY (operation_id, position)',
          'FOREIGN KEY (operation_id) REFERENCES operation (id) ON DELETE CASCADE',
        ],
        indexes: [{ name: 'operation_item_outcome', columns: 'operation_id, outcome, position' }],
      },
      {
        // Without a foreign key to the message: what is queued for a message that is deleted meanwhile has to be told, not to vanish.
        name: 'sending',
        columns: [
          `id ${type.id}`,
          `operation_id ${type.integer} NOT NULL`,
          `position ${type.integer} NOT NULL`,
          `message_id ${type.integer} NOT NULL`,
          `recipient ${type.integer}`,
          `mailbox ${type.text(320)} NOT NULL`,
          `address ${type.text(320)} NOT NULL`,
          `owner ${type.ascii(80)} NOT NULL`,
          `actor ${type.text(320)} NOT NULL`,
          `format ${type.ascii(16)} NOT NULL`,
          `remove_message_id ${type.small} NOT NULL`,
          `envelope_from ${type.text(320)} NOT NULL`,
          `smtp_message_id ${type.text(400)} NOT NULL`,
          `requested_at ${type.integer} NOT NULL`,
          `state ${type.ascii(10)} NOT NULL`,
          `attempts ${type.integer} NOT NULL`,
          `next_attempt_at ${type.integer}`,
          `lease_owner ${type.ascii(36)}`,
          `lease_until ${type.integer}`,
          // Set just before the last byte goes out: from then on a crash leaves the outcome unknown.
          `completing_at ${type.integer}`,
          `smtp_reply ${type.text(1000)}`,
          `reason ${type.text(1000)}`,
          `last_attempt_at ${type.integer}`,
        ],
        indexes: [
          { name: 'sending_due', columns: 'state, next_attempt_at, id' },
          { name: 'sending_lease', columns: 'state, lease_until' },
          { name: 'sending_message', columns: 'message_id, id' },
          { name: 'sending_operation', columns: 'operation_id, position' },
        ],
      },
    ]);
  }

  async down(runner: QueryRunner): Promise<void> {
    await dropTables(runner, ['operation', 'operation_item', 'sending']);
  }
}
