import { nextRunAtMs, readSchedule, retryAtMs, type Schedule } from '../../src/services/directory/schedule.js';

const at = (time: string) => Date.parse(time);
const MINUTE_MS = 60_000;

describe('When a connection is synchronised (rule L2)', () => {
  it.each<[string, Schedule, string, string]>([
    ['every 30 minutes', { kind: 'INTERVAL', minutes: 30 }, '2026-01-31T23:45:00Z', '2026-02-01T00:15:00Z'],
    ['later today', { kind: 'DAILY', time: '03:30', timeZone: 'UTC' }, '2026-05-05T03:29:59Z', '2026-05-05T03:30:00Z'],
    ['tomorrow', { kind: 'DAILY', time: '03:30', timeZone: 'UTC' }, '2026-05-05T03:30:00Z', '2026-05-06T03:30:00Z'],
    [
      'by the clock of a place',
      { kind: 'DAILY', time: '03:30', timeZone: 'Europe/Berlin' },
      '2026-01-05T00:00:00Z',
      '2026-01-05T02:30:00Z',
    ],
    [
      'by its summer clock',
      { kind: 'DAILY', time: '03:30', timeZone: 'Europe/Berlin' },
      '2026-07-05T00:00:00Z',
      '2026-07-05T01:30:00Z',
    ],
    // 2026-03-29: the clock goes from 02:00 to 03:00, so there is no 02:30.
    [
      'a time that the clock skips, as soon as it has skipped it',
      { kind: 'DAILY', time: '02:30', timeZone: 'Europe/Berlin' },
      '2026-03-28T12:00:00Z',
      '2026-03-29T01:00:00Z',
    ],
    [
      'the day after that, at its time',
      { kind: 'DAILY', time: '02:30', timeZone: 'Europe/Berlin' },
      '2026-03-29T01:00:00Z',
      '2026-03-30T00:30:00Z',
    ],
    // 2026-10-25: the clock goes from 03:00 to 02:00, so there are two 02:30.
    [
      'a time that comes twice, the first time',
      { kind: 'DAILY', time: '02:30', timeZone: 'Europe/Berlin' },
      '2026-10-24T12:00:00Z',
      '2026-10-25T00:30:00Z',
    ],
    [
      'and not the second time',
      { kind: 'DAILY', time: '02:30', timeZone: 'Europe/Berlin' },
      '2026-10-25T00:30:00Z',
      '2026-10-26T01:30:00Z',
    ],
    [
      'on Sunday, the seventh day',
      { kind: 'WEEKLY', weekday: 7, time: '00:00', timeZone: 'UTC' },
      '2026-05-05T10:00:00Z',
      '2026-05-10T00:00:00Z',
    ],
    [
      'on Monday, the first',
      { kind: 'WEEKLY', weekday: 1, time: '00:00', timeZone: 'UTC' },
      '2026-05-11T00:00:00Z',
      '2026-05-18T00:00:00Z',
    ],
    [
      'on Saturday',
      { kind: 'WEEKLY', weekday: 6, time: '23:59', timeZone: 'Asia/Tokyo' },
      '2026-05-05T00:00:00Z',
      '2026-05-09T14:59:00Z',
    ],
    [
      'on the first',
      { kind: 'MONTHLY', day: 1, time: '04:00', timeZone: 'UTC' },
      '2026-12-01T04:00:00Z',
      '2027-01-01T04:00:00Z',
    ],
    [
      'on the 28th of February',
      { kind: 'MONTHLY', day: 28, time: '04:00', timeZone: 'UTC' },
      '2026-02-01T00:00:00Z',
      '2026-02-28T04:00:00Z',
    ],
    [
      'the 29th, on the last day of a short February',
      { kind: 'MONTHLY', day: 29, time: '04:00', timeZone: 'UTC' },
      '2026-02-01T00:00:00Z',
      '2026-02-28T04:00:00Z',
    ],
    [
      'the 29th in a leap year',
      { kind: 'MONTHLY', day: 29, time: '04:00', timeZone: 'UTC' },
      '2028-02-01T00:00:00Z',
      '2028-02-29T04:00:00Z',
    ],
    [
      'the 30th in a leap year, on the last day',
      { kind: 'MONTHLY', day: 30, time: '04:00', timeZone: 'UTC' },
      '2028-02-01T00:00:00Z',
      '2028-02-29T04:00:00Z',
    ],
    [
      'the 30th in January, which has 31 days',
      { kind: 'MONTHLY', day: 30, time: '04:00', timeZone: 'UTC' },
      '2026-01-01T00:00:00Z',
      '2026-01-30T04:00:00Z',
    ],
    [
      'the 30th of January is not followed by its 31st',
      { kind: 'MONTHLY', day: 30, time: '04:00', timeZone: 'UTC' },
      '2026-01-30T04:00:00Z',
      '2026-02-28T04:00:00Z',
    ],
    [
      'the 31st in April, on the 30th',
      { kind: 'MONTHLY', day: 31, time: '04:00', timeZone: 'UTC' },
      '2026-04-01T00:00:00Z',
      '2026-04-30T04:00:00Z',
    ],
    [
      'the 31st over the end of a year',
      { kind: 'MONTHLY', day: 31, time: '04:00', timeZone: 'UTC' },
      '2026-12-31T04:00:00Z',
      '2027-01-31T04:00:00Z',
    ],
    [
      'the 31st where the day begins earlier',
      { kind: 'MONTHLY', day: 31, time: '01:00', timeZone: 'Pacific/Auckland' },
      '2026-02-01T00:00:00Z',
      '2026-02-27T12:00:00Z',
    ],
  ])('%s', (_title, schedule, after, expected) => {
    expect(new Date(nextRunAtMs(schedule, at(after)) ?? 0).toISOString()).toBe(new Date(expected).toISOString());
  });

  it('never comes by itself when it is started by hand', () => {
    expect(nextRunAtMs({ kind: 'MANUAL' }, 0)).toBeNull();
  });

  it('every month has exactly one run, for thirty years, whatever the day', () => {
    for (const day of [29, 30, 31]) {
      let moment = at('2026-01-01T00:00:00Z');
      for (let month = 0; month < 360; month += 1) {
        moment = nextRunAtMs({ kind: 'MONTHLY', day, time: '12:00', timeZone: 'UTC' }, moment) ?? 0;
        const date = new Date(moment);
        expect(date.getUTCFullYear() * 12 + date.getUTCMonth()).toBe(2026 * 12 + month);
        const lastDay = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0)).getUTCDate();
        expect(date.getUTCDate()).toBe(Math.min(day, lastDay));
      }
    }
  });

  it.each<[Schedule, number, number]>([
    [{ kind: 'INTERVAL', minutes: 30 }, 1, 1],
    [{ kind: 'INTERVAL', minutes: 30 }, 2, 2],
    [{ kind: 'INTERVAL', minutes: 30 }, 5, 16],
    [{ kind: 'INTERVAL', minutes: 30 }, 6, 30],
    [{ kind: 'INTERVAL', minutes: 10_080 }, 500, 60],
    [{ kind: 'DAILY', time: '00:05', timeZone: 'UTC' }, 9, 5],
    [{ kind: 'MANUAL' }, 3, 4],
  ])('L3: after %j and failure %i the next try is %i minutes away', (schedule, failures, minutes) => {
    expect(retryAtMs(schedule, failures, 0)).toBe(minutes * MINUTE_MS);
  });

  it.each([
    [{ kind: 'HOURLY' }, 'schedule.kind', 'MONTHLY'],
    [{ kind: 'DAILY', time: '3:30', timeZone: 'UTC' }, 'schedule.time', 'such as 03:30'],
    [{ kind: 'DAILY' }, 'schedule.time', 'such as 03:30'],
    [{ kind: 'MONTHLY', day: 32, time: '03:30' }, 'schedule.day', '1 to 31'],
    [{ kind: 'WEEKLY', weekday: 0, time: '03:30' }, 'schedule.weekday', '1 (Monday) to 7 (Sunday)'],
    [{ kind: 'INTERVAL', minutes: 1.5 }, 'schedule.minutes', '1 to 10080'],
    [{ kind: 'INTERVAL' }, 'schedule.minutes', '1 to 10080'],
    [{ kind: 'WEEKLY', weekday: 1, time: '03:30', timeZone: 'Nowhere/City' }, 'schedule.timeZone', 'Europe/Berlin'],
    [{ kind: 'MANUAL', minutes: 5 }, 'schedule.minutes', 'leave it out'],
    [null, 'schedule', 'kind'],
  ])('refuses %j, names %s and says what it must be', (schedule, field, wayOut) => {
    expect(() => readSchedule(schedule)).toThrow(
      expect.objectContaining({ details: { field }, message: expect.stringContaining(wayOut) as string }),
    );
  });
});
