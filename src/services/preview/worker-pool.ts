import { type Worker } from 'node:worker_threads';
import { UnavailableError } from '../../errors.js';
import { type PreviewLimits, type PreviewReason } from './limits.js';
import { type PreviewTask, type WorkerReply, type WorkerRequest } from './preview-protocol.js';
import { type MessageDescription } from './describe-message.js';
import { type Rendering } from './render-text.js';
import { readCpuMs } from './thread-share.js';
import { startPreviewWorker } from './worker-file.js';

/** Bytes of a message, whole or as they come. */
export type MessageSource = Buffer | AsyncIterable<Buffer>;

/** How a job of the pool ended; a broken limit is a result, not an error. */
export type JobOutcome =
  | { readonly kind: 'rendered'; readonly rendering: Rendering }
  | { readonly kind: 'described'; readonly description: MessageDescription }
  | {
      readonly kind: 'broken';
      readonly reason: PreviewReason;
      readonly fallback: Rendering | null;
      readonly detail: string;
    };

/** Settings of the pool. */
export interface WorkerPoolOptions {
  /** Worker threads. */
  readonly workers: number;
  /** Time that a worker may compute for one message, ms; waiting for its bytes, or for a core, is not counted. */
  readonly timeMs: number;
  /** Time more for each MiB of a message, ms: an attachment of hundreds of MiB takes seconds to read through. */
  readonly timePerMiBMs: number;
  /** Heap of one worker, MiB. */
  readonly memoryMiB: number;
  /** Messages that may wait for a worker; more are refused, which stops a flood from piling up sources. */
  readonly maxWaiting: number;
  readonly limits: PreviewLimits;
}

// Copied and handed over at once: small enough not to delay other work, large enough to need few round trips.
const CHUNK_BYTES = 256 * 1024;
const MIB = 1024 * 1024;
const LARGE_CHARACTERS = MIB;
// A machine that has no core to spare makes a message take so many times longer, and no more.
const MAX_STRETCH = 5;

async function* slice(source: Buffer): AsyncGenerator<Buffer> {
  for (let start = 0; start < source.length; start += CHUNK_BYTES) yield source.subarray(start, start + CHUNK_BYTES);
}

class StoppingError extends UnavailableError {
  constructor() {
    super('STOPPING', 'The server is stopping.');
  }
}

/** One thread, started when it is first needed and again after it broke a limit. */
class PreviewThread {
  private worker: Worker | null = null;
  private thread: number | null = null;
  private ready: Promise<void> | null = null;
  private receive: (reply: WorkerReply) => void = () => undefined;
  private fail: (reason: PreviewReason, detail: string) => void = () => undefined;

  private isClosed = false;

  constructor(private readonly options: WorkerPoolOptions) {}

  start(): Promise<void> {
    if (this.isClosed) return Promise.reject(new StoppingError());
    return (this.ready ??= this.load());
  }

  /** Ends the thread for good; a message under way is refused. */
  async stop(): Promise<void> {
    this.isClosed = true;
    await this.discard();
  }

  /** Ends the thread; the next message gets a new one. */
  private async discard(): Promise<void> {
    const { worker } = this;
    this.worker = null;
    this.ready = null;
    this.fail('UNREADABLE', 'The worker was stopped.');
    await worker?.terminate();
  }

  /** Runs one message; the caller makes sure that there is only one at a time. */
  async run(task: PreviewTask, source: MessageSource): Promise<JobOutcome> {
    await this.start();
    this.worker?.ref();
    let fallback: Rendering | null = null;
    const { timeMs, timePerMiBMs } = this.options;
    let leftMs = timeMs;
    let start: WorkerRequest['start'] = { task, limits: this.options.limits };
    const exchange = async (bytes: Buffer, isLast: boolean): Promise<JobOutcome | null> => {
      const copy = new Uint8Array(bytes);
      leftMs += (bytes.length / MIB) * timePerMiBMs;
      const time = this.startClock();
      const reply = await this.ask(
        { bytes: copy, isLast, ...(start && { start }) },
        leftMs,
        (rendering) => (fallback = rendering),
      );
      leftMs -= time().computedMs;
      start = undefined;
      if (this.isClosed) throw new StoppingError();
      if (reply.kind === 'broken') return { ...reply, fallback };
      return reply.kind === 'more' ? null : reply;
    };
    try {
      let held: Buffer | null = null;
      for await (const piece of Buffer.isBuffer(source) ? slice(source) : source) {
        for (let at = 0; at < piece.length; at += CHUNK_BYTES) {
          if (held) {
            const outcome = await exchange(held, false);
            if (outcome) return outcome;
          }
          held = piece.subarray(at, at + CHUNK_BYTES);
        }
      }
      const outcome = await exchange(held ?? Buffer.alloc(0), true);
      if (!outcome) throw new Error('A preview worker asked for more than the whole message.');
      // A large answer takes milliseconds to come over, and as many to be written out: others get their turn between.
      if (outcome.kind === 'rendered' && outcome.rendering.content.length > LARGE_CHARACTERS)
        await new Promise<void>((resolve) => setImmediate(resolve));
      return outcome;
    } finally {
      this.worker?.unref();
    }
  }

