import { type ChildProcessByStdio, execFileSync, spawn } from 'node:child_process';
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { type Readable } from 'node:stream';
import { buildSync } from 'esbuild';
import { createLogger } from '../../../src/log';
import { Spool, SpoolFullError, type SpoolSettings } from '../../../src/services/intake/spool';
import { factsFor, oneByOne } from './spool-facts';

const log = createLogger('silent');
const pieces = async function* (...texts: string[]): AsyncGenerator<Buffer> {
  for (const text of texts) yield Buffer.from(text, 'latin1');
};

describe('the spool', () => {
  let folder: string;
  const opened: Spool[] = [];
  const settings = (change: Partial<SpoolSettings> = {}): SpoolSettings => ({
    folder,
    maxBytes: 1 << 24,
    maxEntries: 1000,
    minFreeBytes: 0,
    leaseMs: 60_000,
    ...change,
  });
  const openSpool = async (change: Partial<SpoolSettings> = {}) => {
    const spool = await Spool.open(settings(change), log);
    opened.push(spool);
    return spool;
  };
  const drainAll = async (spool: Spool) => {
    const seen: string[] = [];
    const outcome = await spool.drain(
      oneByOne(async (message) => {
        const chunks: Buffer[] = [];
        for await (const chunk of message.open()) chunks.push(chunk);
        seen.push(`${message.handOver.gatewayMessageId}=${Buffer.concat(chunks).toString('latin1')}`);
      }),
    );
    return { seen, outcome };
  };
  const files = (suffix: string) =>
    readdirSync(folder, { recursive: true })
      .map(String)
      .filter((name) => name.endsWith(suffix));

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'mailkeep-spool-'));
  });
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((spool) => spool.close()));
    rmSync(folder, { recursive: true });
  });

  it('S6: gives back facts and bytes in order of arrival, and is empty then', async () => {
    const spool = await openSpool();
    for (const id of ['a', 'b', 'c']) await spool.put(factsFor(id), pieces(`${id}\x00\xff`, 'rest\n'));
    await spool.put(factsFor('empty'), pieces());
    expect(spool.state()).toMatchObject({ entries: 4, setAside: 0, lastRefusal: null, draining: false });
    expect(spool.state().bytes).toBe(files('.msg').reduce((sum, name) => sum + statSync(join(folder, name)).size, 0));
    expect(spool.isEmpty).toBe(false);
    const { seen, outcome } = await drainAll(spool);
    expect(seen).toEqual(['a=a\x00\xffrest\n', 'b=b\x00\xffrest\n', 'c=c\x00\xffrest\n', 'empty=']);
    expect(outcome).toEqual({ stored: 4, setAside: 0, later: 0, remaining: 0, error: undefined });
    expect(spool.state()).toMatchObject({ entries: 0, bytes: 0, oldestAtMs: null });
    expect(spool.isEmpty).toBe(true);
    expect(files('.msg')).toEqual([]);
  });

  it('S6: resolves only after the file, and then its name, are on the disk', async () => {
    const spool = await openSpool();
    const probe = await open(folder, 'r');
    const handles = Object.getPrototypeOf(probe) as FileHandle;
    await probe.close();
    // A killed process leaves the system's caches intact, so only watching the calls shows that they are made.
    const original = handles.sync;
    const synced: string[] = [];
    handles.sync = async function (this: FileHandle) {
      const kind = (await this.stat()).isDirectory() ? 'folder' : 'file';
      await original.call(this);
      synced.push(`${kind}, ${files('.msg').length} named`);
    };
    try {
      await spool.put(factsFor('a'), pieces('a'));
    } finally {
      handles.sync = original;
    }
    expect(synced).toEqual(['file, 0 named', 'folder, 1 named']);
  });

  it('S1: a message can be read again while it is stored', async () => {
    const spool = await openSpool();
    await spool.put(factsFor('a'), pieces('x'.repeat(200_000)));
    await spool.drain(
      oneByOne(async (message) => {
        for (let time = 0; time < 2; time += 1) {
          let sizeBytes = 0;
          for await (const chunk of message.open()) sizeBytes += chunk.length;
          expect(sizeBytes).toBe(message.sizeBytes);
        }
      }),
    );
    expect(spool.isEmpty).toBe(true);
  });

  it('S6: keeps what could not be stored, and what comes after it, for the next time', async () => {
    const spool = await openSpool();
    for (const id of ['a', 'b', 'c']) await spool.put(factsFor(id), pieces(id));
    const failure = new Error('away');
    const outcome = await spool.drain(
      oneByOne(async ({ handOver }) => {
        if (handOver.gatewayMessageId === 'b') throw failure;
      }),
    );
    expect(outcome).toEqual({ stored: 1, setAside: 0, later: 0, remaining: 2, error: failure });
    expect((await drainAll(spool)).seen).toEqual(['b=b', 'c=c']);
  });

  it('takes messages while it is drained, and drains them as well', async () => {
    const spool = await openSpool();
    await spool.put(factsFor('a'), pieces('a'));
    const seen: (string | null)[] = [];
    await spool.drain(
      oneByOne(async ({ handOver }) => {
        seen.push(handOver.gatewayMessageId);
        if (seen.length < 5) await spool.put(factsFor(`later-${seen.length}`), pieces('x'));
      }),
      3,
    );
    expect(seen).toEqual(['a', 'later-1', 'later-2', 'later-3', 'later-4']);
  });

  it('drains once, however often it is asked', async () => {
    const spool = await openSpool();
    await spool.put(factsFor('a'), pieces('a'));
    let calls = 0;
    const store = oneByOne(async () => void (calls += 1));
    await Promise.all([spool.drain(store), spool.drain(store)]);
    expect(calls).toBe(1);
  });

  it('sets aside what can never be stored, and goes on', async () => {
    const spool = await openSpool();
    for (const id of ['a', 'b']) await spool.put(factsFor(id), pieces(id));
    const outcome = await spool.drain(
      oneByOne(async ({ handOver }) => (handOver.gatewayMessageId === 'a' ? 'SET_ASIDE' : undefined)),
    );
    expect(outcome).toMatchObject({ stored: 1, setAside: 1, remaining: 0 });
    expect(spool.state().setAside).toBe(1);
    expect(readdirSync(join(folder, 'aside'))).toHaveLength(1);
  });

  it.each<[string, (path: string) => void]>([
    ['cut', (path) => truncateSync(path, statSync(path).size - 10)],
    ['emptied', (path) => truncateSync(path, 0)],
    ['not ours', (path) => writeFileSync(path, 'something else entirely, long enough to hold a header '.repeat(20))],
    ['altered in its message', (path) => alter(path, statSync(path).size - 100)],
    ['altered in its facts', (path) => alter(path, 60)],
  ])('sets aside a file that is %s, and gives nobody its bytes for whole', async (_, damage) => {
    const spool = await openSpool();
    await spool.put(factsFor('a'), pieces('message '.repeat(100)));
    await spool.put(factsFor('b'), pieces('b'));
    const [first = ''] = files('.msg').sort();
    damage(join(folder, first));
    const stored: (string | null)[] = [];
    const outcome = await spool.drain(
      oneByOne(async (message) => {
        try {
          for await (const chunk of message.open()) void chunk;
        } catch (error) {
          throw new Error('wrapped by whoever reads', { cause: error });
        }
        stored.push(message.handOver.gatewayMessageId);
      }),
    );
    expect(stored).toEqual(['b']);
    expect(outcome).toMatchObject({ stored: 1, setAside: 1, remaining: 0 });
  });

  it('leaves nothing of a message that is cut', async () => {
    const spool = await openSpool();
    const failure = new Error('cut');
    const cut = async function* () {
      yield Buffer.from('half');
      throw failure;
    };
    await expect(spool.put(factsFor('a'), cut())).rejects.toBe(failure);
    expect(spool.state()).toMatchObject({ entries: 0, bytes: 0 });
    expect([...files('.msg'), ...files('.part')]).toEqual([]);
  });

  it.each<[string, Partial<SpoolSettings>, RegExp]>([
    ['messages', { maxEntries: 2 }, /limit of 2 messages/],
    ['bytes', { maxBytes: 2_000 }, /limit of 2000 bytes/],
    ['free disk', { minFreeBytes: Number.MAX_SAFE_INTEGER }, /bytes free/],
  ])('S6: refuses for the moment at its limit of %s, also when many come at once', async (_, limit, reason) => {
    const spool = await openSpool(limit);
    const results = await Promise.allSettled(
      Array.from({ length: 10 }, (_, index) => spool.put(factsFor(String(index)), pieces('x'.repeat(500)))),
    );
    const refused = results.filter((result) => result.status === 'rejected').map((result) => result.reason as Error);
    expect(refused.length).toBeGreaterThanOrEqual(8);
    for (const error of refused) expect(error).toBeInstanceOf(SpoolFullError);
    expect(refused[0]?.message).toMatch(reason);
    let more = 0;
    const fill = async () => {
      for (; more < 5; more += 1) await spool.put(factsFor(`more-${more}`), pieces('x'.repeat(500)));
    };
    await expect(fill()).rejects.toBeInstanceOf(SpoolFullError);
    const { entries, bytes, lastRefusal } = spool.state();
    expect(entries).toBe(10 - refused.length + more);
    expect(lastRefusal).toMatch(reason);
    expect(bytes).toBe(files('.msg').reduce((sum, name) => sum + statSync(join(folder, name)).size, 0));
    expect(files('.part')).toEqual([]);
    await drainAll(spool);
    if (!limit.minFreeBytes) await spool.put(factsFor('again'), pieces('x'));
  });

  it('S6: refuses for the moment when the disk is full, loses nothing, and goes on when there is room', async () => {
    const disk = join(folder, 'disk');
    mkdirSync(disk);
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', disk], { stdio: 'ignore' });
    } catch {
      process.stderr.write('skipped: a small disk cannot be mounted here\n');
      return;
    }
    try {
      const spool = await Spool.open(settings({ folder: disk }), log);
      let kept = 0;
      let refusal: unknown;
      while (!refusal && kept < 100)
        await spool.put(factsFor(String(kept)), pieces('x'.repeat(30_000))).then(
          () => (kept += 1),
          (error: unknown) => (refusal = error),
        );
      expect(refusal).toBeInstanceOf(SpoolFullError);
      expect((refusal as Error).message).toContain('ENOSPC');
      expect((await drainAll(spool)).seen).toHaveLength(kept);
      await spool.put(factsFor('again'), pieces('x'.repeat(30_000)));
      expect((await drainAll(spool)).seen).toHaveLength(1);
      await spool.close();
    } finally {
      execFileSync('umount', [disk]);
    }
  });

  describe('with several processes', () => {
    let child: string;
    beforeAll(() => {
      child = join(mkdtempSync(join(tmpdir(), 'mailkeep-spool-child-')), 'child.cjs');
      buildSync({
        entryPoints: [join(__dirname, 'spool-child.ts')],
        outfile: child,
        bundle: true,
        platform: 'node',
        format: 'cjs',
        logLevel: 'silent',
      });
    });
    afterAll(() => rmSync(join(child, '..'), { recursive: true }));

    const run = (...args: string[]): ChildProcessByStdio<null, Readable, null> =>
      spawn(process.execPath, [child, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
    /** Kills the process the hard way once it has said `count` lines; gives all that it said. */
    const killAfter = async (running: ChildProcessByStdio<null, Readable, null>, count: number): Promise<string[]> => {
      const said: string[] = [];
      for await (const line of createInterface({ input: running.stdout })) {
        said.push(line);
        if (said.length === count) running.kill('SIGKILL');
      }
      if (running.exitCode === null && running.signalCode === null) await once(running, 'exit');
      return said.slice(1);
    };

    it('S6: loses nothing acknowledged when killed while writing, time and again', async () => {
      const acknowledged: string[] = [];
      for (let round = 0; round < 5; round += 1)
        acknowledged.push(...(await killAfter(run('write', folder, '', `r${round}`), 3 + round * 17)));
      expect(acknowledged.length).toBeGreaterThan(100);
      const spool = await openSpool();
      const { seen, outcome } = await drainAll(spool);
      const ids = seen.map((text) => text.split('=')[0] ?? '');
      expect(new Set(ids).size).toBe(ids.length);
      expect(acknowledged.filter((id) => !ids.includes(id))).toEqual([]);
      expect(outcome.setAside).toBe(0);
      for (const text of seen) {
        const [id, bytes] = text.split('=');
        expect(bytes).toBe(`${id} `.repeat(1000));
      }
      // What was never acknowledged was put aside, not taken for a message.
      expect(files('.part').every((name) => name.startsWith('aside'))).toBe(true);
    });

    it('S5, S6: stores each message at least once when killed while draining', async () => {
      const spool = await openSpool();
      for (let index = 0; index < 60; index += 1)
        await spool.put(factsFor(String(index).padStart(2, '0')), pieces('x'));
      await spool.close();
      opened.length = 0;
      const stored = join(folder, 'stored.txt');
      writeFileSync(stored, '');
      for (const count of [10, 15, 20]) await killAfter(run('drain', folder, stored), count);
      await killAfter(run('drain', folder, stored), Infinity);
      const lines = readFileSync(stored, 'utf8').trim().split('\n');
      expect([...new Set(lines)].sort()).toEqual(
        Array.from({ length: 60 }, (_, index) => String(index).padStart(2, '0')),
      );
      expect(lines.length).toBeLessThanOrEqual(60 + 3 * 3);
      expect(files('.msg')).toEqual([]);
    });

    it('takes nothing from a process that lives', async () => {
      const writer = run('write', folder, '', 'w');
      const lines = createInterface({ input: writer.stdout });
      const iterator = lines[Symbol.asyncIterator]();
      await iterator.next();
      await iterator.next();
      const spool = await openSpool();
      expect(spool.state().entries).toBe(0);
      writer.kill('SIGKILL');
      await once(writer, 'exit');
      await spool.adopt();
      expect(spool.state().entries).toBeGreaterThan(0);
    });

    it('takes over from a killed process that nobody has waited for', async () => {
      // The shell becomes a program that never waits for its children, as the first process of many containers.
      const parent = spawn('sh', ['-c', '"$0" "$1" write "$2" "" z & exec sleep 60', process.execPath, child, folder], {
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      const iterator = createInterface({ input: parent.stdout })[Symbol.asyncIterator]();
      try {
        await iterator.next();
        await iterator.next();
        const [lease = ''] = files('lease.json');
        const { pid } = JSON.parse(readFileSync(join(folder, lease), 'utf8')) as { pid: number };
        process.kill(pid, 'SIGKILL');
        const state = () => readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /s, '')[0];
        while (state() !== 'Z') await new Promise((resolve) => setImmediate(resolve));
        expect((await openSpool()).state().entries).toBeGreaterThan(0);
      } finally {
        parent.kill();
        await once(parent, 'close');
      }
    });

    it('takes over from another machine only when its lease is old', async () => {
      const other = await openSpool();
      await other.put(factsFor('a'), pieces('a'));
      const [lease = ''] = files('lease.json');
      writeFileSync(
        join(folder, lease),
        JSON.stringify({ host: 'elsewhere', bootId: 'b', pidNamespace: 'p', pid: 1, startTicks: '1' }),
      );
      const spool = await openSpool({ leaseMs: 30_000 });
      expect(spool.state().entries).toBe(0);
      const longAgo = new Date(Date.now() - 31_000);
      utimesSync(join(folder, lease), longAgo, longAgo);
      await spool.adopt();
      expect((await drainAll(spool)).seen).toEqual(['a=a']);
      // The first one finds its folder gone when it writes, and refuses for the moment.
      await expect(other.put(factsFor('b'), pieces('b'))).rejects.toBeInstanceOf(SpoolFullError);
      await expect(other.drain(oneByOne(async () => undefined))).resolves.toMatchObject({
        remaining: 0,
        error: undefined,
      });
    });
  });
});

function alter(path: string, position: number): void {
  const file = openSync(path, 'r+');
  writeSync(file, Buffer.from([0xff]), 0, 1, position);
  closeSync(file);
}
