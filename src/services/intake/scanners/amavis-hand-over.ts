import { isIP } from 'node:net';
import { mailboxKey } from '../../../entities/mailbox-key.js';
import { type HandOver } from '../../../entities/vocabulary.js';
import { type AmavisBlock, readAmavisBlock, readSpamFields } from './amavis-block.js';
import { amavisVerdicts, copyVerdict } from './amavis-verdict.js';
import { bareAddress } from './scanner-text.js';
import { type VerdictMapping } from './verdict-mapping.js';

/** What the SMTP or LMTP dialogue said of a message. */
export interface SmtpEnvelope {
  /** MAIL FROM; '' is the null sender. */
  readonly sender: string;
  /** RCPT TO, in order. */
  readonly recipients: readonly string[];
  /** Client of the original message, as told by XFORWARD; null when not told. */
  readonly senderIp: string | null;
  /** The peer's name in its greeting. */
  readonly node: string | null;
}

/** What of a message's own header a peer is believed. */
export interface HeaderTrust {
  /** The leading block that amavis writes. */
  readonly amavisBlock: boolean;
  /** X-Spam-* fields in plain copies. */
  readonly spamFields: boolean;
}

/** A message taken over SMTP or LMTP whose envelope is known and whose bytes can be read once. */
export interface SmtpHandOver {
  readonly handOver: HandOver;
  /** How many bytes on top were amavis's and are left out. */
  readonly strippedBytes: number;
  readonly message: AsyncIterable<Buffer>;
}

/** How much of a header is looked at, bytes; stops headers without an end. A larger block is stored as it is, as part of a plain copy. */
export const HEADER_LIMIT_BYTES = 1024 * 1024;

interface Look {
  readonly block: AmavisBlock | null;
  /** The bytes read so far, block included. */
  readonly head: Buffer;
}

/** Whether the empty line that ends the header is there. */
function hasHeaderEnd(head: Buffer): boolean {
  return head[0] === 0x0a || head.indexOf('\r\n') === 0 || head.indexOf('\n\r\n') >= 0 || head.indexOf('\n\n') >= 0;
}

/** Reads until the block is known, and, where X-Spam-* fields count, until the header ends. */
async function look(iterator: AsyncIterator<Buffer>, trust: HeaderTrust): Promise<Look> {
  let head: Buffer = Buffer.alloc(0);
  let complete = false;
  let block: AmavisBlock | null | undefined = trust.amavisBlock ? undefined : null;
  // Doubling: a header that comes in small pieces is looked at a few times, not once for each piece.
  let nextLookAt = 0;
  const pieces: Buffer[] = [];
  let length = 0;
  while (!complete) {
    const next = await iterator.next();
    if (next.done) complete = true;
    else {
      pieces.push(next.value);
      length += next.value.length;
    }
    if (!complete && length < nextLookAt && length < HEADER_LIMIT_BYTES) continue;
    head = Buffer.concat(pieces);
    pieces.splice(0, pieces.length, head);
    nextLookAt = length * 2;
    const exhausted = complete || length >= HEADER_LIMIT_BYTES;
    if (block === undefined)
      block = readAmavisBlock(head.subarray(0, HEADER_LIMIT_BYTES), complete && length <= HEADER_LIMIT_BYTES);
    if (block === undefined && exhausted) block = null;
    if (block === null && trust.spamFields && !exhausted && !hasHeaderEnd(head)) continue;
    if (block !== undefined) break;
  }
  return { block: block ?? null, head: pieces.length > 1 ? Buffer.concat(pieces) : head };
}

async function* remaining(head: Buffer, iterator: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  try {
    if (head.length > 0) yield head;
    for (let next = await iterator.next(); !next.done; next = await iterator.next()) yield next.value;
  } finally {
    await iterator.return?.();
  }
}

/** Each mailbox once, in the order and spelling of its first mention. */
function distinct(addresses: readonly string[]): string[] {
  const byMailbox = new Map<string, string>();
  for (const address of addresses.map(bareAddress)) {
    const key = mailboxKey(address);
    if (address !== '' && !byMailbox.has(key)) byMailbox.set(key, address);
  }
  return [...byMailbox.values()];
}

/** The hand-over that amavis's block stands for (pure). */
export function amavisHandOver(
  block: AmavisBlock,
  envelope: SmtpEnvelope,
  mapping: VerdictMapping,
  receivedAtMs: number,
): HandOver {
  const deduplicated = {
    ...block,
    recipients: distinct(block.recipients),
    blocked: block.blocked && distinct(block.blocked),
  };
  return {
    sender: block.sender === undefined ? envelope.sender || null : block.sender,
    senderIp: knownIp(envelope.senderIp),
    gatewayMessageId: block.mailId,
    node: envelope.node,
    receivedAtMs,
    // RCPT TO names amavis's quarantine, not the recipients (amavis's *_quarantine_to).
    verdicts: amavisVerdicts(deduplicated, envelope.recipients, mapping),
  };
}

const knownIp = (address: string | null) => (address !== null && isIP(address) !== 0 ? address : null);

/**
 * Understands a message that came over SMTP or LMTP. With amavis's leading block the recipients are taken from it and exactly
 * that block is left out of the bytes; without one it is a plain copy with the recipients of RCPT TO. Nothing else of the
 * message is believed. Reads at most 1 MiB ahead.
 */
export async function readSmtpMessage(
  source: AsyncIterable<Buffer>,
  envelope: SmtpEnvelope,
  trust: HeaderTrust,
  mapping: VerdictMapping,
  receivedAtMs: number,
): Promise<SmtpHandOver> {
  const iterator = source[Symbol.asyncIterator]();
  const { block, head } = await look(iterator, trust);
  if (block) {
    const handOver = amavisHandOver(block, envelope, mapping, receivedAtMs);
    return {
      handOver,
      strippedBytes: block.lengthBytes,
      message: remaining(head.subarray(block.lengthBytes), iterator),
    };
  }
  const fields = trust.spamFields ? readSpamFields(head.subarray(0, HEADER_LIMIT_BYTES)) : null;
  const handOver: HandOver = {
    sender: envelope.sender || null,
    senderIp: knownIp(envelope.senderIp),
    gatewayMessageId: null,
    node: envelope.node,
    receivedAtMs,
    verdicts: [copyVerdict(fields, distinct(envelope.recipients), mapping)],
  };
  return { handOver, strippedBytes: 0, message: remaining(head, iterator) };
}
