import { vector } from './hostile-vector.js';

const B = '%BEACON%';
const surface = (name: string, html: string, gone: readonly string[], shown?: string) =>
  vector(`surface: ${name}`, html, gone, shown);

/** Elements and attributes that load, submit, take input or move the page. */
export const surfaces = [
  surface(
    'links of all kinds',
    [
      'stylesheet',
      'alternate stylesheet',
      'preload',
      'prefetch',
      'prerender',
      'preconnect',
      'dns-prefetch',
      'modulepreload',
      'icon',
      'apple-touch-icon',
      'manifest',
      'import',
      'pingback',
      'next',
      'expect',
      'compression-dictionary',
      'subresource',
      'search',
    ]
      .map((rel) => `<link rel="${rel}" as=image href="${B}/${rel.replace(/ /g, '')}">`)
      .join(''),
    ['<link', 'beacon'],
  ),
  surface(
    'a link in the body with media',
    `<body><link media=all rel=StyleSheet type=text/css href=${B}/1 onload=alert(1)>Text`,
    ['<link', 'beacon', 'alert'],
    'Text',
  ),
  surface(
    'metas',
    `<meta http-equiv=refresh content="0;url=${B}/2"><meta http-equiv=set-cookie content=a=b><meta http-equiv=Content-Security-Policy content="default-src *"><meta http-equiv=accept-ch content=DPR><meta name=referrer content=unsafe-url><meta name=color-scheme content=dark><meta name=viewport content="width=99999,user-scalable=no"><meta http-equiv=x-dns-prefetch-control content=on>Text`,
    ['refresh', 'beacon', 'set-cookie', 'unsafe-url'],
    'Text',
  ),
  surface(
    'a base with a target',
    `<base href="${B}/" target=_top><img src=rel.png><a href=x>Text</a>`,
    ['<base', 'beacon', '_top'],
    'Text',
  ),
  surface(
    'frames of all kinds',
    `<iframe src=${B}/3 srcdoc="<script>alert(3)</script>" allow=camera></iframe><frame src=${B}/3><iframe src="javascript:alert(3)"></iframe><portal src=${B}/3></portal><fencedframe></fencedframe><webview src=${B}/3></webview><browser src=${B}/3></browser>`,
    ['<iframe', '<frame', 'beacon', 'alert', 'webview'],
  ),
  surface(
    'objects of all kinds',
    `<object data=${B}/4 type=text/html><param name=movie value=${B}/4><embed src=${B}/4></object><applet code=${B}/4 archive=${B}/4></applet><object classid="clsid:x" codebase=${B}/4></object>`,
    ['<object', '<embed', '<applet', '<param', 'beacon'],
  ),
  surface(
    'media with everything',
    `<video src=${B}/5 poster=${B}/5 autoplay loop controls><source src=${B}/5 srcset=${B}/5><track src=${B}/5 default kind=captions></video><audio autoplay src=${B}/5 onloadstart=alert(5)></audio><bgsound src=${B}/5><embed src=${B}/5>`,
    ['<video', '<audio', 'beacon', 'alert'],
  ),
  surface(
    'a picture with sources',
    `<picture><source media="(min-width:1px)" srcset="${B}/6 100w, ${B}/7 200w" sizes=100vw type=image/webp><img sizes=auto loading=eager alt=Pic></picture>`,
    ['<source', 'beacon', 'srcset'],
    'Pic',
  ),
  surface(
    'an image with everything',
    `<img src=x srcset="${B}/8" longdesc=${B}/8 usemap=#m ismap lowsrc=${B}/8 dynsrc=${B}/8 crossorigin=use-credentials referrerpolicy=unsafe-url attributionsrc=${B}/8 onload=alert(8) elementtiming=x alt=Pic>`,
    ['beacon', 'longdesc', 'usemap', 'alert'],
    'Pic',
  ),
  surface(
    'a login form',
    `<form action=${B}/9 method=post target=_top autocomplete=on><label for=u>User</label><input id=u name=u autofocus><input type=password><input type=image src=${B}/9 formaction=${B}/9><input type=submit><button formaction=${B}/9 formtarget=_top>Go</button></form>`,
    ['<form', '<input', '<button', '<label', 'beacon'],
    'User',
  ),
  surface(
    'controls of all kinds',
    `<input type=file><input type=color><input type=date><input type=hidden value=x><select multiple><option>a</select><textarea autofocus onfocus=alert(10)></textarea><output form=f>o</output><meter value=1></meter><progress value=1></progress><keygen><datalist id=d><option></datalist><fieldset form=f><legend>Leg</legend></fieldset><isindex action=${B}/10>`,
    ['<input', '<select', '<textarea', '<output', '<meter', '<progress', '<fieldset', 'beacon', 'alert'],
  ),
  surface(
    'form attributes elsewhere',
    `<p form=f formaction=${B}/11 action=${B}/11 enterkeyhint=send inputmode=url autocapitalize=on>Text</p>`,
    ['form', 'beacon', 'inputmode'],
    'Text',
  ),
  surface(
    'editing',
    `<div contenteditable=true tabindex=0 autofocus spellcheck=true virtualkeyboardpolicy=auto writingsuggestions=true>Text</div><p contenteditable=plaintext-only>More</p>`,
    ['contenteditable', 'tabindex', 'autofocus'],
    'Text',
  ),
  surface(
    'pop-overs and invokers',
    `<button popovertarget=p popovertargetaction=show commandfor=d command=show-modal interestfor=p>b</button><div id=p popover=auto>Pop</div><dialog id=d open closedby=any>Dialogue</dialog><a interestfor=p href=#>x</a>`,
    ['popover', 'commandfor', '<dialog', '<button', 'interestfor', 'id='],
    'Pop',
  ),
  surface(
    'disclosure',
    `<details open name=x ontoggle=alert(14)><summary>Sum</summary>Inside</details>`,
    ['<details', '<summary', 'alert', 'ontoggle'],
    'Inside',
  ),
  surface(
    'custom elements',
    `<p is=x-y slot=s part=t exportparts=u nonce=v id=w class=x name=y>Text</p><slot name=s></slot><x-y></x-y>`,
    ['is=', 'slot', 'part=', 'nonce', 'id=', 'name='],
    'Text',
  ),
  surface(
    'microdata and access',
    `<p itemscope itemtype=${B}/16 itemid=${B}/16 itemref=a role=dialog aria-modal=true aria-label=x accesskey=s hidden=until-found inert draggable=true>Text</p>`,
    ['beacon', 'role', 'aria', 'accesskey', 'draggable'],
    'Text',
  ),
  surface(
    'a link with everything',
    `<a href="https://example.com/" ping="${B}/17" download=x.exe target=_top rel=opener hreflang=de type=text/html referrerpolicy=unsafe-url attributionsrc=${B}/17 onclick=alert(17) style="background:url(${B}/17)">Text</a>`,
    ['href', 'ping', 'download', 'target=', 'beacon', 'alert'],
    'Text',
  ),
  surface(
    'citations',
    `<blockquote cite=${B}/18>One</blockquote><q cite=${B}/18>Two</q><del cite=${B}/18 datetime=x>Three</del><ins cite=${B}/18>Four</ins>`,
    ['cite=', 'beacon'],
    'Four',
  ),
  surface(
    'old presentation attributes',
    `<body background=${B}/19 bgproperties=fixed topmargin=-99 leftmargin=-99 marginwidth=9999 link=red vlink=blue onload=alert(19)><table background=${B}/19 height=99999><td background=${B}/19 width=99999>Text`,
    ['background=', 'beacon', '-99', '9999', 'alert'],
    'Text',
  ),
  surface(
    'fonts and rules',
    `<font size=99 face="x;background:url(${B}/20)" color="url(${B}/20)">Text</font><hr size=9999 width=99999 color="expression(alert(20))"><basefont size=7 face=x>`,
    ['beacon', 'size="99', 'alert', 'basefont'],
    'Text',
  ),
  surface(
    'a moving text',
    `<marquee behavior=alternate onstart=alert(21) height=9999 scrollamount=999>Text</marquee><blink>Text</blink><spacer type=block height=9999>`,
    ['marquee', 'alert', '9999'],
    'Text',
  ),
  surface(
    'layers',
    `<layer src=${B}/22 left=0 top=0 z-index=99>Text</layer><ilayer src=${B}/22></ilayer><multicol cols=9>x</multicol><nolayer>y</nolayer><server>alert(22)</server>`,
    ['layer', 'beacon'],
    'Text',
  ),
  surface(
    'Outlook markup',
    `<!--[if mso]><v:rect fill=t><v:fill src="${B}/23" type=frame /><v:textbox>VML</v:textbox></v:rect><![endif]--><o:p>Text</o:p><v:shape><v:imagedata src="${B}/23" o:href="${B}/23"/></v:shape><w:binData>x</w:binData><xml><o:OfficeDocumentSettings/></xml>`,
    ['v:', 'o:', 'beacon'],
    'Text',
  ),
  surface(
    'XML inclusions',
    `<?xml-stylesheet href="${B}/24"?><!DOCTYPE x SYSTEM "${B}/24"><xi:include href="${B}/24"/><xml src=${B}/24></xml><x xmlns="http://www.w3.org/1999/xhtml"><script>alert(24)</script></x>`,
    ['beacon', '<script', 'alert'],
  ),
  surface(
    'speculation and import',
    `<script type=speculationrules>{"prerender":[{"source":"document"}]}</script><script type=importmap>{"imports":{"x":"${B}/25"}}</script><script nomodule src=${B}/25></script><script async defer type=module src=${B}/25></script>`,
    ['<script', 'beacon'],
  ),
  surface(
    'data documents',
    `<a href="data:text/html;base64,PHNjcmlwdD5hbGVydCgyNik8L3NjcmlwdD4=">One</a><img src="data:text/html,<script>alert(26)</script>"><object data="data:text/html,<script>alert(26)</script>"></object><iframe src="data:,x"></iframe>`,
    ['href', 'data:', '<object', '<iframe', 'alert'],
    'One',
  ),
  surface(
    'script schemes',
    [
      'javascript:alert(27)',
      ' javascript:alert(27)',
      'java\nscript:alert(27)',
      'JAVASCRIPT&colon;alert(27)',
      '&#x6A&#x61vascript:alert(27)',
      'javascript&#0000058alert(27)',
      '\u0001javascript:alert(27)',
      'java&#0;script:alert(27)',
      'vbscript:alert(27)',
      'livescript:alert(27)',
      'mocha:alert(27)',
      'feed:javascript:alert(27)',
      'view-source:javascript:alert(27)',
      'jar:javascript:alert(27)!/',
      'data:application/xhtml+xml,alert(27)',
      'blob:null/alert(27)',
      'filesystem:http://x/alert(27)',
      'intent://x#Intent;alert(27);end',
      'about:blank#alert(27)',
      'chrome://alert(27)',
    ]
      .map((href, at) => `<a href="${href}">L${at}</a>`)
      .join(' '),
    ['href', 'alert('],
    'L19',
  ),
  surface(
    'an image of script schemes',
    `<img src="javascript:alert(28)"><img src="JaVaScRiPt:alert(28)"><img src="java&#x0A;script:alert(28)"><input type=image src="javascript:alert(28)"><body background="javascript:alert(28)"><td background="javascript:alert(28)">Text`,
    ['javascript', 'alert', 'src='],
    'Text',
  ),
  surface(
    'names that shadow the page',
    `<form name=body></form><img name=getElementById><a id=document name=location>Text</a><iframe name=self></iframe><input name=cookie><meta name=domain>`,
    ['name=', 'id='],
    'Text',
  ),
  surface(
    'templates of other systems',
    `{{constructor.constructor('alert(30)')()}} \${alert(30)} <%= 7*7 %> <div ng-app ng-init="alert(30)" v-html="alert(30)" x-data="alert(30)" data-bind="html:alert(30)" hx-get="${B}/30" hx-trigger=load>Text</div>`,
    ['ng-', 'v-html', 'x-data', 'data-bind', 'hx-', 'beacon'],
    'Text',
  ),
];
