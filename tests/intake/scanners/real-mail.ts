import { deflateRawSync } from 'node:zlib';
import { crc32 } from 'node:zlib';

/** The EICAR test file; kept apart in two halves so that no scanner takes this source for it. */
export const EICAR = `X5O!P%@AP[4\\PZX54(P^)7CC)7}$${'EICAR-STANDARD-ANTIVIRUS-TEST-FILE'}!$H+H*`;

/** Builds a mail as a client would send it; `parts` are attachments. */
export function mail(
  headers: Record<string, string>,
  text: string,
  parts: { name: string; type: string; bytes: Buffer }[] = [],
): Buffer {
  const top = {
    From: 'Sender <sender@example.net>',
    To: 'anna@example.test',
    Subject: 'Hello',
    Date: 'Mon, 23 Nov 2026 09:15:00 +0000',
    'Message-ID': '<1@example.net>',
    'MIME-Version': '1.0',
    ...headers,
  };
  const head = Object.entries(top)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('');
  const plain = `Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n${text}\r\n`;
  if (parts.length === 0) return Buffer.from(head + plain);
  const attachments = parts.map(
    ({ name, type, bytes }) =>
      `--b\r\nContent-Type: ${type}; name="${name}"\r\nContent-Disposition: attachment; filename="${name}"\r\nContent-Transfer-Encoding: base64\r\n\r\n${bytes.toString('base64').replace(/(.{76})/g, '$1\r\n')}\r\n`,
  );
  return Buffer.from(
    `${head}Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n${plain}${attachments.join('')}--b--\r\n`,
  );
}

/** A container that holds a Visual Basic project, which the test signatures take for a macro document. */
export function macroDocument(): Buffer {
  const files: [string, Buffer][] = [
    ['[Content_Types].xml', Buffer.from('<Types/>')],
    ['word/vbaProject.bin', Buffer.from('not really a project, but named like one '.repeat(20))],
  ];
  const locals: Buffer[] = [];
  const central: Buffer[] = [];
  let offset = 0;
  for (const [name, bytes] of files) {
    const packed = deflateRawSync(bytes);
    const fields = Buffer.alloc(26);
    fields.writeUInt16LE(20, 0);
    fields.writeUInt16LE(8, 4);
    fields.writeUInt32LE(crc32(bytes), 10);
    fields.writeUInt32LE(packed.length, 14);
    fields.writeUInt32LE(bytes.length, 18);
    fields.writeUInt16LE(name.length, 22);
    const local = Buffer.concat([Buffer.from('PK\x03\x04'), fields, Buffer.from(name), packed]);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE(offset, 10);
    central.push(Buffer.concat([Buffer.from('PK\x01\x02'), Buffer.from([20, 0]), fields, tail, Buffer.from(name)]));
    locals.push(local);
    offset += local.length;
  }
  const directory = Buffer.concat(central);
  const end = Buffer.alloc(18);
  end.writeUInt16LE(files.length, 4);
  end.writeUInt16LE(files.length, 6);
  end.writeUInt32LE(directory.length, 8);
  end.writeUInt32LE(offset, 12);
  return Buffer.concat([...locals, directory, Buffer.from('PK\x05\x06'), end]);
}
