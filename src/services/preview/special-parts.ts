import { nameAttachment } from './attachment-name.js';
import { summariseCalendar } from './calendar-summary.js';
import { decodeCharset } from './charset.js';
import { decodeHeader } from './mime-part.js';
import { type PartNode } from './message-tree.js';
import { cleanText } from './plain-text.js';
import { readTnef } from './tnef.js';

// Longest machine-readable text that is put into words; stops long computation.
const MAX_REPORT_CHARACTERS = 65_536;

const REPORT_FIELDS: Readonly<Record<string, string>> = {
  'reporting-mta': 'Reported by',
  'final-recipient': 'Recipient',
  'original-recipient': 'Original recipient',
  action: 'Action',
  status: 'Status',
  'diagnostic-code': 'Answer',
  'remote-mta': 'Answered by',
  'last-attempt-date': 'Last attempt',
  'will-retry-until': 'Retried until',
  'feedback-type': 'Complaint',
  'source-ip': 'Source address',
  'original-mail-from': 'Envelope sender',
  disposition: 'Disposition',
};

/** Delivery status (RFC 3464), read receipt (RFC 8098) or complaint (RFC 5965), in words; unknown fields are left out. */
function describeReport(node: PartNode): string {
  const text = cleanText(decodeCharset(node.content))
    .slice(0, MAX_REPORT_CHARACTERS)
    .replace(/\n[ \t]+/g, ' ');
  const lines: string[] = [];
  for (const line of text.split('\n')) {
    const field = /^([\w-]{1,60}):(.*)$/.exec(line);
    const label = REPORT_FIELDS[field?.[1]?.toLowerCase() ?? ''];
    if (label)
      lines.push(`${label}: ${decodeHeader(field?.[2] ?? '').replace(/^\s*(rfc822|dns|smtp|x-[\w-]+)\s*;\s*/i, '')}`);
    else if (line.trim() === '' && lines.length > 0 && lines.at(-1) !== '') lines.push('');
  }
  return lines.join('\n').trim();
}

const isSmimeType = (type: string) => /^application\/(x-)?pkcs7-mime$/.test(type);

function describeSmime(node: PartNode): string {
  const kind = (node.part.typeParameters['smime-type'] ?? '').toLowerCase();
  if (node.children.length > 0) return '[Signed with S/MIME. The signature was not verified.]';
  if (kind === 'signed-data')
    return '[Signed with S/MIME. The text is inside the signature; download the message to read it.]';
  if (kind === 'certs-only') return '[Certificates (S/MIME).]';
  if (kind === 'compressed-data') return '[Compressed with S/MIME. Download the message to read it.]';
  return '[Encrypted with S/MIME. Only the recipient can read it, with the private key.]';
}

/** The text inside, and which files there are; rich text stays inside. */
function describeTnef({ part, content }: PartNode): string {
  const name = nameAttachment(part);
  const inside = readTnef(content);
  const head = `[${name}: sent by Outlook in its own format (TNEF).`;
  if (!inside || (inside.text === '' && inside.files.length === 0))
    return `${head} Formatting and files are inside this attachment.]`;
  const files = inside.files.map((file) => `- ${file.name} (${file.sizeBytes} bytes)`);
  const list = files.length > 0 ? [`${head} Files inside:`, ...files].join('\n') + ']' : `${head}]`;
  return inside.text ? `${list}\n\n${inside.text.slice(0, MAX_REPORT_CHARACTERS)}` : list;
}

/**
 * What a part of a special kind is, in words; null for parts that are shown as they are. An empty string means that
 * the part is only there for programs.
 */
export function describeSpecialPart(node: PartNode): string | null {
  const { part } = node;
  const { type } = part;
  if (type === 'multipart/encrypted') {
    return '[Encrypted with OpenPGP. Only the recipient can read it, with the private key.]';
  }
  if (type === 'application/pgp-encrypted') return '';
  if (isSmimeType(type)) return describeSmime(node);
  if (type === 'application/ms-tnef' || type === 'application/vnd.ms-tnef') {
    return describeTnef(node);
  }
  if (type === 'text/calendar') return summariseCalendar(decodeCharset(node.content, part.typeParameters['charset']));
  if (
    type === 'message/delivery-status' ||
    type === 'message/disposition-notification' ||
    type === 'message/feedback-report'
  ) {
    return describeReport(node);
  }
  if (type === 'message/external-body') {
    const access = part.typeParameters['access-type'] ?? 'unknown';
    return `[The content is kept elsewhere (${access.slice(0, 40)}) and is not loaded.]`;
  }
  if (type === 'message/partial') {
    const { number = '?', total = '?' } = part.typeParameters;
    return `[Part ${number.slice(0, 6)} of ${total.slice(0, 6)} of a message that was sent in pieces.]`;
  }
  return null;
}
