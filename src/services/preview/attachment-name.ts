import libmime from 'libmime';
import { decodeCharset } from './charset.js';
import { decodeHeader, findHeader, type MimePart } from './mime-part.js';

// Longest name that common file systems take.
const MAX_NAME_CHARACTERS = 255;

/** Invisible characters that turn the reading direction: "gpj.exe" must not read as "exe.jpg". */
const DIRECTION_MARKS = /[\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g;

const EXTENSIONS: Readonly<Record<string, string>> = {
  'application/pdf': 'pdf',
  'application/zip': 'zip',
  'application/ms-tnef': 'dat',
  'application/pkcs7-mime': 'p7m',
  'application/x-pkcs7-mime': 'p7m',
  'application/pkcs7-signature': 'p7s',
  'application/x-pkcs7-signature': 'p7s',
  'application/pgp-signature': 'asc',
  'application/pgp-keys': 'asc',
  'image/jpeg': 'jpg',
  'image/png': 'png',
  'image/gif': 'gif',
  'image/webp': 'webp',
  'image/svg+xml': 'svg',
  'message/rfc822': 'eml',
  'message/delivery-status': 'txt',
  'text/calendar': 'ics',
  'text/html': 'html',
  'text/plain': 'txt',
  'text/csv': 'csv',
  'text/vcard': 'vcf',
  'text/xml': 'xml',
};

/** Percent-encoded names without the charset that RFC 2231 section 4 wants, and names that are UTF-8 twice over. */
function decodePercent(name: string): string {
  const extended = /^([\w-]{2,40})'[\w-]*'(.*)$/s.exec(name);
  const encoded = extended?.[2] ?? name;
  if (!/%[0-9a-f]{2}/i.test(encoded)) return extended ? encoded : name;
  if (!extended && !/^[^\s%]*(%[89a-f][0-9a-f][^\s%]*)+$/i.test(encoded)) return name;
  const bytes = encoded.replace(/%([0-9a-f]{2})/gi, (_match, hex: string) => String.fromCharCode(parseInt(hex, 16)));
  return decodeCharset(Buffer.from(bytes, 'latin1'), extended?.[1]);
}

function readName(part: MimePart): string {
  const { dispositionParameters, typeParameters } = part;
  const written = dispositionParameters['filename'] || typeParameters['name'] || dispositionParameters['name'] || '';
  if (written) return decodePercent(written.includes('=?') ? libmime.decodeWords(written) : written);
  const location = findHeader(part.headers, 'content-location');
  return location && !/[:/]/.test(location) ? decodeHeader(location) : '';
}

/** A name that cannot leave its folder, forge a line, or turn the reading direction. */
export function cleanFileName(name: string): string {
  const plain = name
    .normalize('NFC')
    .replace(DIRECTION_MARKS, '')
    .replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, ' ')
    .replace(/[\\/]+/g, '_')
    .replace(/\s+/g, ' ')
    .replace(/^[\s.]+|\s+$/g, '');
  if (plain.length <= MAX_NAME_CHARACTERS) return plain;
  // The end of a name tells its kind, so the middle gives way.
  return `${plain.slice(0, 200)}…${plain.slice(-40)}`;
}

/** Readable name of an attachment (RFC 2183, RFC 2231, RFC 2047, and what is written instead); made up when it has none. */
export function nameAttachment(part: MimePart): string {
  const name = cleanFileName(readName(part));
  if (name) return name;
  if (part.type === 'message/rfc822') return 'message.eml';
  const extension = EXTENSIONS[part.type];
  return extension ? `part-${part.id}.${extension}` : `part-${part.id}`;
}
