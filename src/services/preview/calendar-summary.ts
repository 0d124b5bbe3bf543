import { cleanText } from './plain-text.js';

// Entries of one calendar that are told; stops endless summaries.
const MAX_EVENTS = 20;
const MAX_VALUE_CHARACTERS = 2000;
// Longest calendar that is read; stops long computation.
const MAX_CALENDAR_CHARACTERS = 262_144;

const METHODS: Readonly<Record<string, string>> = {
  REQUEST: 'Invitation',
  CANCEL: 'Cancellation',
  REPLY: 'Answer to an invitation',
  COUNTER: 'Counter-proposal',
  PUBLISH: 'Calendar entry',
};

interface CalendarEvent {
  readonly fields: Map<string, { readonly value: string; readonly parameters: string }>;
  readonly attendees: string[];
}

/** RFC 5545 section 3.3.11. */
function unescapeText(value: string): string {
  return value
    .slice(0, MAX_VALUE_CHARACTERS)
    .replace(/\\([\\;,nN])/g, (_match, letter: string) => (letter.toLowerCase() === 'n' ? '\n' : letter));
}

/** RFC 5545 section 3.3.5: 20261224T180000Z becomes 2026-12-24 18:00 UTC; anything else stays as written. */
function formatTime(value: string, parameters: string): string {
  const time = /^(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)\d\d(Z?))?$/.exec(value.trim());
  if (!time) return value.trim();
  const [, year, month, day, hour, minute, utc] = time;
  const zone = /TZID=([^;:]+)/i.exec(parameters)?.[1]?.replace(/"/g, '');
  const clock = hour ? ` ${hour}:${minute}${utc ? ' UTC' : zone ? ` (${zone})` : ''}` : '';
  return `${year}-${month}-${day}${clock}`;
}

function formatPerson(value: string, parameters: string): string {
  const address = value.trim().replace(/^mailto:/i, '');
  const name = /(?:^|;)CN=("[^"]*"|[^;:]*)/i.exec(parameters)?.[1]?.replace(/"/g, '').trim();
  return name && name !== address ? `${name} <${address}>` : address;
}

function describeEvent({ fields, attendees }: CalendarEvent): string[] {
  const lines: string[] = [];
  const add = (label: string, name: string, read: (value: string, parameters: string) => string) => {
    const field = fields.get(name);
    const text = field ? read(field.value, field.parameters) : '';
    if (text.trim()) lines.push(`${label}: ${text.trim()}`);
  };
  add('What', 'SUMMARY', unescapeText);
  add('From', 'DTSTART', formatTime);
  add('To', 'DTEND', formatTime);
  add('Repeats', 'RRULE', (value) => value);
  add('Where', 'LOCATION', unescapeText);
  add('Organizer', 'ORGANIZER', formatPerson);
  if (attendees.length > 0) lines.push(`Attendees: ${attendees.join(', ')}`);
  add('Description', 'DESCRIPTION', unescapeText);
  return lines;
}

/** A calendar part (RFC 5545) in words: what, when, where, who. */
export function summariseCalendar(source: string): string {
  const lines = cleanText(source)
    .slice(0, MAX_CALENDAR_CHARACTERS)
    .replace(/\n[ \t]/g, '')
    .split('\n');
  let method = 'PUBLISH';
  const events: CalendarEvent[] = [];
  const open: string[] = [];
  for (const line of lines) {
    // The value starts at the first colon outside quotation marks.
    const parsed = /^([\w-]+)((?:;[^:";]*(?:"[^"]*"[^:";]*)*)*):(.*)$/.exec(line);
    if (!parsed?.[1]) continue;
    const name = parsed[1].toUpperCase();
    const value = parsed[3] ?? '';
    const parameters = parsed[2] ?? '';
    if (name === 'BEGIN') {
      open.push(value.toUpperCase());
      if (/^V(EVENT|TODO)$/i.test(value) && events.length < MAX_EVENTS)
        events.push({ fields: new Map(), attendees: [] });
    } else if (name === 'END') open.pop();
    else if (name === 'METHOD') method = value.trim().toUpperCase();
    else if (/^V(EVENT|TODO)$/.test(open.at(-1) ?? '')) {
      const event = events.at(-1);
      if (name === 'ATTENDEE' && event && event.attendees.length < 50)
        event.attendees.push(formatPerson(value, parameters));
      else if (event && !event.fields.has(name)) event.fields.set(name, { value, parameters });
    }
  }
  return [METHODS[method] ?? 'Calendar entry', ...events.map((event) => describeEvent(event).join('\n'))].join('\n');
}
