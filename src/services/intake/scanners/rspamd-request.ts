import { limited, bodyOf, peek, type RequestSource } from './byte-source.js';
import { HandOverUnreadableError } from './hand-over-errors.js';
import { JsonHandOver, parseMetadata } from './json-hand-over.js';
import { readMsgpackHandOver } from './msgpack-hand-over.js';
import { readMultipartHandOver } from './multipart-hand-over.js';
import {
  RSPAMD_HEADER_PREFIX,
  type RspamdMetadata,
  readRspamdMetadata,
  rspamdHeaderFields,
} from './rspamd-metadata.js';
import { SpillBuffer } from './spill-buffer.js';

/** How much of a request is taken. */
export interface RspamdRequestLimits {
  /** Largest message, bytes; stops a sender from filling the disk. */
  readonly messageBytes: number;
  /** Largest metadata, bytes; it is held in memory. */
  readonly metadataBytes: number;
  /** Bytes of one message that are held in memory when it comes before its metadata; the rest goes to a file. */
  readonly memoryBytes: number;
  /** Folder for such files; must exist. */
  readonly temporaryFolder: string;
  /** `meta_header_prefix` of the exporter's rule; X-Rspamd- when absent. */
  readonly headerPrefix?: string;
}

/** The forms that rspamd's exporter has. */
export type RspamdForm = 'RAW' | 'MULTIPART' | 'JSON' | 'MSGPACK';

/** A hand-over of rspamd whose metadata is known and whose message can be read once. */
export interface RspamdRequest {
  readonly form: RspamdForm;
  readonly metadata: RspamdMetadata;
  /** The message byte for byte; throws when the request is cut, or the message passes the limit. */
  readonly message: AsyncIterable<Buffer>;
  /** Frees what was kept; call it in any case, after success as well. */
  discard(): Promise<void>;
}

const FIRST_FIELDS =
  'action|from|fuzzy|header_[a-z]+|ip|message|message_id|qid|rcpt|rspamd_server|scan_time|score|size|subject|symbols|unix_time|user|uuid';
