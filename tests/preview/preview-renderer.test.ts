import { readdirSync, readFileSync } from 'node:fs';
import { PreviewRenderer } from '../../src/services/preview/preview-renderer.js';
import { htmlMessage } from './compose-message.js';

// The limits are reached by real work, which a busy machine does slowly.
jest.setTimeout(60_000);

/** Limits that let a message through to where only time and memory can stop it. */
const NO_LIMITS = { maxHtmlBytes: 1e9, maxElements: 1e9, maxElementDepth: 1e9, maxHtmlSourceBytes: 1e9 };
const HEAVY = htmlMessage(`<p>Readable</p>${'<b style="color:red">x</b>'.repeat(200_000)}`);

async function* pieces(source: Buffer, bytes = 1000): AsyncGenerator<Buffer> {
  for (let at = 0; at < source.length; at += bytes) yield source.subarray(at, at + bytes);
}

describe('PreviewRenderer', () => {
  const renderers: PreviewRenderer[] = [];
  const create = (options: ConstructorParameters<typeof PreviewRenderer>[0]) => {
    const renderer = new PreviewRenderer({ workers: 1, timeMs: 20_000, ...options });
    renderers.push(renderer);
    return renderer;
  };
  afterEach(async () => {
    await Promise.all(renderers.splice(0).map((renderer) => renderer.stop()));
  });

  (process.platform === 'linux' ? it : it.skip)('its workers let the other threads go first', async () => {
    // First of all, so that no thread of another test ends meanwhile. The nineteenth field, behind a name that may hold blanks (proc(5)).
    const priorities = () =>
      readdirSync('/proc/self/task').map((thread) =>
        Number(readFileSync(`/proc/self/task/${thread}/stat`, 'utf8').split(') ').at(-1)?.split(' ')[16]),
      );
    const countPolite = () => priorities().filter((nice) => nice === 10).length;
    const before = countPolite();
    await create({ workers: 2 }).warmUp();
    expect(countPolite() - before).toBe(2);
  });

  it('P2, P3: renders text and HTML from one buffer or from pieces alike', async () => {
    const renderer = create({});
    const source = htmlMessage('<p>Hello <b>Anna</b></p>');
    expect(await renderer.render(source, 'TEXT')).toEqual({
      mode: 'TEXT',
      content: 'Hello Anna',
      blockedRemoteResources: 0,
      truncated: false,
      reason: null,
    });
    const whole = await renderer.render(source, 'HTML');
    expect(whole.content).toContain('<p>Hello <b>Anna</b></p>');
    expect(await renderer.render(pieces(source, 10), 'HTML')).toEqual(whole);
  });

  it('P3: a message without an HTML part is answered as text with the reason', async () => {
    const preview = await create({}).render(Buffer.from('Subject: x\r\n\r\nHello'), 'HTML');
    expect(preview).toMatchObject({ mode: 'TEXT', content: 'Hello', reason: 'NO_HTML_PART', truncated: false });
  });

  it('a message that takes too long yields its text with the reason, and the next one is rendered by a new worker', async () => {
    const slow = create({
      timeMs: 400,
      timePerMiBMs: 0,
      memoryMiB: 1024,
      limits: { ...NO_LIMITS, maxTextCharacters: 1000 },
    });
    await slow.warmUp();
    const preview = await slow.render(
      htmlMessage(`<p>Readable</p>${'<b style="color:red">x</b>'.repeat(1_500_000)}`),
      'HTML',
    );
    expect(preview).toMatchObject({ mode: 'TEXT', reason: 'TIME_LIMIT', truncated: true });
    expect(preview.content).not.toBe('');
    const patient = create({});
    expect(await patient.render(htmlMessage('<p>Next</p>'), 'TEXT')).toMatchObject({ content: 'Next', reason: null });
    await slow.warmUp();
    expect(await slow.render(Buffer.from('\r\nNext'), 'TEXT')).toMatchObject({ content: 'Next', reason: null });
  });

  it('a message that takes too much memory yields text with the reason, and the next one is rendered', async () => {
    const renderer = create({ memoryMiB: 24, limits: NO_LIMITS });
    expect(await renderer.render(HEAVY, 'HTML')).toMatchObject({
      mode: 'TEXT',
      reason: 'MEMORY_LIMIT',
      truncated: true,
    });
    expect(await renderer.render(htmlMessage('<p>Next</p>'), 'HTML')).toMatchObject({ mode: 'HTML', reason: null });
  });

  it('a large message has more time: the same work is refused without it', async () => {
    const attachment = Buffer.concat([
      Buffer.from('Content-Type: application/zip; name=a.zip\r\nContent-Transfer-Encoding: base64\r\n\r\n'),
      Buffer.from(`${'A'.repeat(76)}\r\n`.repeat(400_000)),
    ]);
    const hurried = create({ timeMs: 1, timePerMiBMs: 0 });
    await hurried.warmUp();
    expect(await hurried.describe(attachment)).toMatchObject({ attachments: [], reason: 'TIME_LIMIT' });
    const allowed = create({ timeMs: 1, timePerMiBMs: 1000 });
    await allowed.warmUp();
    expect(await allowed.describe(attachment)).toMatchObject({ attachments: [{ name: 'a.zip' }], reason: null });
  });

  it('P6: what a message is made of is looked up once for all ranges of a download', async () => {
    const renderer = create({});
    let reads = 0;
    const source = async function* () {
      reads++;
      yield Buffer.from('Content-Type: application/pdf; name=a.pdf\r\n\r\n%PDF');
    };
    for (let range = 0; range < 3; range++)
      expect(await renderer.describe(source(), { contentKey: 'k' })).toMatchObject({
        attachments: [{ name: 'a.pdf' }],
      });
    expect(reads).toBe(1);
  });

  it('the time that the source takes is not charged to the message', async () => {
    const renderer = create({ timeMs: 300 });
    await renderer.warmUp();
    async function* slow(): AsyncGenerator<Buffer> {
      yield Buffer.from('Subject: x\r\n\r\nHello');
      // Twice the time of the message: the only way to show that it is not counted.
      await new Promise((resolve) => setTimeout(resolve, 600));
      yield Buffer.from(' there');
    }
    expect(await renderer.render(slow(), 'TEXT')).toMatchObject({ content: 'Hello there', reason: null });
  });

  it('an error of the source reaches the caller and leaves the worker usable', async () => {
    const renderer = create({});

    async function* broken(): AsyncGenerator<Buffer> {
      throw new Error('the database is away');
    }
    await expect(renderer.render(broken(), 'TEXT')).rejects.toThrow('the database is away');
    expect(await renderer.render(Buffer.from('\r\nNext'), 'TEXT')).toMatchObject({ content: 'Next' });
  });

  it('more messages than may wait are refused with a code', async () => {
    const renderer = create({ maxWaiting: 1 });
    const outcomes = await Promise.allSettled([1, 2, 3].map(() => renderer.render(Buffer.from('\r\nHello'), 'TEXT')));
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected']);
    expect(outcomes[2]).toMatchObject({ reason: { code: 'PREVIEW_BUSY' } });
  });

  it('a key renders once: people who ask at the same time and later share the result', async () => {
    const renderer = create({});
    let reads = 0;
    const source = async function* () {
      reads++;
      yield Buffer.from('\r\nHello');
    };
    const [one, other] = await Promise.all([1, 2].map(() => renderer.render(source(), 'TEXT', { contentKey: 'k' })));
    expect(one).toBe(other);
    expect(await renderer.render(source(), 'TEXT', { contentKey: 'k' })).toBe(one);
    expect(reads).toBe(1);
    await renderer.render(source(), 'TEXT', { contentKey: 'other' });
    await renderer.render(source(), 'TEXT');
    expect(reads).toBe(3);
  });

  it('the event loop stays free while a heavy message is rendered', async () => {
    const renderer = create({ limits: NO_LIMITS, memoryMiB: 1024 });
    let turns = 0;
    let isDone = false;
    const count = () => {
      turns++;
      if (!isDone) setTimeout(count, 1);
    };
    count();
    await renderer.render(HEAVY, 'HTML').finally(() => (isDone = true));
    // A blocked loop would turn once or twice.
    expect(turns).toBeGreaterThan(50);
  });

  it('refuses settings that would switch a limit off', () => {
    expect(() => new PreviewRenderer({ timeMs: 0 })).toThrow(RangeError);
    expect(() => new PreviewRenderer({ memoryMiB: Number.NaN })).toThrow(RangeError);
  });

  it('stopping refuses what is under way, what waits and what comes after', async () => {
    const renderer = create({});
    let begun: () => void = () => undefined;
    const isBegun = new Promise<void>((resolve) => (begun = resolve));
    async function* unfinished(): AsyncGenerator<Buffer> {
      yield Buffer.from('\r\nHello');
      yield Buffer.from(' there');
      begun();
      await renderer.stop();
      yield Buffer.from(' again');
    }
    const underWay = renderer.render(unfinished(), 'TEXT');
    const waiting = renderer.render(Buffer.from('\r\nHello'), 'TEXT');
    const outcomes = Promise.allSettled([underWay, waiting]);
    await isBegun;
    expect(
      (await outcomes).map((outcome) => outcome.status === 'rejected' && (outcome.reason as { code: string }).code),
    ).toEqual(['STOPPING', 'STOPPING']);
    await expect(renderer.render(HEAVY, 'TEXT')).rejects.toMatchObject({ code: 'STOPPING' });
  });
});
