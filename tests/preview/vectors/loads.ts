import { vector } from './hostile-vector.js';

const GIF = 'R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7';

const load = (name: string, html: string) => vector(`remote: ${name}`, html, 'beacon');

/** Every way of HTML to learn that a mail was opened. */
export const loads = [
  load('an image', '<img src="%BEACON%/1.png">'),
  load('an image without a scheme', '<img src="//127.0.0.1:9/beacon.png">'),
  load('an image with backslashes', '<img src="\\\\127.0.0.1:9\\beacon.png"><img src="/\\127.0.0.1:9/beacon">'),
  load('an image with blanks before', '<img src="\n\t %BEACON%/2.png">'),
  load('a relative image', '<img src="beacon.png">'),
  load('a tracking pixel', '<img src="%BEACON%/3" width=1 height=1 style="display:none">'),
  load('srcset', '<img srcset="%BEACON%/4 1x, %BEACON%/5 2x" src="data:,">'),
  load('a picture', '<picture><source srcset="%BEACON%/6"><img src="data:," alt=x></picture>'),
  load('lowsrc and dynsrc', '<img lowsrc="%BEACON%/7" dynsrc="%BEACON%/8" longdesc="%BEACON%/9" usemap="%BEACON%/10">'),
  load('an image called image', '<image src="%BEACON%/11">'),
  load('a lazy image', '<img loading=eager decoding=sync fetchpriority=high src="%BEACON%/12">'),
  load(
    'a background of a table',
    '<table background="%BEACON%/13"><tr background="%BEACON%/14"><td background="%BEACON%/15">x</table>',
  ),
  load('a background of the body', '<body background="%BEACON%/16">x</body>'),
  load('a video', '<video src="%BEACON%/17" poster="%BEACON%/18" autoplay></video>'),
  load('an audio', '<audio src="%BEACON%/19" autoplay controls></audio>'),
  load('a source and a track', '<video><source src="%BEACON%/20"><track src="%BEACON%/21" default></video>'),
  load('a sound behind the page', '<bgsound src="%BEACON%/22">'),
  load('a preload', '<link rel=preload as=image href="%BEACON%/23">'),
  load('a prefetch', '<link rel=prefetch href="%BEACON%/24"><link rel=prerender href="%BEACON%/24">'),
  load('a name look-up', '<link rel=dns-prefetch href="//beacon.example"><link rel=preconnect href="%BEACON%/25">'),
  load('a module preload', '<link rel=modulepreload href="%BEACON%/26.js">'),
  load('an icon', '<link rel=icon href="%BEACON%/27.ico">'),
  load('a preload with a set', '<link rel=preload as=image imagesrcset="%BEACON%/28 1x">'),
  load('a HTML import', '<link rel=import href="%BEACON%/29">'),
  load('a content address in an input', '<input type=image src="%BEACON%/30">'),
  load('an XML island', '<xml src="%BEACON%/31"></xml>'),
  load('VML', '<v:rect><v:fill src="%BEACON%/32"/></v:rect><v:imagedata src="%BEACON%/32"/>'),
  load(
    'an embedded SVG image',
    "<img src=\"data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg'><image href='%BEACON%/33'/></svg>\">",
  ),
  load(
    'an SVG image in base64',
    `<img src="data:image/svg+xml;base64,${Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>').toString('base64')}">`,
  ),
  load('a page as image', '<img src="data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==">'),
  load(
    'an image that lies about its type',
    `<img src="data:image/png;base64,${Buffer.from('<svg onload=alert(1)>').toString('base64')}">`,
  ),
  load('an image address with a second one inside', `<img src="data:image/gif;base64,${GIF}" srcset="%BEACON%/34">`),
  load('an image address behind markup', `<img src='data:image/gif;base64,${GIF}"><img src="%BEACON%/35'>`),
  load('a cid that is an address', '<img src="cid:%BEACON%/36">'),
  load('a mhtml address', '<img src="mhtml:%BEACON%/37!x">'),
  load('a file address', '<img src="file://beacon.example/share/x.png"><a href="file://beacon.example/x">x</a>'),
  load('a UNC path in a style', '<p style="background:url(\\\\beacon.example\\x)">x</p>'),
  load('an attribution source', '<img attributionsrc="%BEACON%/38" src=x>'),
  load('shared storage', '<img sharedstoragewritable src="%BEACON%/39">'),
];

