/** What the relay announced after EHLO or LHLO, on the connection as it is used (after STARTTLS). */
export interface RelayFeatures {
  readonly encrypted: boolean;
  readonly eightBitMime: boolean;
  readonly smtpUtf8: boolean;
  readonly pipelining: boolean;
  /** Largest message that the relay takes, bytes; null: not announced. */
  readonly sizeLimitBytes: number | null;
}

/** Reads the answer to EHLO or LHLO (RFC 5321 4.1.1.1). */
export function readFeatures(ehlo: string, encrypted: boolean): RelayFeatures {
  const [, size] = /^250[ -]SIZE[ \t]+(\d{1,15})\s*$/im.exec(ehlo) ?? [];
  const has = (keyword: string) => new RegExp(`^250[ -]${keyword}\\s*$`, 'im').test(ehlo);
  return {
    encrypted,
    eightBitMime: has('8BITMIME'),
    smtpUtf8: has('SMTPUTF8'),
    pipelining: has('PIPELINING'),
    // SIZE 0: no fixed limit (RFC 1870 4).
    sizeLimitBytes: Number(size ?? 0) || null,
  };
}
