import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { importMessages } from '../../src/commands/import.js';
import { GatewayAction } from '../../src/entities/vocabulary.js';
import { CHUNK_BYTES } from '../../src/services/backup/content-store.js';
import { startTestApp, type TestApp } from '../support/app.js';
import type { Client } from '../support/client.js';
import { describeOnBothDatabases } from '../support/databases.js';
import { handOverOf, received } from '../support/hand-overs.js';
import { mail, store, switchTo } from '../support/mail.js';
import { runProgram, settingsFor } from '../support/processes.js';

const head = 'From: a@example.net\r\nTo: anna@example.com\r\nSubject: S\r\n';

function manyParts(count: number): Buffer {
  const part = '--b\r\nContent-Type: text/plain\r\n\r\nx\r\n';
  return Buffer.from(`${head}Content-Type: multipart/mixed; boundary=b\r\n\r\n${part.repeat(count)}--b--\r\n`);
}

const allBytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));

const bodies: readonly (readonly [string, () => Buffer])[] = [
  ['non-ASCII in UTF-8', () => Buffer.from(`${head}X: Größe 日本 😀\r\n\r\nÄÖÜ 日本 😀\r\n`)],
  [
    '8-bit letters of another charset',
    () => Buffer.from(`${head}X: Gr\xf6\xdfe\r\n\r\n\xe4\xf6\xfc\xff\r\n`, 'latin1'),
  ],
  [
    'NUL bytes, and every other byte',
    () => Buffer.concat([Buffer.from(`Subject: a\0b\r\nX: `), allBytes, Buffer.from('\r\n\r\n'), allBytes]),
  ],
  ['no header', () => Buffer.from('\r\nOnly a body\r\n')],
  ['no header and no empty line', () => Buffer.from('neither fish nor flesh')],
  ['no body', () => Buffer.from(head)],
  ['an empty body', () => Buffer.from(`${head}\r\n`)],
  ['nothing at all', () => Buffer.alloc(0)],
  ['one byte', () => Buffer.from('\n')],
  ['bare LF', () => Buffer.from(`${head}\r\n`.replaceAll('\r\n', '\n') + 'a\nb\n')],
  ['bare CR and mixtures', () => Buffer.from(`${head}\r\na\rb\n\rc\r\r\n.\r\n..\r\n`)],
  ['a line of 3 MB', () => Buffer.from(`${head}\r\n${'x'.repeat(3_000_000)}`)],
  ['exactly one piece', () => Buffer.alloc(CHUNK_BYTES, 'ab\r\n')],
  ['one byte more than a piece', () => randomBytes(CHUNK_BYTES + 1)],
  ['exactly three pieces', () => randomBytes(3 * CHUNK_BYTES)],
  ['50,000 parts', () => manyParts(50_000)],
  ['20 MiB', () => Buffer.concat([Buffer.from(`${head}\r\n`), randomBytes(10 << 20), Buffer.alloc(10 << 20, 'text ')])],
];

