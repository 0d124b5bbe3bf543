import { nameAttachment } from './attachment-name.js';
import { detectFileType } from './file-type.js';
import { type PreviewLimits, type PreviewReason } from './limits.js';
import { type MessageTree, type PartNode, isReadable } from './message-tree.js';

/** An attachment as the message card lists it. */
export interface AttachmentDescription {
  /** Path of the part, such as "1.2"; names the attachment for `readAttachment`. */
  readonly partId: string;
  /** Decoded file name (RFC 2231, RFC 2047); made up when the part has none. */
  readonly name: string;
  /** Declared media type, lower case. */
  readonly type: string;
  /** Media type told by the first bytes; null when they tell nothing. */
  readonly detectedType: string | null;
  /** Decoded size. */
  readonly sizeBytes: number;
  /** True for an image that the HTML shows in its text. */
  readonly inline: boolean;
  /** Part of the attached message that this attachment is in; null for the message itself. */
  readonly messagePartId: string | null;
}

/** What a message is made of. */
export interface MessageDescription {
  readonly attachments: readonly AttachmentDescription[];
  /** True when there are more than are listed. */
  readonly truncated: boolean;
  readonly hasText: boolean;
  readonly hasHtml: boolean;
  readonly reason: PreviewReason | null;
}

interface Findings {
  readonly attachments: AttachmentDescription[];
  truncated: boolean;
  hasText: boolean;
  hasHtml: boolean;
}

const isMessage = (type: string) => type === 'message/rfc822' || type === 'message/global';

function visit(node: PartNode, insideMessage: string | null, limit: number, findings: Findings): void {
  const { part } = node;
  const attachedMessage = isMessage(part.type);
  if (!part.type.startsWith('multipart/')) {
    if (!attachedMessage && isReadable(part) && part.type.startsWith('text/')) {
      if (insideMessage === null) {
        findings.hasHtml ||= part.type === 'text/html';
        findings.hasText ||= part.type === 'text/plain';
      }
      // A calendar, and a text with the name of a file, is read in the preview, and people also want the file.
      if (part.type !== 'text/calendar' && !part.dispositionParameters['filename']) return;
    }
    if (findings.attachments.length >= limit) {
      findings.truncated = true;
      return;
    }
    findings.attachments.push({
      partId: part.id,
      name: nameAttachment(part),
      type: part.type,
      detectedType: attachedMessage ? 'message/rfc822' : detectFileType(node.content),
      sizeBytes: node.sizeBytes,
      inline:
        part.type.startsWith('image/') &&
        part.disposition !== 'attachment' &&
        part.parent?.type === 'multipart/related',
      messagePartId: insideMessage,
    });
  }
  for (const child of node.children) visit(child, attachedMessage ? part.id : insideMessage, limit, findings);
}

/** Lists the attachments of a message, those of attached messages included. */
export function describeMessage(tree: MessageTree, limits: PreviewLimits): MessageDescription {
  const findings: Findings = { attachments: [], truncated: tree.reason !== null, hasText: false, hasHtml: false };
  if (tree.root) visit(tree.root, null, limits.maxAttachments, findings);
  return { ...findings, reason: tree.reason };
}
