import { type BodyBlock, selectBody } from './body-blocks.js';
import { decodeCharset, findHtmlCharset } from './charset.js';
import { describeMessage } from './describe-message.js';
import { convertHtmlToText } from './html-to-text.js';
import { type PreviewLimits, type PreviewReason } from './limits.js';
import { decodeHeader, findHeader, type HeaderField } from './mime-part.js';
import { type MessageTree, type PartNode } from './message-tree.js';
import { cleanText, readPlainText } from './plain-text.js';

/** What a rendering yields, before it is known where it came from. */
export interface Rendering {
  readonly mode: 'TEXT' | 'HTML';
  readonly content: string;
  /** Resources that the HTML wanted from elsewhere and that were replaced; 0 for text. */
  readonly blockedRemoteResources: number;
  /** True when something of the message is not shown for its size. */
  readonly truncated: boolean;
  /** Why this is less than was asked for; null when it is not. */
  readonly reason: PreviewReason | null;
}

/** HTML source of a part, by its label or the charset named inside it. */
export function readHtml(node: PartNode): string {
  const label = node.part.typeParameters['charset'] || findHtmlCharset(node.content);
  return decodeCharset(node.content, label);
}

const SHOWN_HEADERS = ['From', 'To', 'Cc', 'Date', 'Subject'] as const;
// Longest header value in the head of an attached message.
const MAX_SHOWN_HEADER_CHARACTERS = 500;

/** The lines that introduce an attached message. */
export function describeMessageHead(headers: readonly HeaderField[]): string[] {
  return SHOWN_HEADERS.flatMap((name) => {
    const value = decodeHeader(findHeader(headers, name));
    return value ? [`${name}: ${cleanText(value).slice(0, MAX_SHOWN_HEADER_CHARACTERS)}`] : [];
  });
}

function writeBlock(block: BodyBlock, maxCharacters: number): { text: string; truncated: boolean } {
  switch (block.kind) {
    case 'note':
      return { text: block.text, truncated: false };
    case 'message':
      return {
        text: ['---------- Attached message ----------', ...describeMessageHead(block.headers)].join('\n'),
        truncated: false,
      };
    case 'text':
      return { text: readPlainText(block.node), truncated: block.node.cut };
    case 'html': {
      const { text, truncated } = convertHtmlToText(readHtml(block.node), maxCharacters);
      return { text: cleanText(text), truncated: truncated || block.node.cut };
    }
  }
}

/** Cuts without splitting a character that takes two code units. */
function cutText(text: string, maxCharacters: number): string {
  const cut = text.slice(0, maxCharacters);
  return /[\ud800-\udbff]$/.test(cut) ? cut.slice(0, -1) : cut;
}

// Names in the line that stands for a message without text.
const MAX_NAMED_ATTACHMENTS = 10;

/** Says that there is nothing to read, and what there is instead. */
function describeEmptiness(tree: MessageTree, limits: PreviewLimits): string {
  const names = describeMessage(tree, limits).attachments.map(({ name }) => name);
  if (names.length === 0) return '[This message has no text.]';
  const more = names.length > MAX_NAMED_ATTACHMENTS ? ` and ${names.length - MAX_NAMED_ATTACHMENTS} more` : '';
  return `[This message has no text. Attachments: ${names.slice(0, MAX_NAMED_ATTACHMENTS).join(', ')}${more}]`;
}

/** The text of a message, made from HTML where there is no text part (rule P2). */
export function renderText(tree: MessageTree, limits: PreviewLimits, reason: PreviewReason | null = null): Rendering {
  const pieces: string[] = [];
  let length = 0;
  let truncated = false;
  for (const block of tree.root ? selectBody(tree.root, 'TEXT') : []) {
    if (length >= limits.maxTextCharacters) {
      truncated = true;
      break;
    }
    const written = writeBlock(block, limits.maxTextCharacters - length);
    truncated ||= written.truncated;
    const text = written.text.replace(/^\n+/, '').trimEnd();
    if (!text) continue;
    pieces.push(text);
    length += text.length + 2;
  }
  if (pieces.length === 0) pieces.push(describeEmptiness(tree, limits));
  const whole = pieces.join('\n\n');
  const content = whole.length > limits.maxTextCharacters ? cutText(whole, limits.maxTextCharacters) : whole;
  truncated ||= content.length < whole.length || tree.reason !== null;
  return {
    mode: 'TEXT',
    content,
    blockedRemoteResources: 0,
    truncated,
    reason: reason ?? tree.reason ?? (truncated ? 'CONTENT_TOO_LARGE' : null),
  };
}
