import type { PersonalAccess } from '../access/personal-access.js';
import { sectionsOf, topicsOf } from '../access/personal-access.js';
import type { PersonalCopy, PersonalMessages } from '../backup/personal-messages.js';
import type { ChangeCursor } from './change-cursor.js';
import type { Change, ChangeFeed } from './change-feed.js';
import { type ChangeFollower, DECISION_MS } from './change-follower.js';
import { topics } from './topics.js';

/** Who follows, decided anew each time it is asked (rule V11). */
export interface PersonalFollower {
  readonly sessionId: number;
  readonly directoryId: string;
  /** False once the session has ended. */
  refresh(): Promise<boolean>;
  /** What the person may see now. */
  access(): Promise<PersonalAccess | null>;
}

/** Something that a person should hear of. */
export interface PersonalEvent {
  readonly cursor: ChangeCursor;
  readonly kind: 'STORED' | 'UPDATED' | 'REMOVED' | 'ACCESS' | 'RESET';
  /** Main address of the section; null for ACCESS and RESET. */
  readonly mailbox: string | null;
  /** The message and the mailbox, as its key, whose copy is concerned; null for ACCESS and RESET. */
  readonly concerns: { readonly messageId: number; readonly mailbox: string } | null;
  /** The copy as it is now; null when it is gone. */
  readonly copy: PersonalCopy | null;
  /** What held when the event was made. */
  readonly access: PersonalAccess | null;
}

/** What one person may hear of, live: decided per event, not when the subscription began (rule V11). */
export class PersonalChanges {
  constructor(
    private readonly feed: ChangeFeed,
    private readonly messages: PersonalMessages,
  ) {}

  /**
   * Events behind `after`, or from now on; ends when the session ends, and at once when the subscriber has `left`. A cursor
   * that is too old gives one RESET first.
   */
  async *follow(
    person: PersonalFollower,
    after: ChangeCursor | undefined,
    left: AbortSignal,
  ): AsyncGenerator<PersonalEvent, void> {
    const names = this.#topics(person, await person.access());
    let follower = await this.feed.follow(names, after, left);
    const reset = follower ? undefined : await this.feed.current();
    follower ??= (await this.feed.follow(names, reset, left)) as ChangeFollower;
    try {
      if (reset)
        yield {
          cursor: reset,
          kind: 'RESET',
          mailbox: null,
          concerns: null,
          copy: null,
          access: await person.access(),
        };
      for (;;) {
        let { place } = follower;
        let changes = await follower.next();
        if (!changes || !(await person.refresh())) return;
        const access = await person.access();
        if (follower.setTopics(this.#topics(person, access))) {
          // What was stored for the new topics stands behind the change that gave them: from there all is read again.
          const grant = changes.findIndex((change) => change.kind === 'ACCESS');
          if (grant >= 0) {
            changes = changes.slice(0, grant + 1);
            follower.replayFrom(changes[grant]?.place ?? place);
          }
        }
        const events = await this.#events(changes, access);
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

  #topics(person: PersonalFollower, access: PersonalAccess | null): string[] {
    return [topics.session(person.sessionId), ...topicsOf(person.directoryId, access)];
  }

  async #events(changes: readonly Change[], access: PersonalAccess | null): Promise<PersonalEvent[]> {
    const events: PersonalEvent[] = [];
    const messageIds = new Set(changes.flatMap(({ messageId }) => (messageId === null ? [] : [messageId])));
    const all = await this.messages.copiesOf(access, [...messageIds]);
    const copies = new Map(all.map((copy) => [`${copy.messageId}.${copy.recipient}`, copy]));
    // A message to two addresses of one mailbox is one message there (rule V4): lists show its first copy.
    const first = new Map(all.toReversed().map((copy) => [`${copy.messageId} ${copy.section.address}`, copy]));
    for (const change of changes) {
      const cursor = { epoch: this.feed.epoch, place: change.place };
      if (change.kind === 'ACCESS') {
        events.push({ cursor, kind: 'ACCESS', mailbox: null, concerns: null, copy: null, access });
        continue;
      }
      const place = placeOf(change, access);
      if (!place || change.messageId === null || change.recipient === null) continue;
      const { section, mailbox } = place;
      const copy = copies.get(`${change.messageId}.${change.recipient}`) ?? null;
      if (copy && change.kind === 'STORED' && copy !== first.get(`${copy.messageId} ${section.address}`)) continue;
      // A copy that is gone or hidden by now is told as removed; what else became of it is of no use to the client.
      const kind = copy && change.kind !== 'REMOVED' ? change.kind : 'REMOVED';
      events.push({
        cursor,
        kind,
        mailbox: section.address,
        concerns: { messageId: change.messageId, mailbox },
        copy: kind === 'REMOVED' ? null : copy,
        access,
      });
    }
    return events;
  }
}

/** The section and the mailbox that a change concerns; undefined when they are not the person's. */
function placeOf(change: Change, access: PersonalAccess | null) {
  for (const section of sectionsOf(access)) {
    const mailbox = section.mailboxKeys.find((key) => topics.mailbox(key) === change.topic);
    if (mailbox !== undefined) return { section, mailbox };
  }
  return undefined;
}
