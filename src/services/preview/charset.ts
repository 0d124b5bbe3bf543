import { isUtf8 } from 'node:buffer';
import iconv from 'iconv-lite';

/** What mail programs write, and what they mean by it (WHATWG Encoding section 4.2, plus labels seen only in mail). */
const ALIASES: Readonly<Record<string, string>> = {
  ascii: 'windows-1252',
  'us-ascii': 'windows-1252',
  ansi: 'windows-1252',
  'iso-8859-1': 'windows-1252',
  'iso-8859-1-windows-3.1-latin-1': 'windows-1252',
  latin1: 'windows-1252',
  'iso-8859-9': 'windows-1254',
  'iso-8859-11': 'windows-874',
  'tis-620': 'windows-874',
  gb2312: 'gb18030',
  'gb_2312-80': 'gb18030',
  gbk: 'gb18030',
  big5: 'big5-hkscs',
  'ks_c_5601-1987': 'cp949',
  'ks_c_5601-1989': 'cp949',
  'euc-kr': 'cp949',
  shift_jis: 'cp932',
  'shift-jis': 'cp932',
  sjis: 'cp932',
  'unicode-1-1-utf-7': 'utf-7',
  'unicode-1-1-utf-8': 'utf-8',
  utf8: 'utf-8',
  'utf-8-strict': 'utf-8',
  unicode: 'utf-16',
  macintosh: 'macroman',
  mac: 'macroman',
  'x-mac-roman': 'macroman',
  'x-mac-ce': 'maccenteuro',
  'x-mac-greek': 'macgreek',
  'x-mac-turkish': 'macturkish',
};

/** Labels that iconv-lite lacks and the platform's own decoder has. */
const PLATFORM_LABELS = new Set(['iso-2022-jp', 'x-mac-cyrillic']);

// In these two bytes and more make a character, and short texts can be valid UTF-8 by accident.
const MULTI_BYTE = /^(gb|big5|cp9(32|49)|euc|utf-16|utf-32|utf-7|iso-2022|ucs)/;

const ISO_2022_JP_ESCAPE = /\x1b(\$[@B]|\([JI])/;

function normaliseLabel(label: string): string {
  const plain = label
    .trim()
    .toLowerCase()
    .replace(/^charset\s*=/, '')
    .replace(/["'\s]/g, '')
    .replace(/\*.*$/, '');
  const known = ALIASES[plain];
  if (known) return known;
  const codePage = /^(?:x-)?(?:cp|windows|win|ms|microsoft-cp)[-_]?(12\d\d|874)$/.exec(plain);
  if (codePage?.[1]) return `windows-${codePage[1]}`;
  const unprefixed = plain.replace(/^x-(?!mac)/, '');
  return ALIASES[unprefixed] ?? unprefixed;
}

function decodeByteOrderMark(bytes: Buffer): string | null {
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) return bytes.toString('utf8', 3);
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return iconv.decode(bytes, 'utf-16le');
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return iconv.decode(bytes, 'utf-16be');
  return null;
}

/** UTF-8 unless most of what is not ASCII fails to decode: then the label was wrong and Windows-1252 is likelier. */
function decodeClaimedUtf8(bytes: Buffer): string {
  const text = bytes.toString('utf8');
  const wrong = text.split('\ufffd').length - 1;
  if (wrong === 0) return text;
  const right = (text.match(/[^\x00-\x7f\ufffd]/g) ?? []).length;
  return wrong > right && !bytes.includes('\ufffd') ? iconv.decode(bytes, 'windows-1252') : text;
}

/** Decodes text by its declared charset, surviving missing, unknown and wrong labels; never fails. */
export function decodeCharset(bytes: Buffer, label = ''): string {
  const marked = decodeByteOrderMark(bytes);
  if (marked !== null) return marked;
  const charset = normaliseLabel(label);
  const multiByte = MULTI_BYTE.test(charset);
  if (!multiByte && isUtf8(bytes)) {
    // Seven-bit Japanese is also valid UTF-8, and often unlabelled.
    const mayBeJapanese = charset !== 'utf-8' && bytes.includes(0x1b);
    if (mayBeJapanese && ISO_2022_JP_ESCAPE.test(bytes.toString('latin1')))
      return new TextDecoder('iso-2022-jp').decode(bytes);
    return bytes.toString('utf8');
  }
  if (charset === 'utf-8') return decodeClaimedUtf8(bytes);
  // A UTF-16 label on text without a single zero byte is a wrong label.
  if (charset.startsWith('utf-16') && !bytes.includes(0)) return decodeCharset(bytes);
  if (PLATFORM_LABELS.has(charset)) return new TextDecoder(charset).decode(bytes);
  return iconv.decode(bytes, charset && iconv.encodingExists(charset) ? charset : 'windows-1252');
}

/** The charset that an HTML part names in its own head (HTML standard: within the first 1024 bytes); empty when none. */
export function findHtmlCharset(bytes: Buffer): string {
  const head = bytes.toString('latin1', 0, 1024);
  return /<meta[^>]{0,200}charset\s*=\s*["']?\s*([\w:-]{2,40})/i.exec(head)?.[1] ?? '';
}
