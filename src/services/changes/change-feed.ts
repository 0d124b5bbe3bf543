import { setTimeout } from 'node:timers/promises';
import type { Database, Transaction } from '../../entities/database.js';
import { marksFor } from '../../entities/marks-for.js';
import { UnavailableError } from '../../errors.js';
import type { Logger } from '../../log.js';
import type { ChangeCursor } from './change-cursor.js';
import { ChangeFollower } from './change-follower.js';

/** What happened to what a change tells of. */
export type ChangeKind = 'STORED' | 'UPDATED' | 'REMOVED' | 'ACCESS';

/** A change that is about to be committed. */
export interface NewChange {
  readonly topic: string;
  readonly kind: ChangeKind;
  readonly messageId?: number;
  /** Position of the recipient within the message. */
  readonly recipient?: number;
}

/** A committed change with its place in the feed. */
export interface Change {
  readonly place: number;
  readonly topic: string;
  readonly kind: ChangeKind;
  readonly messageId: number | null;
  readonly recipient: number | null;
}

// While one commit follows the other a look tells of all of this time: fewer looks, and nobody notices the wait.
const BETWEEN_LOOKS_MS = 10;

/** Most rows that one look at the feed takes; bounds memory after a burst. */
const BATCH = 1000;

const COLUMNS = 'place, topic, kind, message_id AS messageId, recipient';

/**
 * The truth about what changed, in the order of commits. Writers take their places from one row that stays locked until
 * they commit, so no place becomes visible after a greater one: a reader that saw place N has seen everything before it.
 */
export class ChangeFeed {
  readonly #followers = new Map<string, Set<ChangeFollower>>();
  #epoch = '';
  #place = 0;
  #looking: Promise<void> | undefined;
  #lookAgain = false;
  #timer: NodeJS.Timeout | undefined;
  // Until the start nobody follows: commands write changes and leave the looking to the servers.
  #looksForChanges = false;

  constructor(
    private readonly database: Database,
    private readonly log: Logger,
    private readonly pollMs: number,
  ) {}

