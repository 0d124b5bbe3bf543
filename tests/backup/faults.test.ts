import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { databaseLocation } from '../../src/composition/places.js';
import { loadConfig } from '../../src/config.js';
import { Database } from '../../src/entities/database.js';
import { ContentStore } from '../../src/services/backup/content-store.js';
import { startTestApp, type TestApp } from '../support/app.js';
import { Client } from '../support/client.js';
import { describeOnBothDatabases } from '../support/databases.js';
import { handOverOf, received } from '../support/hand-overs.js';
import { mail } from '../support/mail.js';
import { runCommand, type ServerProcess, type Settings, settingsFor, startServer } from '../support/processes.js';
import { skipWhenAbsent } from '../support/services.js';
import { until } from '../support/until.js';

const MIB = 1024 * 1024;
const PIECE_BYTES = 64 * 1024;

const intakeTokenOf = async (settings: Settings): Promise<string> => {
  const { code, stdout, stderr } = await runCommand(['create-token', 'test'], settings);
  if (code !== 0) throw new Error(stderr);
  return stdout.trim();
};

async function opened<Result>(settings: Settings, work: (database: Database) => Promise<Result>): Promise<Result> {
  const database = await Database.open(databaseLocation(loadConfig({ ...settings })));
  try {
    return await work(database);
  } finally {
    await database.close();
  }
}

