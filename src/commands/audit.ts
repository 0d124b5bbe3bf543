import { parseArgs } from 'node:util';
import { AuditEntries } from '../services/audit/audit-entries.js';
import { AuditEvent } from '../services/audit/audit-log.js';
import { type Command, UsageError } from './command.js';
import { withServices } from './with-services.js';

function readDate(option: string, text: string | undefined): Date | null {
  if (text === undefined) return null;
  const date = new Date(text);
  if (Number.isNaN(date.getTime()))
    throw new UsageError(`${option} must be a date or a moment, such as 2026-01-31 or 2026-01-31T08:15:00Z.`);
  return date;
}

function readEvent(text: string | undefined): AuditEvent | null {
  if (text === undefined) return null;
  if (!Object.hasOwn(AuditEvent, text))
    throw new UsageError(`--event must be one of ${Object.keys(AuditEvent).join(', ')}.`);
  return text as AuditEvent;
}

/** Writes the audit log to standard output. */
export const audit: Command = {
  usage: 'audit export',
  summary: 'Prints the audit log as JSON lines, newest first.',
  options: [
    '--from MOMENT   only from then on',
    '--to MOMENT     only until then',
    '--event EVENT   only this event, such as SEND_RESULT',
    '--actor ACTOR   only what this one did, such as person:anna',
  ],
  async run(arguments_, surroundings) {
    const { values, positionals } = parseArgs({
      args: [...arguments_],
      allowPositionals: true,
      options: {
        from: { type: 'string' },
        to: { type: 'string' },
        event: { type: 'string' },
        actor: { type: 'string' },
      },
    });
    if (positionals.join(' ') !== 'export') throw new UsageError('audit knows one thing to do: audit export.');
    const filter = {
      from: readDate('--from', values.from),
      to: readDate('--to', values.to),
      event: readEvent(values.event),
      actor: values.actor ?? null,
    };
    await withServices(surroundings, async (_services, database) => {
      for await (const { id, atMs, details, ...entry } of new AuditEntries(database).all(filter))
        surroundings.print(
          JSON.stringify({ id, at: new Date(atMs).toISOString(), ...entry, details: JSON.parse(details) as unknown }),
        );
    });
  },
};
