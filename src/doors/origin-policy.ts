import type { IncomingMessage } from 'node:http';

/** Decides which web pages may use a session cookie: our own origin and those that the configuration lists. */
export class OriginPolicy {
  readonly #allowed: ReadonlySet<string>;

  constructor(publicUrl: string, allowedOrigins: readonly string[]) {
    const own = publicUrl ? [new URL(publicUrl).origin] : [];
    this.#allowed = new Set([...own, ...allowedOrigins.map((origin) => origin.replace(/\/$/, ''))]);
  }

  /** Whether the origin is on the list, so that CORS headers may be sent to it. */
  isListed(origin: string): boolean {
    return this.#allowed.has(origin);
  }

  /** Whether a request may be served: it comes from no page at all, from our own, or from a listed one (RFC 6454). */
  allows(request: IncomingMessage): boolean {
    const { origin, host } = request.headers;
    if (origin === undefined || this.#allowed.has(origin)) return true;
    return host !== undefined && (origin === `http://${host}` || origin === `https://${host}`);
  }
}
