import { decodeCharset } from './charset.js';
import { type PartNode } from './message-tree.js';

/** Controls without a meaning in text, and the marks that override the reading direction to disguise it. */
const UNWANTED = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u0084\u0086-\u009f\u202d\u202e]/g;

/** Text with one kind of line end and without characters that disguise it. */
export function cleanText(text: string): string {
  return text
    .replace(/\r\n?/g, '\n')
    .replace(UNWANTED, '')
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}

function countQuotes(line: string): number {
  let count = 0;
  while (line.charCodeAt(count) === 0x3e) count++;
  return count;
}

/** Joins the lines that a format=flowed sender broke (RFC 3676). */
export function unflowText(text: string, deleteSpace: boolean): string {
  const lines: string[] = [];
  let open: { quotes: number; text: string } | null = null;
  for (const written of text.split('\n')) {
    const line = written.endsWith('\r') ? written.slice(0, -1) : written;
    const quotes = countQuotes(line);
    let content = line.slice(quotes);
    // RFC 3676 section 4.4: one space was stuffed in front of lines that would have been misread.
    if (content.startsWith(' ')) content = content.slice(1);
    // Section 4.3: a signature separator is never flowed.
    const isSignature = content === '-- ';
    const isFlowed = content.endsWith(' ') && !isSignature;
    const body = isFlowed && deleteSpace ? content.slice(0, -1) : content;
    if (open && open.quotes === quotes && !isSignature) open.text += body;
    else {
      if (open) lines.push(quoteLine(open));
      open = { quotes, text: body };
    }
    if (!isFlowed) {
      lines.push(quoteLine(open));
      open = null;
    }
  }
  if (open) lines.push(quoteLine(open));
  return lines.join('\n');
}

function quoteLine({ quotes, text }: { quotes: number; text: string }): string {
  return quotes > 0 ? `${'>'.repeat(quotes)} ${text}` : text;
}

/** Text of a text/plain part: charset decoded, flowed lines joined, cleaned. */
export function readPlainText(node: PartNode): string {
  const { typeParameters } = node.part;
  const text = decodeCharset(node.content, typeParameters['charset']);
  const isFlowed = typeParameters['format']?.toLowerCase() === 'flowed';
  return cleanText(isFlowed ? unflowText(text, typeParameters['delsp']?.toLowerCase() === 'yes') : text);
}
