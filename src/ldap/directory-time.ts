// Windows counts 100 ns steps since 1601-01-01 (MS-DTYP 2.3.3); this many milliseconds lie between that day and 1970-01-01.
const EPOCH_DIFFERENCE_MS = 11_644_473_600_000n;
const NEVER = 0x7fff_ffff_ffff_ffffn;

/** Milliseconds since 1970 of a Windows file time such as accountExpires; null for "never" (0, the largest number) and for what is no number. */
export function fileTimeToMs(value: string): number | null {
  if (!/^\d{1,19}$/.test(value)) return null;
  const ticks = BigInt(value);
  if (ticks === 0n || ticks >= NEVER) return null;
  return Number(ticks / 10_000n - EPOCH_DIFFERENCE_MS);
}

/** The Windows file time of a moment given in milliseconds since 1970. */
export function msToFileTime(ms: number): string {
  return ((BigInt(Math.trunc(ms)) + EPOCH_DIFFERENCE_MS) * 10_000n).toString();
}

/** Milliseconds since 1970 of a generalized time such as `20260131120000.0Z` (RFC 4517, 3.3.13); null for anything else. */
export function generalizedTimeToMs(value: string): number | null {
  const match = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)?(\d\d)?(?:[.,](\d+))?(Z|[+-]\d\d(?:\d\d)?)$/.exec(value);
  if (!match) return null;
  const [, year, month, day, hour, minute = '00', second = '00', fraction = '0', zone = 'Z'] = match;
  const offset = zone === 'Z' ? 'Z' : `${zone.slice(0, 3)}:${zone.slice(3) || '00'}`;
  const ms = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second === '60' ? '59' : second}${offset}`);
  return Number.isNaN(ms) ? null : ms + Math.floor(Number(`0.${fraction}`) * 1000);
}

/** The generalized time of a moment, in whole seconds: `20260131120000Z`. */
export function msToGeneralizedTime(ms: number): string {
  return `${new Date(ms).toISOString().replace(/\D/g, '').slice(0, 14)}Z`;
}