const JSON_START = new RegExp(`^\\s*\\{\\s*"(?:${FIRST_FIELDS})"\\s*:`);
const OBJECT_START = /^\s*\{\s*"/;
const MSGPACK_KEY = new RegExp(`^(?:${FIRST_FIELDS})`);
const MSGPACK_MAPS = /^[\x80-\x8f\xde\xdf]/;
const SNIFF_BYTES = 64;
// Whatever the body begins with.
const NAMES_ITSELF = /^\s*(?:message\/rfc822|multipart\/[^;]*)\s*(?:;|$)/i;

/** Whether bytes begin like a MessagePack map with one of the exporter's fields. */
function startsLikeMsgpack(head: Buffer): boolean {
  const first = head[0] ?? 0;
  const skip = (first & 0xf0) === 0x80 ? 1 : first === 0xde ? 3 : first === 0xdf ? 5 : undefined;
  if (skip === undefined) return false;
  const key = head[skip] ?? 0;
  const start = (key & 0xe0) === 0xa0 ? skip + 1 : key === 0xd9 || key === 0xc4 ? skip + 2 : undefined;
  return start !== undefined && MSGPACK_KEY.test(head.toString('latin1', start));
}

/**
 * Tells the form: only multipart names itself, the others come under the rule's `mime_type`, which is text/plain unless set.
 * Without metadata in the header fields the body has them, whichever of them comes first: no message begins that way.
 */
function formOf(contentType: string, head: Buffer, hasHeaderFields: boolean): RspamdForm {
  const type = contentType.split(';')[0]?.trim().toLowerCase() ?? '';
  if (type.startsWith('multipart/')) return 'MULTIPART';
  if (type === 'message/rfc822') return 'RAW';
  const start = head.toString('latin1');
  if (/^application\/(?:json|.*\+json)$/.test(type) || JSON_START.test(start)) return 'JSON';
  if (/^application\/(?:x-|vnd\.)?msgpack$/.test(type) || startsLikeMsgpack(head)) return 'MSGPACK';
  if (hasHeaderFields) return 'RAW';
  return OBJECT_START.test(start) ? 'JSON' : MSGPACK_MAPS.test(start) ? 'MSGPACK' : 'RAW';
}

async function* nothing(): AsyncGenerator<Buffer> {
  // An empty message has no bytes to give.
}

/** rspamd leaves the message out when it is empty; left out for any other reason, there is nothing to keep. */
function checkMessage(hasMessage: boolean, metadata: RspamdMetadata, form: RspamdForm): void {
  if (hasMessage || metadata.sizeBytes === 0 || (form === 'MULTIPART' && metadata.sizeBytes === null)) return;
  throw new HandOverUnreadableError(
    'message',
    'The hand-over has no message: set the formatter to multipart, json_with_message or msgpack, or to default with meta_headers.',
  );
}

type Collect = (
  onMessage: (bytes: Buffer) => Promise<void>,
) => Promise<{ fields: Record<string, unknown>; hasMessage: boolean }>;

/** Reads a form whose metadata is complete only at its end, keeping the message meanwhile. */
async function collected(form: RspamdForm, limits: RspamdRequestLimits, collect: Collect): Promise<RspamdRequest> {
  const buffer = new SpillBuffer({
    memoryBytes: limits.memoryBytes,
    limitBytes: limits.messageBytes,
    folder: limits.temporaryFolder,
  });
  try {
    const { fields, hasMessage } = await collect((bytes) => buffer.write(bytes));
    const metadata = readRspamdMetadata(fields);
    checkMessage(hasMessage, metadata, form);
    const content = buffer.finish();
    return { form, metadata, message: content.open(), discard: () => content.discard() };
  } catch (error) {
    await buffer.discard();
    throw error;
  }
}

/**
 * Reads a request of rspamd's metadata exporter in any of its forms; memory stays bounded whatever the message's size.
 * Throws HandOverUnreadableError (400), MessageTooLargeError (413), HandOverCutError (no answer needed) and errors of the
 * file system (503).
 */
export async function readRspamdRequest(request: RequestSource, limits: RspamdRequestLimits): Promise<RspamdRequest> {
  const contentType = request.headers['content-type'] ?? '';
  const body = bodyOf(request);
  const { head, all } = NAMES_ITSELF.test(contentType)
    ? { head: Buffer.alloc(0), all: body }
    : await peek(body, SNIFF_BYTES);
  const fields = rspamdHeaderFields(request.headers, limits.headerPrefix ?? RSPAMD_HEADER_PREFIX);
  const form = formOf(contentType, head, fields !== undefined);
  if (form === 'RAW') {
    const metadata = readRspamdMetadata(fields ?? {});
    return { form, metadata, message: limited(all, limits.messageBytes), discard: async () => undefined };
  }
  if (form === 'MULTIPART') {
    const spill = { memoryBytes: limits.memoryBytes, limitBytes: limits.messageBytes, folder: limits.temporaryFolder };
    const {
      metadata: bytes,
      message,
      discard,
    } = await readMultipartHandOver(all, contentType, limits.metadataBytes, spill);
    try {
      const metadata = readRspamdMetadata(parseMetadata(bytes));
      checkMessage(message !== undefined, metadata, form);
      return { form, metadata, message: message ?? nothing(), discard };
    } catch (error) {
      await discard();
      throw error;
    }
  }
  // Base64 and MessagePack are never shorter than what they carry plus the metadata: this bounds what is unpacked from gzip.
  const packed = limited(all, Math.ceil(limits.messageBytes * 1.4) + limits.metadataBytes);
  if (form === 'MSGPACK')
    return collected(form, limits, (onMessage) => readMsgpackHandOver(packed, limits.metadataBytes, onMessage));
  return collected(form, limits, async (onMessage) => {
    const json = new JsonHandOver(limits.metadataBytes, onMessage);
    for await (const chunk of packed) await json.write(chunk);
    return json.end();
  });
}