describeOnBothDatabases('Storing a message', (location) => {
  let test: TestApp;
  let secret: string;
  let admin: Client;

  beforeAll(async () => {
    test = await startTestApp(location());
    secret = await test.intakeToken();
    admin = await test.signedIn('admin');
    await switchTo(admin, { enabled: true });
  }, 60_000);
  afterAll(() => test?.stop());

  const contentOf = async (messageId: number) => {
    const [row] = await test.app.database.rows<{
      id: number;
      sha256: string;
      size: number;
      stored: number;
      messageSize: number;
    }>(
      `SELECT c.id, c.sha256, c.size_bytes AS size, c.stored_bytes AS stored, m.size_bytes AS messageSize
         FROM message m JOIN content c ON c.id = m.content_id WHERE m.id = ?`,
      [messageId],
    );
    if (!row) throw new Error('The message is not there.');
    return row;
  };
  const read = async (contentId: number, fromByte = 0) => {
    const chunks: Buffer[] = [];
    for await (const chunk of test.app.services.contents.open(contentId, fromByte)) chunks.push(chunk);
    return Buffer.concat(chunks);
  };
  const count = async (table: string) =>
    (await test.app.database.rows<{ count: number }>(`SELECT count(*) AS count FROM ${table}`))[0]?.count;

  it.each(bodies)(
    'S1: keeps %s byte for byte, by HTTP and by import, once',
    async (name, make) => {
      const bytes = make();
      const messageId = await store(test.client(), secret, bytes, {
        sender: null,
        recipients: ['anna@example.com'],
        gatewayMessageId: name,
      });
      const content = await contentOf(messageId);
      expect(content).toMatchObject({ size: bytes.length, messageSize: bytes.length });
      expect(content.sha256).toBe(createHash('sha256').update(bytes).digest('hex'));
      expect((await read(content.id)).equals(bytes)).toBe(true);

      const chunks = await test.app.database.rows<{ position: number; deflated: number; bytes: Buffer }>(
        'SELECT position, deflated, bytes FROM content_chunk WHERE content_id = ? ORDER BY position',
        [content.id],
      );
      expect(chunks.map(({ position }) => position)).toEqual(
        Array.from({ length: Math.ceil(bytes.length / CHUNK_BYTES) }, (_, position) => position),
      );
      for (const { position, deflated, bytes: stored } of chunks) {
        const whole = Math.min(CHUNK_BYTES, bytes.length - position * CHUNK_BYTES);
        if (deflated) expect(stored.length).toBeLessThan(whole);
        else expect(stored.length).toBe(whole);
      }
      expect(chunks.reduce((sum, chunk) => sum + chunk.bytes.length, 0)).toBe(content.stored);
      for (const from of [1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, bytes.length].filter(
        (place) => place <= bytes.length,
      ))
        expect((await read(content.id, from)).equals(bytes.subarray(from))).toBe(true);

      // An import of the same bytes is another message, since it has no gateway's id; the bytes are there already.
      const contents = await count('content');
      const folder = mkdtempSync(join(tmpdir(), 'mailkeep-storing-'));
      try {
        writeFileSync(join(folder, 'message.eml'), bytes);
        const defaults = {
          recipients: ['clara@example.com'],
          action: GatewayAction.DELETE_MESSAGE,
          module: null,
          status: null,
        };
        const summary = await importMessages(test.app.services.intake, [join(folder, 'message.eml')], defaults);
        // The import leaves empty files out and says so.
        expect(summary).toMatchObject(
          bytes.length === 0 ? { stored: 0, skipped: [{ reason: 'EMPTY' }] } : { stored: 1, failed: [] },
        );
        expect(await importMessages(test.app.services.intake, [folder], defaults)).toMatchObject(
          bytes.length === 0 ? { present: 0 } : { stored: 0, present: 1 },
        );
      } finally {
        rmSync(folder, { recursive: true });
      }
      expect(await count('content')).toBe(contents);
    },
    60_000,
  );

  it('S5: answers the same hand-over twice with the same id, in whatever order and case its recipients come', async () => {
    const metadata = { gatewayMessageId: 'twice', recipients: ['anna@example.com', 'Clara@example.com'] };
    const first = await test.client().handOver(secret, mail('Twice'), metadata);
    const again = await test.client().handOver(secret, mail('Twice'), {
      ...metadata,
      recipients: ['<CLARA@EXAMPLE.COM>', 'anna@example.com', 'ANNA@example.com'],
    });
    expect(first.body).toMatchObject({ stored: true, created: true });
    expect(again).toEqual({ status: 200, body: { ...first.body, created: false } });
  });

  it.each([
    ['other recipients', { recipients: ['boris@example.com'] }, mail('Other')],
    ['another id of the gateway', { gatewayMessageId: 'other' }, mail('Other')],
    ['another byte', {}, `${mail('Other')} `],
  ])('S5: takes %s for another message', async (_, change, bytes) => {
    const metadata = { gatewayMessageId: 'one', recipients: ['anna@example.com'] };
    const one = await store(test.client(), secret, mail('Other'), metadata);
    expect(await store(test.client(), secret, bytes, { ...metadata, ...change })).not.toBe(one);
  });

  it('S5: stores once what comes twenty times at the same moment, small or large', async () => {
    for (const bytes of [Buffer.from(mail('At once')), randomBytes(3_000_000)]) {
      const before = await Promise.all(['message', 'content', 'recipient', 'verdict'].map(count));
      const replies = await Promise.all(
        Array.from({ length: 20 }, () =>
          test.client().handOver(secret, bytes, { gatewayMessageId: 'at once', recipients: ['anna@example.com'] }),
        ),
      );
      expect(replies.map(({ status }) => status)).toEqual(replies.map(() => 200));
      expect(new Set(replies.map(({ body }) => body['id'])).size).toBe(1);
      expect(replies.filter(({ body }) => body['created'] === true)).toHaveLength(1);
      expect(await Promise.all(['message', 'content', 'recipient', 'verdict'].map(count))).toEqual(
        before.map((each) => (each ?? 0) + 1),
      );
    }
  });

  it('S1, S5: gives each message of a commit its own bytes, whether they are new, known or shared', async () => {
    const of = (text: string, recipient: string) =>
      received(text, handOverOf([recipient]), Buffer.from(`Subject: ${text}\r\n\r\n${text}`));
    const all = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'].flatMap((letter) =>
      ['anna@example.com', 'boris@example.com'].map((recipient) => of(`Neighbour ${letter}`, recipient)),
    );
    const [known] = all;
    if (known) await test.app.services.store.store(known);
    const fresh = Array.from({ length: 12 }, (_, number) => of(`New neighbour ${number}`, 'anna@example.com'));
    // At first something is known, then nothing, so that the last ones are stored without looking.
    const sent = [...all, ...all, ...fresh];
    const outcomes = [];
    for (const part of [sent.slice(0, 32), ...fresh.slice(0, 4).map((each) => [each]), fresh.slice(4)])
      outcomes.push(...(await Promise.all(part.map((each) => test.app.services.store.store(each)))));
    expect(outcomes.filter(({ created }) => created)).toHaveLength(all.length - 1 + fresh.length);
    for (const [index, { messageId }] of outcomes.entries()) {
      const { id, sha256 } = await contentOf(messageId);
      expect(sha256).toBe(sent[index]?.content.sha256);
      expect(
        createHash('sha256')
          .update(await read(id))
          .digest('hex'),
      ).toBe(sha256);
    }
  });

  it('S5: stores once what two processes take at the same time, and gives both the same ids', async () => {
    const settings = settingsFor(
      test.app.database.kind === 'mysql' ? location() : { kind: 'sqlite', file: '' },
      test.config.dataDir,
    );
    const before = (await count('message')) ?? 0;
    const ended = await Promise.all(
      [1, 2, 3].map(() =>
        runProgram('tests/changes/writing-child.ts', ['anna@example.com', 'the same', '60'], settings),
      ),
    );
    expect(ended.map(({ stderr }) => stderr)).toEqual(['', '', '']);
    const ids = ended.map(({ stdout }) => JSON.parse(stdout) as number[]);
    expect(ids[1]).toEqual(ids[0]);
    expect(ids[2]).toEqual(ids[0]);
    expect(await count('message')).toBe(before + 60);
  }, 60_000);

  it('lets a hand-over that cannot be stored harm neither those that share its commit nor the tables', async () => {
    const large = received('Unreadable', handOverOf(['anna@example.com']), randomBytes(CHUNK_BYTES + 1));
    // What a temporary file does that the disk has lost: the transaction is under way when it fails.
    async function* broken(): AsyncGenerator<Buffer> {
      yield Buffer.alloc(CHUNK_BYTES);
      throw new Error('the file is gone');
    }
    const before = await Promise.all(['message', 'content', 'content_chunk'].map(count));
    const others = ['one', 'two', 'three', 'four'].map((name) =>
      received(`Companion ${name}`, handOverOf(['anna@example.com'])),
    );
    const failing = { ...large, content: { ...large.content, open: broken } };
    const outcomes = await Promise.allSettled(
      [...others.slice(0, 2), failing, ...others.slice(2)].map((each) => test.app.services.store.store(each)),
    );
    expect(outcomes.map(({ status }) => status)).toEqual([
      'fulfilled',
      'fulfilled',
      'rejected',
      'fulfilled',
      'fulfilled',
    ]);
    expect(outcomes[2]).toMatchObject({ reason: { message: 'the file is gone' } });
    expect(await Promise.all(['message', 'content', 'content_chunk'].map(count))).toEqual(
      before.map((each) => (each ?? 0) + 4),
    );
  });

  it('S2, S3, S4: files recipients by the envelope, with the kind, action and verdict of each', async () => {
    const bytes = [
      'From: "The Boss" <boss@example.com>',
      'To: Clara <CLARA@example.com>, undisclosed@example.org',
      'Cc: anna@example.com',
      'Subject: Envelope',
      '',
      'x',
    ].join('\r\n');
    const messageId = await store(test.client(), secret, bytes, {
      sender: 'bounce@example.net',
      verdicts: [
        { ruleName: 'a', action: 'SKIP', recipients: ['boris@example.com', 'clara@example.com'] },
        {
          ruleName: 'b',
          action: 'DISINFECT',
          recipients: ['anna@example.com'],
          scanResults: [{ module: 'ANTI_VIRUS', status: 'DISINFECTED' }],
        },
        // Clara again, by a stricter rule: one copy, the stricter verdict.
        { ruleName: 'c', action: 'REJECT', recipients: ['Clara@Example.com', 'zoe@example.com'] },
      ],
    });
    const query =
      '{ backup { messages(first: 1) { nodes { sender action rules { name action to cc bcc } recipients { address kind action hidden } } } } }';
    const { backup } = await admin.ask<{ backup: { messages: { nodes: unknown[] } } }>(query);
    expect(messageId).toBeGreaterThan(0);
    expect(backup.messages.nodes).toEqual([
      {
        sender: 'bounce@example.net',
        action: 'REJECT',
        rules: [
          { name: 'a', action: 'SKIP', to: [], cc: [], bcc: ['boris@example.com'] },
          { name: 'b', action: 'DISINFECT', to: [], cc: ['anna@example.com'], bcc: [] },
          { name: 'c', action: 'REJECT', to: ['clara@example.com'], cc: [], bcc: ['zoe@example.com'] },
        ],
        recipients: [
          { address: 'boris@example.com', kind: 'BCC', action: 'SKIP', hidden: true },
          { address: 'clara@example.com', kind: 'TO', action: 'REJECT', hidden: true },
          { address: 'anna@example.com', kind: 'CC', action: 'DISINFECT', hidden: false },
          { address: 'zoe@example.com', kind: 'BCC', action: 'REJECT', hidden: true },
        ],
      },
    ]);
  });

  it.each([
    [['SKIP', 'DISINFECT'], 'DISINFECT'],
    [['DISINFECT', 'DELETE_ATTACHMENT'], 'DELETE_ATTACHMENT'],
    [['REJECT', 'DELETE_ATTACHMENT', 'SKIP'], 'REJECT'],
    [['REJECT', 'DELETE_MESSAGE', 'DISINFECT'], 'DELETE_MESSAGE'],
    [['SKIP'], 'SKIP'],
  ])('S4: of the actions %j the whole message shows %s', async (actions, strictest) => {
    const subject = `Strictest ${actions.join()}.`;
    await store(test.client(), secret, mail(subject), {
      sender: null,
      verdicts: actions.map((action, index) => ({ action, recipients: [`r${index}@example.com`] })),
    });
    const { backup } = await admin.ask<{ backup: { messages: { nodes: { action: string }[] } } }>(
      'query ($subject: String) { backup { messages(filter: { subject: $subject }) { nodes { action } } } }',
      { subject },
    );
    expect(backup.messages.nodes).toEqual([{ action: strictest }]);
  });
});
