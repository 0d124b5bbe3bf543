/** Width and height in pixels, as the file declares them. */
export interface ImageSize {
  readonly width: number;
  readonly height: number;
}

// Bytes of a JPEG searched for its frame header; thumbnails and colour profiles come before it.
const MAX_JPEG_HEADER_BYTES = 512 * 1024;

function measureJpeg(bytes: Buffer): ImageSize | null {
  let at = 2;
  const end = Math.min(bytes.length - 9, MAX_JPEG_HEADER_BYTES);
  while (at < end) {
    if (bytes[at] !== 0xff) return null;
    const marker = bytes[at + 1] ?? 0;
    if (marker === 0xff) {
      at++;
      continue;
    }
    // SOF0 to SOF15 without DHT, JPG and DAC (ITU-T T.81 table B.1).
    const isFrame = marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
    if (isFrame) return { height: bytes.readUInt16BE(at + 5), width: bytes.readUInt16BE(at + 7) };
    at += 2 + bytes.readUInt16BE(at + 2);
  }
  return null;
}

function measureWebp(bytes: Buffer): ImageSize | null {
  if (bytes.length < 30) return null;
  switch (bytes.toString('latin1', 12, 16)) {
    case 'VP8X':
      return { width: bytes.readUIntLE(24, 3) + 1, height: bytes.readUIntLE(27, 3) + 1 };
    case 'VP8 ':
      return { width: bytes.readUInt16LE(26) & 0x3fff, height: bytes.readUInt16LE(28) & 0x3fff };
    case 'VP8L': {
      const bits = bytes.readUInt32LE(21);
      return { width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 };
    }
    default:
      return null;
  }
}

/** Reads the size from the first bytes of an image; null when they do not tell, and then it is better not shown. */
export function measureImage(bytes: Buffer, type: string): ImageSize | null {
  if (bytes.length < 10) return null;
  switch (type) {
    case 'image/png':
      return bytes.length < 24 ? null : { width: bytes.readUInt32BE(16), height: bytes.readUInt32BE(20) };
    case 'image/gif':
      return { width: bytes.readUInt16LE(6), height: bytes.readUInt16LE(8) };
    case 'image/bmp':
      return bytes.length < 26
        ? null
        : { width: Math.abs(bytes.readInt32LE(18)), height: Math.abs(bytes.readInt32LE(22)) };
    case 'image/jpeg':
      return measureJpeg(bytes);
    case 'image/webp':
      return measureWebp(bytes);
    default:
      return null;
  }
}
