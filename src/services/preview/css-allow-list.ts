import { type CssToken } from './css-tokens.js';

/** Writes the value anew from its tokens, or null when it is not allowed; blanks are left out of `tokens`. */
type ValueRule = (tokens: readonly CssToken[]) => string | null;
/** Writes one component of a value, or null. */
type Component = (token: CssToken) => string | null;

// Larger than any mail is wide; stops boxes that push everything else out of sight.
const MAX_PIXELS = 4000;
const UNITS: Readonly<Record<string, number>> = {
  px: 1,
  pt: 1.34,
  pc: 16,
  in: 96,
  cm: 38,
  mm: 3.8,
  em: 16,
  rem: 16,
  ex: 8,
  ch: 8,
};
const MAX_PERCENT = 100;

const format = (value: number) => String(Math.round(value * 1000) / 1000);

/** A length that is neither negative nor beyond `maxPixels`: negative ones pull content over other content. */
const length =
  (maxPixels = MAX_PIXELS, maxPercent = MAX_PERCENT): Component =>
  (token) => {
    if (token.kind !== 'number' || !(token.value >= 0)) return null;
    if (token.unit === '') return token.value === 0 ? '0' : null;
    if (token.unit === '%') return token.value <= maxPercent ? `${format(token.value)}%` : null;
    const pixels = UNITS[token.unit];
    return pixels !== undefined && token.value * pixels <= maxPixels ? `${format(token.value)}${token.unit}` : null;
  };

const number =
  (max: number): Component =>
  (token) =>
    token.kind === 'number' && token.unit === '' && token.value >= 0 && token.value <= max ? format(token.value) : null;

const keyword = (list: string): Component => {
  const allowed = new Set(list.split(' '));
  return (token) => {
    const value = token.kind === 'ident' ? token.value.toLowerCase() : '';
    return allowed.has(value) ? value : null;
  };
};

const either =
  (...components: readonly Component[]): Component =>
  (token) => {
    for (const component of components) {
      const written = component(token);
      if (written !== null) return written;
    }
    return null;
  };

/** All components must be allowed; at most `max` of them. */
const each =
  (component: Component, max = 1): ValueRule =>
  (tokens) => {
    if (tokens.length === 0 || tokens.length > max) return null;
    const written = tokens.map(component);
    return written.includes(null) ? null : written.join(' ');
  };

/** CSS Color Module Level 4 section 6.1, and what Outlook writes for the colours of its surroundings. */
const COLOUR_NAMES = new Set(
  (
    'aliceblue antiquewhite aqua aquamarine azure beige bisque black blanchedalmond blue blueviolet brown burlywood cadetblue chartreuse ' +
    'chocolate coral cornflowerblue cornsilk crimson cyan darkblue darkcyan darkgoldenrod darkgray darkgreen darkgrey darkkhaki darkmagenta ' +
    'darkolivegreen darkorange darkorchid darkred darksalmon darkseagreen darkslateblue darkslategray darkslategrey darkturquoise darkviolet ' +
    'deeppink deepskyblue dimgray dimgrey dodgerblue firebrick floralwhite forestgreen fuchsia gainsboro ghostwhite gold goldenrod gray green ' +
    'greenyellow grey honeydew hotpink indianred indigo ivory khaki lavender lavenderblush lawngreen lemonchiffon lightblue lightcoral ' +
    'lightcyan lightgoldenrodyellow lightgray lightgreen lightgrey lightpink lightsalmon lightseagreen lightskyblue lightslategray ' +
    'lightslategrey lightsteelblue lightyellow lime limegreen linen magenta maroon mediumaquamarine mediumblue mediumorchid mediumpurple ' +
    'mediumseagreen mediumslateblue mediumspringgreen mediumturquoise mediumvioletred midnightblue mintcream mistyrose moccasin navajowhite ' +
    'navy oldlace olive olivedrab orange orangered orchid palegoldenrod palegreen paleturquoise palevioletred papayawhip peachpuff peru pink ' +
    'plum powderblue purple rebeccapurple red rosybrown royalblue saddlebrown salmon sandybrown seagreen seashell sienna silver skyblue ' +
    'slateblue slategray slategrey snow springgreen steelblue tan teal thistle tomato turquoise violet wheat white whitesmoke yellow ' +
    'yellowgreen transparent currentcolor inherit initial windowtext window'
  ).split(' '),
);

