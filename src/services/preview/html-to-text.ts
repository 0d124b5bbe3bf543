import { Tokenizer } from 'htmlparser2';

/** Text made from HTML. */
export interface TextOfHtml {
  readonly text: string;
  /** True when the text was cut at the limit. */
  readonly truncated: boolean;
}

const words = (list: string): ReadonlySet<string> => new Set(list.split(' '));

/** Their content is never shown by a mail program either. */
const UNSEEN = words(
  'script style title template textarea select option noembed noframes iframe object svg math audio video',
);
const PARAGRAPHS = words('p h1 h2 h3 h4 h5 h6 ul ol dl table blockquote pre fieldset');
const READ_ATTRIBUTES = words('href alt style hidden start');
const LISTS = words('ul ol');
const LINES = words(
  'div section article header footer main aside nav address center form tr caption dt dd figure figcaption',
);
/** Elements that reliably have an end tag: only these may hide what is inside them. */
const HIDEABLE = words('div span td table tbody tr section font center');

// Deeper lists and quotes keep the indent of this depth; stops lines that are all indent.
const MAX_INDENT = 8;
// Longest address written out in full.
const MAX_ADDRESS_CHARACTERS = 1000;

const HIDDEN_STYLE = /(^|[;\s])(display\s*:\s*none|visibility\s*:\s*hidden|mso-hide\s*:\s*all)/i;

/**
 * Writes text as somebody would who copies a mail by hand. It reads tokens, not a tree, so that time and memory grow
 * only with the length of the input, however deep and unbalanced the markup is.
 */
class TextWriter {
  private readonly lines: string[] = [];
  private line = '';
  private length = 0;
  private breaks = 0;
  private space = false;
  private skipped: string | null = null;
  private skippedDepth = 0;
  private tag = '';
  private attribute = '';
  private attributes = new Map<string, string>();
  private readonly lists: number[] = [];
  private quotes = 0;
  private preformatted = 0;
  private link: { href: string; text: string } | null = null;
  truncated = false;

  constructor(
    private readonly html: string,
    private readonly maxCharacters: number,
  ) {}

  write(): string {
    const { html } = this;
    const tokenizer = new Tokenizer(
      { decodeEntities: true },
      {
        ontext: (start, end) => {
          if (!this.skipped) this.addText(html.slice(start, end));
          if (this.truncated) tokenizer.pause();
        },
        ontextentity: (codePoint) => {
          if (!this.skipped) this.addText(String.fromCodePoint(codePoint));
        },
        onopentagname: (start, end) => {
          this.tag = html.slice(start, end).toLowerCase();
          this.attributes.clear();
        },
        onattribname: (start, end) => {
          this.attribute = html.slice(start, end).toLowerCase();
        },
        onattribdata: (start, end) => this.addAttribute(html.slice(start, end)),
        onattribentity: (codePoint) => this.addAttribute(String.fromCodePoint(codePoint)),
        onattribend: () => undefined,
        onopentagend: () => this.openTag(),
        onselfclosingtag: () => this.openTag(),
        onclosetag: (start, end) => this.closeTag(html.slice(start, end).toLowerCase()),
        oncdata: () => undefined,
        oncomment: () => undefined,
        ondeclaration: () => undefined,
        onprocessinginstruction: () => undefined,
        onend: () => undefined,
      },
    );
    tokenizer.write(html);
    if (!this.truncated) tokenizer.end();
    this.closeLink();
    this.flushLine();
    return this.lines.join('\n').trim();
  }

  private addAttribute(value: string): void {
    const { attribute } = this;
    if (!READ_ATTRIBUTES.has(attribute)) return;
    const before = this.attributes.get(attribute) ?? '';
    if (before.length < MAX_ADDRESS_CHARACTERS * 4) this.attributes.set(attribute, before + value);
  }

  private openTag(): void {
    const { tag } = this;
    if (this.skipped) {
      if (tag === this.skipped) this.skippedDepth++;
      return;
    }
    if (UNSEEN.has(tag) || (HIDEABLE.has(tag) && this.isHidden())) {
      this.skipped = tag;
      this.skippedDepth = 1;
      return;
    }
    // A list inside a list goes on in the next line.
    if (LISTS.has(tag) && this.lists.length > 0) this.breakLine(1);
    else if (PARAGRAPHS.has(tag)) this.breakLine(2);
    else if (LINES.has(tag)) this.breakLine(1);
    if (tag === 'br') this.addLineBreak();
    else if (tag === 'hr') this.addBlock('----------');
    else if (tag === 'td' || tag === 'th') this.openCell();
    else if (tag === 'ul') this.lists.push(-1);
    else if (tag === 'ol') this.lists.push(this.readStart());
    else if (tag === 'li') this.openItem();
    else if (tag === 'blockquote') this.quotes++;
    else if (tag === 'pre') this.preformatted++;
    else if (tag === 'a') this.openLink();
    else if (tag === 'img') this.addImage();
  }

