import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findMboxEntries, type MboxEntry, type MboxVariant } from '../../../src/services/intake/import/mbox.js';
import { unquoteMbox } from '../../../src/services/intake/import/mbox-quoting.js';

const SEPARATOR = 'From anna@example.org Mon Jan  5 10:00:00 2026';
const MIB = 1024 * 1024;

describe('findMboxEntries', () => {
  let folder: string;
  beforeAll(() => (folder = mkdtempSync(join(tmpdir(), 'mbox-'))));
  afterAll(() => rmSync(folder, { recursive: true }));

  async function read(
    content: string | Buffer,
    variant: MboxVariant = 'mboxrd',
  ): Promise<{ entries: MboxEntry[]; texts: string[] }> {
    const path = join(folder, 'box');
    const bytes = Buffer.from(content);
    writeFileSync(path, bytes);
    const file = await open(path);
    try {
      const entries: MboxEntry[] = [];
      for await (const entry of findMboxEntries(file, bytes.length, variant)) entries.push(entry);
      return { entries, texts: entries.map(({ start, end }) => bytes.toString('latin1', start, end)) };
    } finally {
      await file.close();
    }
  }

  it.each<[string, string, string[]]>([
    ['one message', `${SEPARATOR}\nSubject: a\n\nbody\n\n`, ['Subject: a\n\nbody\n']],
    [
      'two messages',
      `${SEPARATOR}\nSubject: a\n\nA\n\n${SEPARATOR}\nSubject: b\n\nB\n\n`,
      ['Subject: a\n\nA\n', 'Subject: b\n\nB\n'],
    ],
    [
      'CRLF line ends',
      `${SEPARATOR}\r\nSubject: a\r\n\r\nA\r\n\r\n${SEPARATOR}\r\nSubject: b\r\n\r\nB\r\n\r\n`,
      ['Subject: a\r\n\r\nA\r\n', 'Subject: b\r\n\r\nB\r\n'],
    ],
    ['no blank line at the end', `${SEPARATOR}\nSubject: a\n\nA\n`, ['Subject: a\n\nA\n']],
    ['no line break at the end', `${SEPARATOR}\nSubject: a\n\nA`, ['Subject: a\n\nA']],
    [
      'blank lines that belong to the message',
      `${SEPARATOR}\nSubject: a\n\nA\n\n\n\n${SEPARATOR}\nSubject: b\n\n\n`,
      ['Subject: a\n\nA\n\n\n', 'Subject: b\n\n'],
    ],
    [
      'a message without a body',
      `${SEPARATOR}\nSubject: a\n\n${SEPARATOR}\nSubject: b\n\n`,
      ['Subject: a\n', 'Subject: b\n'],
    ],
    ['an empty message', `${SEPARATOR}\n\n${SEPARATOR}\nSubject: b\n\n`, ['', 'Subject: b\n']],
    ['only a separator', `${SEPARATOR}\n`, ['']],
    ['only a separator, without a line break', SEPARATOR, ['']],
    [
      'a bare separator',
      `From \nSubject: a\n\nA\n\nFrom -\nSubject: b\n\nB\n\n`,
      ['Subject: a\n\nA\n', 'Subject: b\n\nB\n'],
    ],
    [
      'a separator with a zone',
      `From a@b.example Mon Jan 05 10:00:00 +0100 2026\nSubject: a\n\nA\n`,
      ['Subject: a\n\nA\n'],
    ],
    [
      'a quoted separator as first line of a header',
      `${SEPARATOR}\n>From b@example.org Mon Jan  5 09:00:00 2026\nSubject: a\n\nA\n`,
      ['>From b@example.org Mon Jan  5 09:00:00 2026\nSubject: a\n\nA\n'],
    ],
    [
      'text that begins with From',
      `${SEPARATOR}\nSubject: a\n\nA\n\nFrom here on it rains.\n\n`,
      ['Subject: a\n\nA\n\nFrom here on it rains.\n'],
    ],
    [
      'a quoted mail without a blank line in front',
      `${SEPARATOR}\nSubject: a\n\nA\n${SEPARATOR}\nSubject: b\n\n`,
      [`Subject: a\n\nA\n${SEPARATOR}\nSubject: b\n`],
    ],
    [
      'a separator in front of text',
      `${SEPARATOR}\nSubject: a\n\nA\n\n${SEPARATOR}\nand no header\n`,
      [`Subject: a\n\nA\n\n${SEPARATOR}\nand no header\n`],
    ],
    [
      '8-bit and NUL bytes',
      `${SEPARATOR}\nSubject: \xe4\0\n\n\xff\0\n\n`,
      [Buffer.from('Subject: \xe4\0\n\n\xff\0\n').toString('latin1')],
    ],
  ])('reads %s', async (_case, content, expected) => {
    expect((await read(content)).texts).toEqual(expected);
  });

  it('names the sender of the separator', async () => {
    const box = `${SEPARATOR}\nSubject: a\n\n${SEPARATOR.replace('anna@example.org', 'MAILER-DAEMON')}\nSubject: b\n\n`;
    expect((await read(box)).entries.map((entry) => entry.separatorSender)).toEqual(['anna@example.org', null]);
  });

  it('finds separators wherever the blocks of a large file end, and covers every byte once', async () => {
    const messages = Array.from(
      { length: 400 },
      (_, number) => `Subject: ${number}\n\n${'x'.repeat((number * 7919) % 16_000)}\nFrom\n`,
    );
    const { entries, texts } = await read(messages.map((message) => `${SEPARATOR}\n${message}\n`).join(''));
    expect(texts).toEqual(messages);
    entries.reduce((previous, entry) => (expect(entry.start).toBe(previous + SEPARATOR.length + 1), entry.next), 0);
  });

  it.each([-2, -1, 0, 1, 2, 3, 4, 5, 6, 7, 8])('finds a separator %i bytes off the end of a block', async (off) => {
    const front = `${SEPARATOR}\nSubject: a\n\n`;
    const first = `Subject: a\n\n${'x'.repeat(MIB - front.length - 2 + off)}\n`;
    expect((await read(`${SEPARATOR}\n${first}\n${SEPARATOR}\nSubject: b\n\nB\n`)).texts).toEqual([
      first,
      'Subject: b\n\nB\n',
    ]);
  });

  const inner = `A\n\n${SEPARATOR}\nSubject: inside\n\nA\n`;
  const declared = `${SEPARATOR}\nSubject: a\nContent-Length: ${inner.length}\n\n${inner}\n${SEPARATOR}\nSubject: b\n\nB\n`;

  it('believes a Content-Length where the variant has it', async () => {
    expect((await read(declared, 'mboxcl2')).texts).toEqual([
      `Subject: a\nContent-Length: ${inner.length}\n\n${inner}`,
      'Subject: b\n\nB\n',
    ]);
  });

  it('does not let a Content-Length hide messages in other variants', async () => {
    expect((await read(declared, 'mboxrd')).texts).toHaveLength(3);
  });

  it.each(['1', '999999999', '123456789012345678901234567890', '-1', 'x'])(
    'does not believe a Content-Length of %s that leads astray',
    async (length) => {
      const box = `${SEPARATOR}\nContent-Length: ${length}\n\nabc\n\n${SEPARATOR}\nSubject: b\n\n`;
      expect((await read(box, 'mboxcl2')).texts).toEqual([`Content-Length: ${length}\n\nabc\n`, 'Subject: b\n']);
    },
  );
});

