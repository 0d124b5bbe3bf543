import { type BodyBlock, selectBody } from './body-blocks.js';
import { EmbeddedImages } from './embedded-images.js';
import { writeDocument } from './html-document.js';
import { type PreviewLimits } from './limits.js';
import { type MessageTree } from './message-tree.js';
import { readPlainText } from './plain-text.js';
import { describeMessageHead, readHtml, type Rendering, renderText } from './render-text.js';
import { MarkupLimitError, sanitiseHtml, type SanitisedHtml } from './sanitise-html.js';
import { escapeHtml } from './show-link-targets.js';

/** Direction and language follow the text itself where the mail does not say. */
const wrap = (kind: string, html: string) => `<div class="${kind}" dir="auto">${html}</div>`;

/** The message as an inert HTML document; text with the reason where there is no HTML part or a limit was met. */
export function renderHtml(tree: MessageTree, limits: PreviewLimits): Rendering {
  const { root } = tree;
  const blocks = root ? selectBody(root, 'HTML') : [];
  const htmlBlocks = blocks.filter((block) => block.kind === 'html');
  if (!root || htmlBlocks.length === 0) return renderText(tree, limits, tree.reason ?? 'NO_HTML_PART');
  if (tree.reason) return renderText(tree, limits, tree.reason);
  const htmlBytes = htmlBlocks.reduce((sum, { node }) => sum + node.content.length, 0);
  if (htmlBytes > limits.maxHtmlBytes) return renderText(tree, limits, 'CONTENT_TOO_LARGE');

  const images = new EmbeddedImages(root, limits);
  const sanitised: SanitisedHtml[] = [];
  let truncated = false;
  let plainCharacters = 0;
  const write = (block: BodyBlock): string => {
    switch (block.kind) {
      case 'html': {
        images.readFrom(block.node);
        const part = sanitiseHtml(readHtml(block.node), images, limits);
        sanitised.push(part);
        return `<div class="mail">${part.html}</div>`;
      }
      case 'text': {
        const text = readPlainText(block.node).trim();
        const shown = text.slice(0, Math.max(0, limits.maxTextCharacters - plainCharacters));
        plainCharacters += shown.length;
        truncated ||= shown.length < text.length || block.node.cut;
        return shown ? wrap('plain', escapeHtml(shown)) : '';
      }
      case 'note':
        return wrap('note', escapeHtml(block.text));
      case 'message':
        return wrap('message', escapeHtml(describeMessageHead(block.headers).join('\n')));
    }
  };
  try {
    const pieces = blocks.map(write);
    truncated ||= images.isTruncated;
    return {
      mode: 'HTML',
      content: writeDocument(
        pieces,
        sanitised.some(({ setsColours }) => setsColours),
      ),
      blockedRemoteResources: sanitised.reduce((sum, part) => sum + part.blockedRemoteResources, 0),
      truncated,
      reason: truncated ? 'CONTENT_TOO_LARGE' : null,
    };
  } catch (error) {
    if (error instanceof MarkupLimitError) return renderText(tree, limits, error.reason);
    throw error;
  }
}
