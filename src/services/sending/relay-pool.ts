import { UnavailableError } from '../../errors.js';
import { RelayConnection } from './relay-connection.js';
import type { RelaySettings } from './relay-settings.js';

/** Keeps at most `connections` sessions with the relay, reuses them, and ends those that are used up or idle. */
export class RelayPool {
  private readonly idle = new Map<RelayConnection, NodeJS.Timeout>();
  private readonly busy = new Set<RelayConnection>();
  private readonly waiting: (() => void)[] = [];
  private opening = 0;
  private closed = false;

  constructor(private readonly settings: RelaySettings) {}

  /** A connection for one transaction; waits for a free one. Throws RelaySessionError, or UnavailableError once closed. */
  async acquire(): Promise<RelayConnection> {
    for (;;) {
      if (this.closed) throw new UnavailableError('STOPPING', 'Sending is being stopped.');
      const reused = this.takeIdle();
      if (reused) return reused;
      if (this.busy.size + this.opening < this.settings.connections) return this.open();
      await new Promise<void>((resolve) => this.waiting.push(resolve));
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

  private async open(): Promise<RelayConnection> {
    this.opening += 1;
    try {
      const connection = await RelayConnection.open(this.settings);
      this.busy.add(connection);
      connection.onEnd(() => {
        clearTimeout(this.idle.get(connection));
        this.idle.delete(connection);
      });
      return connection;
    } catch (error) {
      this.waiting.shift()?.();
      throw error;
    } finally {
      this.opening -= 1;
    }
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
