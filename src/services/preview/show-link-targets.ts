import { describeLink } from './link-target.js';

/** Escapes text for markup and for attribute values in double quotation marks. */
export function escapeHtml(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;').replace(/"/g, '&quot;');
}

const ENTITIES: Readonly<Record<string, string>> = { '&amp;': '&', '&lt;': '<', '&gt;': '>', '&quot;': '"' };

function readText(markup: string): string {
  return markup
    .replace(/<[^>]*>/g, '')
    .replace(/&(?:amp|lt|gt|quot);/g, (entity) => ENTITIES[entity] ?? entity)
    .trim();
}

function writeTarget(href: string, text: string): string {
  const { shown, full, warnings } = describeLink(href, text);
  if (shown === '') return '';
  if (warnings.length > 0) {
    return ` <span class="target warning" dir="ltr" title="${escapeHtml(full)}">[\u26a0 ${escapeHtml(shown)}: ${escapeHtml(warnings.join('; '))}]</span>`;
  }
  if (text === shown || text === full || `${text}/` === href || text === href) return '';
  return ` <span class="target" dir="ltr" title="${escapeHtml(full)}">[${escapeHtml(shown)}]</span>`;
}

const OPENING = /<a(?: [^>]*)?>|<\/a>/g;

/**
 * Turns the links of sanitised markup into plain text that names its true target. It relies on how the sanitiser
 * writes: every "<" begins a tag, and "data-link" holds the place of the address in `hrefs`.
 */
export function showLinkTargets(markup: string, hrefs: readonly string[]): string {
  if (!markup.includes('<a')) return markup;
  const pieces: string[] = [];
  const open: { readonly href: string | null; readonly from: number }[] = [];
  let position = 0;
  for (const match of markup.matchAll(OPENING)) {
    pieces.push(markup.slice(position, match.index));
    position = match.index + match[0].length;
    if (match[0] === '</a>') {
      const link = open.pop();
      pieces.push('</span>');
      // The text of a link inside a link counts for the inner one only, so that no text is read twice.
      if (link?.href != null)
        pieces.push(writeTarget(link.href, open.length > 0 ? '' : readText(markup.slice(link.from, match.index))));
      continue;
    }
    const index = / data-link="(\d+)"/.exec(match[0])?.[1];
    const href = index === undefined ? null : (hrefs[Number(index)] ?? null);
    pieces.push(match[0].replace(/^<a/, '<span').replace(/ data-link="\d+"/, href === null ? '' : ' class="link"'));
    open.push({ href, from: position });
  }
  pieces.push(markup.slice(position));
  return pieces.join('');
}
