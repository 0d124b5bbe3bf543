import { checkAddress, headerAddress } from './envelope-address.js';
import { FieldRemoval } from './field-removal.js';
import { addressTokens, headerDate, headerField } from './header-field.js';
import { LOOP_MARK_FIELD } from './loop-mark.js';
import { mboxLineEnd } from './mbox-line.js';

/** The fields put on top of a message that is sent as is (rule D4, RFC 5322 3.6.6). */
export interface TraceFields {
  /** Address that sends: the configured one. */
  readonly from: string;
  /** Only addresses that every recipient may see (rule V6); empty: no Resent-To. */
  readonly to: readonly string[];
  readonly sentAt: Date;
  /** With angle brackets, see `newMessageId`. */
  readonly messageId: string;
  /** See `createLoopMark`. */
  readonly loopMark: string;
}

/** What is changed in a message that is sent as is. */
export interface AsIsOptions {
  /** Whether the Message-ID fields go as well (rule D4); breaks a DKIM signature that covers them. */
  readonly removeMessageId: boolean;
  readonly trace?: TraceFields;
}

/** The trace fields as bytes; throws BadInputError when an address could not stand in a header. */
export function renderTrace(trace: TraceFields): Buffer {
  const from = headerAddress(checkAddress('from', trace.from));
  const to = trace.to.map((address) => headerAddress(checkAddress('to', address)));
  return Buffer.from(
    headerField('Resent-From', [from]) +
      (to.length > 0 ? headerField('Resent-To', addressTokens(to)) : '') +
      headerField('Resent-Date', [headerDate(trace.sentAt)]) +
      headerField('Resent-Message-ID', [trace.messageId]) +
      headerField(LOOP_MARK_FIELD, trace.loopMark.split(' ')),
  );
}

// A message that begins with a blank would continue our last trace field and spoil the loop mark; this field takes it instead.
const CATCH_CONTINUATION = Buffer.from('X-Mailkeep-Begin:\r\n');

/**
 * The stored bytes with Bcc (and, if so set, Message-ID) taken out of the top header block and trace fields on top; nothing
 * else changes (rule D4). Streams in constant memory.
 */
export async function* sendAsIs(source: AsyncIterable<Buffer>, options: AsIsOptions): AsyncGenerator<Buffer> {
  const removal = new FieldRemoval(options.removeMessageId ? ['bcc', 'message-id'] : ['bcc']);
  const trace = options.trace && renderTrace(options.trace);
  let first = true;
  function* take(bytes: Buffer): Generator<Buffer> {
    if (bytes.length === 0) return;
    if (first && trace && (bytes[0] === 0x20 || bytes[0] === 0x09)) yield CATCH_CONTINUATION;
    first = false;
    yield* removal.push(bytes);
  }
  function* begin(bytes: Buffer, mboxLine: number): Generator<Buffer> {
    if (mboxLine > 0) yield bytes.subarray(0, mboxLine);
    if (trace) yield trace;
    yield* take(bytes.subarray(mboxLine));
  }
  // The beginning, until it is known whether it is an mbox line.
  let head: Buffer | undefined = Buffer.alloc(0);
  for await (const piece of source) {
    if (head === undefined) {
      yield* take(piece);
      continue;
    }
    head = head.length > 0 ? Buffer.concat([head, piece]) : piece;
    const mboxLine = mboxLineEnd(head);
    if (mboxLine === undefined) continue;
    yield* begin(head, mboxLine);
    head = undefined;
  }
  if (head) yield* begin(head, mboxLineEnd(head, true) ?? 0);
  const rest = removal.end();
  if (rest.length > 0) yield rest;
}
