/** How the LMTP or SMTP listener listens and whom it believes. */
export interface LmtpListenerSettings {
  readonly protocol: 'LMTP' | 'SMTP';
  /** A loopback address with a port (0 takes a free one), or a Unix socket; anything wider needs TLS and a list of peers. */
  readonly listen:
    { readonly host: string; readonly port: number } | { readonly socketPath: string; readonly socketMode?: number };
  /** Name in the greeting. */
  readonly name: string;
  /** Who may connect: addresses, networks, "unix". */
  readonly allowedPeers: readonly string[];
  /** Of those, whose leading amavis block is believed; default: all of them. */
  readonly amavisPeers?: readonly string[];
  /** Of those, whose X-Spam-* fields are believed in plain copies; default: none. */
  readonly spamHeaderPeers?: readonly string[];
  /** PEM of key and certificate: offers STARTTLS, or starts with TLS when `implicit`; absent: no TLS. */
  readonly tls?: {
    readonly key: string;
    readonly cert: string;
    readonly implicit?: boolean;
    /** Refuses mail before STARTTLS; default: on any address but a loopback one. */
    readonly required?: boolean;
  };
  /** Largest message, bytes; announced as SIZE, larger ones get 552 5.3.4. */
  readonly messageBytes: number;
  /** Most connections at once; more get 421. */
  readonly maxClients: number;
  /** Most connections of one peer at once; more get 421. */
  readonly maxClientsPerPeer: number;
  /** Messages per second that one peer may hand over; more get 451. */
  readonly messagesPerSecondPerPeer: number;
  /** Most recipients of one message; more get 452, and the peer sends the rest in another one. */
  readonly maxRecipients: number;
  /** How long a peer may be silent, ms; stops connections that are held open for nothing. */
  readonly idleTimeoutMs: number;
  /** How long one message may take to arrive, ms; stops a peer that sends a byte now and then. */
  readonly transferTimeoutMs: number;
  /** How long running transfers have at a stop, ms. */
  readonly stopTimeoutMs: number;
}

/** Settings that suit a scanner on the same machine; where to listen is up to the caller, since the listener is off by default. */
export const LMTP_DEFAULTS: Omit<LmtpListenerSettings, 'listen' | 'messageBytes'> = {
  protocol: 'LMTP',
  name: 'mailkeep',
  allowedPeers: ['127.0.0.1', '::1', 'unix'],
  maxClients: 100,
  maxClientsPerPeer: 50,
  messagesPerSecondPerPeer: 5_000,
  maxRecipients: 10_000,
  idleTimeoutMs: 60_000,
  transferTimeoutMs: 10 * 60_000,
  stopTimeoutMs: 10_000,
};
