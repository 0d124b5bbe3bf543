import { setTimeout as wait } from 'node:timers/promises';

const LOOK_MS = 10;

/** Looks until a condition holds, for what nothing tells of; fails after `limitMs` with what was awaited and seen last. */
export async function until<Seen>(
  what: string,
  look: () => Seen | Promise<Seen>,
  holds: (seen: Seen) => boolean = Boolean,
  limitMs = 4_000,
): Promise<Seen> {
  const end = Date.now() + limitMs;
  for (;;) {
    const seen = await look();
    if (holds(seen)) return seen;
    if (Date.now() > end) throw new Error(`Waited in vain until ${what}; seen last: ${JSON.stringify(seen)}`);
    await wait(LOOK_MS);
  }
}
