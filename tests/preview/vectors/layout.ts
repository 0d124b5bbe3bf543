import { vector } from './hostile-vector.js';

const B = '%BEACON%';

/** A style attribute, and the same declarations in a style sheet, behind a condition, in a layer, and nested. */
const everywhere = (name: string, css: string, gone: string | readonly string[]) => [
  vector(`layout: ${name}`, `<div style="${css.replace(/"/g, '&quot;')}">Text</div>`, gone, 'Text'),
  vector(
    `layout: ${name} (style sheet)`,
    `<style>div{${css}}@media all{@supports(color:red){div{${css}}}}@layer a{div{${css}}}div{& p{${css}}}</style><div><p>Text</p></div>`,
    gone,
    'Text',
  ),
];

/** Ways of CSS to cover other content, to hide it, or to disguise it. */
export const layouts = [
  ...everywhere('an overlay by inset', 'position: fixed; inset: 0; background: #fff; z-index: 2147483647', [
    'fixed',
    'inset',
    'z-index',
  ]),
  ...everywhere('an overlay by logical inset', 'position:absolute;inset-block-start:0;inset-inline:0', [
    'absolute',
    'inset-block',
  ]),
  ...everywhere('a relative shift', 'position: relative; top: -300px; left: -300px', ['relative', '-300']),
  ...everywhere('a sticky header', 'position: -webkit-sticky; position: sticky; top: 0', ['sticky']),
  ...everywhere('an anchored box', 'position-anchor: --a; anchor-name: --a; position-area: top; top: anchor(top)', [
    'anchor',
  ]),
  ...everywhere('a matrix', 'transform: matrix(1, 0, 0, 1, -900, -900); transform-origin: 0 0', ['matrix']),
  ...everywhere('a perspective', 'perspective: 1px; transform-style: preserve-3d; rotate: x 80deg', [
    'perspective',
    'preserve-3d',
  ]),
  ...everywhere('a zoom', 'zoom: 100', ['zoom']),
  ...everywhere('a logical negative margin', 'margin-block-start: -9999px; margin-inline: -9999px', ['-9999']),
  ...everywhere('a negative indent', 'text-indent: -9999px', ['-9999']),
  ...everywhere('a negative letter space', 'letter-spacing: -1em; word-spacing: -99px', ['-1em', '-99px']),
  ...everywhere('a negative line shift', 'vertical-align: -500px', ['-500']),
  ...everywhere('a far shadow', 'box-shadow: 0 0 0 9999px #fff; text-shadow: 0 -200px #000', ['shadow']),
  ...everywhere('a far drop shadow', 'filter: drop-shadow(0 -200px 0 red) blur(0)', ['drop-shadow']),
  ...everywhere('an outline around all', 'outline: 9999px solid #fff; outline-offset: -5000px', ['outline']),
  ...everywhere(
    'a border image that grows',
    `border: 1px solid; border-image: linear-gradient(red,red) 1 / 1 / 9999px`,
    ['border-image', 'gradient'],
  ),
  ...everywhere('everything at once', 'all: unset; all: initial; all: revert-layer', ['all:', 'unset']),
  ...everywhere('a display of no list', 'display: grid; grid-area: 1/1; display: flex; display: contents', [
    'grid',
    'flex',
    'contents',
  ]),
  ...everywhere('columns', 'columns: 2; column-span: all; column-rule: 99px solid', ['column']),
  ...everywhere('a vertical text', 'writing-mode: vertical-rl; text-orientation: upright', ['writing-mode', 'upright']),
  ...everywhere('a turned text', 'unicode-bidi: bidi-override; direction: rtl', ['override']),
  ...everywhere('an isolated override', 'unicode-bidi: isolate-override', ['override']),
  ...everywhere('a see-through text', 'opacity: 0; mix-blend-mode: difference; -webkit-text-fill-color: transparent', [
    'opacity',
    'blend',
    'fill-color',
  ]),
  ...everywhere('a clipped box', 'clip: rect(0,0,0,0); clip-path: inset(0 0 100% 0); overflow: hidden', [
    'clip',
    'overflow',
  ]),
  ...everywhere('a hidden content', 'content-visibility: hidden; contain-intrinsic-size: 9999px', [
    'content-visibility',
  ]),
  ...everywhere('a large box of the window', 'width: 100vw; height: 100dvh; min-height: 100svb', ['vw', 'dvh', 'svb']),
  ...everywhere(
    'a box by arithmetic',
    'width: calc(100% + 999px); height: min(99999px, 999vh); margin: max(-9px,-8px)',
    ['calc', 'min(', 'max('],
  ),
  ...everywhere(
    'a box by an environment',
    'padding: env(x, 9999px); width: var(--w, 99999px); height: attr(title px)',
    ['env', 'var', 'attr'],
  ),
  ...everywhere('a box of scientific size', 'width: 1e9px; height: 9e99em; padding-top: 1e5%', ['1e9', '9e99', '1e5']),
  ...everywhere('a scroll snap', 'scroll-snap-type: y mandatory; scroll-behavior: smooth; overscroll-behavior: none', [
    'scroll',
  ]),
  ...everywhere('a picture of the page', 'backdrop-filter: invert(1); -webkit-box-reflect: below', [
    'backdrop',
    'reflect',
  ]),
  ...everywhere('a moving box', 'animation: m 1s infinite; offset: path("M0 0L9 9"); will-change: transform', [
    'animation',
    'offset',
    'will-change',
  ]),
  ...everywhere('a scroll-driven box', 'animation-timeline: scroll(); view-timeline: --v; timeline-scope: all', [
    'timeline',
  ]),
  ...everywhere(
    'an appearance of controls',
    'appearance: button; -webkit-appearance: textfield; resize: both; user-modify: read-write',
    ['appearance', 'resize', 'modify'],
  ),
  ...everywhere('a misleading pointer', 'cursor: none; pointer-events: none; user-select: none; caret-color: red', [
    'cursor',
    'pointer-events',
    'user-select',
  ]),
  vector(
    'layout: a hidden warning',
    '<div style="visibility:hidden"><a href="https://evil.example/" style="visibility:visible">bank.example</a></div>',
    'href',
    'the text says bank.example',
  ),
  vector(
    'layout: text that is inserted by a sheet',
    `<style>p::before{content:"Paid by your bank"}p::after{content:attr(title)}q{quotes:"x" "y"}</style><p title=Sent>Text</p>`,
    ['content:', 'paid by', 'quotes'],
    'Text',
  ),
  vector(
    'layout: a counter that writes',
    '<style>@counter-style x{system:fixed;symbols:"Paid"}li{list-style:x}</style><ol><li style="counter-increment:c 9;list-style-type:\'Paid\'">Text</ol>',
    ['counter', 'paid'],
    'Text',
  ),
  vector(
    'layout: first letters from elsewhere',
    `<style>p::first-letter{initial-letter:9;background:url(${B}/f)}::selection{background:url(${B}/s)}::marker{content:url(${B}/m)}</style><p>Text</p>`,
    ['beacon', '::'],
    'Text',
  ),
];
