import { allowColour } from './css-allow-list.js';
import { tokenizeCss } from './css-tokens.js';

/** Elements that may stay. None of them runs, loads, submits, or takes input; none has content that is not markup. */
export const ELEMENTS: readonly string[] = (
  'a abbr acronym address article aside b bdi big blockquote br caption center cite code col colgroup dd del dfn dir div dl dt em ' +
  'figcaption figure font footer h1 h2 h3 h4 h5 h6 header hr i img ins kbd li main mark menu nav ol p pre q rp rt ruby s samp section ' +
  'small span strike strong sub sup table tbody td tfoot th thead time tr tt u ul var wbr'
).split(' ');

/** Elements whose content goes with them: it is code, a style sheet, another language, or meant for no reader. */
export const DROPPED_WITH_CONTENT: readonly string[] =
  'script style title textarea select option optgroup datalist xmp iframe noembed noframes template svg math frameset applet embed portal fencedframe'.split(
    ' ',
  );

/** Writes an attribute value anew, or null. */
type AttributeRule = (value: string) => string | null;

const oneOf = (list: string): AttributeRule => {
  const allowed = new Set(list.split(' '));
  return (value) => (allowed.has(value.trim().toLowerCase()) ? value.trim().toLowerCase() : null);
};
const matching =
  (pattern: RegExp): AttributeRule =>
  (value) =>
    pattern.test(value.trim()) ? value.trim() : null;

const colour: AttributeRule = (value) => {
  const text = value.trim().slice(0, 40);
  // Old mails write hex colours without the sign.
  return allowColour(tokenizeCss(/^[0-9a-f]{6}$/i.test(text) ? `#${text}` : text));
};
const length = matching(/^\d{1,4}(px)?$|^(100|\d{1,2})%$/);
const wholeNumber = matching(/^-?\d{1,6}$/);
/** Larger spans make a browser lay out millions of cells. */
const span: AttributeRule = (value) => (/^\d{1,3}$/.test(value.trim()) ? String(Math.min(Number(value), 100)) : null);
const align = oneOf('left right center justify char top middle bottom absmiddle baseline');

/** Attributes of every element. Not among them: id, class and name, which could meet those of the frame. */
const GLOBAL: Readonly<Record<string, AttributeRule>> = {
  dir: oneOf('ltr rtl auto'),
  lang: matching(/^[a-z]{1,8}(-[a-z0-9]{1,8}){0,4}$/i),
  align,
};

const CELL: Readonly<Record<string, AttributeRule>> = {
  width: length,
  height: length,
  bgcolor: colour,
  valign: align,
  colspan: span,
  rowspan: span,
  nowrap: () => 'nowrap',
};

const BY_ELEMENT: Readonly<Record<string, Readonly<Record<string, AttributeRule>>>> = {
  font: { color: colour, face: matching(/^[\p{L}\p{N} ,'"_-]{1,200}$/u), size: matching(/^[+-]?[1-7]$/) },
  table: {
    ...CELL,
    border: matching(/^\d{1,2}$/),
    cellpadding: matching(/^\d{1,3}$/),
    cellspacing: matching(/^\d{1,3}$/),
    bordercolor: colour,
  },
  tbody: { bgcolor: colour, valign: align },
  thead: { bgcolor: colour, valign: align },
  tfoot: { bgcolor: colour, valign: align },
  tr: { bgcolor: colour, valign: align, height: length },
  td: CELL,
  th: { ...CELL, scope: oneOf('row col rowgroup colgroup') },
  col: { width: length, span, valign: align },
  colgroup: { width: length, span, valign: align },
  hr: { width: length, size: matching(/^\d{1,2}$/), color: colour, noshade: () => 'noshade' },
  ol: { start: wholeNumber, type: matching(/^[1aAiI]$/), reversed: () => 'reversed' },
  ul: { type: oneOf('disc circle square') },
  li: { value: wholeNumber, type: matching(/^([1aAiI]|disc|circle|square)$/) },
  img: {
    width: length,
    height: length,
    border: matching(/^\d{1,2}$/),
    hspace: matching(/^\d{1,2}$/),
    vspace: matching(/^\d{1,2}$/),
  },
};

/** Names of all attributes that the rules above, or the sanitiser itself, may write; the last gate checks them again. */
export const ATTRIBUTES: Readonly<Record<string, string[]>> = {
  '*': [...Object.keys(GLOBAL), 'style', 'class', 'title'],
  ...Object.fromEntries(Object.entries(BY_ELEMENT).map(([element, rules]) => [element, Object.keys(rules)])),
  img: [...Object.keys(BY_ELEMENT['img'] ?? {}), 'src', 'alt'],
  a: ['data-link'],
};

/** Attributes of an element that stay, with values written anew; style, address and image attributes are not among them. */
export function filterAttributes(
  element: string,
  attributes: Readonly<Record<string, string>>,
): Record<string, string> {
  const rules = Object.hasOwn(BY_ELEMENT, element) ? BY_ELEMENT[element] : undefined;
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(attributes)) {
    const rule =
      rules && Object.hasOwn(rules, name) ? rules[name] : Object.hasOwn(GLOBAL, name) ? GLOBAL[name] : undefined;
    const written = rule?.(value) ?? null;
    if (written !== null) kept[name] = written;
  }
  return kept;
}

/** Attributes through which some element loads something. */
export const LOADING_ATTRIBUTES: readonly string[] = [
  'src',
  'srcset',
  'imagesrcset',
  'background',
  'poster',
  'data',
  'dynsrc',
  'lowsrc',
  'xlink:href',
  'archive',
  'classid',
  'code',
  'manifest',
  'ping',
];
