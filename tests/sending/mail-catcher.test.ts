import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CaughtEnvelope, MailCatcher, type MailCatcherSettings } from '../../src/services/sending/mail-catcher.js';
import { Relay } from '../../src/services/sending/relay.js';
import { RELAY_DEFAULTS } from '../../src/services/sending/relay-settings.js';
import { bytes, inPieces } from './byte-source.js';

let folder: string;
const ends: (() => Promise<void>)[] = [];
beforeEach(async () => {
  folder = join(await mkdtemp(join(tmpdir(), 'mailkeep-catcher-')), 'mail');
});
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
  await rm(join(folder, '..'), { recursive: true });
});

async function start(settings: Partial<MailCatcherSettings> = {}) {
  const caught: string[] = [];
  const catcher = new MailCatcher({ folder, ...settings }, (path) => caught.push(path));
  const { host, port } = await catcher.start();
  ends.push(() => catcher.stop());
  const relay = new Relay({ ...RELAY_DEFAULTS, host, port });
  ends.push(() => relay.close(0));
  const send = (content: Buffer, from: string | null = 'backup@example.com') =>
    relay.send({
      envelope: { from, to: ['anna@example.com', 'boris@example.com'] },
      size: 0,
      open: () => inPieces(content),
    });
  return { caught, send, port };
}

describe('the mail catcher of the demo', () => {
  it('keeps each message as it came, with its envelope beside it', async () => {
    const { caught, send } = await start();
    const message = bytes('Subject: x\r\n\r\n.\r\n..\r\nGr\xfc\xdfe\r\n');
    expect((await send(message)).map((result) => result.outcome)).toEqual(['DELIVERED', 'DELIVERED']);
    await send(message, null);
    expect(await readdir(folder)).toHaveLength(4);
    expect((await readFile(caught[0] as string)).equals(message)).toBe(true);
    const envelopes = await Promise.all(
      caught.map(async (path) => JSON.parse(await readFile(path.replace(/eml$/, 'json'), 'utf8')) as CaughtEnvelope),
    );
    expect(envelopes).toMatchObject([
      { from: 'backup@example.com', to: ['anna@example.com', 'boris@example.com'], sizeBytes: message.length },
      { from: null },
    ]);
  });

  it('keeps no more than it may, the newest, also over a restart', async () => {
    const first = await start();
    for (const text of ['1', '2', '3']) await first.send(bytes(`${text}\r\n`));
    await writeFile(join(folder, 'left-over.partial'), 'half a message');
    const { send } = await start({ maxMessages: 2 });
    await send(bytes('4\r\n'));
    const kept = (await readdir(folder)).filter((file) => file.endsWith('.eml'));
    expect(await Promise.all(kept.sort().map((file) => readFile(join(folder, file), 'utf8')))).toEqual([
      '3\r\n',
      '4\r\n',
    ]);
    expect(await readdir(folder)).toHaveLength(4);
  });

  it('keeps no more bytes than it may', async () => {
    const { send } = await start({ maxTotalBytes: 250 });
    for (let index = 0; index < 5; index += 1) await send(Buffer.alloc(100, 'text\r\n'));
    expect((await readdir(folder)).filter((file) => file.endsWith('.eml'))).toHaveLength(2);
  });

  it('refuses a message that is too large and keeps nothing of it', async () => {
    const { send } = await start({ maxMessageBytes: 1000 });
    expect(await send(Buffer.alloc(5000, 'text\r\n'))).toMatchObject([
      { outcome: 'PERMANENT', enhancedCode: null },
      { outcome: 'PERMANENT' },
    ]);
    expect(await readdir(folder)).toEqual([]);
  });

  it('says so when its port is taken', async () => {
    const { port } = await start();
    await expect(new MailCatcher({ folder, port }).start()).rejects.toMatchObject({ code: 'EADDRINUSE' });
  });
});
