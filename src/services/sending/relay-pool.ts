import { UnavailableError } from '../../errors.js';
import { RelayConnection } from './relay-connection.js';
import { RelaySessionError } from './relay-session-error.js';
import type { RelaySettings } from './relay-settings.js';

// How long a failure to connect is believed: thousands of messages that wait for a relay that is away are put off at once
// instead of meeting the time-out one after the other.
const FAILURE_HOLDS_MS = 5_000;

const isRecent = (at: number) => performance.now() - at < FAILURE_HOLDS_MS;

/** Keeps at most `connections` sessions with the relay, reuses them, and ends those that are used up or idle. */
export class RelayPool {
  private readonly idle = new Map<RelayConnection, NodeJS.Timeout>();
  private readonly busy = new Set<RelayConnection>();
  private readonly waiting: (() => void)[] = [];
  private opening = 0;
  private closed = false;
  /** Why no connection came about although there was no other, and when. */
  private away: { readonly error: RelaySessionError; readonly at: number } | undefined;
  /** When the relay refused a further connection. */
  private crowdedAt = -Infinity;

  constructor(private readonly settings: RelaySettings) {}

  /**
   * A connection for one transaction; waits for a free one. Throws RelaySessionError, or UnavailableError once closed. A relay that
   * refuses a further connection while it holds others of ours allows no more: then one of these is waited for.
   */
  async acquire(): Promise<RelayConnection> {
    for (;;) {
      if (this.closed) throw new UnavailableError('STOPPING', 'Sending is being stopped.');
      const reused = this.takeIdle();
      if (reused) return reused;
      const live = this.busy.size + this.opening;
      if (live === 0 && this.away && isRecent(this.away.at)) throw this.away.error;
      if (live === 0 || (live < this.settings.connections && !isRecent(this.crowdedAt))) {
        const opened = await this.open();
        if (opened) return opened;
      } else await new Promise<void>((resolve) => this.waiting.push(resolve));
    }
  }

  /** Gives a connection back, whatever its state. */
  release(connection: RelayConnection): void {
    this.busy.delete(connection);
    if (connection.ended) this.waiting.shift()?.();
    else if (this.closed || connection.transactions >= this.settings.messagesPerConnection) this.retire(connection);
    else this.keep(connection);
  }

  /** Lets running transactions end for `graceMs`, then cuts them; a cut one ends with what is known then. */
  async close(graceMs: number): Promise<void> {
    this.closed = true;
    for (const [connection, timer] of this.idle) {
      clearTimeout(timer);
      this.retire(connection);
    }
    this.idle.clear();
    for (const wake of this.waiting.splice(0)) wake();
    if (this.busy.size === 0) return;
    const gone = Promise.all(
      [...this.busy].map((connection) => new Promise<void>((resolve) => connection.onEnd(resolve))),
    );
    const timer = setTimeout(() => {
      for (const connection of this.busy) connection.cut();
    }, graceMs);
    await gone;
    clearTimeout(timer);
  }

  private takeIdle(): RelayConnection | undefined {
    for (const [connection, timer] of this.idle) {
      clearTimeout(timer);
      this.idle.delete(connection);
      if (connection.ended) continue;
      this.busy.add(connection);
      return connection;
    }
    return undefined;
  }

  /** Undefined: the relay takes no further connection for the moment. */
  private async open(): Promise<RelayConnection | undefined> {
    this.opening += 1;
    let connection: RelayConnection;
    try {
      connection = await RelayConnection.open(this.settings);
    } catch (error) {
      this.opening -= 1;
      if (!(error instanceof RelaySessionError)) throw error;
      if (this.busy.size + this.idle.size + this.opening > 0) {
        this.crowdedAt = performance.now();
        return undefined;
      }
      this.away = { error, at: performance.now() };
      for (const wake of this.waiting.splice(0)) wake();
      throw error;
    }
    this.opening -= 1;
    this.away = undefined;
    this.busy.add(connection);
    connection.onEnd(() => {
      clearTimeout(this.idle.get(connection));
      this.idle.delete(connection);
    });
    if (!this.closed) return connection;
    this.retire(connection);
    return undefined;
  }

  private keep(connection: RelayConnection): void {
    const timer = setTimeout(() => {
      this.idle.delete(connection);
      this.retire(connection);
    }, this.settings.idleMs);
    timer.unref();
    this.idle.set(connection, timer);
    this.waiting.shift()?.();
  }

  /** Says goodbye; the connection counts until it is gone, so that the relay never sees more than it allows. */
  private retire(connection: RelayConnection): void {
    this.busy.add(connection);
    connection.onEnd(() => {
      this.busy.delete(connection);
      this.waiting.shift()?.();
    });
    connection.quit();
  }
}
