import { DEFAULT_LIMITS, type PreviewLimits } from '../../src/services/preview/limits.js';
import { MessageTreeBuilder, type ReadingPurpose } from '../../src/services/preview/message-tree.js';
import { renderHtml } from '../../src/services/preview/render-html.js';
import { renderText, type Rendering } from '../../src/services/preview/render-text.js';

const HEAD = 'From: sender@example.net\r\nTo: anna@example.com\r\nSubject: Test\r\nMIME-Version: 1.0\r\n';

const htmlPart = (html: string) =>
  'Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n' +
  Buffer.from(html, 'utf8').toString('base64').replace(/.{76}/g, '$&\r\n');

/** A message of one HTML part. */
export function htmlMessage(html: string): Buffer {
  return Buffer.from(HEAD + htmlPart(html));
}

/** A message of several HTML parts, one shown after the other. */
export function htmlParts(htmls: readonly string[]): Buffer {
  const parts = htmls.map((html) => `--b\r\n${htmlPart(html)}\r\n`);
  return Buffer.from(`${HEAD}Content-Type: multipart/mixed; boundary=b\r\n\r\n${parts.join('')}--b--\r\n`);
}

/** Reads a message in this thread, in pieces of the given size; the size must never matter. */
export function readTree(
  source: Buffer,
  purpose: ReadingPurpose,
  pieceBytes = source.length,
  limits: PreviewLimits = DEFAULT_LIMITS,
) {
  const builder = new MessageTreeBuilder(purpose, limits);
  for (let at = 0; at < source.length; at += pieceBytes) builder.write(source.subarray(at, at + pieceBytes));
  builder.end();
  return builder.tree;
}

/** Renders a message in this thread. */
export function renderHere(
  source: Buffer,
  mode: 'TEXT' | 'HTML',
  pieceBytes?: number,
  limits: PreviewLimits = DEFAULT_LIMITS,
): Rendering {
  const tree = readTree(source, mode, pieceBytes, limits);
  return mode === 'TEXT' ? renderText(tree, limits) : renderHtml(tree, limits);
}

/** Composes lines with CRLF. */
export const lines = (...text: string[]): string => text.join('\r\n');
