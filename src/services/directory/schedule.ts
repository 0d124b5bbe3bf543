import { Cron } from 'croner';
import { z } from 'zod';
import { BadInputError } from '../../errors.js';

const MINUTE_MS = 60_000;

const time = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/);
const timeZone = z.string().max(64).default('UTC');

const schema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('INTERVAL'), minutes: z.number().int().min(1).max(10_080) }),
  z.strictObject({ kind: z.literal('DAILY'), time, timeZone }),
  z.strictObject({ kind: z.literal('WEEKLY'), weekday: z.number().int().min(1).max(7), time, timeZone }),
  z.strictObject({ kind: z.literal('MONTHLY'), day: z.number().int().min(1).max(31), time, timeZone }),
  z.strictObject({ kind: z.literal('MANUAL') }),
]);

/** When a connection is synchronised (rule L2); weekdays count from Monday = 1 (ISO 8601). */
export type Schedule = z.infer<typeof schema>;

/** Every 30 minutes (rule L2). */
export const DEFAULT_SCHEDULE: Schedule = { kind: 'INTERVAL', minutes: 30 };

const MEANINGS: Readonly<Record<string, string>> = {
  kind: 'must be INTERVAL, DAILY, WEEKLY, MONTHLY or MANUAL',
  minutes: 'must be a whole number of minutes from 1 to 10080',
  weekday: 'must be a day of the week from 1 (Monday) to 7 (Sunday)',
  day: 'must be a day of the month from 1 to 31',
  time: 'must be a time such as 03:30',
  timeZone: 'must be a zone of the IANA database, such as Europe/Berlin',
};

/** Checks a schedule; throws {@link BadInputError} that names the field. */
export function readSchedule(input: unknown): Schedule {
  const result = schema.safeParse(input);
  if (!result.success) {
    const issue = result.error.issues[0];
    const isStrange = issue?.code === 'unrecognized_keys';
    const name = isStrange ? issue.keys[0] : issue?.path[0];
    const field = ['schedule', ...(name === undefined ? [] : [name])].join('.');
    const wrong = isStrange ? 'does not belong to this kind of schedule; leave it out' : MEANINGS[String(name)];
    throw new BadInputError(field, `${field} ${wrong ?? 'must say when, such as { kind: INTERVAL, minutes: 30 }'}.`);
  }
  if ('timeZone' in result.data) requireTimeZone(result.data.timeZone);
  return result.data;
}

function requireTimeZone(name: string): void {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
  } catch {
    throw new BadInputError('schedule.timeZone', `schedule.timeZone ${MEANINGS['timeZone']}.`);
  }
}

function firstOf(
  pattern: string,
  zone: string,
  afterMs: number,
  accepts: (date: Date) => boolean = () => true,
): number {
  const cron = new Cron(pattern, { timezone: zone });
  // Twelve months hold at least one of everything that is asked for.
  for (
    let next = cron.nextRun(new Date(afterMs)), tries = 0;
    next && tries < 24;
    next = cron.nextRun(next), tries += 1
  ) {
    if (accepts(next)) return next.getTime();
  }
  throw new Error(`The pattern ${pattern} never comes.`);
}

/** The next moment after `afterMs` at which a synchronisation is due; null when it is only started by hand. */
export function nextRunAtMs(schedule: Schedule, afterMs: number): number | null {
  if (schedule.kind === 'MANUAL') return null;
  if (schedule.kind === 'INTERVAL') return afterMs + schedule.minutes * MINUTE_MS;
  const [hour, minute] = schedule.time.split(':').map(Number);
  const at = `0 ${minute} ${hour}`;
  const { timeZone: zone } = schedule;
  if (schedule.kind === 'DAILY') return firstOf(`${at} * * *`, zone, afterMs);
  if (schedule.kind === 'WEEKLY') return firstOf(`${at} * * ${schedule.weekday % 7}`, zone, afterMs);
  if (schedule.day <= 28) return firstOf(`${at} ${schedule.day} * *`, zone, afterMs);
  // Months that lack the day have their last day instead.
  const dayOf = (date: Date) => Number(new Intl.DateTimeFormat('en', { day: 'numeric', timeZone: zone }).format(date));
  const lastDay = firstOf(`${at} L * *`, zone, afterMs, (date) => dayOf(date) <= schedule.day);
  return schedule.day === 31 ? lastDay : Math.min(lastDay, firstOf(`${at} ${schedule.day} * *`, zone, afterMs));
}

const FIRST_RETRY_MS = MINUTE_MS;
const LONGEST_RETRY_MS = 60 * MINUTE_MS;

/** When to try again after failures in a row: after 1, 2, 4 … minutes, at most an hour, and not later than the schedule says. */
export function retryAtMs(schedule: Schedule, failures: number, nowMs: number): number {
  const delay = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(16, failures - 1));
  return Math.min(nowMs + delay, nextRunAtMs(schedule, nowMs) ?? Number.POSITIVE_INFINITY);
}
