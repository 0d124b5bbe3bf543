import { parseArgs } from 'node:util';
import { GatewayAction, Module, MODULE_STATUSES, ScanStatus, type Verdict } from '../entities/vocabulary.js';
import { envelopeFromHeaders, readHeaderFields } from '../services/intake/import/envelope-from-headers.js';
import { ImportProgress } from '../services/intake/import/import-progress.js';
import { type ImportedMessage, measureMessages, readMessages } from '../services/intake/import/read-messages.js';
import type { HandOver } from '../entities/vocabulary.js';
import type { Intake } from '../services/intake/intake.js';
import { type Command, UsageError } from './command.js';
import { withServices } from './with-services.js';

/** What holds for messages that do not say it themselves. */
export interface ImportDefaults {
  /** Recipients of every message; without them the header fields are read. */
  readonly recipients: readonly string[];
  readonly action: GatewayAction;
  readonly module: Module | null;
  readonly status: ScanStatus | null;
}

/** How an import went. */
export interface ImportSummary {
  stored: number;
  present: number;
  withoutRecipients: number;
  fromToAndCc: number;
  failed: { origin: string; reason: string }[];
  skipped: { path: string; reason: string }[];
}

function receivedAtMs(fields: readonly { name: string; raw: string }[]): number {
  const received = fields.find(({ name }) => name.toLowerCase() === 'received')?.raw;
  const date = fields.find(({ name }) => name.toLowerCase() === 'date')?.raw;
  for (const text of [received?.slice(received.lastIndexOf(';') + 1), date]) {
    const time = text ? Date.parse(text.replace(/\([^)]*\)/g, '').trim()) : Number.NaN;
    // A sender can write any date; one in the future would stay on top of every list.
    if (time > 0 && time <= Date.now()) return time;
  }
  return Date.now();
}

async function handOverOf(
  message: ImportedMessage,
  defaults: ImportDefaults,
  summary: ImportSummary,
): Promise<HandOver> {
  const fields = await readHeaderFields(message.open());
  const envelope = envelopeFromHeaders(fields, message.separatorSender);
  const recipients = defaults.recipients.length > 0 ? defaults.recipients : envelope.recipients;
  if (recipients.length === 0) summary.withoutRecipients += 1;
  else if (defaults.recipients.length === 0 && envelope.recipientsFrom === 'To/Cc') summary.fromToAndCc += 1;
  const verdict: Verdict = {
    ruleName: '',
    action: defaults.action,
    scanResults:
      defaults.module && defaults.status
        ? [{ module: defaults.module, status: defaults.status, scannerVerdict: null, threatNames: [] }]
        : [],
    reason: null,
    recipients,
  };
  return {
    sender: envelope.sender,
    senderIp: null,
    gatewayMessageId: null,
    node: null,
    receivedAtMs: receivedAtMs(fields),
    verdicts: [verdict],
  };
}

/** Imports messages from files, folders, mbox files and Maildirs; one that fails is counted and the next one follows. */
export async function importMessages(
  intake: Intake,
  paths: readonly string[],
  defaults: ImportDefaults,
  onMessage: (message: ImportedMessage) => void = () => undefined,
): Promise<ImportSummary> {
  const summary: ImportSummary = {
    stored: 0,
    present: 0,
    withoutRecipients: 0,
    fromToAndCc: 0,
    failed: [],
    skipped: [],
  };
  const messages = readMessages(paths, { onSkipped: (skipped) => summary.skipped.push(skipped) });
  for await (const message of messages) {
    try {
      const { created } = await intake.receive(await handOverOf(message, defaults, summary), message.open(), 'import');
      if (created) summary.stored += 1;
      else summary.present += 1;
    } catch (error) {
      summary.failed.push({ origin: message.origin, reason: error instanceof Error ? error.message : String(error) });
    }
    onMessage(message);
  }
  return summary;
}

function readEnum<Value extends string>(type: Readonly<Record<string, Value>>, option: string, text: string): Value {
  const value = Object.hasOwn(type, text) ? type[text] : undefined;
  if (value === undefined) throw new UsageError(`${option} must be one of ${Object.values(type).join(', ')}.`);
  return value;
}

/** Imports stored mail. */
export const importCommand: Command = {
  usage: 'import PATH…',
  summary:
    'Imports .eml files, mbox files, Maildirs, and folders of them; a second import of the same files stores nothing.',
  options: [
    '--to ADDRESS    envelope recipient of every message; may be repeated. Without it: Delivered-To, X-Envelope-To, X-Original-To, else To and Cc',
    '--action ACTION what the gateway did: DELETE_MESSAGE (default), DELETE_ATTACHMENT, DISINFECT, REJECT, SKIP',
    '--module MODULE what detected something, such as ANTI_SPAM; with --status',
    '--status STATUS what it found, such as SPAM; with --module',
  ],
  async run(arguments_, surroundings) {
    const { values, positionals } = parseArgs({
      args: [...arguments_],
      allowPositionals: true,
      options: {
        to: { type: 'string', multiple: true, default: [] },
        action: { type: 'string', default: GatewayAction.DELETE_MESSAGE },
        module: { type: 'string' },
        status: { type: 'string' },
      },
    });
    if (positionals.length === 0) throw new UsageError('import needs at least one path.');
    const wrong = values.to.find((address) => !/^[^\s@<>]+@[^\s@<>]+$/.test(address));
    if (wrong !== undefined) throw new UsageError(`--to ${wrong} is no mail address.`);
    const module = values.module === undefined ? null : readEnum(Module, '--module', values.module);
    const status = values.status === undefined ? null : readEnum(ScanStatus, '--status', values.status);
    if ((module === null) !== (status === null)) throw new UsageError('--module and --status go together.');
    if (module && status && !MODULE_STATUSES[module].includes(status))
      throw new UsageError(`--status must be one of ${MODULE_STATUSES[module].join(', ')} for ${module}.`);
    const defaults = {
      recipients: values.to,
      action: readEnum(GatewayAction, '--action', values.action),
      module,
      status,
    };
    const { bytes } = await measureMessages(positionals);
    const progress = new ImportProgress(process.stderr, bytes);
    const summary = await withServices(surroundings, ({ intake }) =>
      importMessages(intake, positionals, defaults, (message) => progress.advance(message.sizeBytes)),
    );
    progress.finish();
    for (const { path, reason } of summary.skipped) surroundings.print(`skipped ${path}: ${reason}`);
    for (const { origin, reason } of summary.failed) surroundings.print(`failed  ${origin}: ${reason}`);
    surroundings.print(
      `${summary.stored} stored, ${summary.present} already there, ${summary.failed.length} failed, ${summary.skipped.length} files skipped.`,
    );
    if (summary.fromToAndCc > 0)
      surroundings.print(
        `${summary.fromToAndCc} messages named no envelope recipient: To and Cc were taken instead, which may miss or invent recipients.`,
      );
    if (summary.withoutRecipients > 0)
      surroundings.print(
        `${summary.withoutRecipients} messages have no recipient at all: only administrators see them. Give --to.`,
      );
    // A path that the operator named and that is not there is a mistake to hear of; what folders hold besides mail is not.
    const missed = summary.skipped.some(({ path, reason }) => positionals.includes(path) && reason !== 'EMPTY');
    return summary.failed.length > 0 || missed ? 1 : 0;
  },
};
