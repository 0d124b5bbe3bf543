/** One token of a style declaration (CSS Syntax Module Level 3, section 4), with its escapes decoded. */
export type CssToken =
  | { readonly kind: 'ident' | 'function' | 'string' | 'url' | 'hash' | 'at'; readonly value: string }
  | { readonly kind: 'number'; readonly value: number; readonly unit: string }
  | { readonly kind: 'mark'; readonly value: string }
  | { readonly kind: 'space' }
  /** An unfinished string or address: what it would mean depends on the browser. */
  | { readonly kind: 'bad' };

const SPACE = /\s/;
const NAME = /[-\w\u0080-\uffff]/;
const HEX = /[0-9a-f]/i;

/** Reads the characters of a style once, from left to right; every character belongs to exactly one token. */
class CssReader {
  private at = 0;
  readonly tokens: CssToken[] = [];

  constructor(private readonly css: string) {}

  read(): CssToken[] {
    while (this.at < this.css.length) this.readToken();
    return this.tokens;
  }

  private readToken(): void {
    const { css } = this;
    const character = css.charAt(this.at);
    if (css.startsWith('/*', this.at)) {
      const end = css.indexOf('*/', this.at + 2);
      this.at = end < 0 ? css.length : end + 2;
    } else if (SPACE.test(character)) {
      while (SPACE.test(css.charAt(this.at))) this.at++;
      this.tokens.push({ kind: 'space' });
    } else if (character === '"' || character === "'") this.readString(character);
    else if (/[0-9]/.test(character) || /^[+-]?\.?[0-9]/.test(css.slice(this.at, this.at + 3))) this.readNumber();
    else if (this.startsName(this.at)) this.readName();
    else if ((character === '#' || character === '@') && this.startsName(this.at + 1, true)) {
      this.at++;
      this.tokens.push({ kind: character === '#' ? 'hash' : 'at', value: this.takeName() });
    } else {
      this.at++;
      this.tokens.push({ kind: 'mark', value: character });
    }
  }

  private startsName(at: number, digits = false): boolean {
    const character = this.css.charAt(at);
    if (character === '\\') return at + 1 < this.css.length && this.css.charAt(at + 1) !== '\n';
    return NAME.test(character) && (digits || !/[0-9]/.test(character));
  }

  private takeName(): string {
    let name = '';
    for (;;) {
      const character = this.css.charAt(this.at);
      if (character === '\\' && this.startsName(this.at)) name += this.takeEscape();
      else if (character !== '' && NAME.test(character)) {
        name += character;
        this.at++;
      } else return name;
    }
  }

  /** Section 4.3.7: up to six hex digits and one blank, or the character itself. */
  private takeEscape(): string {
    this.at++;
    let digits = '';
    while (digits.length < 6 && HEX.test(this.css.charAt(this.at))) digits += this.css.charAt(this.at++);
    if (digits === '') {
      const codePoint = this.css.codePointAt(this.at) ?? 0xfffd;
      const literal = String.fromCodePoint(codePoint);
      this.at += literal.length;
      return literal;
    }
    if (SPACE.test(this.css.charAt(this.at))) this.at++;
    const codePoint = parseInt(digits, 16);
    return codePoint === 0 || codePoint > 0x10ffff || (codePoint >= 0xd800 && codePoint <= 0xdfff)
      ? '\ufffd'
      : String.fromCodePoint(codePoint);
  }

  private readString(quote: string): void {
    this.at++;
    let value = '';
    for (;;) {
      const character = this.css.charAt(this.at);
      if (character === '' || character === '\n') {
        this.tokens.push({ kind: 'bad' });
        return;
      }
      if (character === quote) {
        this.at++;
        this.tokens.push({ kind: 'string', value });
        return;
      }
      if (character !== '\\') {
        value += character;
        this.at++;
      } else if (this.css.charAt(this.at + 1) === '\n') this.at += 2;
      else value += this.takeEscape();
    }
  }

  private readNumber(): void {
    const matched =
      /^[+-]?(?:\d{0,20}\.)?\d{1,20}(?:e[+-]?\d{1,3})?/i.exec(this.css.slice(this.at, this.at + 50))?.[0] ?? '';
    if (matched === '') {
      this.tokens.push({ kind: 'mark', value: this.css.charAt(this.at++) });
      return;
    }
    this.at += matched.length;
    let unit = '';
    if (this.css.charAt(this.at) === '%') {
      unit = '%';
      this.at++;
    } else if (this.startsName(this.at)) unit = this.takeName().toLowerCase();
    this.tokens.push({ kind: 'number', value: Number(matched), unit });
  }

  private readName(): void {
    const name = this.takeName();
    if (this.css.charAt(this.at) !== '(') {
      this.tokens.push({ kind: 'ident', value: name });
      return;
    }
    this.at++;
    if (name.toLowerCase() === 'url' && !/^\s*["']/.test(this.css.slice(this.at, this.at + 100))) this.readAddress();
    else this.tokens.push({ kind: 'function', value: name.toLowerCase() });
  }

  /** Section 4.3.6: an address without quotation marks. */
  private readAddress(): void {
    let value = '';
    for (;;) {
      const character = this.css.charAt(this.at);
      if (character === ')' || character === '') {
        this.at++;
        this.tokens.push({ kind: 'url', value: value.trim() });
        return;
      }
      if (character === '\\') value += this.takeEscape();
      else {
        value += character;
        this.at++;
      }
    }
  }
}

/** Splits CSS into tokens; never fails. */
export function tokenizeCss(css: string): CssToken[] {
  return new CssReader(css.replace(/\r\n?|\f/g, '\n').replaceAll('\0', '\ufffd')).read();
}

/** Addresses that these tokens would load: url(), and texts inside image-set(), image() and their like. */
export function findAddresses(tokens: readonly CssToken[]): string[] {
  const addresses: string[] = [];
  const functions: string[] = [];
  let importing = false;
  for (const token of tokens) {
    if (token.kind === 'url') addresses.push(token.value);
    else if (token.kind === 'function') functions.push(token.value);
    else if (token.kind === 'at') importing = token.value.toLowerCase() === 'import';
    else if (token.kind === 'string') {
      const loads = functions.some((name) => /^(url|src|image|cross-fade|-webkit-cross-fade)$|image-set$/.test(name));
      if (loads || importing) addresses.push(token.value);
    } else if (token.kind === 'mark' && token.value === '(') functions.push('');
    else if (token.kind === 'mark' && token.value === ')') functions.pop();
    else if (token.kind === 'mark' && token.value === ';') importing = false;
  }
  return addresses;
}
