import { vector } from './hostile-vector.js';

const B = '%BEACON%';
const X = (id: number) => `<img src=${B}/p${id} onerror=alert(${id})>`;
const attack = (name: string, html: string, gone: readonly string[] = ['beacon', 'onerror='], shown?: string) =>
  vector(`published: ${name}`, html, gone, shown);
const SVG_IMAGE = `data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg'><image href='${B}/s'/></svg>`;
const SVG_BASE64 =
  'data:image/svg+xml;base64,PHN2ZyB4bWxucz0iaHR0cDovL3d3dy53My5vcmcvMjAwMC9zdmciIG9ubG9hZD0iYWxlcnQoMSkiLz4=';

/** Forms of attack that advisories about sanitisers, mail programs and browsers have described, written anew. */
export const published = [
  // Trees that are not what their markup says.
  attack(
    'a deep tree that is flattened',
    `${'<div>'.repeat(200)}<svg><style>${'</div>'.repeat(200)}<a title="</style>${X(1)}">`,
  ),
  attack('a form that swallows its parent', `<form id=a><div></form><form id=b><svg><title><form>${X(2)}`, [
    'beacon',
    '<form',
  ]),
  attack(
    'a caption that leaves its table',
    `<table><caption><svg><title><table><caption></caption></table>${X(3)}</title></svg></caption></table>`,
  ),
  attack('a select that ends foreign content', `<svg><desc><select><svg><style></select></svg>${X(4)}</style>`),
  attack('a comment with a bang', `<!--x--!>${X(5)}<!-- -- > ${X(5)} -->`),
  attack('a comment with an arrow alone', `<!-->${X(6)}--><!--->${X(6)}-->`),
  attack(
    'an annotation of SVG',
    `<math><annotation-xml encoding="image/svg+xml"><svg><foreignObject><style><!--</style>${X(7)}--></foreignObject></svg></annotation-xml></math>`,
  ),
  attack(
    'an annotation in capitals',
    `<math><annotation-xml encoding="TEXT/HTML"><style><p title="</style>${X(8)}"></style></annotation-xml></math>`,
  ),
  attack(
    'namespaces in turns',
    `<math><mtext><svg><foreignObject><math><mi><table><mglyph><svg><style>&lt;/style>${X(9)}`,
  ),
  attack(
    'an end of math within a table',
    `<math><mtext><h1><a><h6></a></h6><mglyph><svg><mtext><style><a title="</style>${X(10)}">`,
  ),
  attack(
    'noscript in a head',
    `<head><noscript><style></noscript>${X(11)}</style></noscript></head><p title="</noscript>${X(11)}">Text</p>`,
  ),
  attack(
    'a template of forms',
    `<template><form><template><form>${X(12)}</template></template><svg><template>${X(12)}</template></svg>`,
  ),
  attack(
    'a template with a shadow that is copied',
    `<div><template shadowrootmode=open shadowrootclonable shadowrootserializable><slot></slot>${X(13)}</template>Text</div>`,
  ),
  attack('plaintext behind foreign content', `<svg><plaintext>${X(14)}`, ['<img', '<svg']),
  attack('a processing instruction with an end', `<?xml > ${X(15)} ?><?php echo "> ${X(15)}" ?>`),
  attack(
    'a frameset instead of a body',
    `<html><head></head><frameset onload=alert(16)><frame src=${B}/16></frameset>`,
    ['alert', '<frame', 'beacon'],
  ),
  attack('raw text that is cut by a NUL', `<style\0>${X(17)}</style\0><xmp\0>${X(17)}</xmp>`, ['beacon']),
  attack(
    'a name with a colon and a dash',
    `<svg:animate onbegin=alert(18) attributeName=x><math:maction xlink:href=javascript:alert(18)>x`,
    ['alert', 'href'],
  ),
  attack(
    'an image in a list of selected content',
    `<select><selectedcontent>${X(19)}</selectedcontent><option selected>${X(19)}</option></select>`,
  ),
  attack('a text area in a title', `<title><textarea></title>${X(20)}</textarea></title>`),

  // SVG and MathML.
  attack('SVG use of a document', `<svg><use xlink:href="${SVG_BASE64}#x"/><use href="${B}/21.svg#x"/></svg>`, [
    'beacon',
    '<use',
    'data:',
  ]),
  attack(
    'SVG that animates an address',
    `<svg><a><animate attributeName=href values="https://a.example/;javascript:alert(22)" dur=1s /><text>Go</text></a><set attributeName=xlink:href to=javascript:alert(22) /></svg>`,
    ['alert', 'animate', '<set'],
  ),
  attack(
    'SVG foreign object over the page',
    `<svg width=9999 height=9999><foreignObject width=100% height=100%><div style="position:fixed">${X(23)}</div></foreignObject></svg>`,
    ['beacon', 'foreignobject', 'fixed'],
  ),
  attack(
    'SVG filters and patterns',
    `<svg><defs><filter id=f><feImage xlink:href="${B}/24"/></filter><pattern id=p><image href="${B}/24"/></pattern></defs><rect fill="url(#p)" filter="url(#f)" style="mask:url(${B}/24)"/></svg>`,
    ['beacon', '<svg', 'filter'],
  ),
  attack(
    'SVG as an image',
    `<img src="${SVG_BASE64}"><img src="${SVG_IMAGE}"><input type=image src="${SVG_IMAGE}">Text`,
    ['beacon', 'data:image/svg', 'src='],
    'Text',
  ),
  attack(
    'SVG under the name of PNG',
    `<img src="data:image/png;base64,PHN2ZyBvbmxvYWQ9YWxlcnQoMSk+PC9zdmc+"><img src="data:image/png,<svg onload=alert(26)>">Text`,
    ['src=', 'alert'],
    'Text',
  ),
  attack(
    'SVG style with an import',
    `<svg><style>@import '${B}/27';*{background:url(${B}/27)}</style><link xmlns="http://www.w3.org/1999/xhtml" rel=stylesheet href=${B}/27 /></svg>`,
  ),
  attack(
    'MathML links',
    `<math href="javascript:alert(28)"><mtext href=${B}/28>Click</mtext><maction actiontype=statusline#${B}/28 xlink:href=${B}/28>x</maction></math>`,
    ['beacon', 'alert', 'href'],
  ),
  attack(
    'a discard of SVG',
    `<svg><discard onbegin=alert(29) begin=0s /><handler type=text/javascript ev:event=load>alert(29)</handler><listener event=load handler=#x /></svg>`,
    ['alert'],
  ),

  // Styles that ask, tell and cover.
  attack(
    'fonts that tell letters',
    `<style>@font-face{font-family:a;src:url(${B}/30a);unicode-range:U+0041}@font-face{font-family:b;src:url(${B}/30b);unicode-range:U+0042}p{font-family:a,b}</style><p style="font-family:a,b">AB Text</p>`,
    ['beacon', 'font-face'],
    'Text',
  ),
  attack(
    'attributes that are told',
    `<style>input[value^=a]{background:url(${B}/31)}p:has(+p[title*=x]){list-style:url(${B}/31)}</style><p title=xyz>Text</p>`,
    ['beacon', '<style'],
    'Text',
  ),
  attack(
    'a registered property',
    `<style>@property --u{syntax:"<url>";inherits:true;initial-value:url(${B}/32)}</style><p style="--u:url(${B}/32);background:var(--u)">Text</p>`,
    ['beacon', '--u'],
    'Text',
  ),
  attack(
    'container questions',
    `<style>@container style(--x:1){p{background:url(${B}/33)}}@container scroll-state(stuck:top){p{background:url(${B}/33)}}</style><p style="container-type:inline-size;container-name:x;--x:1">Text</p>`,
    ['beacon', 'container'],
    'Text',
  ),
  attack(
    'a set of images by type',
    `<p style="background-image:image-set(url('${B}/34.avif') type('image/avif'),'${B}/34.png' type('image/png') 2dppx)">Text</p>`,
    ['beacon', 'image-set'],
    'Text',
  ),
  attack(
    'a cross-fade and an element',
    `<p style="background:cross-fade(url(${B}/35) 50%,url('${B}/35')),-moz-element(#x),paint(x,url(${B}/35))">Text</p>`,
    ['beacon', 'cross-fade', 'paint'],
    'Text',
  ),
  attack(
    'numbers joined to names',
    `<p style="width:1px/**/;background:u/**/rl(${B}/36);color:re\\d ;background-image:ur\\6c('${B}/36')">Text</p>`,
    ['beacon'],
    'Text',
  ),
  attack(
    'an address with a bracket in a string',
    `<p style="background:url('x)');background:url(${B}/37)\\">Text</p>`,
    ['beacon'],
    'Text',
  ),
  attack(
    'a nested rule in an attribute',
    `<p style="color:red;&:hover{background:url(${B}/38)}@media all{background:url(${B}/38)}">Text</p>`,
    ['beacon', '@media'],
    'Text',
  ),
  attack(
    'a style beside a style',
    `<p style="color:red" STYLE="background:url(${B}/39)" sTyLe=position:fixed>Text</p>`,
    ['beacon', 'fixed'],
    'Text',
  ),
  attack(
    'entities in a style',
    `<p style="position&colon;fixed;back&#103;round&#x3a;ur&#108;(&quot;${B}/40&quot;)">Text</p>`,
    ['beacon', 'fixed'],
    'Text',
  ),
  attack(
    'a box without a height',
    `<div style="height:0;max-height:0"><div style="padding:60px;background:#fff">Cover</div></div><p>Text <a href="https://evil.example/">bank.example</a></p>`,
    ['max-height', '; height', '"height'],
    'the text says bank.example',
  ),
  attack(
    'a cell that is made a block',
    `<table><tr><td height=1 style="display:block;height:1px"><div style="padding:60px">Cover</div></td></tr></table><p>Text</p>`,
    ['height="1"', '; height'],
    'Text',
  ),
  attack(
    'a link in a cell without a width',
    `<table style="table-layout:fixed;width:1px"><tr><td width=1 style="width:1px"><a href="https://evil.example/">bank.example</a></td></tr></table>`,
    ['href'],
    'the text says bank.example',
  ),
  attack(
    'margins by percent and shorthand',
    `<p style="margin:0 0 -100%;margin-inline-end:-50vw;margin-top:-1e3px;inset:auto">Text</p>`,
    ['-100', '-50', '-1', 'inset'],
    'Text',
  ),
  attack(
    'transforms by other names',
    `<p style="translate:-99px -99px;scale:50;-webkit-transform:scale(9);-ms-transform:rotate(9deg);transform-box:view-box;offset-distance:9%">Text</p>`,
    ['translate', 'scale', 'rotate', 'offset'],
    'Text',
  ),
  attack(
    'layers by other names',
    `<p style="z-index:2147483647;top:0;isolation:isolate;mix-blend-mode:screen;position-visibility:always;overlay:auto;interactivity:inert">Text</p>`,
    ['z-index', 'isolation', 'overlay', 'interactivity'],
    'Text',
  ),
  attack(
    'a zoomed and clipped text',
    `<p style="zoom:9;clip:rect(0 0 0 0);clip-path:polygon(0 0);-webkit-text-security:disc;text-overflow:'https://bank.example';overflow:hidden">Text</p>`,
    ['zoom', 'clip', 'security', 'overflow:'],
    'Text',
  ),
  attack(
    'a shape of text',
    `<p style="shape-inside:url(${B}/49);-webkit-line-clamp:1;line-clamp:1;text-box:trim-both cap;hyphenate-character:'x';quotes:'a' 'b';content:url(${B}/49)">Text</p>`,
    ['beacon', 'clamp', 'hyphenate', 'quotes'],
    'Text',
  ),
  attack(
    'a reading order',
    `<p style="order:-1;reading-flow:flex-visual;display:flex;flex-direction:row-reverse;writing-mode:sideways-lr">Text</p>`,
    ['order', 'flex', 'writing'],
    'Text',
  ),

  // Elements and attributes that load, ask or move.
  attack(
    'sounds and moving pictures',
    `<bgsound src=${B}/51><img dynsrc=${B}/51 lowsrc=${B}/51 loop=infinite><embed src=${B}/51><noembed>${X(51)}</noembed>`,
  ),
  attack(
    'backgrounds everywhere',
    ['table', 'tr', 'td', 'th', 'tbody', 'div', 'body', 'hr'].map((name) => `<${name} background="${B}/52">`).join('') +
      'Text',
    ['beacon', 'background='],
    'Text',
  ),
  attack(
    'an area with a ping',
    `<map name=m><area shape=default href="https://evil.example/" ping=${B}/53 target=_top></map><img usemap=#m src=x><a ping="${B}/53 ${B}/53" href="https://evil.example/">Text</a>`,
    ['beacon', '<area', 'ping'],
    '[https://evil.example]',
  ),
  attack(
    'a frame of its own document',
    `<iframe srcdoc="&lt;img src=${B}/54 onerror=alert(54)&gt;" credentialless csp="default-src *" loading=eager></iframe><object data="data:text/html,${X(54)}">${X(54)}</object>`,
  ),
  attack(
    'a refresh of many forms',
    `<META HTTP-EQUIV="&#82;efresh" CONTENT="0;URL='${B}/55'"><meta http-equiv=refresh content=";${B}/55"><meta http-equiv="Link" content="<${B}/55>; rel=preload">Text`,
    ['beacon', '<meta'],
    'Text',
  ),
  attack(
    'charsets that change the page',
    `<meta charset=ISO-2022-JP><p title="\u001b$B">Text</p><meta http-equiv=content-type content="text/html;charset=UTF-7">+ADw-script+AD4-alert(56)+ADw-/script+AD4-`,
    ['<meta', '<script'],
    'Text',
  ),
  attack(
    'a lazy image with sizes',
    `<img loading=lazy sizes="auto" srcset="${B}/57 1w" fetchpriority=high decoding=sync alt=Pic><source srcset=${B}/57><img imagesrcset=${B}/57 alt=Two>`,
    ['beacon', 'srcset'],
    'Two',
  ),
  attack(
    'an image called by other names',
    `<image src=${B}/58 onerror=alert(58)><picture><img src=${B}/58 alt=One></picture><input src=${B}/58 type=image><video poster=${B}/58><isindex type=image src=${B}/58>`,
    ['beacon', 'onerror=', '<image', '<input', '<video'],
    'One',
  ),
  attack(
    'protocols without a scheme',
    `<img src=\\\\evil.example\\x.png alt=A><img src="/\\evil.example/x" alt=B><img src="https:evil.example/x" alt=C><img src="file://evil.example/x" alt=D>Text`,
    ['src=', 'evil.example'],
    'Text',
  ),
  attack(
    'an image of a cid that is a path',
    `<img src="cid:../../etc/passwd"><img src="cid:%2e%2e%2f%2e%2e%2fx"><img src="cid:javascript:alert(60)"><img src="cid://evil.example/${B}"><img src="mid:x/y">Text`,
    ['src=', 'passwd', 'alert'],
    'Text',
  ),
  attack(
    'a download of a data document',
    `<a href="data:text/html;base64,PHNjcmlwdD4=" download="invoice.pdf">Invoice</a>`,
    ['href', 'download', 'base64'],
    'not a web address (data)',
  ),
  attack(
    'garbage in base64',
    `<img src="data:image/png;base64,iVBORw0KGgo\u0000\u00ff=@!A"><img src="data:image/gif;base64,R0lGODlhAQ==;${B}"><img src="data:;base64,AAAA"><img src="data:image/png;charset=x;base64,AAAA">Text`,
    ['src=', 'beacon'],
    'Text',
  ),
  attack(
    'handlers of new events',
    `<p onbeforetoggle=alert(63) onscrollend=alert(63) onsnapchanged=alert(63) oncontentvisibilityautostatechange=alert(63) style=content-visibility:auto onpagereveal=alert(63) oncommand=alert(63) onwebkitplaybacktargetavailabilitychanged=alert(63)>Text</p>`,
    ['alert', 'content-visibility'],
    'Text',
  ),
  attack(
    'a body with handlers of the window',
    `<body onhashchange=alert(64) onpageshow=alert(64) onbeforeprint=alert(64) onstorage=alert(64) onrejectionhandled=alert(64) bgcolor=red>Text`,
    ['alert', 'onpage'],
    'Text',
  ),

  // Links that say something else.
  attack(
    'a scheme without slashes',
    `<a href="https:evil.example/x">bank.example</a>`,
    ['href', 'invalid'],
    'https://evil.example/x: the text says bank.example',
  ),
  attack(
    'a scheme with one slash',
    `<a href="http:/\\evil.example">bank.example</a>`,
    ['href'],
    'http://evil.example: the text says bank.example',
  ),
  attack(
    'a host behind tabs',
    `<a href="ht&Tab;tps://ev&NewLine;il.example/">bank.example</a>`,
    ['href'],
    'https://evil.example: the text says bank.example',
  ),
  attack(
    'a host in Greek',
    `<a href="https://\u03bf\u03c1\u03b1\u03bd\u03b3\u03b5.example/">Orange</a>`,
    ['href'],
    'letters that can look like others',
  ),
  attack(
    'an Arabic link that turns the line',
    `<p dir=rtl>\u0645\u0631\u062d\u0628\u0627 <a href="https://evil.example/">https://bank.example</a></p>`,
    ['href'],
    'the text says bank.example',
  ),
  attack(
    'a dot that is no dot',
    `<a href="https://evil.example/">bank\u2024example</a><a href="https://evil.example/">bank\uff0eexample</a>`,
    ['href'],
    'the text says bank.example',
  ),
  attack(
    'a slash that is none',
    `<a href="https://bank.example\u2044login.evil.example/">Bank</a>`,
    ['href'],
    '[\u26a0',
  ),
  attack(
    'a list of addresses',
    `<a href="https://evil.example/">https://evil.example/ https://bank.example/</a>`,
    ['href'],
    'the text says bank.example',
  ),
  attack(
    'a text that is an image',
    `<a href="https://evil.example/"><img src=x alt="www.bank.example"></a>`,
    ['href'],
    'evil.example',
  ),
  attack(
    'a mail link that is a web link',
    `<a href="mailto:x@evil.example?subject=a">https://bank.example/</a>`,
    ['href'],
    'x@evil.example: the text says bank.example',
  ),
];
