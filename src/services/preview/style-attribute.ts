import { CSS_PROPERTIES, foldColours } from './css-allow-list.js';
import { type CssToken, findAddresses, tokenizeCss } from './css-tokens.js';

/** A style attribute after filtering. */
export interface FilteredStyle {
  /** Allowed declarations, written anew; empty when none is left. */
  readonly css: string;
  /** Addresses that the style would have loaded. */
  readonly addresses: readonly string[];
  /** True when text or background colours were kept: such a mail counts on a light page. */
  readonly setsColours: boolean;
}

/** Their height is a minimum already, and the only one that counts (CSS 2.1 section 17.5.3), unless `display` makes them something else. */
const GROWING = new Set(['table', 'tbody', 'thead', 'tfoot', 'tr', 'td', 'th']);

/** The name under which a property is kept: no box may be lower than its content, which would lie over what follows. */
function nameKept(property: string, element: string, hasDisplay: boolean): string | null {
  if (property === 'background') return 'background-color';
  if (element === 'img') return property;
  if (property === 'max-height') return null;
  return property === 'height' && (hasDisplay || !GROWING.has(element)) ? 'min-height' : property;
}

// Longest style attribute that is read; stops long computation, and designers stay far below.
const MAX_STYLE_CHARACTERS = 8192;

/** Splits at semicolons that are not inside brackets (CSS Syntax section 5.4.4). */
function splitDeclarations(tokens: readonly CssToken[]): CssToken[][] {
  const declarations: CssToken[][] = [[]];
  let depth = 0;
  for (const token of tokens) {
    if (token.kind === 'function' || (token.kind === 'mark' && /^[([{]$/.test(token.value))) depth++;
    else if (token.kind === 'mark' && /^[)\]}]$/.test(token.value)) depth = Math.max(0, depth - 1);
    if (depth === 0 && token.kind === 'mark' && token.value === ';') declarations.push([]);
    else declarations.at(-1)?.push(token);
  }
  return declarations;
}

function dropImportance(tokens: CssToken[]): CssToken[] {
  const mark = tokens.findIndex((token) => token.kind === 'mark' && token.value === '!');
  return mark < 0 ? tokens : tokens.slice(0, mark);
}

/**
 * Keeps the allowed declarations of a style attribute. The result is written from the tokens that were understood,
 * never copied, so a browser cannot read it differently than this did. A tokenizer of our own instead of postcss,
 * which keeps values as text with their escapes and comments inside.
 */
export function filterStyle(style: string, element = 'div'): FilteredStyle {
  const tokens = tokenizeCss(style.slice(0, MAX_STYLE_CHARACTERS));
  const written: string[] = [];
  let setsColours = false;
  const hasDisplay = tokens.some((token) => token.kind === 'ident' && token.value.toLowerCase() === 'display');
  for (const declaration of splitDeclarations(tokens)) {
    const [name, ...rest] = declaration.filter((token) => token.kind !== 'space');
    if (name?.kind !== 'ident' || rest[0]?.kind !== 'mark' || rest[0].value !== ':') continue;
    const property = name.value.toLowerCase();
    const rule = CSS_PROPERTIES.get(property);
    const kept = nameKept(property, element, hasDisplay);
    if (!rule || !kept) continue;
    const colon = declaration.findIndex((token) => token.kind === 'mark');
    const value = rule(foldColours(dropImportance(declaration.slice(colon + 1))));
    if (value === null) continue;
    written.push(`${kept}: ${value}`);
    setsColours ||= /^(color|background)/.test(property) && !/^(transparent|inherit|initial|unset)$/.test(value);
  }
  return { css: written.join('; '), addresses: style.includes('(') ? findAddresses(tokens) : [], setsColours };
}
