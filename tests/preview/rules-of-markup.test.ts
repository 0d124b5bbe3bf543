import { cleanFileName } from '../../src/services/preview/attachment-name.js';
import { EmbeddedImages } from '../../src/services/preview/embedded-images.js';
import { detectFileType } from '../../src/services/preview/file-type.js';
import { measureImage } from '../../src/services/preview/image-size.js';
import { DEFAULT_LIMITS } from '../../src/services/preview/limits.js';
import { describeLink } from '../../src/services/preview/link-target.js';
import { PreviewCache } from '../../src/services/preview/preview-cache.js';
import { filterStyle } from '../../src/services/preview/style-attribute.js';
import { lines, readTree, renderHere } from './compose-message.js';

describe('style attributes', () => {
  it.each([
    ['color: RED', 'color: red'],
    ['color:#ABC;background:#001122', 'color: #abc; background-color: #001122'],
    ['color: rgb(1, 2, 3)', 'color: rgb(1, 2, 3)'],
    ['color: rgba( 1 2 3 / 50% )', 'color: rgba(1 2 3 / 50% )'],
    ['background: #fff url(x.png) no-repeat', 'background-color: #fff'],
    [
      'font: italic bold 12px/1.5 Arial, "Times New Roman", serif',
      "font: italic bold 12px/1.5 Arial, 'Times New Roman', serif",
    ],
    ['font-family: "Segoe UI", Arial', "font-family: 'Segoe UI', Arial"],
    ['margin: 0 auto; padding: 1px 2% 3pt 4em', 'margin: 0 auto; padding: 1px 2% 3pt 4em'],
    ['border: 1px solid #ccc', 'border: 1px solid #ccc'],
    ['width: 600px !important; max-width: 100%', 'width: 600px; max-width: 100%'],
    ['height: 20px; max-height: 0', 'min-height: 20px'],
    ['line-height: 1.4; text-align: CENTER', 'line-height: 1.4; text-align: center'],
    ['c\\6flor: r\\65 d', 'color: red'],
    ['color: red;; ;width:10px;', 'color: red; width: 10px'],
    ['mso-line-height-rule: exactly; direction: rtl', 'direction: rtl'],
    ['width: 10', ''],
    ['width: -10px', ''],
    ['margin: -1px', ''],
    ['margin: 0 0 0 0 0', ''],
    ['color: red blue', ''],
    ['font-size: 2000px', ''],
    ['color', ''],
    ['{color: red}', ''],
    ['', ''],
  ])('%s becomes %s', (style, css) => expect(filterStyle(style).css).toBe(css));

  it.each([
    ['img', 'height: 20px; max-height: 40px', 'height: 20px; max-height: 40px'],
    ['td', 'height: 20px', 'height: 20px'],
    ['td', 'height: 20px; display: block', 'min-height: 20px; display: block'],
  ])('P4: no box is lower than its content: %s with %s', (element, style, css) =>
    expect(filterStyle(style, element).css).toBe(css),
  );

  it('P4: what was kept is kept again: the result is its own result', () => {
    for (const style of [
      'font: italic 12px/1.5 Arial, "A B"',
      'border: 1px solid rgb(1,2,3); margin: 0 auto',
      'color: hsl(1 2% 3% / 4%)',
    ]) {
      const once = filterStyle(style).css;
      expect(filterStyle(once).css).toBe(once);
    }
  });

  it.each([
    ['background: url(a)', ['a']],
    ['background: url( "a" )', ['a']],
    ["background: image-set('a' 1x, url(b) 2x)", ['a', 'b']],
    ["font-family: 'a'", []],
    ['color: rgb(1,2,3)', []],
  ])('P4: %s would load %j', (style, addresses) => expect(filterStyle(style).addresses).toEqual(addresses));
});

