import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '../../../src/config.js';
import { createServices } from '../../../src/composition/create-services.js';
import { ApiTokenScope } from '../../../src/entities/api-token.js';
import { Database } from '../../../src/entities/database.js';
import { createLogger } from '../../../src/log.js';
import { TEST_AUTHOR } from '../../support/app.js';
import { expectCountersToBeTrue } from '../../support/counters.js';
import { freePort } from '../../support/free-port.js';
import { handOverByHttp, handOverByLmtp, type Heard, messageOf } from '../../support/gateways.js';
import { type ServerProcess, startServer } from '../../support/processes.js';
import { createDatabase, describeWhenPresent, PrivateService } from '../../support/services.js';
import { until } from '../../support/until.js';

// Owns nothing and may do nothing: the one who runs the tests may write whatever the permissions say.
const NOBODY = 65_534;

const run = (program: string, ...args: string[]) => execFileSync(program, args, { stdio: 'ignore' });

/** Why disks cannot be mounted here; undefined when they can. */
function noDisks(): string | undefined {
  const folder = execFileSync('mktemp', ['-d']).toString().trim();
  try {
    run('mount', '-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', folder);
    run('umount', folder);
    return undefined;
  } catch {
    return 'disks of a test can be mounted by root only';
  } finally {
    run('rmdir', folder);
  }
}

const TITLE = 'A disk of the spool that takes nothing';
const reason = noDisks();
const block = reason === undefined ? describeWhenPresent.bind(undefined, ['mariadb']) : describe.skip;

