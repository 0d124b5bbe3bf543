/** Bytes that begin a file format. */
interface Magic {
  readonly type: string;
  readonly offset: number;
  /** ISO 8859-1. */
  readonly bytes: string;
}

const magic = (type: string, bytes: string, offset = 0): Magic => ({ type, offset, bytes });

/**
 * Formats that matter to somebody who judges a suspicious attachment: what runs, what carries macros, what hides
 * other files, and the images that may be shown. A table of our own, because the kept libraries are ES modules
 * that need newer Node versions and tell four hundred formats that change no decision here.
 */
const MAGIC: readonly Magic[] = [
  magic('application/pdf', '%PDF-'),
  magic('image/png', '\x89PNG\r\n\x1a\n'),
  magic('image/jpeg', '\xff\xd8\xff'),
  magic('image/gif', 'GIF87a'),
  magic('image/gif', 'GIF89a'),
  magic('image/webp', 'WEBP', 8),
  magic('image/bmp', 'BM'),
  magic('image/tiff', 'II*\0'),
  magic('image/tiff', 'MM\0*'),
  magic('image/x-icon', '\0\0\x01\0'),
  magic('application/zip', 'PK\x03\x04'),
  magic('application/zip', 'PK\x05\x06'),
  magic('application/vnd.rar', 'Rar!\x1a\x07'),
  magic('application/x-7z-compressed', '7z\xbc\xaf\x27\x1c'),
  magic('application/gzip', '\x1f\x8b'),
  magic('application/x-bzip2', 'BZh'),
  magic('application/x-xz', '\xfd7zXZ\0'),
  magic('application/zstd', '\x28\xb5\x2f\xfd'),
  magic('application/vnd.ms-cab-compressed', 'MSCF'),
  magic('application/x-ace', '**ACE**', 7),
  magic('application/x-arj', '\x60\xea'),
  magic('application/x-tar', 'ustar', 257),
  magic('application/x-vhd', 'conectix'),
  magic('application/x-vhdx', 'vhdxfile'),
  // Word, Excel and PowerPoint up to 2003, MSI packages and Outlook messages share this container.
  magic('application/x-ole-storage', '\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1'),
  magic('application/onenote', '\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d'),
  magic('application/ms-tnef', '\x78\x9f\x3e\x22'),
  magic('application/rtf', '{\\rt'),
  magic('application/vnd.microsoft.portable-executable', 'MZ'),
  magic('application/x-elf', '\x7fELF'),
  magic('application/x-mach-binary', '\xcf\xfa\xed\xfe'),
  magic('application/x-mach-binary', '\xca\xfe\xba\xbe'),
  magic('application/x-ms-shortcut', 'L\0\0\0\x01\x14\x02\0'),
  magic('application/vnd.ms-htmlhelp', 'ITSF'),
  magic('application/x-shellscript', '#!'),
  magic('application/x-sqlite3', 'SQLite format 3\0'),
  magic('application/pgp-encrypted', '-----BEGIN PGP MESSAGE-----'),
  magic('application/pgp-keys', '-----BEGIN PGP PUBLIC KEY BLOCK-----'),
  magic('audio/mpeg', 'ID3'),
  magic('audio/ogg', 'OggS'),
  magic('audio/wav', 'WAVE', 8),
  magic('video/x-msvideo', 'AVI ', 8),
  magic('video/mp4', 'ftyp', 4),
  magic('video/webm', '\x1a\x45\xdf\xa3'),
  magic('application/x-shockwave-flash', 'FWS'),
  magic('application/x-shockwave-flash', 'CWS'),
  magic('font/woff2', 'wOF2'),
];

/** Text formats, told by how they begin once blanks and a byte order mark are skipped. */
const TEXT_BEGINNINGS: readonly (readonly [string, RegExp])[] = [
  ['text/html', /^(<!doctype html|<html|<head|<body|<script)/i],
  ['image/svg+xml', /^(<\?xml[^>]*>\s*)?(<!--[^]*?-->\s*)?(<!doctype svg|<svg)/i],
  ['text/xml', /^<\?xml/i],
  ['text/calendar', /^BEGIN:VCALENDAR/i],
  ['text/vcard', /^BEGIN:VCARD/i],
  ['message/rfc822', /^(Received|Return-Path|MIME-Version|DKIM-Signature|X-[\w-]+): /i],
];

/** Office packages name their kind near the start of the archive. */
const PACKAGE_ENTRIES: readonly (readonly [string, string])[] = [
  ['application/vnd.openxmlformats-officedocument.wordprocessingml.document', 'word/'],
  ['application/vnd.openxmlformats-officedocument.spreadsheetml.sheet', 'xl/'],
  ['application/vnd.openxmlformats-officedocument.presentationml.presentation', 'ppt/'],
  ['application/java-archive', 'META-INF/MANIFEST.MF'],
  ['application/vnd.android.package-archive', 'AndroidManifest.xml'],
];

/** Bytes of a file that {@link detectFileType} looks at. */
export const FILE_TYPE_BYTES = 1024;

/** Media type told by the first bytes of a file; null when they tell nothing. */
export function detectFileType(head: Buffer): string | null {
  const start = head.toString('latin1', 0, FILE_TYPE_BYTES);
  for (const { type, offset, bytes } of MAGIC) {
    if (!start.startsWith(bytes, offset)) continue;
    if (type !== 'application/zip') return type;
    const stored = /^mimetype(application\/[\w.+-]+)PK/.exec(start.slice(30));
    return stored?.[1] ?? PACKAGE_ENTRIES.find(([, entry]) => start.includes(entry))?.[0] ?? type;
  }
  const text = start.replace(/^(\xef\xbb\xbf)?\s+|^\xef\xbb\xbf/, '');
  return TEXT_BEGINNINGS.find(([, beginning]) => beginning.test(text))?.[0] ?? null;
}