/** Links that lie about where they lead: text in `shown` must tell the truth. */
export const links = [
  vector(
    'a link whose text names another host',
    '<a href="https://evil.example/x">https://bank.example/</a>',
    'href',
    'evil.example',
  ),
  vector(
    'a link whose text is only a name',
    '<a href="https://evil.example/">www.bank.example</a>',
    'href',
    'the text says www.bank.example',
  ),
  vector(
    'a host that begins like another',
    '<a href="https://bank.example.evil.example/">bank.example</a>',
    'href',
    'the text says bank.example',
  ),
  vector('a Cyrillic homograph', '<a href="https://\u0430pple.com/">apple.com</a>', 'href', 'xn--pple-43d.com'),
  vector('a homograph as punycode', '<a href="https://xn--pple-43d.com/">Apple</a>', 'href', 'letters'),
  vector('letters of several alphabets', '<a href="https://p\u0430ypal.example/">Pay</a>', 'href', 'several alphabets'),
  vector(
    'a name in front of the host',
    '<a href="https://bank.example@evil.example/">Bank</a>',
    'href',
    'misleading name',
  ),
  vector(
    'a name with a slash look-alike',
    '<a href="https://bank.example\u2215login@evil.example/">Bank</a>',
    'href',
    'evil.example',
  ),
  vector('an address as one number', '<a href="http://3221226219/">Bank</a>', 'href', '192.0.2.235'),
  vector('an address in hex', '<a href="http://0xC0.0x00.0x02.0xEB/">Bank</a>', 'href', '192.0.2.235'),
  vector(
    'a link behind a bidi override',
    '<a href="https://evil.example/\u202egpj.exe">Bank</a>',
    ['href', '\u202e'],
    'evil.example',
  ),
  vector(
    'a link with invisible letters',
    '<a href="https://ev\u200bil.example/">ba\u00adnk.example</a>',
    ['href', '\u200b'],
    'evil.example',
  ),
  vector(
    'a mail address that differs',
    '<a href="mailto:thief@evil.example">service@bank.example</a>',
    'href',
    'thief@evil.example',
  ),
  vector(
    'a link over an image of a name',
    '<a href="https://evil.example/"><img alt="bank.example" src="%BEACON%/l"></a>',
    ['href', 'beacon'],
    'evil.example',
  ),
  vector(
    'a link split over elements',
    '<a href="https://evil.example/"><b>bank</b>.<i>example</i></a>',
    'href',
    'the text says bank.example',
  ),
  vector('a link without a scheme', '<a href="//evil.example/x">x</a>', 'href', 'evil.example'),
  vector('a link with backslashes', '<a href="https:\\\\evil.example\\x">x</a>', 'href', 'evil.example'),
  vector('an image map', '<img usemap=#m src=x><map name=m><area href="javascript:alert(1)" shape=default></map>', [
    '<area',
    '<map',
    'alert',
  ]),
  vector(
    'a link with markup in its address',
    `<a href='https://evil.example/"><img src=x onerror=alert(2)>'>x</a>`,
    ['<img', 'href'],
    'evil.example',
  ),
];

const repeat = (text: string, count: number) => text.repeat(count);

/** Trees and sheets that are large or deep: the answer may be text, but it must come. */
export const sizes = [
  vector('20,000 nested elements', `${repeat('<div>', 20_000)}Text`, [], 'Text'),
  vector('20,000 nested tables', `${repeat('<table><tr><td>', 20_000)}Text`, [], 'Text'),
  vector('100,000 elements side by side', `${repeat('<b>x</b>', 100_000)}Text`, [], 'x'),
  vector('50,000 end tags without a start', `${repeat('</b></i>', 50_000)}Text`, [], 'Text'),
  vector('30,000 unclosed formatting elements', `${repeat('<font color=red><b>', 15_000)}Text`, [], 'Text'),
  vector(
    '100,000 attributes on one element',
    `<p ${Array.from({ length: 100_000 }, (_, at) => `a${at}=1`).join(' ')}>Text</p>`,
    'a99999',
    'Text',
  ),
  vector('a style of a megabyte', `<p style="${repeat('color:red;', 90_000)}">Text</p>`, [], 'Text'),
  vector(
    '10 MiB of style sheet',
    `<style>${repeat('p{background:url(%BEACON%/s)}', 350_000)}</style><p>Text</p>`,
    'beacon',
    'Text',
  ),
  vector('a style of 8,000 open brackets', `<p style="color:${repeat('(', 8_000)}">Text</p>`, [], 'Text'),
  vector('100,000 open comments', `Text${repeat('<!--', 100_000)}`, '<!--<!--', 'Text'),
  vector('200,000 open tags without an end', `Text ${repeat('<a ', 200_000)}`, 'href', 'Text'),
  vector('200,000 entities', `Text ${repeat('&amp;&#x41;', 100_000)}`, [], 'Text'),
  vector('5,000 nested lists', `${repeat('<ul><li>', 5_000)}Text`, [], 'Text'),
  vector('3,000 nested frames', `${repeat('<iframe>', 3_000)}`, '<iframe'),
  vector(
    'a link around 10,000 links',
    `<a href="https://one.example/">${repeat('<a href="https://two.example/">x', 10_000)}</a>`,
    'href',
    'x',
  ),
];
