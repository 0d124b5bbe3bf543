import { type AttachmentSummary } from '../../entities/vocabulary.js';
import { nameAttachment } from '../preview/attachment-name.js';
import { detectFileType, FILE_TYPE_BYTES } from '../preview/file-type.js';
import { isReadable } from '../preview/message-tree.js';
import { type MimePart, type PartSink } from '../preview/mime-part.js';
import { MimeWalker, type PartVisitor, WalkBudget } from '../preview/mime-walker.js';
import { findLoopMark, LOOP_MARK_FIELD, type LoopMark } from '../sending/loop-mark.js';
import { MAX_LISTED_ADDRESSES, parseAddressList } from './address-list.js';
import { cutText, decodeHeaderWords, MAX_HEADER_CHARACTERS } from './header-words.js';

// The parts are found by the reader that previews use, so a card never tells of another message than its preview.
// Measured on a 9 KB multipart/alternative message: 0.03 ms for the parts against 0.07 ms with @zone-eu/mailsplit, which
// also ends with an error at its limits, where this must go on, and takes 3 s for 20 MiB of empty lines.

/** What the card of a message needs to know about its bytes. */
export interface MessageSummary {
  /** Decoded (RFC 2047), one line, at most 998 characters; empty when there is none. */
  readonly subject: string;
  /** Message-ID as written, with its angle brackets, at most 998 characters; null when there is none. */
  readonly smtpMessageId: string | null;
  /** Addresses of all To fields, as written. */
  readonly headerTo: readonly string[];
  /** Addresses of all Cc fields, as written. */
  readonly headerCc: readonly string[];
  /** A text/html part would be shown; parts of attached messages do not count. */
  readonly hasHtml: boolean;
  /** A text/plain part would be shown; parts of attached messages do not count. */
  readonly hasText: boolean;
  /** The first ones in the order of the message; an attached message is one attachment. */
  readonly attachments: readonly AttachmentSummary[];
  /** All attachments that were met, listed or not. */
  readonly attachmentCount: number;
  /** The mark of Backup itself on what it has sent, where it is valid: a gateway put that aside again (rule D4). */
  readonly loopMark: LoopMark | null;
  /** False when a limit ended the reading early: the rest of the message may hold more of everything. */
  readonly complete: boolean;
  /** A fault of ours met while reading, for the log; the message itself is never to blame. */
  readonly fault: Error | null;
}

/** Bounds of one summary; each says which attack it stops. */
export interface SummaryLimits {
  /** Stops floods of empty parts, each of which costs more than its bytes. */
  readonly maxParts: number;
  /** Multiparts inside each other; stops delimiter searches that grow with the nesting. */
  readonly maxDepth: number;
  /** Header of one part, bytes; stops memory exhaustion by endless headers. */
  readonly maxHeaderBytes: number;
  /** Headers of all parts, bytes; stops the same attack spread over many parts. */
  readonly maxAllHeadersBytes: number;
  /** Stops cards that no row and no screen can hold. */
  readonly maxListedAttachments: number;
}

/** Bounds that no ordinary message meets. */
export const SUMMARY_LIMITS: SummaryLimits = {
  maxParts: 10_000,
  maxDepth: 50,
  maxHeaderBytes: 1024 * 1024,
  maxAllHeadersBytes: 8 * 1024 * 1024,
  maxListedAttachments: 200,
};

const LOOP_MARK = LOOP_MARK_FIELD.toLowerCase();

// Smaller pieces are gathered first: a header that comes byte by byte would be copied once for each byte.
const GATHERED_BYTES = 16 * 1024;

/** A part that people would call an attachment: it is not shown as text, or it is offered as a file as well. */
function isAttachment(part: MimePart): boolean {
  if (part.type.startsWith('multipart/')) return false;
  if (!isReadable(part)) return true;
  if (part.disposition === 'attachment' || part.dispositionParameters['filename']) return true;
  return part.type !== 'text/plain' && part.type !== 'text/html' && Boolean(part.typeParameters['name']);
}

/** Counts an attachment's bytes and keeps its beginning. */
class AttachmentSink implements PartSink {
  private head: Buffer | null = null;
  private headLength = 0;
  private sizeBytes = 0;
  private detectedType: string | null = null;

  private readonly name: string;
  private readonly type: string;

  // The part itself is not kept: it holds its whole header.
  constructor(part: MimePart) {
    this.name = nameAttachment(part);
    this.type = part.type;
  }

  write(bytes: Buffer): void {
    this.sizeBytes += bytes.length;
    if (this.headLength >= FILE_TYPE_BYTES) return;
    this.head ??= Buffer.allocUnsafe(FILE_TYPE_BYTES);
    this.headLength += bytes.copy(this.head, this.headLength);
  }

  end(): void {
    if (this.head) this.detectedType = detectFileType(this.head.subarray(0, this.headLength));
    this.head = null;
  }

  summarise(): AttachmentSummary {
    const { name, type, sizeBytes, detectedType } = this;
    return { name, type, sizeBytes, detectedType };
  }
}

/** Header values of one name, in order. */
function values(part: MimePart, name: string): string[] {
  const found: string[] = [];
  for (const field of part.headers) {
    if (field.name.length === name.length && field.name.toLowerCase() === name) found.push(field.raw);
  }
  return found;
}