  /** Starts to look for changes of other processes; before, nobody can follow. */
  async start(): Promise<void> {
    const { epoch, place } = await this.current();
    this.#epoch = epoch;
    this.#place = place;
    this.#looksForChanges = true;
    clearInterval(this.#timer);
    this.#timer = setInterval(() => this.wake(), this.pollMs);
  }

  /** Stops looking and ends every follower. */
  async stop(): Promise<void> {
    this.#looksForChanges = false;
    clearInterval(this.#timer);
    await this.#looking;
    for (const followers of this.#followers.values()) for (const follower of [...followers]) follower.close();
  }

  /** The feed's place as of now: what is committed later comes after it. */
  async current(): Promise<ChangeCursor> {
    const [row] = await this.database.rows<{ epoch: string; place: number }>(
      'SELECT epoch, last_place AS place FROM change_feed WHERE id = 1',
    );
    if (!row) throw new Error('The change feed has no row: the migrations did not run.');
    return row;
  }

  /** Writes changes in the transaction that makes them; call it last, for the feed stays locked until the commit. */
  async append(transaction: Transaction, changes: readonly NewChange[]): Promise<void> {
    if (changes.length === 0) return;
    const now = Date.now();
    await transaction.insertNumbered(
      'change_event',
      'place',
      { table: 'change_feed', column: 'last_place' },
      changes.map((change) => ({
        topic: change.topic,
        kind: change.kind,
        message_id: change.messageId ?? null,
        recipient: change.recipient ?? null,
        changed_at: now,
      })),
    );
    transaction.afterCommit(() => this.wake());
  }

  /**
   * Follows topics from behind `after`, or from now on, until `left`. `undefined` when the cursor is too old or of another
   * feed: then the client has to read anew. Throws DATABASE_UNAVAILABLE before the start.
   */
  async follow(names: Iterable<string>, after?: ChangeCursor, left?: AbortSignal): Promise<ChangeFollower | undefined> {
    const follower = new ChangeFollower(this, names, this.position.place);
    left?.addEventListener('abort', () => follower.close(), { once: true });
    if (left?.aborted) follower.close();
    if (after && !(await this.#isKept(after))) {
      follower.close();
      return undefined;
    }
    if (after) follower.replayFrom(after.place);
    return follower;
  }

  /** The place up to which this process has seen the feed; never ahead of what is committed, so it serves as a cursor without asking the database. */
  get position(): ChangeCursor {
    if (this.#epoch === '')
      throw new UnavailableError('DATABASE_UNAVAILABLE', 'The database does not answer. Try again later.');
    return { epoch: this.#epoch, place: this.#place };
  }

  /** The feed's name; part of every cursor. */
  get epoch(): string {
    return this.#epoch;
  }

  /** How many subscriptions follow the feed now. */
  get followerCount(): number {
    return new Set([...this.#followers.values()].flatMap((followers) => [...followers])).size;
  }

  /** Committed changes of some topics behind a place, in order. */
  async read(names: readonly string[], place: number, limit: number): Promise<Change[]> {
    if (names.length === 0) return [];
    const marks = marksFor(names);
    return this.database.rows<Change>(
      `SELECT ${COLUMNS} FROM change_event WHERE topic IN (${marks}) AND place > ? ORDER BY place LIMIT ${limit}`,
      [...names, place],
    );
  }

  /** Removes changes that are older than `olderThanMs`; who was away longer reads anew. */
  async prune(olderThanMs: number): Promise<number> {
    return this.database.transaction(async (transaction) => {
      const [row] = await transaction.rows<{ place: number | null }>(
        'SELECT max(place) AS place FROM change_event WHERE changed_at < ?',
        [Date.now() - olderThanMs],
      );
      if (!row?.place) return 0;
      const removed = await transaction.run('DELETE FROM change_event WHERE place <= ?', [row.place]);
      await transaction.run('UPDATE change_feed SET pruned_place = ? WHERE id = 1 AND pruned_place < ?', [
        row.place,
        row.place,
      ]);
      return removed;
    });
  }

  /** Looks for new changes now, or as soon as the last look is some milliseconds old; calls until then are bundled. */
  wake(): void {
    if (!this.#looksForChanges) return;
    if (this.#looking) {
      this.#lookAgain = true;
      return;
    }
    this.#looking = Promise.all([this.#look(), setTimeout(BETWEEN_LOOKS_MS)]).then(() => {
      this.#looking = undefined;
      if (this.#lookAgain) {
        this.#lookAgain = false;
        this.wake();
      }
    });
  }

  /** Registers a follower of a topic; called by the follower. */
  enter(topic: string, follower: ChangeFollower): void {
    const followers = this.#followers.get(topic);
    if (followers) followers.add(follower);
    else this.#followers.set(topic, new Set([follower]));
  }

  /** Forgets a follower of a topic; called by the follower. */
  leave(topic: string, follower: ChangeFollower): void {
    const followers = this.#followers.get(topic);
    followers?.delete(follower);
    if (followers?.size === 0) this.#followers.delete(topic);
  }

  async #isKept(after: ChangeCursor): Promise<boolean> {
    const [row] = await this.database.rows<{ epoch: string; last: number; pruned: number }>(
      'SELECT epoch, last_place AS last, pruned_place AS pruned FROM change_feed WHERE id = 1',
    );
    return row !== undefined && row.epoch === after.epoch && after.place >= row.pruned && after.place <= row.last;
  }

  async #look(): Promise<void> {
    try {
      for (;;) {
        const changes = await this.database.rows<Change>(
          `SELECT ${COLUMNS} FROM change_event WHERE place > ? ORDER BY place LIMIT ${BATCH}`,
          [this.#place],
        );
        for (const change of changes) {
          for (const follower of this.#followers.get(change.topic) ?? []) follower.push(change);
        }
        this.#place = changes.at(-1)?.place ?? this.#place;
        if (changes.length < BATCH) return;
      }
    } catch (error) {
      // The next poll tries again; followers lose nothing, because the table keeps the changes.
      this.log.warn({ err: error }, 'the change feed could not be read');
    }
  }
}