block(reason === undefined ? TITLE : `${TITLE} [skipped: ${reason}]`, () => {
  const mariadb = new PrivateService('mariadb');
  let folder: string;
  let dataDir: string;
  let url: string;
  let secret: string;
  let server: ServerProcess;
  let lmtp: string;
  let expected: string[] = [];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'mailkeep-disk-'));
    dataDir = join(folder, 'data');
    mkdirSync(dataDir);
    chmodSync(folder, 0o755);
    run('mount', '-t', 'tmpfs', '-o', 'size=2m,mode=755', 'tmpfs', dataDir);
    ({ url } = await createDatabase(await mariadb.start()));
    const database = await Database.open({ kind: 'mysql', url, connections: 2 });
    await database.migrate();
    const services = createServices(loadConfig({}, { dataDir }), createLogger('silent'), database);
    ({ secret } = await services.tokens.create('gateway', [ApiTokenScope.INTAKE], null, TEST_AUTHOR));
    await database.close();
    for (const path of [dataDir, ...readdirSync(dataDir).map((name) => join(dataDir, name))])
      chownSync(path, NOBODY, NOBODY);
    lmtp = `127.0.0.1:${await freePort()}`;
    server = await startServer(
      {
        MAILKEEP_DATA_DIR: dataDir,
        MAILKEEP_DATABASE_URL: url,
        MAILKEEP_ADMIN_PASSWORD: 'admin-demo',
        MAILKEEP_LMTP_LISTEN: lmtp,
        MAILKEEP_SPOOL_MIN_FREE_BYTES: '0',
      },
      'dist/main.js',
      NOBODY,
    );
  }, 120_000);
  afterAll(async () => {
    await server?.kill('SIGKILL');
    run('umount', dataDir);
    await mariadb.remove();
    await rm(folder, { recursive: true, force: true });
  }, 60_000);
  afterEach(() => mariadb.start(), 60_000);

  const handOver = (id: string, door: 'http' | 'lmtp' = 'http'): Promise<Heard> =>
    door === 'http' ? handOverByHttp(server.url, secret, messageOf(id)) : handOverByLmtp(lmtp, messageOf(id));

  /** Hands over until somebody is refused; gives how many were taken. */
  const fill = async (name: string): Promise<number> => {
    for (let taken = 0; taken < 500; taken += 1) {
      const id = `${name}-${String(taken).padStart(4, '0')}`;
      const heard = await handOver(id, taken % 2 === 0 ? 'http' : 'lmtp');
      if (heard !== 'ACKNOWLEDGED') {
        expect(heard).toBe('NOT_NOW');
        return taken;
      }
      expected.push(id);
    }
    throw new Error('The disk is never full.');
  };

  const expectAllStored = async () => {
    const database = await Database.open({ kind: 'mysql', url, connections: 2 });
    try {
      const rows = await until(
        'everything is stored',
        () =>
          database.rows<{ id: string; count: number }>(
            'SELECT gateway_message_id AS id, count(*) AS count FROM message GROUP BY gateway_message_id ORDER BY 1',
          ),
        (seen) => seen.length >= expected.length,
        30_000,
      );
      expect(rows.map(({ id, count }) => [id, Number(count)])).toEqual([...expected].sort().map((id) => [id, 1]));
      await expectCountersToBeTrue(database);
    } finally {
      await database.close();
    }
  };
  const reasonShown = async () =>
    ((await (await fetch(`${server.url}/readyz`)).json()) as { spool: { lastRefusal: string } }).spool.lastRefusal;

  it('S6: full (ENOSPC): refuses for the moment at both doors, keeps what it took, and takes again when there is room', async () => {
    expect(await handOver('known')).toBe('ACKNOWLEDGED');
    expected = ['known'];
    await mariadb.kill();
    expect(await fill('full')).toBeGreaterThan(20);
    expect(await handOver('full-http')).toBe('NOT_NOW');
    expect(await handOver('full-lmtp', 'lmtp')).toBe('NOT_NOW');
    expect(await reasonShown()).toContain('ENOSPC');
    await mariadb.start();
    await expectAllStored();
    await mariadb.kill();
    expect(await handOver('room')).toBe('ACKNOWLEDGED');
    expected.push('room');
    await mariadb.start();
    await expectAllStored();
  }, 120_000);

  it('S6: full, with the database there: takes what fits into memory, and refuses larger messages for the moment', async () => {
    run('dd', 'if=/dev/zero', `of=${join(dataDir, 'ballast')}`, 'bs=1M', 'count=1');
    const large = messageOf('large', 20_000);
    expect(large.bytes.length).toBeGreaterThan(1024 * 1024);
    expect(await handOverByHttp(server.url, secret, large)).toBe('NOT_NOW');
    expect(await handOverByLmtp(lmtp, large)).toBe('NOT_NOW');
    expect(await handOver('small')).toBe('ACKNOWLEDGED');
    run('rm', join(dataDir, 'ballast'));
    expect(await handOverByHttp(server.url, secret, large)).toBe('ACKNOWLEDGED');
    expected.push('small', 'large');
    await expectAllStored();
  }, 60_000);

  it.each<[string, string, () => void, () => void]>([
    [
      'read-only (EROFS)',
      'EROFS',
      () => run('mount', '-o', 'remount,ro', dataDir),
      () => run('mount', '-o', 'remount,rw', dataDir),
    ],
    [
      'forbidden (EACCES)',
      'EACCES',
      () => run('chmod', '000', join(dataDir, 'spool')),
      () => run('chmod', '700', join(dataDir, 'spool')),
    ],
  ])(
    'S6: %s: refuses for the moment, keeps what it took, and goes on by itself',
    async (name, code, takeAway, giveBack) => {
      await mariadb.kill();
      const [kept, refused, again] = ['kept', 'refused', 'again'].map((word) => `${code}-${word}`) as [
        string,
        string,
        string,
      ];
      expect(await handOver(kept)).toBe('ACKNOWLEDGED');
      takeAway();
      try {
        expect(await handOver(refused)).toBe('NOT_NOW');
        expect(await handOver(refused, 'lmtp')).toBe('NOT_NOW');
        expect(await reasonShown()).toContain(code);
        // What waits cannot be taken out either, which must not lose it.
        await mariadb.start();
        await until(
          'the database is back',
          async () => (await handOver(`${code}-probe`)) as string,
          (heard) => heard === 'NOT_NOW',
          10_000,
        );
      } finally {
        giveBack();
      }
      await until(
        `${name} is over`,
        () => handOver(again),
        (heard) => heard === 'ACKNOWLEDGED',
        20_000,
      );
      expected.push(kept, again);
      await expectAllStored();
    },
    60_000,
  );

  it('S6: breaking under a file system that has room: a sync that fails is no acknowledgement', async () => {
    // A file system whose own disk has run out: writes go into the cache, and the sync says EIO or ENOSPC.
    const [thin, disk] = ['thin', 'disk'].map((name) => join(folder, name)) as [string, string];
    for (const path of [thin, disk]) mkdirSync(path);
    run('mount', '-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', thin);
    try {
      run('truncate', '-s', '64M', join(thin, 'image'));
      run('mkfs.ext4', '-q', '-m', '0', '-O', '^has_journal', '-N', '1024', '-E', 'nodiscard', join(thin, 'image'));
      run('mount', '-o', 'loop,errors=continue', join(thin, 'image'), disk);
      chownSync(disk, NOBODY, NOBODY);
      await mariadb.kill();
      const address = `127.0.0.1:${await freePort()}`;
      const other = await startServer(
        {
          MAILKEEP_DATA_DIR: disk,
          MAILKEEP_DATABASE_URL: url,
          MAILKEEP_SPOOL_MIN_FREE_BYTES: '0',
          MAILKEEP_LMTP_LISTEN: address,
        },
        'dist/main.js',
        NOBODY,
      );
      try {
        let heard: Heard = 'ACKNOWLEDGED';
        for (let index = 0; heard === 'ACKNOWLEDGED' && index < 500; index += 1) {
          const id = `eio-${String(index).padStart(4, '0')}`;
          heard = await handOverByLmtp(address, messageOf(id));
          if (heard === 'ACKNOWLEDGED') expected.push(id);
        }
        expect(heard).toBe('NOT_NOW');
        const { spool } = (await (await fetch(`${other.url}/readyz`)).json()) as { spool: { lastRefusal: string } };
        expect(spool.lastRefusal).toMatch(/EIO|ENOSPC/);
        run('mount', '-o', 'remount,size=64m', thin);
        await until(
          'the disk is well',
          () => handOverByLmtp(address, messageOf('eio-again')),
          (again) => again === 'ACKNOWLEDGED',
          20_000,
        );
        expected.push('eio-again');
        await mariadb.start();
        await expectAllStored();
      } finally {
        await other.kill('SIGKILL');
      }
    } finally {
      run('umount', disk);
      run('umount', thin);
    }
  }, 120_000);
});
