import { splitAddresses, textOf } from './scanner-text.js';

/** What the header block says that amavis puts on top of a message it quarantines. */
export interface AmavisBlock {
  /** X-Envelope-From; null is the null sender, undefined when the block has none. */
  readonly sender: string | null | undefined;
  /** X-Envelope-To: all recipients of the original. */
  readonly recipients: readonly string[];
  /** X-Envelope-To-Blocked: those who did not get it; undefined when the block has no such field. */
  readonly blocked: readonly string[] | undefined;
  /** X-Quarantine-ID: amavis's mail id. */
  readonly mailId: string;
  /** X-Amavis-Alert, unfolded, in order. */
  readonly alerts: readonly string[];
  readonly spam: SpamFields;
  /** How many bytes the block has, line ends included. */
  readonly lengthBytes: number;
}

/** The X-Spam-* fields, unfolded; undefined where absent. */
export interface SpamFields {
  readonly flag?: string;
  readonly score?: string;
  readonly status?: string;
}

/** A header field as it stands in the message. */
export interface HeaderField {
  /** Lower case. */
  readonly name: string;
  /** Unfolded. */
  readonly value: string;
  /** Where the next field begins, in bytes from the start. */
  readonly endsAt: number;
}

// amavis writes its fields once each and in this order, X-Amavis-Alert alone any number of times. Holding it to that order
// keeps out fields of the same names with which the sender's own header may begin.
const ORDER = [
  'x-envelope-from',
  'x-envelope-to',
  'x-envelope-to-blocked',
  'x-quarantine-id',
  'x-amavis-alert',
  'x-amavis-os-fingerprint',
  'x-spam-flag',
  'x-spam-score',
  'x-spam-level',
  'x-spam-status',
  'x-spam-report',
  'x-spam-checker-version',
];
const REPEATABLE = 'x-amavis-alert';

const LF = 0x0a;
const COLON = 0x3a;

/** Where the line that begins at `from` ends, after its line feed; undefined when it is not complete. */
function lineEnd(bytes: Buffer, from: number): number | undefined {
  const index = bytes.indexOf(LF, from);
  return index < 0 ? undefined : index + 1;
}

const isBlank = (byte: number | undefined) => byte === 0x20 || byte === 0x09;

/** Reads the header field that begins at `from`; null when no field begins there, undefined when its end is not in sight. */
export function fieldAt(bytes: Buffer, from: number, complete: boolean): HeaderField | null | undefined {
  let end = lineEnd(bytes, from);
  // A folded line follows when the next byte is a blank, so that byte has to be there before the field is known to end.
  while (end !== undefined && isBlank(bytes[end])) end = lineEnd(bytes, end);
  if (end === undefined || (end === bytes.length && !complete)) {
    if (!complete) return undefined;
    end = bytes.length;
  }
  const colon = bytes.indexOf(COLON, from);
  if (colon <= from || colon >= end) return null;
  const name = bytes.toString('latin1', from, colon).trimEnd().toLowerCase();
  if (!/^[!-9;-~]+$/.test(name)) return null;
  const value = textOf(bytes.subarray(colon + 1, end))
    .replace(/\r?\n(?=[ \t])/g, '')
    .trim();
  return { name, value, endsAt: end };
}

/**
 * Reads the unbroken block of amavis's fields at the very top of a message: null when there is none, undefined when more
 * bytes are needed. Whatever stands further down was written by somebody else and is not looked at.
 */
export function readAmavisBlock(bytes: Buffer, complete: boolean): AmavisBlock | null | undefined {
  const fields: HeaderField[] = [];
  let position = 0;
  let order = -1;
  for (;;) {
    if (!complete && !couldBeField(bytes, position)) return undefined;
    const field = fieldAt(bytes, position, complete);
    if (field === undefined) {
      // What does not begin like one of the fields needs no reading to its end.
      if (!startsLikeField(bytes, position)) break;
      return undefined;
    }
    const rank = field ? ORDER.indexOf(field.name) : -1;
    if (!field || rank < 0 || rank < order || (rank === order && field.name !== REPEATABLE)) break;
    fields.push(field);
    order = rank;
    position = field.endsAt;
  }
  return blockOf(fields, position);
}

/** Whether enough bytes are there to tell if one of the fields begins here. */
function couldBeField(bytes: Buffer, from: number): boolean {
  return bytes.length - from > Math.max(...ORDER.map((name) => name.length)) || bytes.indexOf(LF, from) >= 0;
}

function startsLikeField(bytes: Buffer, from: number): boolean {
  const start = bytes.toString('latin1', from, from + 32).toLowerCase();
  return ORDER.some((name) => start.startsWith(name));
}

function blockOf(fields: readonly HeaderField[], lengthBytes: number): AmavisBlock | null {
  const value = (name: string) => fields.find((field) => field.name === name)?.value;
  const recipients = value('x-envelope-to');
  const mailId = value('x-quarantine-id')?.replace(/^<(.*)>$/, '$1');
  // Without these two it is not what amavis writes, but a header that happens to begin alike.
  if (recipients === undefined || !mailId) return null;
  const sender = value('x-envelope-from');
  const blocked = value('x-envelope-to-blocked');
  return {
    sender: sender === undefined ? undefined : (splitAddresses(sender)[0] ?? '') || null,
    recipients: splitAddresses(recipients).filter(Boolean),
    blocked: blocked === undefined ? undefined : splitAddresses(blocked).filter(Boolean),
    mailId,
    alerts: fields.filter((field) => field.name === REPEATABLE).map((field) => field.value),
    spam: spamFields(value),
    lengthBytes,
  };
}

/** Collects the X-Spam-* fields. */
export function spamFields(value: (name: string) => string | undefined): SpamFields {
  const flag = value('x-spam-flag');
  const score = value('x-spam-score');
  const status = value('x-spam-status');
  return {
    ...(flag !== undefined && { flag }),
    ...(score !== undefined && { score }),
    ...(status !== undefined && { status }),
  };
}

/** The X-Spam-* fields anywhere in the top header block, the first of each name: what a trusted filter added comes before what it found. */
export function readSpamFields(bytes: Buffer): SpamFields {
  const found = new Map<string, string>();
  for (let position = 0; position < bytes.length;) {
    const field = fieldAt(bytes, position, true);
    if (field === null || field === undefined) {
      const end = lineEnd(bytes, position);
      // An empty line ends the header; any other line that is no field is passed over.
      if (end === undefined || bytes.toString('latin1', position, end).trim() === '') break;
      position = end;
      continue;
    }
    if (field.name.startsWith('x-spam-') && !found.has(field.name)) found.set(field.name, field.value);
    position = field.endsAt;
  }
  return spamFields((name) => found.get(name));
}
