import type { SecretBox } from '../../secret-box.js';
import type { CopyId } from '../backup/copy-id.js';

/** What a link leads to; everything is decided again when it is used (rule V11). */
export type LinkTarget =
  | {
      readonly kind: 'PERSONAL_PREVIEW';
      readonly sessionId: number;
      readonly copy: CopyId;
      readonly mode: 'TEXT' | 'HTML';
    }
  | { readonly kind: 'PREVIEW'; readonly sessionId: number; readonly messageId: number; readonly mode: 'TEXT' | 'HTML' }
  | { readonly kind: 'SOURCE'; readonly sessionId: number; readonly messageId: number }
  | { readonly kind: 'ATTACHMENT'; readonly sessionId: number; readonly messageId: number; readonly partId: string };

// Long enough for a page to load its frame and for a person to press "download"; a copied link is soon worth nothing.
const LIFETIME_MS = 5 * 60_000;
const PURPOSE = 'content-link';

/** Short-lived signed addresses, for frames and downloads, which carry neither cookies nor tokens. */
export class ContentLinks {
  constructor(
    private readonly secrets: SecretBox,
    private readonly baseUrl: string,
  ) {}

  /** The address of a target, valid for five minutes and as long as the session lives. */
  urlOf(target: LinkTarget, nowMs = Date.now()): string {
    const payload = Buffer.from(JSON.stringify({ ...target, expiresAtMs: nowMs + LIFETIME_MS })).toString('base64url');
    const path = target.kind === 'PERSONAL_PREVIEW' || target.kind === 'PREVIEW' ? 'preview' : 'download';
    return `${this.baseUrl}/${path}/${payload}.${this.secrets.sign(PURPOSE, payload)}`;
  }

  /** The target of an address; undefined when it is forged, changed or too old. */
  read(text: string, nowMs = Date.now()): LinkTarget | undefined {
    const [payload = '', signature = '', ...more] = text.split('.');
    if (more.length > 0 || !this.secrets.verify(PURPOSE, payload, signature)) return undefined;
    const { expiresAtMs, ...target } = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8')) as LinkTarget & {
      expiresAtMs: number;
    };
    return expiresAtMs > nowMs ? target : undefined;
  }
}
