import { createHash } from 'node:crypto';

/** Names one mailbox's copy of a message. Not by the recipient's position, which would count the others, Bcc among them (rule V6). */
export interface CopyId {
  readonly messageId: number;
  /** Digest of the mailbox key: short, whatever the address. */
  readonly mailboxDigest: string;
}

// 96 bits: no two addresses of one message meet.
const DIGEST_BYTES = 12;
// A list asks for the same few mailboxes again and again.
const MAX_KNOWN = 1_000;
const known = new Map<string, string>();

function digestOf(mailbox: string): string {
  let digest = known.get(mailbox);
  if (digest === undefined) {
    digest = createHash('sha256').update(mailbox).digest().subarray(0, DIGEST_BYTES).toString('base64url');
    if (known.size >= MAX_KNOWN) known.clear();
    known.set(mailbox, digest);
  }
  return digest;
}

/** The id of a mailbox's copy; the mailbox as its key. */
export const copyIdOf = ({ messageId, mailbox }: { readonly messageId: number; readonly mailbox: string }): CopyId => ({
  messageId,
  mailboxDigest: digestOf(mailbox),
});

/** The id as the key of a map. */
export const copyIdKey = ({ messageId, mailboxDigest }: CopyId): string => `${messageId}.${mailboxDigest}`;
