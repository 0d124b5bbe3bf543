import { type Logger } from '../../log.js';
import { type MessageDescription } from './describe-message.js';
import { DEFAULT_LIMITS, type PreviewLimits } from './limits.js';
import { PreviewCache } from './preview-cache.js';
import { type Rendering } from './render-text.js';
import { type JobOutcome, type MessageSource, WorkerPool } from './worker-pool.js';

/** Raised whenever the rules of rendering change, so that no cached preview outlives the rules it was made by. */
export const PREVIEW_RULES_VERSION = 3;

/** A message made readable. */
export type RenderedPreview = Rendering;

/** Settings of the renderer. */
export interface PreviewRendererOptions {
  /** Worker threads; default 2. */
  readonly workers?: number;
  /** Computing time for one message, ms; default 1000. Stops messages made to take forever. */
  readonly timeMs?: number;
  /** Time more for each MiB of it, ms; default 20. */
  readonly timePerMiBMs?: number;
  /** Heap of one worker, MiB; default 128. Stops messages made to exhaust memory. */
  readonly memoryMiB?: number;
  /** Messages that may wait for a worker; default 200. */
  readonly maxWaiting?: number;
  /** Previews kept; default 500, 0 switches the cache off. */
  readonly cacheEntries?: number;
  /** Bytes of previews kept; default 64 MiB. */
  readonly cacheBytes?: number;
  /** Overrides of single limits. */
  readonly limits?: Partial<PreviewLimits>;
  /** Told about messages that broke a limit or a worker, without anything of their content. */
  readonly log?: Logger;
}

/** Options of one rendering. */
export interface RenderOptions {
  /** Names the content, such as a hash of the stored bytes: the same key must always mean the same bytes. Without it nothing is cached. */
  readonly contentKey?: string;
}

const MIB = 1024 * 1024;

// A name of 255 characters, two types and the rest.
const DESCRIPTION_BYTES = 1024;

/** Text shown when a message broke a limit before anything of it was readable. */
const UNREADABLE_TEXT = '[This message is built so that reading it takes too much time or memory. It is not shown.]';

/** Makes hostile messages readable without trusting them: everything happens in worker threads with limits (rules P2, P4). */
export class PreviewRenderer {
  private readonly pool: WorkerPool;
  private readonly limits: PreviewLimits;
  private readonly cache: PreviewCache<RenderedPreview>;
  private readonly descriptions: PreviewCache<MessageDescription>;
  /** Renderings under way by cache key: two people opening the same message share one. */
  private readonly pending = new Map<string, Promise<RenderedPreview>>();
  private readonly log: Logger | undefined;

  constructor(options: PreviewRendererOptions = {}) {
    const {
      workers = 2,
      timeMs = 1000,
      timePerMiBMs = 20,
      memoryMiB = 128,
      maxWaiting = 200,
      cacheEntries = 500,
      cacheBytes = 64 * MIB,
    } = options;
    for (const [name, value] of Object.entries({ workers, timeMs, memoryMiB })) {
      if (!Number.isInteger(value) || value < 1) throw new RangeError(`${name} must be a whole number of at least 1.`);
    }
    this.limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.pool = new WorkerPool({ workers, timeMs, timePerMiBMs, memoryMiB, maxWaiting, limits: this.limits });
    this.cache = new PreviewCache(cacheEntries, cacheBytes);
    this.descriptions = new PreviewCache(cacheEntries, cacheBytes / 8);
    this.log = options.log;
  }

  /** Loads the workers ahead of the first message. */
  warmUp(): Promise<void> {
    return this.pool.warmUp();
  }

  /**
   * Renders a message. A message that breaks a limit yields text with a reason; only a failing source and too many
   * waiting messages (UnavailableError) are errors.
   */
  render(source: MessageSource, mode: 'TEXT' | 'HTML', options: RenderOptions = {}): Promise<RenderedPreview> {
    if (!options.contentKey) return this.renderNow(source, mode);
    const key = `${PREVIEW_RULES_VERSION}:${mode}:${options.contentKey}`;
    const kept = this.cache.get(key);
    if (kept) return Promise.resolve(kept);
    const underWay = this.pending.get(key);
    if (underWay) return underWay;
    const rendering = this.renderNow(source, mode)
      .then((preview) => {
        // Time and memory depend on what else the machine does; such an outcome must not last.
        const lasts =
          preview.reason !== 'TIME_LIMIT' && preview.reason !== 'MEMORY_LIMIT' && preview.reason !== 'UNREADABLE';
        if (lasts) this.cache.set(key, preview, preview.content.length * 2);
        return preview;
      })
      .finally(() => this.pending.delete(key));
    this.pending.set(key, rendering);
    return rendering;
  }

  /** Lists the attachments of a message with names, types and sizes, within the same limits; who downloads in ranges asks often. */
  async describe(source: MessageSource, { contentKey }: RenderOptions = {}): Promise<MessageDescription> {
    const kept = contentKey && this.descriptions.get(contentKey);
    if (kept) return kept;
    const outcome = await this.pool.run('DESCRIPTION', source);
    if (outcome.kind === 'described') {
      const { description } = outcome;
      if (contentKey)
        this.descriptions.set(contentKey, description, DESCRIPTION_BYTES * (1 + description.attachments.length));
      return description;
    }
    const reason = outcome.kind === 'broken' ? this.report(outcome) : 'UNREADABLE';
    return { attachments: [], truncated: true, hasText: false, hasHtml: false, reason };
  }

  /** Ends the workers; previews under way or waiting are refused (UnavailableError STOPPING). */
  stop(): Promise<void> {
    return this.pool.stop();
  }

  private async renderNow(source: MessageSource, mode: 'TEXT' | 'HTML'): Promise<RenderedPreview> {
    const outcome = await this.pool.run(mode, source);
    if (outcome.kind === 'rendered') return outcome.rendering;
    if (outcome.kind === 'described') throw new Error('A preview worker described a message that was to be rendered.');
    const reason = this.report(outcome);
    if (outcome.fallback) return { ...outcome.fallback, reason };
    return { mode: 'TEXT', content: UNREADABLE_TEXT, blockedRemoteResources: 0, truncated: true, reason };
  }

  private report({ reason, detail }: Extract<JobOutcome, { kind: 'broken' }>) {
    // A fault of ours has a stack that names our own files, never content; broken limits are expected.
    if (reason === 'UNREADABLE') this.log?.error({ detail }, 'a preview worker failed');
    else this.log?.warn({ reason }, 'a message broke a limit of the preview');
    return reason;
  }
}
