interface Session {
  readonly peer: string;
  timer: NodeJS.Timeout | undefined;
}

/** The open sessions of the listener: which peer each belongs to, and how long it may take for what it does. */
export class LmtpSessions {
  readonly #sessions = new Map<string, Session>();

  constructor(private readonly timeoutMs: number) {}

  /** How many sessions a peer has. */
  count(peer: string): number {
    let count = 0;
    for (const session of this.#sessions.values()) if (session.peer === peer) count += 1;
    return count;
  }

  /** Remembers the peer as it connected: XFORWARD changes what the session says of itself later. */
  open(id: string, peer: string): void {
    this.#sessions.set(id, { peer, timer: undefined });
  }

  /** The peer of an open session; '' for one that is gone, which is on no list. */
  peerOf(id: string): string {
    return this.#sessions.get(id)?.peer ?? '';
  }

  /** Starts the time for the next step; the idle time-out starts anew with each byte, this one does not. */
  allow(id: string, onLate: () => void): void {
    const session = this.#sessions.get(id);
    if (!session) return;
    clearTimeout(session.timer);
    session.timer = setTimeout(onLate, this.timeoutMs);
    session.timer.unref();
  }

  /** Stops the time: the next step is ours. */
  wait(id: string): void {
    clearTimeout(this.#sessions.get(id)?.timer);
  }

  close(id: string): void {
    this.wait(id);
    this.#sessions.delete(id);
  }
}
