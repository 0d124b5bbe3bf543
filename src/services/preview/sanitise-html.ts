import sanitizeHtml, { type Attributes, type Tag } from 'sanitize-html';
import { findAddresses, tokenizeCss } from './css-tokens.js';
import { type EmbeddedImages } from './embedded-images.js';
import { ATTRIBUTES, DROPPED_WITH_CONTENT, ELEMENTS, filterAttributes, LOADING_ATTRIBUTES } from './html-allow-list.js';
import { type PreviewLimits, type PreviewReason } from './limits.js';
import { showLinkTargets } from './show-link-targets.js';
import { filterStyle } from './style-attribute.js';

/** HTML of one part, made inert. */
export interface SanitisedHtml {
  /** Markup of allowed elements only, to stand inside a body. */
  readonly html: string;
  readonly blockedRemoteResources: number;
  /** True when text or background colours were kept. */
  readonly setsColours: boolean;
}

/** The markup is built to make reading it expensive. */
export class MarkupLimitError extends Error {
  constructor(readonly reason: PreviewReason) {
    super(`The markup met the limit ${reason}.`);
  }
}

// Style sheets are dropped; this much of each is read to count what it would have loaded.
const MAX_COUNTED_STYLE_CHARACTERS = 65_536;
// Text that stands for an image.
const MAX_ALTERNATIVE_CHARACTERS = 300;

/** They make text read as other text; marks that only set a direction, which Arabic and Hebrew need, stay. */
const DIRECTION_OVERRIDES = /[\u202d\u202e]/g;

/** True for an address that would be fetched from somewhere. */
const isRemote = (address: string) => !/^\s*($|cid:|data:|about:|#)/i.test(address);

/** One sanitising, with what is counted on the way. */
class Sanitiser {
  private blocked = 0;
  private setsColours = false;
  private elements = 0;
  private depth = 0;
  private readonly links: string[] = [];
  /** Attributes that are ours already. */
  private readonly written = new WeakSet<Attributes>();

  constructor(
    private readonly images: EmbeddedImages,
    private readonly limits: PreviewLimits,
  ) {}

  sanitise(html: string): SanitisedHtml {
    this.countStyleSheets(html);
    const clean = sanitizeHtml(html, {
      allowedTags: [...ELEMENTS],
      allowedAttributes: ATTRIBUTES,
      // Only images keep an address, and only one that was written by us.
      allowedSchemes: [],
      allowedSchemesByTag: { img: ['data'] },
      allowProtocolRelative: false,
      disallowedTagsMode: 'discard',
      nonTextTags: [...DROPPED_WITH_CONTENT],
      parseStyleAttributes: false,
      enforceHtmlBoundary: false,
      textFilter: (text) => text.replace(DIRECTION_OVERRIDES, ''),
      onOpenTag: () => this.enter(),
      onCloseTag: () => this.depth--,
      transformTags: {
        // Only a transformation for one element may write text; the general one comes after it.
        img: (_name, attributes) => this.transformImage(attributes),
        '*': (name, attributes) =>
          this.written.has(attributes) ? { tagName: name, attribs: attributes } : this.transform(name, attributes),
      },
    });
    return {
      html: showLinkTargets(clean, this.links),
      blockedRemoteResources: this.blocked,
      setsColours: this.setsColours,
    };
  }

  private enter(): void {
    this.elements++;
    this.depth++;
    if (this.elements > this.limits.maxElements) throw new MarkupLimitError('TOO_MANY_ELEMENTS');
    if (this.depth > this.limits.maxElementDepth) throw new MarkupLimitError('TOO_DEEP');
  }

  private transform(name: string, attributes: Attributes): Tag {
    // The document around this one has its own html and body; theirs carry language, direction and colours.
    const tagName = name === 'html' || name === 'body' ? 'div' : name;
    this.countLoads(name, attributes);
    const kept = filterAttributes(tagName, attributes);
    if (name === 'body') this.keepBodyColours(attributes, kept);
    const { style } = attributes;
    if (style) this.keepStyle(style, kept, name);
    if (kept['bgcolor'] || kept['color']) this.setsColours = true;
    if (name === 'a' && attributes['href'] !== undefined)
      kept['data-link'] = String(this.links.push(attributes['href']) - 1);
    return { tagName, attribs: kept };
  }

  private keepStyle(style: string, kept: Record<string, string>, element: string): void {
    const filtered = filterStyle(style, element);
    // A cell that is made something else would be fixed by this attribute.
    if (element !== 'img' && /(^|; )display:/.test(filtered.css)) delete kept['height'];
    if (filtered.css) kept['style'] = kept['style'] ? `${kept['style']}; ${filtered.css}` : filtered.css;
    this.setsColours ||= filtered.setsColours;
    this.blocked += filtered.addresses.filter(isRemote).length;
  }

  private keepBodyColours(attributes: Attributes, kept: Record<string, string>): void {
    const { bgcolor, text } = attributes;
    const declarations = [bgcolor && `background-color: ${bgcolor}`, text && `color: ${text}`].filter(Boolean);
    if (declarations.length > 0) this.keepStyle(declarations.join(';'), kept, 'body');
  }

  private transformImage(attributes: Attributes): Tag {
    this.countLoads('img', attributes);
    const tag = this.replaceImage(attributes);
    this.written.add(tag.attribs);
    return tag;
  }

  private replaceImage(attributes: Attributes): Tag {
    const { src = '', alt = '', style } = attributes;
    const kept = filterAttributes('img', attributes);
    if (style) this.keepStyle(style, kept, 'img');
    const address = /^\s*data:/i.test(src) ? this.images.embedData(src.trim()) : this.images.embedPart(src);
    const text = alt.slice(0, MAX_ALTERNATIVE_CHARACTERS).replace(DIRECTION_OVERRIDES, '');
    if (address) return { tagName: 'img', attribs: { ...kept, src: address, alt: text } };
    // A counting pixel leaves no gap behind.
    if (isTiny(attributes['width']) || isTiny(attributes['height'])) return { tagName: 'wbr', attribs: {} };
    const title = isRemote(src) ? 'Remote image, not loaded' : 'Image, not shown';
    return { tagName: 'span', attribs: { class: 'blocked', title }, text: text.trim() || 'image' };
  }

  private countLoads(name: string, attributes: Attributes): void {
    for (const attribute of LOADING_ATTRIBUTES) {
      const value = attributes[attribute];
      if (value && isRemote(value) && !this.images.has(value)) this.blocked++;
    }
    const { href } = attributes;
    if (href && (name === 'link' || name === 'image' || name === 'use' || name === 'feimage') && isRemote(href))
      this.blocked++;
  }

  private countStyleSheets(html: string): void {
    const lower = html.toLowerCase();
    for (let start = lower.indexOf('<style'); start >= 0;) {
      const end = lower.indexOf('</style', start);
      const sheet = html.slice(start + 6, Math.min(end < 0 ? html.length : end, start + MAX_COUNTED_STYLE_CHARACTERS));
      if (sheet.includes('(') || sheet.includes('@'))
        this.blocked += findAddresses(tokenizeCss(sheet)).filter(isRemote).length;
      start = end < 0 ? -1 : lower.indexOf('<style', end);
    }
  }
}

const isTiny = (length: string | undefined) => length !== undefined && /^\s*[0-2](px)?\s*$/.test(length);

/** Makes the HTML of a part inert (rule P4); throws {@link MarkupLimitError} for markup built to be expensive. */
export function sanitiseHtml(html: string, images: EmbeddedImages, limits: PreviewLimits): SanitisedHtml {
  return new Sanitiser(images, limits).sanitise(html);
}
