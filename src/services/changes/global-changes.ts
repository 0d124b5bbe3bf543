import type { GlobalMessages, StoredMessage } from '../backup/global-messages.js';
import type { BackupFilter } from '../backup/message-filter.js';
import type { ChangeCursor } from './change-cursor.js';
import type { Change, ChangeFeed } from './change-feed.js';
import { type ChangeFollower, DECISION_MS } from './change-follower.js';
import { topics } from './topics.js';

/** Something that an administrator should hear of. */
export interface GlobalEvent {
  readonly cursor: ChangeCursor;
  readonly kind: 'STORED' | 'UPDATED' | 'REMOVED' | 'ACCESS' | 'RESET';
  readonly messageId: number | null;
  /** The message as it is now; null when it is gone. */
  readonly message: StoredMessage | null;
}

/** Who follows: throws once the session or the permission is gone (rule V11). */
export interface PrivilegedFollower {
  readonly sessionId: number;
  /** False once the session has ended; throws FORBIDDEN when the permission was taken away. */
  refresh(): Promise<boolean>;
}

/** What administrators hear of, live. */
export class GlobalChanges {
  constructor(
    private readonly feed: ChangeFeed,
    private readonly messages: GlobalMessages,
  ) {}

  /**
   * Events of messages that the filter lets through; removals are told whatever the filter, since nothing is left to
   * compare. Ends with the session, and at once when the subscriber has `left`.
   */
  async *follow(
    person: PrivilegedFollower,
    filter: BackupFilter,
    after: ChangeCursor | undefined,
    left: AbortSignal,
  ): AsyncGenerator<GlobalEvent, void> {
    const names = [topics.backup, topics.session(person.sessionId)];
    let follower = await this.feed.follow(names, after, left);
    const reset = follower ? undefined : await this.feed.current();
    follower ??= (await this.feed.follow(names, reset, left)) as ChangeFollower;
    try {
      if (reset) yield { cursor: reset, kind: 'RESET', messageId: null, message: null };
      for (;;) {
        let { place } = follower;
        const changes = await follower.next();
        if (!changes || !(await person.refresh())) return;
        const events = await this.#events(changes, filter);
        const decidedMs = performance.now();
        for (const event of events) {
          if (follower.urgent || performance.now() - decidedMs > DECISION_MS) {
            // Rights may have changed while the client took its time: decide the rest anew.
            follower.replayFrom(place);
            break;
          }
          yield event;
          place = event.cursor.place;
        }
      }
    } finally {
      follower.close();
    }
  }

  async #events(changes: readonly Change[], filter: BackupFilter): Promise<GlobalEvent[]> {
    const ids = changes.flatMap((change) =>
      change.messageId === null || change.kind === 'REMOVED' ? [] : [change.messageId],
    );
    const messages = new Map(
      (await this.messages.find([...new Set(ids)], filter)).map((message) => [message.messageId, message]),
    );
    return changes.flatMap(({ place, kind, topic, messageId }): GlobalEvent[] => {
      const cursor = { epoch: this.feed.epoch, place };
      if (topic !== topics.backup) return [];
      if (messageId === null || kind === 'REMOVED') return [{ cursor, kind, messageId, message: null }];
      const message = messages.get(messageId);
      return message ? [{ cursor, kind, messageId, message }] : [];
    });
  }

  /** Wakes for every change of one topic, with nothing but the fact; ends with the session, and when the subscriber has `left`. */
  async *signals(person: PrivilegedFollower, topic: string, left: AbortSignal): AsyncGenerator<void, void> {
    const names = [topic, topics.session(person.sessionId)];
    const follower = (await this.feed.follow(names, undefined, left)) as ChangeFollower;
    try {
      for (;;) {
        const changes = await follower.next();
        if (!changes || !(await person.refresh())) return;
        if (changes.some((change) => change.topic === topic)) yield;
      }
    } finally {
      follower.close();
    }
  }
}