describe('links', () => {
  it.each([
    ['https://example.com/a', 'here', 'https://example.com/a', 0],
    ['https://example.com/', 'https://example.com', 'https://example.com', 0],
    ['https://www.example.com/a?b=c', 'example.com', 'https://www.example.com/a?b=c', 0],
    ['https://shop.example.com/', 'example.com', 'https://shop.example.com', 0],
    ['HTTPS://EXAMPLE.COM/', 'Go', 'https://example.com', 0],
    ['https://example.com.evil.example/', 'example.com', 'https://example.com.evil.example', 1],
    ['https://notexample.com/', 'example.com', 'https://notexample.com', 1],
    ['https://example.com/', 'shop.example.com', 'https://example.com', 1],
    ['https://user:pw@evil.example/', 'x', 'https://evil.example', 1],
    ['https://xn--mnchen-3ya.example/', 'x', 'https://xn--mnchen-3ya.example (münchen.example)', 1],
    ['http://[::1]:8080/x', 'x', 'http://[::1]:8080/x', 0],
    ['https://example.com/', 'Version 1.2.3', 'https://example.com', 0],
    ['https://example.com/', 'see file.pdf', 'https://example.com', 0],
    ['https://example.com/', 'invoice.pdf', 'https://example.com', 0],
    ['https://example.com/', 'invoice.zip', 'https://example.com', 1],
    ['mailto:a@example.com?subject=x', 'Write', 'a@example.com', 0],
    ['mailto:a@example.com', 'b@example.com', 'a@example.com', 1],
    ['mailto:a@example.com', 'https://bank.example/', 'a@example.com', 1],
    ['mailto:a@mail.example.com', 'www.example.com', 'a@mail.example.com', 0],
    ['https:evil.example/x', 'x', 'https://evil.example/x', 0],
    ['http:/\\evil.example', 'bank.example', 'http://evil.example', 1],
    ['//evil.example/x', 'x', 'https://evil.example/x', 0],
    ['\\\\evil.example\\x', 'x', 'https://evil.example/x', 0],
    ['tel:+49123', 'Call', '+49123', 0],
    ['javascript:x', 'x', 'javascript:…', 1],
    ['java\nscript:x', 'x', 'javascript:…', 1],
    ['/relative', 'x', '/relative', 1],
    ['#top', 'x', '', 0],
    ['', 'x', '', 0],
    ['http://', 'x', 'http://', 1],
    ['https://bank.example%40evil.example/', 'x', 'https://bank.example%40evil.example/', 1],
    ['https://evil.example/', 'Go to https://bank.example now', 'https://evil.example', 1],
    ['https://evil.example/', '[bank.example]', 'https://evil.example', 1],
    ['https://evil.example/', '\uff42\uff41\uff4e\uff4b\u3002example', 'https://evil.example', 1],
    ['https://evil.example/', 'as bank.com says', 'https://evil.example', 1],
    ['https://evil.example/', 'evil.example and bank.com', 'https://evil.example', 1],
    ['https://example.com/', 'with Node.js and ver.sion', 'https://example.com', 0],
    ['https://example.com/', 'Mr.Smith wrote to you', 'https://example.com', 1],
    ['https://example.com/', 'Read on: Dr. Who is back. More', 'https://example.com', 0],
  ])('P4: %s called "%s" is shown as %s', (href, text, shown, warnings) => {
    const target = describeLink(href, text);
    expect(target.shown).toBe(shown);
    expect(target.warnings).toHaveLength(warnings);
  });

  it('P4: a long address is cut where it is shown and whole in its tooltip', () => {
    const target = describeLink(`https://example.com/${'a'.repeat(200)}`, 'x');
    expect(target.shown).toHaveLength(81);
    expect(target.full).toHaveLength(220);
  });
});

const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
);
const mailWithImage = (html: string, image: Buffer, headers = 'Content-Type: image/png\r\nContent-ID: <logo@x>') =>
  Buffer.from(
    lines(
      'Content-Type: multipart/related; boundary=b',
      '',
      '--b',
      'Content-Type: text/html',
      '',
      html,
      '--b',
      headers,
      'Content-Transfer-Encoding: base64',
      '',
      image.toString('base64'),
      '--b--',
    ),
  );

