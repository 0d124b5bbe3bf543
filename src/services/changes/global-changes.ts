import type { GlobalMessages, StoredMessage } from '../backup/global-messages.js';
import type { BackupFilter } from '../backup/message-filter.js';
import type { ChangeCursor } from './change-cursor.js';
import type { Change, ChangeFeed } from './change-feed.js';
import type { ChangeFollower } from './change-follower.js';
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

  /** Events of messages that the filter lets through; removals are told whatever the filter, since nothing is left to compare. */
  async *follow(
    person: PrivilegedFollower,
    filter: BackupFilter,
    after: ChangeCursor | undefined,
  ): AsyncGenerator<GlobalEvent, void> {
    const names = [topics.backup, topics.session(person.sessionId)];
    let follower = await this.feed.follow(names, after);
    if (!follower) {
      const now = await this.feed.current();
      follower = (await this.feed.follow(names, now)) as ChangeFollower;
      yield { cursor: now, kind: 'RESET', messageId: null, message: null };
    }
    try {
      for (;;) {
        let { place } = follower;
        const changes = await follower.next();
        if (!changes || !(await person.refresh())) return;
        for (const event of await this.#events(changes, filter)) {
          if (follower.urgent) {
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

  /** Wakes for every change of one topic, with nothing but the fact; ends with the session. */
  async *signals(person: PrivilegedFollower, topic: string): AsyncGenerator<void, void> {
    const follower = (await this.feed.follow([topic, topics.session(person.sessionId)])) as ChangeFollower;
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
