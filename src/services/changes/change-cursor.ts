import { BadInputError } from '../../errors.js';

/** A place in the change feed; the epoch names the feed, so that a cursor of another database is recognised. */
export interface ChangeCursor {
  readonly epoch: string;
  readonly place: number;
}

/** The opaque text that clients keep. */
export function encodeChangeCursor(cursor: ChangeCursor): string {
  return Buffer.from(`${cursor.epoch}/${cursor.place}`).toString('base64url');
}

/** Reads a client's cursor; throws {@link BadInputError} for what was never one. */
export function decodeChangeCursor(text: string, field = 'after'): ChangeCursor {
  const match = /^([0-9a-f-]{36})\/(\d{1,15})$/.exec(Buffer.from(text, 'base64url').toString('latin1'));
  if (!match?.[1] || !match[2]) {
    throw new BadInputError(
      field,
      `${field} is no cursor of the change feed. Use one that an answer or an event gave, or leave it out.`,
    );
  }
  return { epoch: match[1], place: Number(match[2]) };
}