  private isHidden(): boolean {
    return this.attributes.has('hidden') || HIDDEN_STYLE.test(this.attributes.get('style') ?? '');
  }

  private closeTag(tag: string): void {
    if (this.skipped) {
      if (tag === this.skipped && --this.skippedDepth === 0) this.skipped = null;
      return;
    }
    if (tag === 'a') this.closeLink();
    if (LISTS.has(tag)) this.lists.pop();
    if (LISTS.has(tag) && this.lists.length > 0) this.breakLine(1);
    else if (PARAGRAPHS.has(tag)) this.breakLine(2);
    else if (LINES.has(tag) || tag === 'li') this.breakLine(1);
    if (tag === 'blockquote') this.quotes = Math.max(0, this.quotes - 1);
    else if (tag === 'pre') this.preformatted = Math.max(0, this.preformatted - 1);
  }

  private openCell(): void {
    // Cells that hold one line each read as columns; layout cells have ended their line already.
    if (this.line !== '' && this.breaks === 0) {
      this.space = false;
      this.append(' | ');
    }
  }

  /** Items counted before the first one of an ordered list. */
  private readStart(): number {
    const start = this.attributes.get('start') ?? '';
    return /^\d{1,6}$/.test(start) ? Math.max(0, Number(start) - 1) : 0;
  }

  private openItem(): void {
    this.breakLine(1);
    const depth = Math.min(this.lists.length, MAX_INDENT);
    const number = this.lists.at(-1);
    const isOrdered = number !== undefined && number >= 0;
    if (isOrdered) this.lists[this.lists.length - 1] = number + 1;
    this.append(`${'  '.repeat(Math.max(0, depth - 1))}${isOrdered ? `${number + 1}.` : '-'} `);
    this.space = false;
  }

  private openLink(): void {
    this.closeLink();
    const href = (this.attributes.get('href') ?? '').trim();
    if (href && !href.startsWith('#')) this.link = { href, text: '' };
  }

  private closeLink(): void {
    const { link } = this;
    if (!link) return;
    this.link = null;
    const address = link.href.replace(/^mailto:/i, '').replace(/[\s<>]+/g, '');
    const text = link.text.trim();
    if (text === address || text === link.href || `${text}/` === address) return;
    const shown = address.length > MAX_ADDRESS_CHARACTERS ? `${address.slice(0, MAX_ADDRESS_CHARACTERS)}…` : address;
    this.addText(text ? ` <${shown}>` : `<${shown}>`);
  }

  private addImage(): void {
    const alternative = (this.attributes.get('alt') ?? '').trim();
    if (alternative) this.addText(`[${alternative}]`);
  }

  private addBlock(text: string): void {
    this.breakLine(1);
    this.append(text);
    this.breakLine(1);
  }

  private addLineBreak(): void {
    if (this.breaks > 0 || this.line === '') this.breaks = Math.min(this.breaks + 1, 2);
    else this.breaks = 1;
    this.space = false;
  }

  private breakLine(count: number): void {
    this.space = false;
    if (this.line !== '' || this.lines.length > 0) this.breaks = Math.max(this.breaks, count);
  }

  private addText(text: string): void {
    if (this.preformatted > 0) {
      const [first = '', ...rest] = text.split(/\r?\n/);
      this.append(first);
      for (const line of rest) {
        this.flushLine();
        this.append(line);
      }
      return;
    }
    const collapsed = text.replace(/[ \t\r\n\f]+/g, ' ');
    if (collapsed === ' ') {
      this.space = this.line !== '' && this.breaks === 0;
      return;
    }
    if (collapsed.startsWith(' ')) this.space = this.line !== '' && this.breaks === 0;
    this.append(collapsed.trim());
    this.space = collapsed.endsWith(' ');
  }

  private append(text: string): void {
    if (text === '') return;
    if (this.breaks > 0) this.flushBreaks();
    if (this.line === '') this.line = '> '.repeat(Math.min(this.quotes, MAX_INDENT));
    else if (this.space) this.line += ' ';
    this.space = false;
    this.line += text;
    if (this.link) this.link.text += text;
    this.length += text.length + 1;
    if (this.length > this.maxCharacters) this.truncated = true;
  }

  private flushBreaks(): void {
    if (this.line !== '') this.flushLine();
    if (this.breaks > 1 && this.lines.at(-1) !== '') this.lines.push('');
    this.breaks = 0;
  }

  private flushLine(): void {
    this.lines.push(this.line.trimEnd());
    this.length++;
    this.line = '';
  }
}

/** Text of an HTML part: links with their address, lists and tables readable, hidden content left out; never fails. */
export function convertHtmlToText(html: string, maxCharacters: number): TextOfHtml {
  const writer = new TextWriter(html, maxCharacters);
  const text = writer.write();
  return { text, truncated: writer.truncated };
}
