import type { Transaction } from '../../entities/database.js';
import type { ContentChunk } from './content-store.js';
import type { MessageRows } from './message-rows.js';

/** The server did not number the rows of one statement in a row; nothing was committed. */
export class UnexpectedIdsError extends Error {}

/** A message that is stored with its content. */
export interface NewMessage {
  readonly rows: MessageRows;
  readonly received: { readonly content: { readonly sha256: string; readonly sizeBytes: number } };
  readonly chunks: readonly ContentChunk[] | undefined;
}

/**
 * Inserts messages and their packed contents in one packet, none of which may be there yet: a unique key that says otherwise
 * is thrown. Gives the ids by key of the hand-over and the bytes that were added. Messages must differ by their keys; only
 * for bundled transactions of MariaDB/MySQL.
 */
export async function insertNew(
  transaction: Transaction,
  items: readonly NewMessage[],
): Promise<{ ids: Map<string, number>; bytes: number }> {
  const contents = [...new Map(items.map((item) => [item.received.content.sha256, item]))];
  const positions = new Map(contents.map(([sha256], position) => [sha256, position]));
  const stored = contents.map(([, { chunks }]) => (chunks ?? []).reduce((sum, chunk) => sum + chunk.bytes.length, 0));
  const contentIds = await transaction.insertForIdsLater(
    'content',
    contents.map(([sha256, { received }], position) => ({
      sha256,
      size_bytes: received.content.sizeBytes,
      stored_bytes: stored[position] as number,
    })),
    'sha256',
  );
  // What the statements below call the id of a content; its place among the contents goes in as a value.
  const marks = { content_id: transaction.idOfRow('content') };
  await transaction.insertLater(
    'content_chunk',
    contents.flatMap(([, { chunks }], content) =>
      (chunks ?? []).map(({ deflated, bytes }, position) => ({ content_id: content, position, deflated, bytes })),
    ),
    marks,
  );
  const inserted = await transaction.insertForRows<{ id: number; handOverKey: string; contentId: number }>(
    'message',
    items.map(({ rows, received }) => ({
      ...rows.message,
      content_id: positions.get(received.content.sha256) as number,
    })),
    'hand_over_key',
    'id, hand_over_key AS handOverKey, content_id AS contentId',
    marks,
  );
  // Each content has a message: compared for these, the ids hold for the pieces as well.
  const actual = new Map(inserted.map((row) => [row.handOverKey, row]));
  for (const { rows, received } of items) {
    const row = actual.get(rows.handOverKey);
    if (!row || row.contentId !== contentIds.get(received.content.sha256))
      throw new UnexpectedIdsError('The server does not number the rows of one statement in a row.');
  }
  return {
    ids: new Map(inserted.map(({ id, handOverKey }) => [handOverKey, id])),
    bytes: stored.reduce((sum, each) => sum + each, 0),
  };
}
