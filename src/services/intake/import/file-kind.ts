/** What a file holds, told by its first bytes. */
export type FileKind = 'MESSAGE' | 'MBOX' | 'OUTLOOK_MESSAGE' | 'COMPRESSED' | 'EMPTY' | 'UNKNOWN';

/** Bytes of a file that {@link detectFileKind} wants to see. */
export const FILE_KIND_BYTES = 8192;

const MONTHS = 'Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec';

// "From anna@example.org Mon Jan  5 10:00:00 2026" (RFC 4155 appendix A), with zones, seconds and order as programs vary them.
const DATED_SEPARATOR = new RegExp(
  `^From (?:.*\\s)?(?:(?:${MONTHS})\\s+\\d{1,2}|\\d{1,2}\\s+(?:${MONTHS}))\\b.*\\b\\d{1,2}:\\d{2}`,
);

// Some mail programs write no more than "From " or "From -".
const BARE_SEPARATOR = /^From -?\s*$/;

const FIELD = /^([\x21-\x39\x3b-\x7e]{1,76})[ \t]*:/;

const USUAL_FIELDS = new Set(
  (
    'from to cc bcc subject date message-id received return-path delivered-to envelope-to reply-to sender mime-version ' +
    'content-type content-transfer-encoding dkim-signature arc-seal authentication-results received-spf list-id list-unsubscribe ' +
    'x-envelope-from x-envelope-to x-original-to x-quarantine-id x-mozilla-status x-mailer x-spam-status'
  ).split(' '),
);

/** True for a line that can stand between the messages of an mbox file. */
export function isSeparator(line: string): boolean {
  return DATED_SEPARATOR.test(line) || BARE_SEPARATOR.test(line);
}

/** True for a line that can begin the header of a message: a field, or the quoted separator of an older mbox file. */
export function beginsHeader(line: string): boolean {
  return FIELD.test(line) || /^>From /.test(line);
}

/** Envelope sender that the separator line of an mbox file names; null when it names none. */
export function senderOfSeparator(line: string): string | null {
  const sender = /^From\s+<?([^\s<>]+@[^\s<>]+?)>?\s/.exec(line)?.[1];
  return sender ?? null;
}

function looksLikeMessage(head: string): boolean {
  const lines = head
    .replace(/^\xef\xbb\xbf/, '')
    .replace(/^\s*\n/, '')
    .split(/\r\n|\n|\r/, 200);
  if (!lines[0] || !FIELD.test(lines[0])) return false;
  const end = lines.indexOf('');
  return lines
    .slice(0, end < 0 ? undefined : end)
    .some((line) => USUAL_FIELDS.has(FIELD.exec(line)?.[1]?.toLowerCase() ?? ''));
}

/** Tells what a file holds; its name takes no part, because names lie. */
export function detectFileKind(head: Buffer): FileKind {
  if (head.length === 0) return 'EMPTY';
  const start = head.toString('latin1', 0, FILE_KIND_BYTES);
  if (start.startsWith('\xd0\xcf\x11\xe0')) return 'OUTLOOK_MESSAGE';
  if (/^(\x1f\x8b|PK\x03\x04|BZh|\xfd7zXZ|\x28\xb5\x2f\xfd)/.test(start)) return 'COMPRESSED';
  if (start.startsWith('From ')) {
    const [separator = '', ...rest] = start.split(/\r?\n/, 6);
    // Blank lines behind the separator are a message without a header.
    if (isSeparator(separator) && (rest[0] === undefined || rest[0] === '' || beginsHeader(rest[0]))) return 'MBOX';
  }
  return looksLikeMessage(start) ? 'MESSAGE' : 'UNKNOWN';
}
