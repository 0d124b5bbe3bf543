import { type IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';
import { mailboxKey } from '../../../entities/mailbox-key.js';
import { HandOverUnreadableError } from './hand-over-errors.js';
import { bareAddress, headerText, oneLine, splitAddresses } from './scanner-text.js';

/** A symbol of rspamd's result. */
export interface RspamdSymbol {
  readonly name: string;
  readonly score: number;
  readonly groups: readonly string[];
  readonly options: readonly string[];
}

/** What rspamd's metadata exporter says of a message, whichever formatter wrote it; null where it says nothing or "unknown". */
export interface RspamdMetadata {
  /** SMTP sender; null is the null sender, or unknown (see {@link missing}). */
  readonly sender: string | null;
  readonly senderIp: string | null;
  readonly queueId: string | null;
  readonly user: string | null;
  readonly recipients: readonly string[];
  readonly action: string | null;
  readonly score: number | null;
  readonly symbols: readonly RspamdSymbol[];
  readonly server: string | null;
  /** Size that rspamd saw, bytes; told since 3.5. */
  readonly sizeBytes: number | null;
  /** Fields that were absent, "unknown" or unreadable, for counting and `cli explain`. */
  readonly missing: readonly string[];
}

// A list beyond this is not from a mail server (RFC 5321, 4.5.3.1.8 asks for 100); each recipient becomes a row. The same
// as for POST /intake/message.
const MAX_RECIPIENTS = 50_000;
const MAX_SYMBOLS = 2_000;

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A value as a list: empty Lua tables come as {} or [], lists of one as the bare value. */
function listOf(value: unknown): unknown[] {
  if (Array.isArray(value)) return value as unknown[];
  // A Lua table with gaps is written as an object with numbers for keys.
  if (isRecord(value)) return Object.values(value);
  return value === undefined || value === null || value === '' ? [] : [value];
}

function textIn(value: unknown): string | null {
  const first = Array.isArray(value) ? (value as unknown[])[0] : value;
  if (typeof first === 'number') return String(first);
  return typeof first === 'string' ? oneLine(first) : null;
}

/** The literal word "unknown" is how the exporter says that it has no value. */
function knownText(value: unknown): string | null {
  const text = textIn(value);
  return text === null || text === '' || text === 'unknown' ? null : text;
}

function numberIn(value: unknown): number | null {
  const text = textIn(value);
  const parsed = text === null || text === '' ? NaN : Number(text);
  return Number.isFinite(parsed) ? parsed : null;
}

/** A value that may itself be JSON text, as all tables are in the header form. */
function unwrapped(value: unknown): unknown {
  if (typeof value !== 'string' || !/^\s*[[{]/.test(value)) return value;
  // A header field that came several times reads as one list of tables (RFC 9110, 5.3).
  for (const text of [value, `[${value}]`]) {
    try {
      const parsed = JSON.parse(text) as unknown;
      return text === value ? parsed : (parsed as unknown[]).flat();
    } catch {
      // An address such as [a]@b is no JSON; whoever asked decides what the bare text means.
    }
  }
  return value;
}

function recipientsIn(value: unknown): string[] {
  const items = listOf(unwrapped(value)).flatMap((item) => {
    if (isRecord(item)) return typeof item['addr'] === 'string' ? [item['addr']] : [];
    return typeof item === 'string' ? [item] : [];
  });
  const addresses =
    items.length === 1 && typeof value === 'string' ? splitAddresses(items[0] ?? '') : items.map(bareAddress);
  const byMailbox = new Map<string, string>();
  for (const address of addresses) {
    if (address === '' || address === 'unknown') continue;
    const key = mailboxKey(address);
    if (!byMailbox.has(key)) byMailbox.set(key, address);
  }
  if (byMailbox.size > MAX_RECIPIENTS) {
    throw new HandOverUnreadableError('rcpt', `The hand-over names more than ${MAX_RECIPIENTS} recipients.`);
  }
  return [...byMailbox.values()];
}

function symbolOf(item: unknown, key?: string): RspamdSymbol | null {
  if (typeof item === 'string') return { name: oneLine(item), score: 0, groups: [], options: [] };
  if (!isRecord(item)) return null;
  const name = knownText(item['name']) ?? key ?? null;
  if (name === null) return null;
  const [group] = stringsIn(item['group']);
  const groups = stringsIn(item['groups']);
  return {
    name,
    score: typeof item['score'] === 'number' ? item['score'] : (numberIn(item['score']) ?? 0),
    groups: group === undefined || groups.includes(group) ? groups : [group, ...groups],
    options: stringsIn(item['options']),
  };
}

function stringsIn(value: unknown): string[] {
  if (value === undefined) return [];
  if (typeof value === 'string') return value === '' ? [] : [value];
  return listOf(value)
    .filter((entry) => typeof entry === 'string' || typeof entry === 'number')
    .map(String);
}

function symbolsIn(value: unknown): RspamdSymbol[] {
  const unpacked = unwrapped(value);
  const found = isRecord(unpacked)
    ? Object.entries(unpacked).map(([key, item]) => symbolOf(item, key))
    : listOf(unpacked).map((item) => (item === 'unknown' ? null : symbolOf(item)));
  return found.filter((symbol) => symbol !== null).slice(0, MAX_SYMBOLS);
}

/** Reads the metadata object of the formatters json_with_message, multipart and msgpack; never refuses a field it does not understand. */
export function readRspamdMetadata(fields: Readonly<Record<string, unknown>>): RspamdMetadata {
  const from = textIn(fields['from']);
  const ip = knownText(fields['ip']);
  const metadata = {
    sender: from === null || from === 'unknown' ? null : bareAddress(from) || null,
    senderIp: ip !== null && isIP(ip) !== 0 ? ip : null,
    queueId: knownText(fields['qid']),
    user: knownText(fields['user']),
    recipients: recipientsIn(fields['rcpt']),
    action: knownText(fields['action']),
    score: numberIn(fields['score']),
    symbols: symbolsIn(fields['symbols']),
    server: knownText(fields['rspamd_server']),
    sizeBytes: numberIn(fields['size']),
  };
  const missing = [
    from === null || from === 'unknown' ? 'from' : '',
    metadata.senderIp === null ? 'ip' : '',
    metadata.queueId === null ? 'qid' : '',
    metadata.recipients.length === 0 ? 'rcpt' : '',
    metadata.action === null ? 'action' : '',
    metadata.score === null ? 'score' : '',
    metadata.symbols.length === 0 ? 'symbols' : '',
  ].filter(Boolean);
  return { ...metadata, missing };
}

/** Prefix of the header form unless the exporter's rule sets `meta_header_prefix`. */
export const RSPAMD_HEADER_PREFIX = 'X-Rspamd-';

/** Collects the fields of the header form; undefined when no header has the prefix. */
export function rspamdHeaderFields(
  headers: IncomingHttpHeaders,
  prefix = RSPAMD_HEADER_PREFIX,
): Record<string, unknown> | undefined {
  const start = prefix.toLowerCase();
  const fields: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (!name.startsWith(start) || value === undefined) continue;
    const field = name.slice(start.length);
    const text = headerText(Array.isArray(value) ? value.join(', ') : value);
    fields[field] = text;
    // Some proxies drop names with underscores, others turn them into hyphens; both spellings mean the same field.
    fields[field.replace(/-/g, '_')] ??= text;
  }
  return Object.keys(fields).length > 0 ? fields : undefined;
}
