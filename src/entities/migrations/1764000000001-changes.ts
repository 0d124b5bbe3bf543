import type { MigrationInterface, QueryRunner } from 'typeorm';
import { randomUUID } from 'node:crypto';
import { columnTypes, createTables, dropTables } from './column-types.js';

/** The change feed: one row that hands out places, and one row for each change and topic. */
export class Changes1764000000001 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    const type = columnTypes(runner);
    await createTables(runner, [
      {
        name: 'change_feed',
        columns: [
          `id ${type.small} NOT NULL PRIMARY KEY`,
          `epoch ${type.ascii(36)} NOT NULL`,
          `last_place ${type.integer} NOT NULL`,
          `pruned_place ${type.integer} NOT NULL`,
        ],
      },
      {
        name: 'change_event',
        columns: [
          `place ${type.integer} NOT NULL PRIMARY KEY`,
          `topic ${type.text(340)} NOT NULL`,
          `kind ${type.ascii(16)} NOT NULL`,
          `message_id ${type.integer}`,
          `recipient ${type.integer}`,
          `changed_at ${type.integer} NOT NULL`,
        ],
        indexes: [
          { name: 'change_event_topic', columns: 'topic, place' },
          { name: 'change_event_changed_at', columns: 'changed_at' },
        ],
      },
    ]);
    const existing = (await runner.query('SELECT id FROM change_feed')) as unknown[];
    if (existing.length === 0) {
      await runner.query('INSERT INTO change_feed (id, epoch, last_place, pruned_place) VALUES (1, ?, 0, 0)', [
        randomUUID(),
      ]);
    }
  }

  async down(runner: QueryRunner): Promise<void> {
    await dropTables(runner, ['change_feed', 'change_event']);
  }
}
