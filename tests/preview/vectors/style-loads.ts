import { vector } from './hostile-vector.js';

const B = '%BEACON%';

const both = (name: string, css: string, gone: string | readonly string[] = 'beacon') => [
  vector(`loads by style: ${name}`, `<p style="${css.replace(/"/g, '&quot;')}">Text</p>`, gone, 'Text'),
  vector(
    `loads by style: ${name} (style sheet)`,
    `<style>p{${css}}@media screen{p{${css}}}@container (width>0){p{${css}}}@scope{p{${css}}}</style><p>Text</p>`,
    gone,
    'Text',
  ),
];
const sheet = (name: string, css: string, gone: string | readonly string[] = 'beacon') =>
  vector(`loads by sheet: ${name}`, `<style>${css}</style><p id=a class=b>Text</p>`, gone, 'Text');

/** Addresses in places that a filter of style sheets or attributes forgets. */
export const styleLoads = [
  ...both('image()', `background: image('${B}/1', red)`),
  ...both('a gradient beside an address', `background: linear-gradient(red, blue), url(${B}/2) no-repeat, #fff`),
  ...both('nested image sets', `background: image-set(image-set("${B}/3" 1x) type("image/png"), url("${B}/4") 2x)`),
  ...both('-webkit-cross-fade()', `background: -webkit-cross-fade(url(${B}/5), url(${B}/6), 50%)`),
  ...both('url() with modifiers', `background: url("${B}/7" crossorigin(anonymous) integrity("x"))`),
  ...both('-webkit-mask-box-image', `-webkit-mask-box-image: url(${B}/8) 30; mask-border: url(${B}/8) 30`),
  ...both('-webkit-border-image', `-webkit-border-image: url(${B}/9) 30; border-image-source: url(${B}/9)`),
  ...both('a cursor set', `cursor: image-set("${B}/10" 1x), pointer`),
  ...both('a content set', `content: image-set("${B}/11" 1x) / "alt"`),
  ...both(
    'a marker of SVG',
    `marker: url(${B}/12#m); marker-start: url(${B}/12); fill: url(${B}/12); stroke: url(${B}/12)`,
  ),
  ...both(
    'a mask layer',
    `mask: linear-gradient(#000,#000), url("${B}/13") center / cover; mask-image: -webkit-image-set(url(${B}/14) 1x)`,
  ),
  ...both('a filter chain', `filter: blur(1px) url('${B}/15#f') grayscale(1); backdrop-filter: url(${B}/15)`),
  ...both('a list of list styles', `list-style: inside url("${B}/16") square; display: list-item`),
  ...both('an old image rectangle', `background: -moz-image-rect(url(${B}/17),0,0,9,9), -o-image("${B}/17")`),
  ...both('a word that hides the function', `background: u\\72 l(${B}/18), \\000055\\000052\\00004C("${B}/18")`),
  ...both('an escaped line end in the function', `background: url\\\n(${B}/19); background: url(\\\n${B}/19)`),
  ...both('an address over two strings', `background: url("${B.slice(0, 4)}" "${B}/20")`),
  ...both('an address behind an open bracket', `color: rgb(0; background: url(${B}/21)`),
  ...both('an address behind an open block', `color: {; background: url(${B}/22)`),
  ...both('an address behind a bad string', `color: "red\n; background: url(${B}/23)`),
  ...both('an address behind a comment without end', `color: red /* ; background: url(${B}/24)`),
  ...both('a CDO and an address', `<!-- ; background: url(${B}/25) -->`),
  ...both('a custom property with all', `--a: url(${B}/26); --b: var(--a); background-image: var(--b, url(${B}/26))`),
  ...both('an env() with a default', `background: env(x, url(${B}/27))`),
  ...both('an if()', `background: if(media(all): url(${B}/28); else: red)`),
  ...both('a shape', `shape-outside: url(${B}/29); clip-path: url(${B}/29#c); offset-path: url(${B}/29#o)`),
  ...both(
    'a behaviour of old browsers',
    `behavior: url(${B}/30.htc); -moz-binding: url(${B}/30.xml#x); -ms-behavior: url(${B}/30)`,
  ),
  ...both('a filter of old browsers', `filter: progid:DXImageTransform.Microsoft.AlphaImageLoader(src='${B}/31')`),
  ...both('an important address', `background-image: url(${B}/32) !important; BACKGROUND-IMAGE : URL(${B}/33)! ie`),
  ...both(
    'hacks in front of a name',
    `*background: url(${B}/34); _background: url(${B}/35); +background: url(${B}/36)`,
  ),
  sheet('@import without url()', `@import '${B}/40';`),
  sheet('@import behind @charset', `@charset "utf-8"; @import url("${B}/41") layer(x) supports(color: red) screen;`),
  sheet('@import in capitals and escapes', `@\\69MPORT "${B}/42"; @IMPORT url(${B}/42);`),
  sheet('@import behind a comment', `/* */@import/**/"${B}/43"/**/;`),
  sheet('@import without a semicolon', `@import "${B}/44"`),
  sheet('@namespace', `@namespace svg url(${B}/45); @namespace "${B}/45";`),
  sheet('@font-face', `@font-face{font-family:x;src:local(x),url(${B}/46) format("woff2")}p{font-family:x}`),
  sheet('@font-face with a range', `@font-face{font-family:y;src:url(${B}/47);unicode-range:U+54}p{font-family:y}`),
  sheet('@property', `@property --x{syntax:"<image>";inherits:true;initial-value:url(${B}/48)}p{background:var(--x)}`),
  sheet('@keyframes', `@keyframes k{from{background:url(${B}/49)}}p{animation:k 1s}`),
  sheet('@starting-style', `@starting-style{p{background:url(${B}/50)}}p{transition:all 1s}`),
  sheet('@page', `@page{background:url(${B}/51)}@page :first{@top-left{content:url(${B}/51)}}`),
  sheet('@document', `@-moz-document url-prefix(){p{background:url(${B}/52)}}@document url(${B}/52){p{color:red}}`),
  sheet('@view-transition', `@view-transition{navigation:auto}::view-transition{background:url(${B}/53)}`),
  sheet('@position-try', `@position-try --x{inset:0}p{position-try:--x;background:url(${B}/54)}`),
  sheet('attribute readers', `p[id^=a]{background:url(${B}/55)}p:has(~ p){background:url(${B}/56)}`),
  sheet(
    'states',
    `p:hover{background:url(${B}/57)}:focus-within{background:url(${B}/58)}:target{background:url(${B}/59)}`,
  ),
  sheet('a lone brace in front', `}}} p{background:url(${B}/60)}`),
  sheet(
    'a sheet that closes late',
    `/*</style>*/p{background:url(${B}/61)}</style><style>p{background:url(${B}/62)}`,
    '<style',
  ),
  sheet('a sheet with markup in it', `<!-- p{background:url(${B}/63)} --><b>x</b><img src=${B}/64>`),
  sheet(
    'a print sheet',
    `@media print{p{background:url(${B}/65)}}@media (prefers-color-scheme:dark){p{background:url(${B}/66)}}`,
  ),
];
