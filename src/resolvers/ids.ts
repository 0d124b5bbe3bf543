import { type CopyId, copyIdOf } from '../services/backup/copy-id.js';

const encode = (text: string) => Buffer.from(text).toString('base64url');
const decode = (id: string) => Buffer.from(id, 'base64url').toString('latin1');

/** The opaque id of a message, for administrators. */
export const messageId = (id: number): string => encode(`message:${id}`);

/** The opaque id of one recipient's copy, for people. */
export function copyId(copy: { readonly messageId: number; readonly mailbox: string }): string {
  const { messageId, mailboxDigest } = copyIdOf(copy);
  return encode(`copy:${messageId}:${mailboxDigest}`);
}

/** Reads a message's id; undefined for anything else, which is answered like an unknown id (rule V6). */
export function readMessageId(id: string): number | undefined {
  const match = /^message:(\d{1,15})$/.exec(decode(id));
  return match ? Number(match[1]) : undefined;
}

/** Reads a copy's id; undefined for anything else, which is answered like an unknown id (rule V6). */
export function readCopyId(id: string): CopyId | undefined {
  const match = /^copy:(\d{1,15}):([\w-]{16})$/.exec(decode(id));
  return match?.[2] ? { messageId: Number(match[1]), mailboxDigest: match[2] } : undefined;
}