  /** What the worker has computed since, and how long that took; the same where the system does not count for threads. */
  private startClock(): () => { computedMs: number; passedMs: number } {
    const startedAt = performance.now();
    const cpuMs = readCpuMs(this.thread);
    return () => {
      const passedMs = performance.now() - startedAt;
      const nowMs = cpuMs === null ? null : readCpuMs(this.thread);
      return { computedMs: cpuMs === null || nowMs === null ? passedMs : nowMs - cpuMs, passedMs };
    };
  }

  private ask(
    request: WorkerRequest,
    timeMs: number,
    onFallback: (rendering: Rendering) => void,
  ): Promise<
    | Exclude<JobOutcome, { kind: 'broken' }>
    | { kind: 'more' }
    | { kind: 'broken'; reason: PreviewReason; detail: string }
  > {
    return new Promise((resolve) => {
      const settle = (result: Parameters<typeof resolve>[0]) => {
        clearTimeout(timer);
        this.receive = () => undefined;
        this.fail = () => undefined;
        resolve(result);
      };
      const time = this.startClock();
      const look = () => {
        const { computedMs, passedMs } = time();
        const leftMs = Math.min(timeMs - computedMs, timeMs * MAX_STRETCH - passedMs);
        if (leftMs > 0) timer = setTimeout(look, Math.max(1, leftMs));
        else {
          settle({ kind: 'broken', reason: 'TIME_LIMIT', detail: 'The worker was stopped.' });
          void this.discard();
        }
      };
      let timer = setTimeout(look, Math.max(1, timeMs));
      this.fail = (reason, detail) => settle({ kind: 'broken', reason, detail });
      this.receive = (reply) => {
        if (reply.kind === 'fallback') onFallback(reply.rendering);
        else if (reply.kind === 'failed') settle({ kind: 'broken', reason: 'UNREADABLE', detail: reply.stack });
        else if (reply.kind !== 'ready') settle(reply);
      };
      // Lost while the source was read.
      if (!this.worker) this.fail('MEMORY_LIMIT', 'The worker ended between two requests.');
      else this.worker.postMessage(request, [request.bytes.buffer as ArrayBuffer]);
    });
  }

  private load(): Promise<void> {
    const { memoryMiB } = this.options;
    const worker = startPreviewWorker({
      // The young generation holds what a parser throws away at once; a small one keeps the limit meaningful.
      resourceLimits: {
        maxOldGenerationSizeMb: memoryMiB,
        maxYoungGenerationSizeMb: Math.max(8, memoryMiB / 8),
        stackSizeMb: 4,
      },
      env: {},
    });
    this.worker = worker;
    this.thread = null;
    worker.unref();
    return new Promise((resolve, reject) => {
      worker.on('message', (reply: WorkerReply) => {
        if (reply.kind === 'ready') {
          this.thread = reply.thread;
          resolve();
        } else if (this.worker === worker) this.receive(reply);
      });
      const lose = (reason: PreviewReason, error: Error) => {
        reject(error);
        if (this.worker !== worker) return;
        this.worker = null;
        this.ready = null;
        this.fail(reason, error.stack ?? error.message);
      };
      worker.on('error', (error: NodeJS.ErrnoException) => {
        lose(error.code === 'ERR_WORKER_OUT_OF_MEMORY' ? 'MEMORY_LIMIT' : 'UNREADABLE', error);
      });
      worker.on('exit', (code) => lose('UNREADABLE', new Error(`A preview worker ended with code ${code}.`)));
    });
  }
}

/** Runs messages through a fixed number of worker threads, in order of arrival. */
export class WorkerPool {
  private readonly idle: PreviewThread[] = [];
  private readonly threads: PreviewThread[] = [];
  private readonly waiting: { resolve: (thread: PreviewThread) => void; reject: (error: Error) => void }[] = [];
  private stopped = false;

  constructor(private readonly options: WorkerPoolOptions) {
    for (let count = 0; count < options.workers; count++) this.threads.push(new PreviewThread(options));
    this.idle.push(...this.threads);
  }

  /** Renders or describes a message; throws UnavailableError when too many wait, and whatever the source throws. */
  async run(task: PreviewTask, source: MessageSource): Promise<JobOutcome> {
    const thread = await this.take();
    try {
      return await thread.run(task, source);
    } finally {
      this.giveBack(thread);
    }
  }

  /** Starts all threads, so that the first preview does not wait for one. */
  async warmUp(): Promise<void> {
    await Promise.all(this.threads.map((thread) => thread.start()));
  }

  /** Ends all threads; what waits or is under way is refused (UnavailableError STOPPING). */
  async stop(): Promise<void> {
    this.stopped = true;
    for (const { reject } of this.waiting.splice(0)) reject(new StoppingError());
    await Promise.all(this.threads.map((thread) => thread.stop()));
  }

  private take(): Promise<PreviewThread> {
    if (this.stopped) return Promise.reject(new StoppingError());
    // The thread used last is warm; the others may still be loading.
    const thread = this.idle.pop();
    if (thread) return Promise.resolve(thread);
    if (this.waiting.length >= this.options.maxWaiting) {
      return Promise.reject(
        new UnavailableError('PREVIEW_BUSY', 'Too many previews are being made; try again in a moment.'),
      );
    }
    return new Promise((resolve, reject) => this.waiting.push({ resolve, reject }));
  }

  private giveBack(thread: PreviewThread): void {
    const next = this.waiting.shift();
    if (next) next.resolve(thread);
    else this.idle.push(thread);
  }
}
