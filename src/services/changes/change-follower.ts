import type { Change, ChangeFeed } from './change-feed.js';
import { isSessionTopic } from './topics.js';

// Changes that wait for a slow subscriber; beyond it they are read from the table again, so memory stays bounded.
const INBOX_LIMIT = 256;

/**
 * How long a decision about what a subscriber may see holds, ms. Sessions end by time without an event, and a client that
 * reads slowly must not be given, minutes later, what was decided before (rule V11).
 */
export const DECISION_MS = 1_000;

/** One subscriber's way through the feed: at first what was missed, then what comes, in order, each change once. */
export class ChangeFollower {
  readonly #topics: Set<string>;
  #inbox: Change[] = [];
  #place: number;
  #replaying = false;
  #closed = false;
  #urgent = false;
  #wake: (() => void) | undefined;

  constructor(
    private readonly feed: ChangeFeed,
    names: Iterable<string>,
    place: number,
  ) {
    this.#topics = new Set(names);
    this.#place = place;
    for (const topic of this.#topics) feed.enter(topic, this);
  }

  /** The place behind which the next change comes. */
  get place(): number {
    return this.#place;
  }

  /**
   * Whether, since the last {@link next}, something happened that may take rights away: what was decided then must not be
   * delivered any more (rule V11).
   */
  get urgent(): boolean {
    return this.#urgent;
  }

  /** Goes back to a place; the changes behind it are read from the table. */
  replayFrom(place: number): void {
    this.#place = place;
    this.#inbox = [];
    this.#replaying = true;
  }

  /** Follows exactly these topics from the current place on; tells whether there are new ones among them. */
  setTopics(names: Iterable<string>): boolean {
    // Entered now, they would never be left again.
    if (this.#closed) return false;
    const wanted = new Set(names);
    const grows = [...wanted].some((topic) => !this.#topics.has(topic));
    for (const topic of this.#topics) if (!wanted.has(topic)) this.feed.leave(topic, this);
    for (const topic of wanted) {
      if (this.#topics.has(topic)) continue;
      this.feed.enter(topic, this);
      // What was committed on the new topic while it was not followed stands only in the table.
      this.#replaying = true;
    }
    this.#topics.clear();
    for (const topic of wanted) this.#topics.add(topic);
    return grows;
  }

  /** Takes a change from the feed. */
  push(change: Change): void {
    if (change.kind === 'ACCESS' || isSessionTopic(change.topic)) this.#urgent = true;
    if (this.#inbox.length >= INBOX_LIMIT) {
      this.#inbox = [];
      this.#replaying = true;
    }
    if (!this.#replaying) this.#inbox.push(change);
    this.#wake?.();
  }

  /** The next changes, at least one; `undefined` once the follower is closed. */
  async next(): Promise<Change[] | undefined> {
    this.#urgent = false;
    while (!this.#closed) {
      if (this.#replaying) {
        this.#replaying = false;
        this.#inbox = [];
        const changes = await this.feed.read([...this.#topics], this.#place, INBOX_LIMIT);
        if (changes.length === INBOX_LIMIT) this.#replaying = true;
        // A change that was pushed during the reading and is in its result, too, must not come twice.
        const last = changes.at(-1)?.place ?? this.#place;
        this.#inbox = this.#inbox.filter((change) => change.place > last);
        if (changes.length > 0) return this.#advance(changes);
        continue;
      }
      const changes = this.#inbox.filter((change) => change.place > this.#place);
      this.#inbox = [];
      if (changes.length > 0) return this.#advance(changes);
      await new Promise<void>((wake) => {
        this.#wake = wake;
      });
      this.#wake = undefined;
    }
    return undefined;
  }

  /** Ends the follower; a waiting {@link next} answers `undefined`. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const topic of this.#topics) this.feed.leave(topic, this);
    this.#wake?.();
  }

  #advance(changes: Change[]): Change[] {
    this.#place = changes.at(-1)?.place ?? this.#place;
    return changes;
  }
}