/** Named, hex or functional colours; the last are one token of {@link foldColours}. */
const colour: Component = (token) => {
  if (token.kind === 'hash')
    return /^([0-9a-f]{3,4}|[0-9a-f]{6}|[0-9a-f]{8})$/i.test(token.value) ? `#${token.value.toLowerCase()}` : null;
  if (token.kind === 'ident') return COLOUR_NAMES.has(token.value.toLowerCase()) ? token.value.toLowerCase() : null;
  return token.kind === 'function' && /^(rgb|hsl)a?\([\d.,% /-]+\)$/.test(token.value) ? token.value : null;
};

/** Replaces rgb(…) and hsl(…) by one token that holds the whole colour, so that values are flat lists. */
export function foldColours(tokens: readonly CssToken[]): CssToken[] {
  const folded: CssToken[] = [];
  for (let at = 0; at < tokens.length; at++) {
    const token = tokens[at];
    if (token?.kind !== 'function' || !/^(rgb|hsl)a?$/.test(token.value)) {
      if (token && token.kind !== 'space') folded.push(token);
      continue;
    }
    let text = `${token.value}(`;
    for (at++; at < tokens.length; at++) {
      const inner = tokens[at];
      if (inner?.kind === 'number' && (inner.unit === '' || inner.unit === '%'))
        text += `${format(inner.value)}${inner.unit}`;
      else if (inner?.kind === 'space') text += text.endsWith(' ') || text.endsWith('(') ? '' : ' ';
      else if (inner?.kind === 'mark' && /^[,/)]$/.test(inner.value)) text += inner.value;
      else text += '!';
      if (inner?.kind === 'mark' && inner.value === ')') break;
    }
    folded.push({ kind: 'function', value: text });
  }
  return folded;
}

const GENERIC_FONTS = /^[\p{L}\p{N} _.-]{1,60}$/u;

/** Font names, quoted anew; fonts that the reader does not have are never loaded, because no @font-face is kept. */
const fontFamily: ValueRule = (tokens) => {
  const names: string[] = [];
  let words: string[] = [];
  for (const token of [...tokens, { kind: 'mark', value: ',' } as const]) {
    if (token.kind === 'ident' || token.kind === 'string') words.push(token.value.trim());
    else if (token.kind === 'mark' && token.value === ',') {
      const name = words.join(' ');
      if (name !== '' && !GENERIC_FONTS.test(name)) return null;
      if (name !== '') names.push(/^[a-z-]+$/i.test(name) ? name : `'${name}'`);
      words = [];
    } else return null;
  }
  return names.length > 0 && names.length <= 20 ? names.join(', ') : null;
};

const FONT_SIZE = either(
  length(96, 300),
  keyword('xx-small x-small small medium large x-large xx-large smaller larger'),
);
const FONT_WEIGHT = either(number(1000), keyword('normal bold bolder lighter'));
const LINE_HEIGHT = either(number(5), length(200, 400), keyword('normal'));
const BORDER_STYLE = keyword('none hidden dotted dashed solid double groove ridge inset outset');
const BORDER_WIDTH = either(length(60), keyword('thin medium thick'));
const BOX = either(length(), keyword('auto'));

/** The font shorthand: style and weight, size with line height, family. */
const font: ValueRule = (tokens) => {
  const size = tokens.findIndex((token) => token.kind === 'number' && token.unit !== '');
  if (size < 0) return null;
  const slash = tokens[size + 1];
  const hasHeight = slash?.kind === 'mark' && slash.value === '/';
  const before = tokens
    .slice(0, size)
    .map(either(keyword('normal italic oblique small-caps bold bolder lighter'), number(1000)));
  const sizeText = tokens[size] ? FONT_SIZE(tokens[size]) : null;
  const height = hasHeight && tokens[size + 2] ? LINE_HEIGHT(tokens[size + 2] as CssToken) : '';
  const family = fontFamily(tokens.slice(size + (hasHeight ? 3 : 1)));
  if (before.includes(null) || before.length > 4 || sizeText === null || height === null || family === null)
    return null;
  return [...before, height ? `${sizeText}/${height}` : sizeText, family].join(' ');
};

/** Only the colour of a background is kept. */
const background: ValueRule = (tokens) => tokens.map(colour).find((written) => written !== null) ?? null;

