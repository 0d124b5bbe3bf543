import type { Entry } from 'ldapts';

const RANGE = /^(?<name>[^;]+);range=\d+-(?<high>\d+|\*)$/i;

/** One entry as it came from a directory, read by attribute names without regard to case. */
export class RawEntry {
  readonly dn: string;
  private readonly attributes = new Map<string, readonly (string | Buffer)[]>();
  private readonly ranges = new Map<string, number>();

  constructor(entry: Entry) {
    this.dn = entry.dn;
    for (const key in entry) {
      const value = entry[key] as string | Buffer | string[] | Buffer[];
      // Attributes that were asked for and are absent come as empty lists, as does the plain name beside a range.
      if (key === 'dn' || (Array.isArray(value) && value.length === 0)) continue;
      const values: readonly (string | Buffer)[] = Array.isArray(value) ? value : [value];
      const range = key.includes(';') ? RANGE.exec(key)?.groups : undefined;
      const name = (range?.name ?? key).toLowerCase();
      if (range && range.high !== '*') this.ranges.set(name, Number(range.high) + 1);
      this.attributes.set(name, values);
    }
  }

  /** The values of an attribute as text. */
  texts(name: string): string[] {
    return (this.attributes.get(name.toLowerCase()) ?? []).map((value) => value.toString());
  }

  /** The first value as text; the empty string where there is none. */
  text(name: string): string {
    return this.attributes.get(name.toLowerCase())?.[0]?.toString() ?? '';
  }

  /** The first value as octets, undamaged only when the attribute was asked for as octets. */
  octets(name: string): Buffer | undefined {
    const value = this.attributes.get(name.toLowerCase())?.[0];
    return typeof value === 'string' ? Buffer.from(value, 'utf8') : value;
  }

  /** Where the next piece of a large attribute starts; undefined when all values are here (MS-ADTS 3.1.1.3.1.3.3). */
  nextRangeStart(name: string): number | undefined {
    return this.ranges.get(name.toLowerCase());
  }

  /** Takes the next piece of a large attribute in. */
  extend(name: string, piece: RawEntry): void {
    const lower = name.toLowerCase();
    this.attributes.set(lower, [...(this.attributes.get(lower) ?? []), ...(piece.attributes.get(lower) ?? [])]);
    const next = piece.ranges.get(lower);
    if (next === undefined) this.ranges.delete(lower);
    else this.ranges.set(lower, next);
  }
}