function readMessageId(raw: string | undefined): string | null {
  const text = decodeHeaderWords(raw ?? '');
  return cutText(/<[^<>]*>/.exec(text)?.[0] ?? text, MAX_HEADER_CHARACTERS) || null;
}

// RFC 5322 section 3.6 allows one; some programs write one for each recipient. Stops thousands of full lists.
const MAX_ADDRESS_FIELDS = 100;

/** The addresses of all fields of one kind, and whether there may be more. */
function readAddresses(fields: readonly string[]): { addresses: string[]; cut: boolean } {
  const all = fields.slice(0, MAX_ADDRESS_FIELDS).flatMap(parseAddressList);
  const cut = fields.length > MAX_ADDRESS_FIELDS || all.length >= MAX_LISTED_ADDRESSES;
  return { addresses: all.slice(0, MAX_LISTED_ADDRESSES), cut };
}

/**
 * Reads what a card needs from a message while its bytes arrive, in constant memory (RFC 5322, RFC 2045 to 2047). Every
 * input is some message: broken ones are read as far as they can be. Give it pieces of at most 64 KiB to keep each turn short.
 */
export class MessageSummariser implements PartVisitor {
  private readonly budget: WalkBudget;
  private readonly walker: MimeWalker;
  private readonly sinks: AttachmentSink[] = [];
  private first: Buffer | null = null;
  private gathered: Buffer | null = null;
  private gatheredBytes = 0;
  private subject = '';
  private smtpMessageId: string | null = null;
  private headerTo: string[] = [];
  private headerCc: string[] = [];
  private addressesCut = false;
  private loopMark: LoopMark | null = null;
  private hasHtml = false;
  private hasText = false;
  private attachmentCount = 0;
  private fault: Error | null = null;

  constructor(
    private readonly limits: SummaryLimits = SUMMARY_LIMITS,
    /** Keys of the loop marks to know; none: all are ignored. */
    private readonly loopMarkKeys: readonly Buffer[] = [],
  ) {
    this.budget = new WalkBudget(limits);
    this.walker = new MimeWalker(this, this.budget);
  }

  /** Takes the next bytes of the message; never throws. */
  write(chunk: Buffer): void {
    if (this.gatheredBytes + chunk.length > GATHERED_BYTES) this.flush();
    if (chunk.length > GATHERED_BYTES) {
      this.guard(() => this.walker.write(chunk));
      return;
    }
    if (this.gatheredBytes === 0) {
      // Most messages come whole in one piece or two; only what comes in more is copied.
      this.first = chunk;
      this.gatheredBytes = chunk.length;
      return;
    }
    this.gathered ??= Buffer.allocUnsafe(GATHERED_BYTES);
    this.first?.copy(this.gathered);
    this.first = null;
    this.gatheredBytes += chunk.copy(this.gathered, this.gatheredBytes);
  }

  /** Call once, after the last byte; never throws. */
  end(): MessageSummary {
    this.flush();
    this.guard(() => this.walker.end());
    const { subject, smtpMessageId, headerTo, headerCc, hasHtml, hasText, attachmentCount, loopMark, fault } = this;
    const complete = fault === null && this.budget.reason === null && !this.addressesCut;
    const attachments = this.sinks.map((sink) => sink.summarise());
    return {
      subject,
      smtpMessageId,
      headerTo,
      headerCc,
      hasHtml,
      hasText,
      attachments,
      attachmentCount,
      loopMark,
      complete,
      fault,
    };
  }

  /** For the reader of the parts. */
  openPart(part: MimePart): PartSink | null {
    if (part.depth === 0) this.readHeader(part);
    if (isReadable(part)) {
      this.hasHtml ||= part.type === 'text/html';
      this.hasText ||= part.type === 'text/plain';
    }
    if (!isAttachment(part)) return null;
    this.attachmentCount++;
    if (this.sinks.length >= this.limits.maxListedAttachments) return null;
    const sink = new AttachmentSink(part);
    this.sinks.push(sink);
    return sink;
  }

  private readHeader(part: MimePart): void {
    this.subject = decodeHeaderWords(values(part, 'subject')[0] ?? '');
    this.smtpMessageId = readMessageId(values(part, 'message-id')[0]);
    this.loopMark = findLoopMark(values(part, LOOP_MARK), this.loopMarkKeys, Date.now());
    const to = readAddresses(values(part, 'to'));
    const cc = readAddresses(values(part, 'cc'));
    this.headerTo = to.addresses;
    this.headerCc = cc.addresses;
    this.addressesCut = to.cut || cc.cut;
  }

  private flush(): void {
    const gathered = this.first ?? this.gathered?.subarray(0, this.gatheredBytes);
    if (!gathered || this.gatheredBytes === 0) return;
    this.first = null;
    this.gatheredBytes = 0;
    this.guard(() => this.walker.write(gathered));
  }

  /** A message must be stored even when a fault of ours shows while reading it (rule S6). */
  private guard(read: () => void): void {
    if (this.fault) return;
    try {
      read();
    } catch (error) {
      this.fault = error instanceof Error ? error : new Error(String(error));
    }
  }
}

/** Summarises a whole message from a stream of its bytes; fails only as the stream does. */
export async function summariseMessage(
  source: AsyncIterable<Buffer> | Iterable<Buffer>,
  limits: SummaryLimits = SUMMARY_LIMITS,
): Promise<MessageSummary> {
  const summariser = new MessageSummariser(limits);
  for await (const chunk of source) summariser.write(chunk);
  return summariser.end();
}
