import { PreviewRenderer } from '../../src/services/preview/preview-renderer.js';
import { readAttachment, readHeaders } from '../../src/services/preview/read-attachment.js';
import { lines } from './compose-message.js';

const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
);
const MESSAGE = Buffer.from(
  lines(
    'Received: from a.example by b.example',
    'Received: from c.example by a.example',
    'Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?=',
    ' from Anna',
    'Content-Type: multipart/mixed; boundary=b',
    '',
    '--b',
    'Content-Type: multipart/related; boundary=r',
    '',
    '--r',
    'Content-Type: text/html',
    '',
    '<img src="cid:i">',
    '--r',
    'Content-Type: image/png',
    'Content-ID: <i>',
    'Content-Transfer-Encoding: base64',
    '',
    PNG.toString('base64'),
    '--r--',
    '--b',
    'Content-Type: application/pdf; name=invoice.pdf',
    'Content-Transfer-Encoding: base64',
    '',
    Buffer.from('MZ this is a program').toString('base64'),
    '--b',
    'Content-Type: message/rfc822',
    '',
    'Subject: Inner',
    'Content-Type: multipart/mixed; boundary=n',
    '',
    '--n',
    'Content-Type: text/plain; name=notes.txt',
    'Content-Disposition: attachment',
    '',
    'line one',
    'line two',
    '--n--',
    '--b--',
  ),
);

async function* pieces(source: Buffer, bytes: number, onEnd?: () => void): AsyncGenerator<Buffer> {
  try {
    for (let at = 0; at < source.length; at += bytes) yield source.subarray(at, at + bytes);
  } finally {
    onEnd?.();
  }
}

async function collect(bytes: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of bytes) chunks.push(chunk);
  return Buffer.concat(chunks);
}

describe('attachments', () => {
  const renderer = new PreviewRenderer({ workers: 1, timeMs: 20_000 });
  afterAll(() => renderer.stop());

  it('P6: lists names, types as declared and as the bytes tell, sizes, and those of attached messages', async () => {
    const { attachments, hasHtml, hasText, truncated } = await renderer.describe(MESSAGE);
    expect({ hasHtml, hasText, truncated }).toEqual({ hasHtml: true, hasText: false, truncated: false });
    expect(attachments).toEqual([
      {
        partId: '1.1.2',
        name: 'part-1.1.2.png',
        type: 'image/png',
        detectedType: 'image/png',
        sizeBytes: PNG.length,
        inline: true,
        messagePartId: null,
      },
      {
        partId: '1.2',
        name: 'invoice.pdf',
        type: 'application/pdf',
        detectedType: 'application/vnd.microsoft.portable-executable',
        sizeBytes: 20,
        inline: false,
        messagePartId: null,
      },
      {
        partId: '1.3',
        name: 'message.eml',
        type: 'message/rfc822',
        detectedType: 'message/rfc822',
        sizeBytes: expect.any(Number) as number,
        inline: false,
        messagePartId: null,
      },
      {
        partId: '1.3.1.1',
        name: 'notes.txt',
        type: 'text/plain',
        detectedType: null,
        sizeBytes: 18,
        inline: false,
        messagePartId: '1.3',
      },
    ]);
  });

  it.each([1, 3, 50, 100_000])('reads one attachment by its part from pieces of %i bytes', async (bytes) => {
    const image = await readAttachment(pieces(MESSAGE, bytes), '1.1.2');
    expect(image).toMatchObject({ partId: '1.1.2', name: 'part-1.1.2.png', type: 'image/png' });
    expect(image && (await collect(image.bytes))).toEqual(PNG);
    const notes = await readAttachment(pieces(MESSAGE, bytes), '1.3.1.1');
    expect(notes && (await collect(notes.bytes)).toString()).toBe('line one\r\nline two');
    const message = await readAttachment(pieces(MESSAGE, bytes), '1.3');
    expect(message && (await collect(message.bytes)).toString()).toMatch(/^Subject: Inner\r\n[^]*--n--$/);
  });

  it('a part that is not there is null, and the source is closed', async () => {
    let isClosed = false;
    expect(
      await readAttachment(
        pieces(MESSAGE, 100, () => (isClosed = true)),
        '1.9',
      ),
    ).toBeNull();
    expect(isClosed).toBe(true);
  });

  it('stops reading the source after the attachment, and when the reader leaves', async () => {
    let read = 0;
    async function* endless(): AsyncGenerator<Buffer> {
      yield MESSAGE;
      for (;;) {
        read++;
        yield Buffer.alloc(1000, 'x');
      }
    }
    const invoice = await readAttachment(endless(), '1.2');
    expect(invoice && (await collect(invoice.bytes)).toString()).toBe('MZ this is a program');
    expect(read).toBeLessThan(10);
  });

  it('holds a large attachment never as a whole', async () => {
    const total = 64 * 1024 * 1024;
    async function* large(): AsyncGenerator<Buffer> {
      yield Buffer.from(
        'Content-Type: application/octet-stream; name=a.bin\r\nContent-Transfer-Encoding: base64\r\n\r\n',
      );
      const line = Buffer.from(`${Buffer.alloc(57, 'x').toString('base64')}\r\n`.repeat(800));
      for (let sent = 0; sent < total; sent += 57 * 800) yield line;
    }
    const attachment = await readAttachment(large(), '1');
    let bytes = 0;
    let peak = 0;
    const before = process.memoryUsage().arrayBuffers;
    for await (const chunk of attachment?.bytes ?? []) {
      bytes += chunk.length;
      peak = Math.max(peak, chunk.length);
    }
    expect(bytes).toBeGreaterThanOrEqual(total);
    expect(peak).toBeLessThan(256 * 1024);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(total / 2);
  });

  it('reads the header for administrators in its order, decoded, and then stops', async () => {
    let isClosed = false;
    const headers = await readHeaders(pieces(MESSAGE, 300, () => (isClosed = true)));
    expect(headers).toEqual([
      { name: 'Received', value: 'from a.example by b.example' },
      { name: 'Received', value: 'from c.example by a.example' },
      { name: 'Subject', value: 'Grüße from Anna' },
      { name: 'Content-Type', value: 'multipart/mixed; boundary=b' },
    ]);
    expect(isClosed).toBe(true);
  });

  it('a value cannot forge a second header field', async () => {
    const headers = await readHeaders(pieces(Buffer.from('Subject: =?utf-8?Q?a=0D=0ABcc:_x?=\r\n\r\n'), 10));
    expect(headers).toEqual([{ name: 'Subject', value: 'a Bcc: x' }]);
  });
});
