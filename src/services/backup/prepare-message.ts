import type { HandOver } from '../../entities/vocabulary.js';
import type { MessageSummary } from '../intake/summarise-message.js';
import { CHUNK_BYTES, type Content, type ContentChunk, packContent } from './content-store.js';
import { type MessageRows, messageRows } from './message-rows.js';

/** A message that was received whole and waits to be stored. */
export interface ReceivedMessage {
  readonly handOver: HandOver;
  readonly content: Content;
  readonly summary: MessageSummary;
  /** How it came in: import, http, rspamd, lmtp. */
  readonly source: string;
}

/** A message that only has to be written. */
export interface PreparedMessage {
  readonly rows: MessageRows;
  readonly received: ReceivedMessage;
  /** Packed beforehand; undefined for large contents, which are packed while they are written. */
  readonly chunks: ContentChunk[] | undefined;
}

/** Makes the rows of a message, and packs a small one, outside of any transaction. */
export async function prepareMessage(received: ReceivedMessage): Promise<PreparedMessage> {
  const { handOver, summary, content, source } = received;
  return {
    rows: messageRows(handOver, summary, content.sha256, content.sizeBytes, source, Date.now()),
    received,
    chunks: content.sizeBytes <= CHUNK_BYTES ? await packContent(content) : undefined,
  };
}
