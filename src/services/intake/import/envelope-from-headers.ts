import { type HeaderField, type MimePart } from '../../preview/mime-part.js';
import { MimeWalker, WalkBudget } from '../../preview/mime-walker.js';
import { parseAddressList } from '../address-list.js';

/** The envelope of a message whose file has none, as far as its header tells it. */
export interface HeaderEnvelope {
  /** Null when the return path is empty or nothing names a sender; `senderFrom` tells which. */
  readonly sender: string | null;
  /** What named the sender; "mbox" is a separator line, "From" the last resort. */
  readonly senderFrom: 'X-Envelope-From' | 'Return-Path' | 'mbox' | 'From' | null;
  /** Without repetitions; empty when nothing names one. */
  readonly recipients: readonly string[];
  /** What named the recipients; "To/Cc" is the last resort, which knows nothing of Bcc and lists (rule S2). */
  readonly recipientsFrom: 'Delivered-To' | 'X-Envelope-To' | 'X-Original-To' | 'To/Cc' | null;
}

// The same bounds as a summary's: an endless header must not fill the memory.
const LIMITS = { maxParts: 1, maxDepth: 1, maxHeaderBytes: 1024 * 1024, maxAllHeadersBytes: 1024 * 1024 };

/** Reads the header fields of a message and no more of it. */
export async function readHeaderFields(
  source: AsyncIterable<Buffer> | Iterable<Buffer>,
): Promise<readonly HeaderField[]> {
  let top: MimePart | null = null;
  const walker = new MimeWalker(
    {
      openPart(part) {
        top ??= part;
        return null;
      },
    },
    new WalkBudget(LIMITS),
  );
  const header = (): readonly HeaderField[] | null => top?.headers ?? null;
  for await (const chunk of source) {
    walker.write(chunk);
    const fields = header();
    if (fields) return fields;
  }
  walker.end();
  return header() ?? [];
}

/** Without regard to the letters' case in the domain only, because the mailbox name is the receiver's business (RFC 5321, 2.4). */
function distinct(addresses: readonly string[]): string[] {
  return [...new Map(addresses.map((address) => [address.toLowerCase(), address])).values()];
}

/**
 * Guesses the envelope from the header. Of trace fields only the topmost counts: the last system to touch the message wrote
 * it, what stands below may come from earlier ones or from the sender.
 */
export function envelopeFromHeaders(
  headers: readonly HeaderField[],
  separatorSender: string | null = null,
): HeaderEnvelope {
  const all = (name: string): string[] =>
    headers.filter((field) => field.name.toLowerCase() === name.toLowerCase()).map((field) => field.raw);
  return { ...findSender(all, separatorSender), ...findRecipients(all) };
}

type FieldValues = (name: string) => string[];

function findSender(all: FieldValues, separatorSender: string | null): Pick<HeaderEnvelope, 'sender' | 'senderFrom'> {
  for (const senderFrom of ['X-Envelope-From', 'Return-Path'] as const) {
    const value = all(senderFrom)[0];
    if (value === undefined) continue;
    const sender = parseAddressList(value)[0] ?? null;
    if (sender || value.replace(/\s/g, '') === '<>') return { sender, senderFrom };
  }
  if (separatorSender) return { sender: separatorSender, senderFrom: 'mbox' };
  const author = all('From').flatMap(parseAddressList)[0];
  return author ? { sender: author, senderFrom: 'From' } : { sender: null, senderFrom: null };
}

function findRecipients(all: FieldValues): Pick<HeaderEnvelope, 'recipients' | 'recipientsFrom'> {
  for (const recipientsFrom of ['Delivered-To', 'X-Envelope-To', 'X-Original-To'] as const) {
    const recipients = distinct(parseAddressList(all(recipientsFrom)[0] ?? ''));
    if (recipients.length > 0) return { recipients, recipientsFrom };
  }
  const recipients = distinct([...all('To'), ...all('Cc')].flatMap(parseAddressList));
  return { recipients, recipientsFrom: recipients.length > 0 ? 'To/Cc' : null };
}
