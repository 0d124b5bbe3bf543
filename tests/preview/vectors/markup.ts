import { vector } from './hostile-vector.js';

/** Other languages inside HTML, whose parsing rules change what a second parser sees. */
export const foreign = [
  vector('SVG with a handler', '<svg onload=alert(1)></svg>', ['<svg', 'onload']),
  vector('SVG with a script', '<svg><script>alert(2)</script></svg>', ['<svg', 'alert']),
  vector('SVG with a script of another case', '<svg><sCrIpT xlink:href="%BEACON%/s"/></svg>', ['beacon']),
  vector('SVG with a self-closing script', '<svg><script href="data:,alert(3)"/></svg>', ['alert']),
  vector('SVG use of elsewhere', '<svg><use href="%BEACON%/x.svg#a"/></svg>', ['beacon']),
  vector('SVG image', '<svg><image href="%BEACON%/i" xlink:href="%BEACON%/j"/></svg>', ['beacon']),
  vector('SVG foreignObject', '<svg><foreignObject><iframe src="javascript:alert(4)"></iframe></foreignObject></svg>', [
    'iframe',
    'alert',
  ]),
  vector(
    'SVG animation of a link',
    '<svg><a><animate attributeName=href values="javascript:alert(5)"/><text>x</text></a></svg>',
    ['animate', 'alert'],
  ),
  vector('SVG set of a handler', '<svg><set attributeName=onmouseover to=alert(6)></svg>', ['<set', 'alert']),
  vector('SVG title with markup', '<svg><title><img src=x onerror=alert(7)></title></svg>', ['onerror']),
  vector(
    'SVG desc and a table',
    '<svg><desc><table><style><!--</style><img src=x onerror=alert(8)></table></desc></svg>',
    ['onerror'],
  ),
  vector('SVG style mutation', '<svg></p><style><a id="</style><img src=1 onerror=alert(9)>">', ['onerror=']),
  vector(
    'MathML style mutation',
    '<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=alert(10)&gt;">',
    ['onerror='],
  ),
  vector(
    'MathML annotation',
    '<math><annotation-xml encoding="text/html"><script>alert(11)</script></annotation-xml></math>',
    ['<math', 'alert'],
  ),
  vector('MathML link', '<math href="javascript:alert(12)">x</math>', ['href', 'alert']),
  vector(
    'MathML maction',
    '<math><maction actiontype="statusline#%BEACON%" xlink:href="javascript:alert(13)">x</maction></math>',
    ['alert'],
  ),
  vector(
    'a form inside a form in MathML',
    '<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(14)>',
    ['onerror=', '<form'],
  ),
  vector('noscript mutation', '<noscript><p title="</noscript><img src=x onerror=alert(15)>">', ['onerror=']),
  vector('noembed mutation', '<noembed><p title="</noembed><img src=x onerror=alert(16)>">', ['onerror=']),
  vector('noframes mutation', '<noframes><p title="</noframes><img src=x onerror=alert(17)>">', ['onerror=']),
  vector('xmp mutation', '<xmp><p title="</xmp><img src=x onerror=alert(18)>">', ['onerror=']),
  vector('textarea mutation', '<textarea><p title="</textarea><img src=x onerror=alert(19)>">', ['onerror=']),
  vector('title mutation', '<title><p title="</title><img src=x onerror=alert(20)>">', ['onerror=']),
  vector('iframe content mutation', '<iframe><p title="</iframe><img src=x onerror=alert(21)>">', ['onerror=']),
  vector(
    'plaintext',
    '<p>Before</p><plaintext><img src=x onerror=alert(22)></plaintext>',
    ['<plaintext', '<img'],
    'Before',
  ),
  vector('template content', '<template><img src=x onerror=alert(23)></template>', ['<template', 'alert']),
  vector(
    'select with markup',
    '<select><template><script>alert(24)</script></template><option><img src=x onerror=alert(24)></select>',
    ['<select', 'alert'],
  ),
  vector('an end of p and br with attributes', '</p onclick=alert(25)></br onload=alert(25)>Text', ['alert'], 'Text'),
  vector('foster parenting', '<table><tr><td>Cell</td></tr><img src=x onerror=alert(26)></table>', ['onerror'], 'Cell'),
  vector(
    'nested links and tables',
    '<a href=x><table><a href="javascript:alert(27)">press</a></table></a>',
    ['href', 'alert'],
    'press',
  ),
  vector('misnested formatting', '<b><i><a href="javascript:alert(28)"></b>press</i></a>', ['href', 'alert'], 'press'),
];

