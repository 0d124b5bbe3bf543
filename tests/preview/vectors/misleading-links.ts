import { vector } from './hostile-vector.js';

const link = (name: string, html: string, shown: string, gone: readonly string[] = []) =>
  vector(`misleading: ${name}`, html, ['href', ...gone], shown);

/** Links whose text and target differ; the truth must be readable. */
export const misleadingLinks = [
  link('a password in front', '<a href="https://www.bank.example:login@evil.example/">Log in</a>', 'evil.example'),
  link(
    'an encoded at sign',
    '<a href="https://bank.example%40evil.example/">Log in</a>',
    'an address that leads nowhere',
  ),
  link(
    'a text with a scheme only',
    '<a href="https://evil.example/">https://bank.example/login?x=1#y</a>',
    'the text says bank.example',
  ),
  link('a text in capitals', '<a href="https://evil.example/">WWW.BANK.EXAMPLE</a>', 'the text says www.bank.example'),
  link(
    'a text of full-width letters',
    '<a href="https://evil.example/">\uff42\uff41\uff4e\uff4b.example</a>',
    'evil.example',
  ),
  link('a text with an ideographic stop', '<a href="https://evil.example/">bank\u3002example</a>', 'evil.example'),
  link(
    'a text that begins with words',
    '<a href="https://evil.example/">Go to https://bank.example now</a>',
    'the text says bank.example',
  ),
  link(
    'a text that ends with words',
    '<a href="https://evil.example/">bank.example (secure)</a>',
    'the text says bank.example',
  ),
  link(
    'a text in brackets',
    '<a href="https://evil.example/">[https://bank.example/]</a>',
    'the text says bank.example',
  ),
  link(
    'a text after an arrow',
    '<a href="https://evil.example/">\u2192 bank.example</a>',
    'the text says bank.example',
  ),
  link(
    'a soft hyphen in the text',
    '<a href="https://evil.example/">ba&shy;nk.exa&zwj;mple</a>',
    'the text says bank.example',
  ),
  link(
    'a text over table cells',
    '<a href="https://evil.example/"><table><tr><td>https://bank.example</td></tr></table></a>',
    'the text says bank.example',
  ),
  link(
    'a hidden part of the text',
    '<a href="https://evil.example/">https://bank.example<span style="display:none">x</span></a>',
    'evil.example',
  ),
  link(
    'a subdomain of the target',
    '<a href="https://bank.example.login.evil.example/">https://bank.example</a>',
    'the text says bank.example',
  ),
  link('a longer host', '<a href="https://bank.example.com/">https://bank.example</a>', 'the text says bank.example'),
  link('a port', '<a href="https://bank.example:8443/">https://bank.example</a>', 'bank.example:8443'),
  link('a host of dots', '<a href="https://evil.example./">bank.example</a>', 'the text says bank.example'),
  link('an IPv6 host', '<a href="http://[2001:db8::1]/">bank.example</a>', 'the text says bank.example'),
  link('an octal host', '<a href="http://0300.0.02.0353/">bank.example</a>', '192.0.2.235'),
  link('a mixed alphabet', '<a href="https://b\u0430nk.example/">bank.example</a>', 'xn--'),
  link(
    'a whole Cyrillic name',
    '<a href="https://\u0430\u0440\u0440\u04cf\u0435.example/">Apple</a>',
    'letters that can look like others',
  ),
  link('a full-width slash in the host', '<a href="https://bank.example\uff0fevil.example/">Bank</a>', 'bank.example'),
  link('a turned address', '<a href="https://evil.example/\u2066\u202efdp.knab\u2069.exe">Bank</a>', 'evil.example', [
    '\u202e',
  ]),
  link('a turned text', '<a href="https://evil.example/">\u202eelpmaxe.knab//:sptth</a>', 'evil.example', ['\u202e']),
  link(
    'an override by an element',
    '<a href="https://evil.example/"><bdo dir=rtl>elpmaxe.knab</bdo></a>',
    'evil.example',
    ['<bdo'],
  ),
  link(
    'a redirect in the query',
    '<a href="https://search.example/url?q=https://evil.example/">https://evil.example</a>',
    'the text says evil.example',
  ),
  link(
    'a mail link with more',
    '<a href="mailto:a@evil.example?cc=b@evil.example&body=x">a@bank.example</a>',
    'the text says a@bank.example',
  ),
  link('a phone link', '<a href="tel:+1900555">+49 30 123</a>', '+1900555'),
  link('a chat link', '<a href="whatsapp://send?text=x">Write</a>', 'not a web address'),
  link('an app link', '<a href="ms-word:ofe|u|https://evil.example/x.docm">Open</a>', 'not a web address'),
  link(
    'a scheme with capitals and blanks',
    '<a href=" \tHTTPS://EVIL.EXAMPLE/ ">bank.example</a>',
    'the text says bank.example',
  ),
  link(
    'a link in a link',
    '<a href="https://one.example/">bank.example <a href="https://two.example/">x</a></a>',
    'two.example',
  ),
  link('a link that never ends', '<a href="https://evil.example/">bank.example', 'the text says bank.example'),
  link(
    'a link around a block',
    '<a href="https://evil.example/"><div><p>bank.example</p></div></a>',
    'the text says bank.example',
  ),
  link(
    'an area',
    '<map name=m><area href="https://evil.example/" alt="bank.example"></map><img usemap=#m alt=Pic>',
    'Pic',
    ['<area', '<map'],
  ),
  link(
    'a faked target',
    '<a href="https://evil.example/">Bank</a> <span class="target">[https://bank.example]</span>',
    '[https://evil.example]',
    ['</span> <span class="target">[https://bank'],
  ),
];