const border = each(either(BORDER_WIDTH, BORDER_STYLE, colour), 3);
const sides = ['top', 'right', 'bottom', 'left'] as const;
const perSide = (name: (side: string) => string, rule: ValueRule) =>
  sides.map((side): [string, ValueRule] => [name(side), rule]);

/**
 * Properties that may stay, each with what its value may be. Not on the list, among others: position, transform,
 * z-index, negative margins (overlays), animation and transition, content, cursor, filter, opacity, clip (disguise),
 * every property that loads something, and custom properties.
 */
export const CSS_PROPERTIES: ReadonlyMap<string, ValueRule> = new Map<string, ValueRule>([
  ['color', each(colour)],
  ['background-color', each(colour)],
  ['background', background],
  ['font', font],
  ['font-family', fontFamily],
  ['font-size', each(FONT_SIZE)],
  ['font-style', each(keyword('normal italic oblique'))],
  ['font-weight', each(FONT_WEIGHT)],
  ['font-variant', each(keyword('normal small-caps'))],
  ['line-height', each(LINE_HEIGHT)],
  ['letter-spacing', each(either(length(20), keyword('normal')))],
  ['word-spacing', each(either(length(50), keyword('normal')))],
  ['text-align', each(keyword('left right center justify start end'))],
  [
    'text-decoration',
    each(either(keyword('none underline overline line-through solid double dotted dashed wavy'), colour), 3),
  ],
  ['text-decoration-line', each(keyword('none underline overline line-through'))],
  ['text-indent', each(length(200))],
  ['text-transform', each(keyword('none capitalize uppercase lowercase'))],
  ['vertical-align', each(either(keyword('baseline sub super text-top text-bottom middle top bottom'), length(100)))],
  ['white-space', each(keyword('normal nowrap pre pre-wrap pre-line'))],
  ['word-break', each(keyword('normal break-all keep-all break-word'))],
  ['word-wrap', each(keyword('normal break-word'))],
  ['overflow-wrap', each(keyword('normal break-word anywhere'))],
  ['direction', each(keyword('ltr rtl'))],
  ['unicode-bidi', each(keyword('normal embed isolate plaintext'))],
  [
    'display',
    each(
      keyword(
        'block inline inline-block none table table-row table-cell table-row-group table-header-group table-footer-group inline-table list-item',
      ),
    ),
  ],
  ['visibility', each(keyword('visible hidden collapse'))],
  ['float', each(keyword('left right none'))],
  ['clear', each(keyword('left right both none'))],
  ['width', each(BOX)],
  ['min-width', each(BOX)],
  ['max-width', each(either(length(), keyword('none')))],
  ['height', each(BOX)],
  ['min-height', each(BOX)],
  ['max-height', each(either(length(), keyword('none')))],
  ['box-sizing', each(keyword('border-box content-box'))],
  ['margin', each(BOX, 4)],
  ...perSide((side) => `margin-${side}`, each(BOX)),
  ['padding', each(length(), 4)],
  ...perSide((side) => `padding-${side}`, each(length())),
  ['border', border],
  ...perSide((side) => `border-${side}`, border),
  ['border-width', each(BORDER_WIDTH, 4)],
  ...perSide((side) => `border-${side}-width`, each(BORDER_WIDTH)),
  ['border-style', each(BORDER_STYLE, 4)],
  ...perSide((side) => `border-${side}-style`, each(BORDER_STYLE)),
  ['border-color', each(colour, 4)],
  ...perSide((side) => `border-${side}-color`, each(colour)),
  ['border-radius', each(length(500), 4)],
  ['border-collapse', each(keyword('collapse separate'))],
  ['border-spacing', each(length(60), 2)],
  ['table-layout', each(keyword('auto fixed'))],
  ['caption-side', each(keyword('top bottom'))],
  ['empty-cells', each(keyword('show hide'))],
  [
    'list-style',
    each(keyword('none disc circle square decimal lower-alpha upper-alpha lower-roman upper-roman inside outside'), 2),
  ],
  ['list-style-type', each(keyword('none disc circle square decimal lower-alpha upper-alpha lower-roman upper-roman'))],
  ['list-style-position', each(keyword('inside outside'))],
]);

/** A colour from an attribute such as bgcolor; null when it is none. */
export function allowColour(tokens: readonly CssToken[]): string | null {
  return each(colour)(foldColours(tokens));
}