describe('embedded images', () => {
  it.each([
    ['by its Content-ID', '<img src="cid:logo@x" alt=Logo>', 'Content-Type: image/png\r\nContent-ID: <logo@x>'],
    ['percent-encoded', '<img src="CID:logo%40x">', 'Content-Type: image/png\r\nContent-ID: <logo@x>'],
    ['without brackets', '<img src="cid:logo@x">', 'Content-Type: image/png\r\nContent-ID: logo@x'],
    ['as unknown bytes', '<img src="cid:logo@x">', 'Content-Type: application/octet-stream\r\nContent-ID: <logo@x>'],
    [
      'by its location',
      '<img src="http://example.com/logo.png">',
      'Content-Type: image/png\r\nContent-Location: http://example.com/logo.png',
    ],
  ])('P4: an image of the message is shown: %s', (_name, html, headers) => {
    const preview = renderHere(mailWithImage(html, PNG, headers), 'HTML');
    expect(preview.content).toContain(`src="data:image/png;base64,${PNG.toString('base64')}"`);
    expect(preview).toMatchObject({ blockedRemoteResources: 0, truncated: false });
  });

  it('P4: of images with the same name each message shows its own', () => {
    const other = Buffer.concat([PNG, Buffer.from('other')]);
    const related = (text: string, image: Buffer) =>
      mailWithImage(`<p>${text}</p><img src="cid:logo@x">`, image).toString();
    const content = renderHere(
      Buffer.from(
        lines(
          'Content-Type: multipart/mixed; boundary=m',
          '',
          '--m',
          related('Outer', PNG),
          '--m',
          'Content-Type: message/rfc822',
          '',
          related('Inner', other),
          '--m--',
        ),
      ),
      'HTML',
    ).content;
    const after = (text: string) => /base64,([^"]*)/.exec(content.slice(content.indexOf(text)))?.[1];
    expect(after('>Outer')).toBe(PNG.toString('base64'));
    expect(after('>Inner')).toBe(other.toString('base64'));
  });

  it('P4: attached photographs do not use up the place of the images in the text', () => {
    const photo = lines(
      '--m',
      'Content-Type: image/jpeg; name=photo.jpg',
      'Content-Disposition: attachment',
      'Content-Transfer-Encoding: base64',
      '',
      'A'.repeat(DEFAULT_LIMITS.maxAllImagesBytes * 2),
    );
    const source = lines(
      'Content-Type: multipart/mixed; boundary=m',
      '',
      photo,
      '--m',
      mailWithImage('<img src="cid:logo@x">', PNG).toString(),
      '--m--',
    );
    expect(renderHere(Buffer.from(source), 'HTML')).toMatchObject({
      mode: 'HTML',
      truncated: false,
      content: expect.stringContaining('data:image/png'),
    });
  });

  it('P4: the part named by "start" is the text of related parts (RFC 2387)', () => {
    const source = lines(
      'Content-Type: multipart/related; boundary=b; type="text/html"; start="<true@x>"',
      '',
      '--b',
      'Content-Type: text/html',
      'Content-ID: <other@x>',
      '',
      'Other',
      '--b',
      'Content-Type: text/html',
      'Content-ID: <true@x>',
      '',
      'True',
      '--b--',
    );
    expect(renderHere(Buffer.from(source), 'TEXT').content).toBe('True');
    expect(renderHere(Buffer.from(source), 'HTML').content).toContain('>True<');
  });

  it('P4: what is no image is not shown, whatever it is called', () => {
    const preview = renderHere(
      mailWithImage('<img src="cid:logo@x" alt=Logo>', Buffer.from('<svg onload=alert(1)>')),
      'HTML',
    );
    expect(preview.content).not.toContain('data:image/png');
    expect(preview.content).toContain('>Logo</span>');
  });

  it('P4: an image too large to show is left out and the preview says so', () => {
    const large = Buffer.concat([PNG, Buffer.alloc(DEFAULT_LIMITS.maxImageBytes)]);
    expect(renderHere(mailWithImage('<img src="cid:logo@x">', large), 'HTML')).toMatchObject({
      mode: 'HTML',
      truncated: true,
      reason: 'CONTENT_TOO_LARGE',
    });
  });

  it('P4: one image used a thousand times does not multiply the answer', () => {
    const image = Buffer.concat([PNG, Buffer.alloc(100_000)]);
    const preview = renderHere(mailWithImage('<img src="cid:logo@x">'.repeat(1000), image), 'HTML');
    expect(preview.content.length).toBeLessThan(DEFAULT_LIMITS.maxAllImagesBytes * 1.5);
    expect(preview.truncated).toBe(true);
  });

  it('P4: a small file of endless pixels is not shown', () => {
    const bomb = Buffer.from(PNG);
    bomb.writeUInt32BE(60_000, 16);
    bomb.writeUInt32BE(60_000, 20);
    expect(renderHere(mailWithImage('<img src="cid:logo@x">', bomb), 'HTML').content).not.toContain('data:image/png');
  });

  it('P4: a data image is written anew, others are refused', () => {
    const { root } = readTree(mailWithImage('x', PNG), 'HTML');
    if (!root) throw new Error('There is no message.');
    const images = new EmbeddedImages(root, DEFAULT_LIMITS);
    expect(images.embedData(`data:image/jpg;base64, ${PNG.toString('base64')}\n`)).toBe(
      `data:image/png;base64,${PNG.toString('base64')}`,
    );
    for (const refused of [
      'data:image/svg+xml;base64,AAAA',
      'data:text/html,x',
      `data:image/png,${PNG.toString('base64')}`,
      'data:image/png;base64,">',
    ]) {
      expect(images.embedData(refused)).toBeNull();
    }
  });
});

describe('files', () => {
  it.each([
    ['%PDF-1.7', 'application/pdf'],
    ['MZ\x90\0', 'application/vnd.microsoft.portable-executable'],
    ['PK\x03\x04\x14\0', 'application/zip'],
    [
      `PK\x03\x04${'\0'.repeat(26)}word/document.xml`,
      'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
    ],
    [
      `PK\x03\x04${'\0'.repeat(26)}mimetypeapplication/vnd.oasis.opendocument.textPK`,
      'application/vnd.oasis.opendocument.text',
    ],
    ['\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1', 'application/x-ole-storage'],
    ['\x78\x9f\x3e\x22', 'application/ms-tnef'],
    ['\xef\xbb\xbf  <!DOCTYPE html>', 'text/html'],
    ['<?xml version="1.0"?>\n<svg xmlns="x">', 'image/svg+xml'],
    ['#!/bin/sh', 'application/x-shellscript'],
    ['RIFF\0\0\0\0WEBPVP8 ', 'image/webp'],
    [`${'\0'.repeat(257)}ustar`, 'application/x-tar'],
    ['plain words', null],
    ['', null],
  ])('tells %j as %s', (bytes, type) => expect(detectFileType(Buffer.from(bytes, 'latin1'))).toBe(type));

  it.each([
    ['image/png', PNG, 1, 1],
    ['image/gif', Buffer.from('GIF89a\x10\0\x20\0', 'latin1'), 16, 32],
    ['image/jpeg', Buffer.from('\xff\xd8\xff\xe0\0\x04ab\xff\xc2\0\x11\x08\0\x20\0\x10\x03aaaaaaa', 'latin1'), 16, 32],
    ['image/bmp', Buffer.from(`BM${'\0'.repeat(16)}\x10\0\0\0\xe0\xff\xff\xff`, 'latin1'), 16, 32],
    ['image/webp', Buffer.from(`RIFF\0\0\0\0WEBPVP8X${'\0'.repeat(8)}\x0f\0\0\x1f\0\0`, 'latin1'), 16, 32],
  ])('measures %s', (type, bytes, width, height) => expect(measureImage(bytes, type)).toEqual({ width, height }));

  it.each([
    ['../../etc/passwd', '_.._etc_passwd'],
    ['a\u202efdp.exe', 'afdp.exe'],
    ['  .htaccess ', 'htaccess'],
    ['a\r\nb', 'a b'],
    ['u\u0308.txt', 'ü.txt'],
  ])('cleans the name %j', (name, clean) => expect(cleanFileName(name)).toBe(clean));
});

describe('the cache', () => {
  it('keeps what was used last within its number', () => {
    const cache = new PreviewCache<number>(2, 1000);
    cache.set('a', 1, 1);
    cache.set('b', 2, 1);
    cache.get('a');
    cache.set('c', 3, 1);
    expect([cache.get('a'), cache.get('b'), cache.get('c')]).toEqual([1, undefined, 3]);
  });

  it('keeps what fits within its bytes, and nothing that would push out most of it', () => {
    const cache = new PreviewCache<number>(100, 80);
    for (let at = 0; at < 10; at++) cache.set(String(at), at, 10);
    expect([cache.get('0'), cache.get('1'), cache.get('2'), cache.get('9')]).toEqual([undefined, undefined, 2, 9]);
    cache.set('large', 1, 11);
    expect(cache.get('large')).toBeUndefined();
    cache.set('9', 99, 10);
    cache.delete('9');
    expect(cache.get('9')).toBeUndefined();
  });
});