/** Characters and encodings that hide markup from a filter. */
export const encodings = [
  vector('a turned text', '<p>safe \u202e&#8238;exe.txt</p><img alt="&#x202e;x" src=y>', '\u202e', 'safe exe.txt'),
  vector('double-encoded markup stays text', '&amp;lt;script&amp;gt;alert(1)', '<script', '&lt;script&gt;alert(1)'),
  vector('encoded markup stays text', '&lt;script&gt;alert(2)&lt;/script&gt;', '<script', '<script>alert(2)</script>'),
  vector(
    'entities without semicolons',
    '<a href="&#0000106avascript&#58alert(3)">press</a>',
    ['href', 'alert'],
    'press',
  ),
  vector(
    'named line-break entities',
    '<a href="java&Tab;scr&NewLine;ipt:alert(4)">press</a>',
    ['href', 'alert'],
    'press',
  ),
  vector('UTF-7 markup', '+ADw-script+AD4-alert(5)+ADw-/script+AD4-', '<script'),
  vector('US-ASCII with the high bit', '\u00bcscript\u00bealert(6)\u00bc/script\u00be', '<script'),
  vector('full-width markup', '＜script＞alert(7)＜/script＞', '<script'),
  vector('overlong quotation marks', '<p lang="\u00c0\u00a2 onclick=alert(8)">Text</p>', 'onclick', 'Text'),
  vector('a byte order mark in a tag', '<scr\ufeffipt>alert(9)</scr\ufeffipt>', '<script'),
  vector('a charset in the head', '<meta charset=utf-7><p>+ADw-img src=x onerror=alert(10)+AD4-</p>', [
    '<meta charset=utf-7',
    '<img',
  ]),
  vector('an ISO-2022-JP escape', '<p lang="\x1b$B">Text\x1b(B" onclick=alert(11)></p>', [], 'Text'),
  vector('a surrogate without its half', '<p>\ud800Text</p>', [], 'Text'),
  vector('a vertical tab in a tag', '<img\vsrc=x\vonerror=alert(12)>', 'onerror=alert(12)>x'),
  vector('duplicate attributes', '<img src="%BEACON%/a" src="data:," alt=one alt=two>', 'beacon', 'one'),
  vector(
    'an attribute named like a prototype',
    '<p __proto__="x" constructor="y" hasownproperty="z" toString=1>Text</p>',
    ['__proto__', 'constructor', 'hasown'],
    'Text',
  ),
  vector(
    'an element named like a prototype',
    '<constructor><__proto__><tostring onclick=alert(13)>Text</constructor>',
    ['<constructor', '<__proto__', 'onclick'],
    'Text',
  ),
];

/** What would take input or send it. */
export const forms = [
  vector(
    'a form with a password',
    '<form action="%BEACON%/login" method=post>Sign in<input type=password name=p><input type=submit></form>',
    ['<form', '<input', 'beacon'],
    'Sign in',
  ),
  vector(
    'a button with its own action',
    '<button formaction="%BEACON%/b">Press</button>',
    ['<button', 'formaction', 'beacon'],
    'Press',
  ),
  vector('an image button', '<input type=image src="%BEACON%/i" formaction="%BEACON%/f">', ['<input', 'beacon']),
  vector('an isindex prompt', '<isindex action="%BEACON%/x" prompt="Password">', ['isindex', 'beacon']),
  vector('a select of options', '<select name=x><option>One</select><p>Text</p>', ['<select', '<option'], 'Text'),
  vector('a text area', '<textarea name=t>Type here</textarea><p>Text</p>', '<textarea', 'Text'),
  vector('editable text', '<div contenteditable=true>Text</div>', 'contenteditable', 'Text'),
  vector(
    'a form outside its fields',
    '<form id=f action="%BEACON%/f"></form><input form=f autofocus onfocus=alert(1)>',
    ['<form', '<input', 'onfocus', 'beacon'],
  ),
  vector('a key generator', '<keygen name=k autofocus onfocus=alert(2)>', ['<keygen', 'onfocus']),
  vector(
    'a dialog',
    '<dialog open>Text<form method=dialog><button>OK</button></form></dialog>',
    ['<dialog', '<form', '<button'],
    'Text',
  ),
  vector(
    'a pop-over',
    '<button popovertarget=p>Open</button><div popover id=p onbeforetoggle=alert(3)>Text</div>',
    ['popover', 'onbeforetoggle', 'id='],
    'Text',
  ),
  vector('an invoker', '<button commandfor=d command=show-modal>Open</button>', ['command', '<button'], 'Open'),
  vector(
    'details that open',
    '<details open ontoggle=alert(4)><summary>Sum</summary>Text</details>',
    ['<details', 'ontoggle'],
    'Text',
  ),
  vector(
    'a label with an access key',
    '<label accesskey=x onclick=alert(5)>Text</label>',
    ['accesskey', 'onclick', '<label'],
    'Text',
  ),
  vector(
    'a link with an access key',
    '<a accesskey=x href="javascript:alert(6)">press</a>',
    ['accesskey', 'href'],
    'press',
  ),
  vector(
    'a ping on a link',
    '<a href="https://example.com/" ping="%BEACON%/p">press</a>',
    ['ping', 'beacon', 'href'],
    'press',
  ),
  vector('a download link', '<a href="data:text/html,x" download=x.html>press</a>', ['download', 'href'], 'press'),
  vector(
    'a link into another window',
    '<a href="https://example.com/" target=_top>press</a>',
    ['_top', 'href'],
    'press',
  ),
  vector('a drag handler', '<div draggable=true ondragstart=alert(7)>Text</div>', ['draggable', 'ondrag'], 'Text'),
  vector(
    'element names that shadow the page',
    '<img name=body id=location src=x><a id=parent name=top href="#">x</a>',
    ['id=', 'name='],
  ),
];

