import type { Logger } from '../../log.js';
import type { MessageStore } from '../backup/message-store.js';
import type { ReceivedMessage } from '../backup/prepare-message.js';
import type { Acceptance } from './intake.js';
import { isTemporary } from './scanners/hand-over-errors.js';
import type { Spool } from './spool.js';
import { TOO_SLOW, within } from './time-limit.js';

/** Brings messages into safety: into the database, or into the spool while that is away or slow (rule S6). */
export class DurableStore {
  constructor(
    private readonly messages: Pick<MessageStore, 'store'>,
    private readonly spool: Pick<Spool, 'isEmpty' | 'put'>,
    /** How long the database has for one message before the spool takes it, ms; below the scanners' own time-outs. */
    private readonly storeLimitMs: number,
    private readonly log: Logger,
  ) {}

  /** Resolves once the message is durable. Throws SPOOL_FULL, and what can never be stored. */
  async store(received: ReceivedMessage): Promise<Acceptance> {
    let stillReading: Promise<unknown> | undefined;
    // What waits came earlier: it is stored first.
    if (this.spool.isEmpty) {
      const storing = this.messages.store(received);
      try {
        const outcome = await within(storing, this.storeLimitMs);
        if (outcome !== TOO_SLOW) return { ...outcome, spooled: false };
        this.log.warn({ limitMs: this.storeLimitMs }, 'the database is slow: a message goes to the spool');
        // It may still be stored: the second time is recognised (rule S5).
        stillReading = storing.catch(() => undefined);
      } catch (error) {
        if (!isTemporary(error)) throw error;
        this.log.warn({ err: error }, 'the database takes nothing: a message goes to the spool');
      }
    }
    const { handOver, source, content } = received;
    try {
      await this.spool.put({ handOver, source }, content.open());
    } catch (error) {
      // Its content must not be freed under the hands of the database.
      if (stillReading) await stillReading;
      throw error;
    }
    return { messageId: null, created: true, spooled: true, ...(stillReading ? { stillReading } : {}) };
  }
}
