// A list of peers is short; the bound stops a map that grows with addresses of a wide network.
const MAX_PEERS = 10_000;

interface Bucket {
  tokens: number;
  filledAtMs: number;
}

/** Limits how many messages each peer hands over: a bucket that fills steadily and holds one second's worth, at least ten. */
export class PeerRate {
  readonly #buckets = new Map<string, Bucket>();
  readonly #capacity: number;

  constructor(
    private readonly perSecond: number,
    private readonly now: () => number = Date.now,
  ) {
    this.#capacity = Math.max(10, perSecond);
  }

  /** Takes one from a peer's bucket; false when it is empty, and the peer should come back later. */
  take(peer: string): boolean {
    const nowMs = this.now();
    const bucket = this.#buckets.get(peer) ?? { tokens: this.#capacity, filledAtMs: nowMs };
    bucket.tokens = Math.min(
      this.#capacity,
      bucket.tokens + (Math.max(0, nowMs - bucket.filledAtMs) / 1000) * this.perSecond,
    );
    bucket.filledAtMs = nowMs;
    if (!this.#buckets.has(peer) && this.#buckets.size >= MAX_PEERS) this.#buckets.clear();
    this.#buckets.set(peer, bucket);
    if (bucket.tokens < 1) return false;
    bucket.tokens -= 1;
    return true;
  }
}