/** What would replace, cover or leave the page. */
export const pages = [
  vector('a refresh', '<meta http-equiv=refresh content="0;url=%BEACON%/r">', ['refresh', 'beacon']),
  vector('a refresh to a script', '<meta http-equiv="refresh" content="0; url=javascript:alert(1)">', [
    'refresh',
    'alert',
  ]),
  vector('a refresh in capitals with entities', '<META HTTP-EQUIV="&#82;efresh" CONTENT="0;URL=%BEACON%/r2">', [
    'beacon',
  ]),
  vector('a policy that allows all', '<meta http-equiv=Content-Security-Policy content="default-src *">', [
    'default-src *',
  ]),
  vector('a cookie', '<meta http-equiv=Set-Cookie content="a=b">', ['set-cookie']),
  vector('a base address', '<base href="%BEACON%/" target=_top><img src=x.png>', ['<base', 'beacon']),
  vector('a frame', '<iframe src="%BEACON%/f"></iframe>', ['<iframe', 'beacon']),
  vector('a frame with its own document', '<iframe srcdoc="<script>alert(2)</script>"></iframe>', [
    'iframe',
    'srcdoc',
    'alert',
  ]),
  vector('a frame with a script address', '<iframe src="javascript:alert(3)"></iframe>', ['iframe', 'alert']),
  vector('a frame set', '<frameset onload=alert(4)><frame src="%BEACON%/f2"></frameset>', [
    '<frame',
    'beacon',
    'alert',
  ]),
  vector('an object', '<object data="%BEACON%/o" type=text/html>Text</object>', ['<object', 'beacon'], 'Text'),
  vector('an object with parameters', '<object classid="clsid:x"><param name=movie value="%BEACON%/p"></object>', [
    '<object',
    '<param',
    'beacon',
  ]),
  vector('an embed', '<embed src="%BEACON%/e">', ['<embed', 'beacon']),
  vector('an applet', '<applet code=x archive="%BEACON%/a.jar">Text</applet>', ['<applet', 'beacon']),
  vector('a portal', '<portal src="%BEACON%/p"></portal>', ['<portal', 'beacon']),
  vector('a fenced frame', '<fencedframe src="%BEACON%/ff"></fencedframe>', ['<fencedframe', 'beacon']),
  vector('a marquee', '<marquee onstart=alert(5)>Text</marquee>', ['<marquee', 'onstart'], 'Text'),
  vector(
    'layers of old browsers',
    '<layer src="%BEACON%/l"></layer><ilayer src="%BEACON%/l2">Text</ilayer>',
    ['layer', 'beacon'],
    'Text',
  ),
  vector(
    'an overlay by table size',
    '<table width=99999 height=99999 cellpadding=99999><td>Text</table>',
    '99999',
    'Text',
  ),
  vector(
    'an overlay on the body',
    '<body style="position:fixed;inset:0;background:red">Text</body>',
    ['fixed', 'inset'],
    'Text',
  ),
  vector(
    'an end of the body',
    '</div></div></body></html><div style="position:absolute">Text</div>',
    ['absolute'],
    'Text',
  ),
  vector(
    'classes of the frame',
    '<span class="target" title="https://bank.example/">[https://bank.example/]</span>',
    ['class="target"'],
    'bank.example',
  ),
  vector(
    'a second document',
    '<html><head><title>x</title></head><body>One</body></html><html><body onload=alert(6)>Two</body></html>',
    ['onload'],
    'Two',
  ),
  vector('a manifest', '<html manifest="%BEACON%/m"><p>Text</p></html>', ['manifest', 'beacon'], 'Text'),
  vector('an origin trial', '<meta http-equiv=origin-trial content=abc>', ['origin-trial']),
  vector('huge spans', '<table><tr><td colspan=99999 rowspan=65534>Text</td></tr></table>', ['99999', '65534'], 'Text'),
];
