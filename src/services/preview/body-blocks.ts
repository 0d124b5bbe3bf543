import { decodeCharset } from './charset.js';
import { findHeader, type HeaderField, stripBrackets } from './mime-part.js';
import { isReadable, type PartNode, type ReadingPurpose } from './message-tree.js';
import { describeSpecialPart } from './special-parts.js';

/** One piece of the body, in the order of reading. */
export type BodyBlock =
  | { readonly kind: 'text'; readonly node: PartNode }
  | { readonly kind: 'html'; readonly node: PartNode }
  /** What a machine-readable part says, put into words by us. */
  | { readonly kind: 'note'; readonly text: string }
  /** The head of an attached message, in front of its body. */
  | { readonly kind: 'message'; readonly headers: readonly HeaderField[] };

type Mode = Exclude<ReadingPurpose, 'DESCRIPTION'>;

function isBlank(node: PartNode): boolean {
  return node.content.length < 4096 && decodeCharset(node.content).trim() === '';
}

function offers(node: PartNode, type: string): boolean {
  if (node.children.length > 0) return node.children.some((child) => offers(child, type));
  return node.part.type === type && isReadable(node.part) && !isBlank(node);
}

/** RFC 2046 section 5.1.4: the same content several times, the richest last; which one is read depends on the mode. */
function chooseAlternative(node: PartNode, mode: Mode): PartNode | undefined {
  const wanted = mode === 'HTML' ? ['text/html', 'text/plain'] : ['text/plain', 'text/html'];
  for (const type of wanted) {
    const found = node.children.findLast((child) => offers(child, type));
    if (found) return found;
  }
  return node.children.findLast((child) => child.children.length > 0 || isReadable(child.part)) ?? node.children[0];
}

/** RFC 2387: the part named by "start", otherwise the first, is the text; the others belong to it. */
function chooseRelatedRoot(node: PartNode): PartNode | undefined {
  const start = stripBrackets(node.part.typeParameters['start'] ?? '');
  const named = start
    ? node.children.find(({ part }) => stripBrackets(findHeader(part.headers, 'content-id')) === start)
    : undefined;
  const first = named ?? node.children[0];
  if (first && (offers(first, 'text/html') || offers(first, 'text/plain'))) return first;
  return node.children.find((child) => offers(child, 'text/html') || offers(child, 'text/plain')) ?? first;
}

function collect(node: PartNode, mode: Mode, blocks: BodyBlock[]): void {
  const { part } = node;
  const special = describeSpecialPart(node);
  if (special) blocks.push({ kind: 'note', text: special });
  if (node.children.length === 0 && part.type.startsWith('multipart/') && special === null) {
    // No delimiter was ever found: what stands there is the text.
    if (!isBlank(node)) blocks.push({ kind: 'text', node });
    return;
  }
  if (part.type === 'multipart/alternative') {
    const chosen = chooseAlternative(node, mode);
    if (chosen) collect(chosen, mode, blocks);
    // An invitation says when and where only in its calendar part.
    for (const child of node.children) {
      if (child !== chosen && child.part.type === 'text/calendar') collect(child, mode, blocks);
    }
    return;
  }
  if (part.type === 'multipart/related') {
    const root = chooseRelatedRoot(node);
    if (root) collect(root, mode, blocks);
    for (const child of node.children) {
      if (child !== root && child.part.type !== 'text/html') collect(child, mode, blocks);
    }
    return;
  }
  if (part.type === 'message/rfc822' || part.type === 'message/global') {
    const inner = node.children[0];
    if (inner) blocks.push({ kind: 'message', headers: inner.part.headers });
  }
  if (node.children.length > 0) {
    for (const child of node.children) collect(child, mode, blocks);
    return;
  }
  if (special !== null) return;
  if (!isReadable(part)) return;
  blocks.push(part.type === 'text/html' ? { kind: 'html', node } : { kind: 'text', node });
}

/** What is read of a message in this mode, in order. */
export function selectBody(root: PartNode, mode: Mode): BodyBlock[] {
  const blocks: BodyBlock[] = [];
  collect(root, mode, blocks);
  return blocks;
}