/** Sends a body without holding it; gives status and answer. */
function send(
  url: string,
  secret: string,
  pieces: Iterable<Buffer>,
): Promise<{ status: number; body: Record<string, unknown> }> {
  return new Promise((resolve, reject) => {
    const sent = request(`${url}/intake/message`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${secret}`,
        'content-type': 'message/rfc822',
        'x-mailkeep-metadata': '{"recipients":["anna@example.com"]}',
      },
    });
    sent.on('error', reject);
    sent.on('response', (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) as Record<string, unknown> }),
      );
    });
    const iterator = pieces[Symbol.iterator]();
    const write = (): void => {
      for (;;) {
        const { done, value } = iterator.next();
        if (done) return void sent.end();
        if (!sent.write(value)) return void sent.once('drain', write);
      }
    };
    write();
  });
}

describeOnBothDatabases('A server in a process of its own', (location) => {
  let dataDir: string;
  let settings: Settings;
  let secret: string;
  let server: ServerProcess | undefined;

  beforeAll(async () => {
    const place = location();
    dataDir = place.kind === 'sqlite' ? join(place.file, '..') : mkdtempSync(join(tmpdir(), 'mailkeep-faults-'));
    settings = { ...settingsFor(place, dataDir), MAILKEEP_LOG_LEVEL: 'info' };
    secret = await intakeTokenOf(settings);
  }, 60_000);
  afterEach(async () => {
    await server?.kill('SIGTERM');
    server = undefined;
  });
  afterAll(() => rmSync(dataDir, { recursive: true, force: true }));

  it('takes 100 MiB in as little memory as 25 MiB, byte for byte', async () => {
    // However slow the machine is, all of it goes into the database.
    server = await startServer({ ...settings, MAILKEEP_INTAKE_STORE_LIMIT_MS: '600000' });
    const { url, peakBytes, forgetPeak } = server;
    /** Sends so many pieces of 64 KiB, of which every other can be packed; gives what it cost and what was sent. */
    const sendPieces = async (count: number) => {
      const sent = createHash('sha256');
      function* pieces(): Generator<Buffer> {
        for (let index = 0; index < count; index += 1) {
          const bytes =
            index % 2 === 0 ? Buffer.alloc(PIECE_BYTES, `piece ${index} of ${count} `) : randomBytes(PIECE_BYTES);
          sent.update(bytes);
          yield bytes;
        }
      }
      forgetPeak();
      const { status, body } = await send(url, secret, pieces());
      expect(status).toBe(200);
      return { peak: peakBytes(), messageId: Number(body['id']), sha256: sent.digest('hex') };
    };
    await sendPieces(100);
    const small = await sendPieces(400);
    const large = await sendPieces(1600);
    // What waits for the garbage collector differs from run to run; 75 MiB more of the message would show.
    expect(large.peak - small.peak).toBeLessThan(40 * MIB);
    await opened(settings, async (database) => {
      const [row] = await database.rows<{ id: number; size: number }>(
        'SELECT content_id AS id, size_bytes AS size FROM message WHERE id = ?',
        [large.messageId],
      );
      expect(row?.size).toBe(1600 * PIECE_BYTES);
      const read = createHash('sha256');
      for await (const chunk of new ContentStore(database).open(row?.id ?? 0)) read.update(chunk);
      expect(read.digest('hex')).toBe(large.sha256);
    });
  }, 120_000);

  it('S6: keeps everything that it acknowledged, and nothing by halves, when it is killed while it takes messages', async () => {
    server = await startServer(settings);
    const { url } = server;
    // Some may be in the spool only, when the machine is slow: they have no number yet.
    const acknowledged = new Set<string>();
    let stop = false;
    const lane = async (number: number) => {
      for (let index = 0; !stop; index += 1) {
        const subject = `Lane ${number} message ${index}`;
        // Some of them large, so that the kill meets transactions that take a while.
        const bytes = Buffer.concat([
          Buffer.from(mail(subject)),
          Buffer.alloc(index % 4 === 0 ? 3 * MIB : 10, subject),
        ]);
        try {
          const { status } = await new Client(url).handOver(secret, bytes, { recipients: ['anna@example.com'] });
          if (status === 200) acknowledged.add(createHash('sha256').update(bytes).digest('hex'));
        } catch {
          return; // The server is gone.
        }
        if (acknowledged.size > 60) {
          stop = true;
          await server?.kill('SIGKILL');
        }
      }
    };
    await Promise.all([0, 1, 2, 3, 4, 5].map(lane));
    expect(acknowledged.size).toBeGreaterThan(60);
    // As if the kill had met the moment in which a file of a large message still has its name.
    writeFileSync(join(dataDir, 'tmp', `hand-over-${'0'.repeat(24)}.tmp`), '');

    server = await startServer(settings);
    const client = await new Client(server.url).signIn('admin', 'admin-demo');
    const { backup } = await client.ask<{ backup: { messages: { nodes: unknown[] } } }>(
      '{ backup { messages(first: 1) { nodes { subject recipients { address } rules { bcc to } } } } }',
    );
    expect(backup.messages.nodes).toHaveLength(1);
    await opened(settings, async (database) => {
      const contents = new ContentStore(database);
      for (const sha256 of acknowledged) {
        const [row] = await until(
          'what waited in the spool is stored, too',
          () =>
            database.rows<{ id: number }>(
              'SELECT c.id FROM content c JOIN message m ON m.content_id = c.id WHERE c.sha256 = ?',
              [sha256],
            ),
          (rows) => rows.length === 1,
          60_000,
        );
        const hash = createHash('sha256');
        for await (const chunk of contents.open(row?.id ?? -1)) hash.update(chunk);
        expect(hash.digest('hex')).toBe(sha256);
      }
      const none = [{ count: 0 }];
      for (const orphans of [
        'SELECT count(*) AS count FROM message m LEFT JOIN recipient r ON r.message_id = m.id WHERE r.message_id IS NULL',
        'SELECT count(*) AS count FROM message m LEFT JOIN verdict v ON v.message_id = m.id WHERE v.message_id IS NULL',
        'SELECT count(*) AS count FROM message m LEFT JOIN content c ON c.id = m.content_id WHERE c.id IS NULL',
        'SELECT count(*) AS count FROM content c LEFT JOIN message m ON m.content_id = c.id WHERE m.id IS NULL',
        "SELECT count(*) AS count FROM message m LEFT JOIN change_event e ON e.message_id = m.id AND e.topic = 'backup' WHERE e.place IS NULL",
        'SELECT count(*) AS count FROM content c WHERE c.stored_bytes <> (SELECT coalesce(sum(length(k.bytes)), 0) FROM content_chunk k WHERE k.content_id = c.id)',
      ])
        expect(await database.rows(orphans)).toEqual(none);
    });
    expect(readdirSync(join(dataDir, 'tmp'))).toEqual([]);
  }, 120_000);
});

describe('A full disk, on SQLite', () => {
  let test: TestApp;
  beforeAll(async () => {
    test = await startTestApp({ kind: 'sqlite', file: '' });
  }, 60_000);
  afterAll(() => test?.stop());

  const pages = (limit: number) =>
    test.app.database.transaction((transaction) => transaction.rows(`PRAGMA max_page_count = ${limit}`));
  const counts = () =>
    Promise.all(
      ['message', 'content', 'content_chunk', 'recipient', 'verdict', 'change_event'].map((table) =>
        test.app.database.rows(`SELECT count(*) AS count FROM ${table}`),
      ),
    );

  it('S6: sends messages to the spool, leaves nothing by halves, and stores them when there is room again', async () => {
    const secret = await test.intakeToken();
    const metadata = { recipients: ['anna@example.com'] };
    await test.client().handOver(secret, mail('Before'), metadata);
    const before = await counts();
    // As many pages as there are: nothing more can be added.
    await pages(1);
    const random = randomBytes(3 * MIB);
    for (const bytes of [random.subarray(0, 200_000), random])
      expect(await test.client().handOver(secret, bytes, metadata)).toMatchObject({
        status: 200,
        body: { spooled: true },
      });
    // The store itself says what is wrong, and what to do.
    await expect(
      test.app.services.store.store(received('Full', handOverOf([]), randomBytes(200_000))),
    ).rejects.toMatchObject({
      code: 'STORAGE_FULL',
      message: expect.stringContaining('make room') as string,
    });
    expect(await counts()).toEqual(before);
    // Answers go on.
    expect((await test.client().query('{ viewer { name } }')).errors).toEqual([]);

    await pages(1_000_000);
    await until(
      'both are stored',
      () => test.app.database.rows<{ size: number }>('SELECT size_bytes AS size FROM message ORDER BY id'),
      (rows) => rows.some(({ size }) => size === 200_000) && rows.some(({ size }) => size === 3 * MIB),
      20_000,
    );
    // A message is in the database a moment before it leaves the spool; until then new ones go there, too.
    await until(
      'a repeat is recognised',
      () => test.client().handOver(secret, random, metadata),
      ({ body }) => body['created'] === false,
      20_000,
    );
  }, 60_000);
});

function absenceOfMounts(): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'mailkeep-mount-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', folder], { stdio: 'ignore' });
    execFileSync('umount', [folder], { stdio: 'ignore' });
    return undefined;
  } catch {
    return 'a small file system can be mounted by root only';
  } finally {
    rmSync(folder, { recursive: true });
  }
}

// Not a service: where it cannot be mounted, the limit of SQLite above tells the same of the database.
const mounts = absenceOfMounts();
(mounts === undefined
  ? skipWhenAbsent
  : (reason: string | undefined, title: string, tests: () => void) =>
      describe.skip(`${title} [skipped: ${reason}]`, tests))(mounts, 'A disk that is really full', () => {
  let folder: string;
  let test: TestApp | undefined;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'mailkeep-disk-'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=12m', 'tmpfs', folder]);
    const dataDir = join(folder, 'data');
    mkdirSync(dataDir);
    test = await startTestApp({ kind: 'sqlite', file: '' }, { dataDir, spoolMinFreeBytes: 0 });
  }, 60_000);
  afterAll(async () => {
    try {
      await test?.stop();
    } finally {
      execFileSync('umount', ['-l', folder]);
      rmSync(folder, { recursive: true });
    }
  });

  it('is answered with 503, whether the database or the temporary file meets it, and is over when there is room again', async () => {
    if (!test) throw new Error('The server did not start.');
    const secret = await test.intakeToken();
    const metadata = { recipients: ['anna@example.com'] };
    const acknowledged: Buffer[] = [];
    let refused = 0;
    while (refused < 3) {
      const bytes = randomBytes(900_000);
      const { status, body } = await test.client().handOver(secret, bytes, metadata);
      if (status === 200) acknowledged.push(bytes);
      else {
        const code = expect.stringMatching(/^(STORAGE|SPOOL)_FULL$/) as string;
        expect({ status, body }).toMatchObject({ status: 503, body: { error: { code } } });
        refused += 1;
      }
    }
    expect(acknowledged.length).toBeGreaterThan(3);
    // Larger than memory: the temporary file does not find room.
    const large = await test.client().handOver(secret, Buffer.alloc(13 * MIB, 'x'), metadata);
    expect(large).toMatchObject({ status: 503, body: { error: { code: 'STORAGE_FULL' } } });
    expect(readdirSync(join(folder, 'data', 'tmp'))).toEqual([]);

    execFileSync('mount', ['-o', 'remount,size=128m', folder]);
    const { database } = test.app;
    await until(
      'everything that was acknowledged is stored',
      () => database.rows<{ size: number }>('SELECT size_bytes AS size FROM message'),
      (rows) => rows.length === acknowledged.length,
      20_000,
    );
    for (const bytes of acknowledged)
      expect((await test.client().handOver(secret, bytes, metadata)).body).toMatchObject({ created: false });
    expect((await test.client().handOver(secret, mail('Room'), metadata)).body).toMatchObject({ created: true });
  }, 60_000);
});
