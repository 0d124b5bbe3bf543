import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type SkippedFile } from '../../../src/services/intake/import/find-mail-files.js';
import { measureMessages, readMessages, type ReadOptions } from '../../../src/services/intake/import/read-messages.js';

const MESSAGE = 'From: anna@example.org\r\nSubject: a\r\n\r\nbody\r\n';
const SEPARATOR = 'From anna@example.org Mon Jan  5 10:00:00 2026';
const MBOX = `${SEPARATOR}\nSubject: 1\n\n>From me\n\n${SEPARATOR}\nSubject: 2\n\nB\n\n`;

describe('readMessages', () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'import-'))));
  afterEach(() => rmSync(folder, { recursive: true }));

  function write(files: Record<string, string | Buffer>): void {
    for (const [name, content] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, name)), { recursive: true });
      writeFileSync(join(folder, name), content);
    }
  }

  async function bytesOf(source: AsyncIterable<Buffer>): Promise<string> {
    const chunks: Buffer[] = [];
    for await (const chunk of source) chunks.push(chunk);
    return Buffer.concat(chunks).toString('latin1');
  }

  async function read(
    names: string[],
    options: ReadOptions = {},
  ): Promise<{ found: Record<string, string>; skipped: Record<string, string>; sizeBytes: number }> {
    const found: Record<string, string> = {};
    const skipped: Record<string, string> = {};
    let sizeBytes = 0;
    const relative = (path: string): string => path.slice(folder.length + 1);
    const onSkipped = ({ path, reason }: SkippedFile): void => void (skipped[relative(path)] = reason);
    for await (const message of readMessages(
      names.map((name) => join(folder, name)),
      { ...options, onSkipped },
    )) {
      found[relative(message.origin)] = await bytesOf(message.open());
      sizeBytes += message.sizeBytes;
    }
    return { found, skipped, sizeBytes };
  }

  it('reads single files byte for byte, whatever their name says', async () => {
    const broken = Buffer.from('no header at all \0\xff', 'latin1');
    write({ 'a.eml': MESSAGE, 'b.txt': MESSAGE, 'c.eml': broken, box: MBOX, 'd.eml': MBOX });
    expect(await read(['a.eml', 'b.txt', 'c.eml', 'box', 'd.eml'])).toMatchObject({
      found: {
        'a.eml': MESSAGE,
        'b.txt': MESSAGE,
        'c.eml': broken.toString('latin1'),
        'box#1': 'Subject: 1\n\nFrom me\n',
        'box#2': 'Subject: 2\n\nB\n',
        'd.eml#1': 'Subject: 1\n\nFrom me\n',
        'd.eml#2': 'Subject: 2\n\nB\n',
      },
      skipped: {},
    });
  });

  it('leaves the quotes of an mbox file alone when it is told that there are none', async () => {
    write({ box: MBOX });
    expect((await read(['box'], { mboxVariant: 'mboxcl2' })).found['box#1']).toBe('Subject: 1\n\n>From me\n');
  });

  it('reads Maildirs: new and cur whatever is in them, their folders, but nothing that is still being delivered', async () => {
    write({
      'Maildir/new/1.host': MESSAGE,
      'Maildir/cur/2.host:2,S': 'broken',
      'Maildir/tmp/3.host': MESSAGE,
      'Maildir/dovecot-uidlist': 'From: nothing\n',
      'Maildir/.Sent/new/4.host': MESSAGE,
      'Maildir/.Sent/cur/.keep': '',
      'Maildir/.Sent/tmp/5.host': MESSAGE,
    });
    const { found, skipped } = await read(['Maildir']);
    expect(Object.keys(found).sort()).toEqual([
      'Maildir/.Sent/new/4.host',
      'Maildir/cur/2.host:2,S',
      'Maildir/new/1.host',
    ]);
    expect(skipped).toEqual({});
    expect(Object.keys((await read(['Maildir/cur'])).found)).toEqual(['Maildir/cur/2.host:2,S']);
  });

  it('reads folders of everything in a stable order, and tells what it leaves out', async () => {
    write({
      'mail/b/1.eml': MESSAGE,
      'mail/b/deep/2.EML': 'broken',
      'mail/a/inbox': MBOX,
      'mail/README.md': '# Note: this is no mail\n',
      'mail/index.json': '{}',
      'mail/empty.eml': '',
      'mail/old.msg': Buffer.from('d0cf11e0a1b11ae1', 'hex'),
      'mail/box.gz': Buffer.from('1f8b0800', 'hex'),
      'mail/.git/config': MESSAGE,
      'mail/.hidden.eml': MESSAGE,
    });
    const { found, skipped } = await read(['mail', 'none']);
    expect(Object.keys(found)).toEqual(['mail/a/inbox#1', 'mail/a/inbox#2', 'mail/b/1.eml', 'mail/b/deep/2.EML']);
    expect(skipped).toEqual({
      'mail/README.md': 'NOT_A_MESSAGE',
      'mail/index.json': 'NOT_A_MESSAGE',
      'mail/empty.eml': 'EMPTY',
      'mail/old.msg': 'OUTLOOK_MESSAGE',
      'mail/box.gz': 'COMPRESSED',
      none: 'NOT_FOUND',
    });
  });

  it('follows no link out of the folder, and none in a circle', async () => {
    write({ 'mail/a.eml': MESSAGE, 'secret/b.eml': MESSAGE });
    symlinkSync(join(folder, 'secret'), join(folder, 'mail/out'));
    symlinkSync(join(folder, 'secret/b.eml'), join(folder, 'mail/out.eml'));
    symlinkSync(join(folder, 'mail'), join(folder, 'mail/circle'));
    symlinkSync('nowhere', join(folder, 'mail/broken'));
    symlinkSync(join(folder, 'mail'), join(folder, 'named'));
    expect(await read(['mail'])).toMatchObject({
      found: { 'mail/a.eml': MESSAGE },
      skipped: { 'mail/out': 'LINK_OUT_OF_TREE', 'mail/out.eml': 'LINK_OUT_OF_TREE', 'mail/broken': 'BROKEN_LINK' },
    });
    expect(Object.keys((await read(['named'])).found)).toEqual(['named/a.eml']);
  });

  it('gives sizes that add up to what was measured', async () => {
    write({ 'mail/a.eml': MESSAGE, 'mail/box': MBOX, 'mail/c/d.eml': 'x' });
    const { sizeBytes } = await read(['mail']);
    expect(await measureMessages([join(folder, 'mail')])).toEqual({ files: 3, bytes: sizeBytes });
    expect(sizeBytes).toBe(MESSAGE.length + MBOX.length + 1);
  });

  it('can open a message again, and fails instead of giving half of one', async () => {
    write({ 'a.eml': MESSAGE });
    for await (const message of readMessages([join(folder, 'a.eml')])) {
      expect(await bytesOf(message.open())).toBe(await bytesOf(message.open()));
      truncateSync(join(folder, 'a.eml'), 10);
      await expect(bytesOf(message.open())).rejects.toThrow('changed');
    }
  });
});