describe('unquoteMbox', () => {
  async function unquote(text: string, variant: MboxVariant, pieceBytes: number): Promise<string> {
    async function* pieces(): AsyncGenerator<Buffer> {
      const bytes = Buffer.from(text);
      for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
    }
    const chunks: Buffer[] = [];
    for await (const chunk of unquoteMbox(pieces(), variant)) chunks.push(chunk);
    return Buffer.concat(chunks).toString();
  }

  const quoted = '>From a\nb >From c\n>From d\n>>From e\r\n>>>From f\n> From g\n>Fro\n>\n>>\nFrom h\n\n>From ';
  const long = `x\n${'>'.repeat(5000)}From \n>From `;

  it.each<[MboxVariant, string, string]>([
    ['mboxrd', quoted, 'From a\nb >From c\nFrom d\n>From e\r\n>>From f\n> From g\n>Fro\n>\n>>\nFrom h\n\nFrom '],
    ['mboxo', quoted, 'From a\nb >From c\nFrom d\n>>From e\r\n>>>From f\n> From g\n>Fro\n>\n>>\nFrom h\n\nFrom '],
    ['mboxcl', quoted, 'From a\nb >From c\nFrom d\n>>From e\r\n>>>From f\n> From g\n>Fro\n>\n>>\nFrom h\n\nFrom '],
    ['mboxcl2', quoted, quoted],
    ['mboxrd', '>Fro', '>Fro'],
    ['mboxrd', '', ''],
    ['mboxrd', long, long.replace(/\n>From $/, '\nFrom ')],
  ])('%s: unquotes %j in pieces of any size', async (variant, text, expected) => {
    for (const pieceBytes of [1, 2, 3, 4, 5, 6, 7, 11, 1000])
      expect(await unquote(text, variant, pieceBytes)).toBe(expected);
  });
});
