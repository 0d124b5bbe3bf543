import { vector } from './hostile-vector.js';

const B = '%BEACON%';
const X = (id: number) => `<img src=${B}/m${id} onerror=alert(${id})>`;
const gone = ['onerror=', 'beacon', '<script'];
/** For markup that ends as readable text. */
const asText = (name: string, html: string) => vector(`mutation: ${name}`, html, ['<img', '<script']);

const mutation = (name: string, html: string, more: readonly string[] = []) =>
  vector(`mutation: ${name}`, html, [...gone, ...more]);

/** Markup that two parsers read differently. */
export const mutations = [
  mutation(
    'math in a table in a form',
    `<form><math><mtext></form><form><mglyph><svg><mtext><style><path id="</style>${X(1)}">`,
  ),
  mutation('a style in mglyph in a table', `<math><mtext><table><mglyph><style><![CDATA[</style>${X(2)}]]>`),
  mutation('a comment in a style in SVG', `<svg><style><!--</style>${X(3)}--></style></svg>`),
  mutation('CDATA in SVG', `<svg><![CDATA[><image xlink:href="]]>${X(4)}//"></svg>`),
  mutation('CDATA with a comment', `<svg><desc><![CDATA[<!--]]></desc>${X(5)}--></svg>`),
  mutation(
    'a malignmark',
    `<math><mi><malignmark><style><a title="</style>${X(6)}"></a></style></malignmark></mi></math>`,
  ),
  mutation(
    'annotation of XHTML',
    `<math><annotation-xml encoding="application/xhtml+xml"><div><style><a title="</style>${X(7)}">`,
  ),
  mutation('foreign content in a select', `<select><svg><style></select>${X(8)}</style></svg></select>`),
  mutation('an SVG font that breaks out', `<svg><font color=red><style>${X(9)}</style></font></svg>`),
  mutation('an SVG p that breaks out', `<svg><p><style><!--</style>${X(10)}--></p></svg>`),
  mutation('a br that breaks out', `<math></br><style><a title="</style>${X(11)}"></style></math>`),
  mutation('a title in SVG in a title', `<svg><title><title></svg><b title="</title></title>${X(12)}">`),
  mutation('raw text in raw text', `<noscript><style></noscript>${X(13)}</style></noscript>`),
  mutation('xmp in noembed', `<noembed><xmp></noembed>${X(14)}</xmp></noembed>`),
  asText('listing', `<listing>&lt;img onerror&#61;alert(15)&gt;${X(15)}</listing>`),
  asText('a plaintext in a table', `<table><plaintext>${X(16)}`),
  mutation('noframes in a frame set', `<frameset><noframes>${X(17)}</noframes></frameset>`),
  mutation('a template in a table', `<table><template><tr><td>${X(18)}</template></table>`),
  mutation('nested templates', `<template><template></template>${X(19)}</template>`),
  mutation('a second head', `<head><noscript></noscript></head><body><head><base href="${B}/">${X(20)}`, ['<base']),
  mutation('an end tag with attributes', `</p ${'onclick=alert(21)'}></br onclick=alert(21)>${X(21)}`),
  mutation('a comment of dashes', `<!---->${X(22)}<!-- --!>${X(22)}<!--->${X(22)}-->`),
  mutation('a comment in an attribute in a comment', `<!-- <a title="-->${X(23)}<!--">-->`),
  mutation('a bogus comment', `<?>${X(24)}<!x>${X(24)}</ >${X(24)}<//>${X(24)}`),
  mutation('an attribute without quotation marks', `<p title=a"b'c<d>${X(25)}</p><p lang=de/onclick=alert(25)>x</p>`, [
    'onclick',
  ]),
  mutation('a quotation mark as a name', `<p "onclick=alert(26)" '=x <b">Text ${X(26)}`, ['onclick']),
  mutation('an equals sign as a name', `<p =onclick=alert(27) = =>Text${X(27)}`, ['onclick']),
  mutation('a tag that never ends', `${X(28)}<p title="`, []),
  mutation('a tag with a line break in its name', `<im\ng src=${B}/29><img\n\r\t\fsrc=${B}/29\fonerror=alert(29)>`),
  mutation('a slash between all', `<img/src="${B}/30"/onerror="alert(30)"/style="background:url(${B}/30)"/>`),
  mutation('a doubled bracket', `<<img src=${B}/31 onerror=alert(31)>><<script>alert(31)//<</script>`),
  mutation('the adoption agency', `<b><p></b><i></p></i><a><div><a href="javascript:alert(32)"></div>${X(32)}</a>`),
  mutation('a table in a paragraph', `<p><table><p>${X(33)}<tr><p><td>${X(33)}</table>`),
  mutation('end tags of the frame', `</div></div></span></body></html></iframe>${X(34)}<div style="position:fixed">x`, [
    'fixed',
  ]),
  mutation('a hundred formatting elements', `${'<b><i>'.repeat(50)}<table>${X(35)}</table>`),
  mutation('a caption in a caption', `<table><caption><table><caption>${X(36)}</table><col>${X(36)}</table>`),
  mutation('an option in an optgroup', `<select><optgroup><option>${X(37)}<hr>${X(37)}</select>`),
  mutation('a custom select', `<select><button><selectedcontent></selectedcontent></button><option>${X(38)}</select>`),
  mutation('a ruby', `<ruby><rb>x<rt>${X(39)}<rtc><rp>${X(39)}</ruby>`),
  mutation(
    'an element with a colon',
    `<svg:script>alert(40)</svg:script><x:img src=${B}/40 onerror=alert(40)></x:img>`,
  ),
  asText(
    'an element with a capital ligature',
    `<\u017fcript>alert(41)</\u017fcript><\u0131mg src=${B}/41 onerror=alert(41)>`,
  ),
  mutation('a Kelvin sign', `<lin\u212a rel=stylesheet href=${B}/42>${X(42)}`),
  mutation('a NUL in an attribute name', `<p on\0click=alert(43) o\u200bnclick=alert(43)>Text</p>${X(43)}`, ['alert']),
  mutation('an entity in an attribute name', `<p on&#99;lick=alert(44)>Text</p>${X(44)}`, ['alert']),
  mutation(
    'a MathML style',
    `<math><mstyle mathbackground="url(${B}/45)" href="javascript:alert(45)"><mi>x</mi></mstyle>${X(45)}`,
  ),
  mutation(
    'SVG animations',
    `<svg><a id=a><rect/></a><animate xlink:href="#a" attributeName="href" to="javascript:alert(46)"/><set attributeName=href to=${B}/46 /><animateTransform onbegin=alert(46) attributeName=transform dur=1s /></svg>`,
    ['animate', 'alert'],
  ),
  mutation(
    'SVG use of data',
    `<svg><use href="data:image/svg+xml;base64,PHN2ZyBpZD0neCcgb25sb2FkPSdhbGVydCgxKSc+PC9zdmc+#x"/></svg>`,
    ['data:image/svg'],
  ),
  mutation(
    'an SVG filter image',
    `<svg><filter id=f><feImage href="${B}/48"/></filter><rect filter="url(${B}/48#f)" fill="url(${B}/48)" mask="url(${B}/48)"/><script href=${B}/48 /></svg>`,
  ),
  mutation(
    'an SVG font and cursor',
    `<svg><font-face-uri href=${B}/49 /><cursor xlink:href=${B}/49 /><mpath href=${B}/49 /><textPath href=${B}/49>x</textPath><style>@import "${B}/49"</style></svg>`,
  ),
  mutation(
    'an SVG link',
    `<svg><a xlink:href="javascript:alert(50)"><text y=20>Text</text></a><a href=${B}/50 ping=${B}/50><circle r=99 /></a></svg>`,
    ['href', 'alert'],
  ),
  mutation(
    'an SVG handler element',
    `<svg xmlns:ev="http://www.w3.org/2001/xml-events"><handler ev:event=load>alert(51)</handler><listener event=load /></svg>`,
    ['alert'],
  ),
];
