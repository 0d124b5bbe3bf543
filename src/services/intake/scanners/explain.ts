import { tmpdir } from 'node:os';
import { Readable } from 'node:stream';
import { type IncomingHttpHeaders } from 'node:http';
import { type HandOver } from '../../../entities/vocabulary.js';
import { readAmavisBlock } from './amavis-block.js';
import { HEADER_LIMIT_BYTES, readSmtpMessage } from './amavis-hand-over.js';
import { type RequestSource } from './byte-source.js';
import { looksLikeHttp, parseHttpDump } from './http-dump.js';
import { parseMetadata } from './json-hand-over.js';
import { rspamdHandOver } from './rspamd-hand-over.js';
import { readRspamdMetadata } from './rspamd-metadata.js';
import { type RspamdForm, readRspamdRequest } from './rspamd-request.js';
import { type VerdictMapping } from './verdict-mapping.js';

/** How a captured hand-over would be understood. */
export interface Explanation {
  readonly form: `RSPAMD_${RspamdForm}` | 'RSPAMD_METADATA_ONLY' | 'AMAVIS' | 'PLAIN_MESSAGE';
  readonly handOver: HandOver;
  /** Bytes of the message that would be stored; null when the capture has none. */
  readonly messageBytes: number | null;
  /** Bytes of amavis's block that would be left out. */
  readonly strippedBytes: number;
  /** What was absent or not understood, and what that means. */
  readonly notes: readonly string[];
}

const NOTES: Readonly<Record<string, string>> = {
  from: 'no sender is told: taken as the null sender',
  rcpt: 'no recipients are told: the message would be in global Backup only',
  action: 'no action is told: the mapping\'s "otherAction" is used',
  qid: 'no queue id is told: repeats are recognised by bytes and recipients only',
  symbols: 'no symbols are told: modules have the statuses of "withoutFinding"',
  ip: 'no client address is told',
  score: 'no score is told',
};

const EXPLAIN_LIMITS = {
  messageBytes: Number.MAX_SAFE_INTEGER,
  metadataBytes: 64 * 1024 * 1024,
  memoryBytes: Number.MAX_SAFE_INTEGER,
  temporaryFolder: tmpdir(),
};

function asRequest(headers: IncomingHttpHeaders, body: Buffer): RequestSource {
  return Object.assign(Readable.from(body.length > 0 ? [body] : []), { headers });
}

async function countBytes(source: AsyncIterable<Buffer>): Promise<number> {
  let count = 0;
  for await (const chunk of source) count += chunk.length;
  return count;
}

async function explainRspamd(
  headers: IncomingHttpHeaders,
  body: Buffer,
  mapping: VerdictMapping,
  headerPrefix?: string,
): Promise<Explanation> {
  const limits = headerPrefix === undefined ? EXPLAIN_LIMITS : { ...EXPLAIN_LIMITS, headerPrefix };
  const { form, metadata, message, discard } = await readRspamdRequest(asRequest(headers, body), limits);
  try {
    const messageBytes = await countBytes(message);
    const { action } = metadata;
    const unknownAction = action !== null && !mapping.rspamd.actions.has(action.toLowerCase());
    const notes = metadata.missing.map((field) => `${field}: ${NOTES[field] ?? 'not told'}`);
    if (unknownAction) notes.push(`action: "${action}" is not in the mapping: "otherAction" is used`);
    return {
      form: `RSPAMD_${form}`,
      handOver: rspamdHandOver(metadata, mapping, Date.now()),
      messageBytes,
      strippedBytes: 0,
      notes,
    };
  } finally {
    await discard();
  }
}

function explainMetadata(bytes: Buffer, mapping: VerdictMapping): Explanation {
  const metadata = readRspamdMetadata(parseMetadata(bytes));
  const notes = metadata.missing.map((field) => `${field}: ${NOTES[field] ?? 'not told'}`);
  notes.push('message: there is none, such a hand-over would be refused; the formatter json gives metadata only');
  return {
    form: 'RSPAMD_METADATA_ONLY',
    handOver: rspamdHandOver(metadata, mapping, Date.now()),
    messageBytes: null,
    strippedBytes: 0,
    notes,
  };
}

async function explainMessage(bytes: Buffer, mapping: VerdictMapping): Promise<Explanation> {
  const isAmavis = Boolean(readAmavisBlock(bytes.subarray(0, HEADER_LIMIT_BYTES), bytes.length <= HEADER_LIMIT_BYTES));
  const envelope = { sender: '', recipients: [], senderIp: null, node: null };
  const trust = { amavisBlock: true, spamFields: true };
  const read = await readSmtpMessage(Readable.from([bytes]), envelope, trust, mapping, Date.now());
  const messageBytes = await countBytes(read.message);
  const notes = isAmavis
    ? ['the block is believed only from the peers set as amavis peers']
    : [
        'no leading block of amavis: recipients would come from RCPT TO',
        'X-Spam-* fields are believed only from the peers set for it',
      ];
  return {
    form: isAmavis ? 'AMAVIS' : 'PLAIN_MESSAGE',
    handOver: read.handOver,
    messageBytes,
    strippedBytes: read.strippedBytes,
    notes,
  };
}

/**
 * Tells how a captured hand-over would be understood: a request as on the wire, the body alone (multipart, JSON, MessagePack),
 * or a message as amavis or another filter delivered it. Throws HandOverUnreadableError saying what cannot be read.
 */
export async function explain(bytes: Buffer, mapping: VerdictMapping, headerPrefix?: string): Promise<Explanation> {
  if (looksLikeHttp(bytes)) {
    const { headers, body } = parseHttpDump(bytes);
    return explainRspamd(headers, body, mapping, headerPrefix);
  }
  const start = bytes.toString('latin1', 0, 4096);
  const boundary = /^--([^\r\n]{1,70}?)[ \t]*\r?\n(?:content-)/i.exec(start)?.[1];
  if (boundary !== undefined)
    return explainRspamd({ 'content-type': `multipart/form-data; boundary="${boundary}"` }, bytes, mapping);
  if (/^\s*\{/.test(start)) {
    const hasMessage = /"message"\s*:\s*"/.test(bytes.toString('latin1'));
    return hasMessage
      ? explainRspamd({ 'content-type': 'application/json' }, bytes, mapping)
      : explainMetadata(bytes, mapping);
  }
  const first = bytes[0] ?? 0;
  if ((first & 0xf0) === 0x80 || first === 0xde || first === 0xdf)
    return explainRspamd({ 'content-type': 'application/msgpack' }, bytes, mapping);
  return explainMessage(bytes, mapping);
}

/** Writes an explanation as lines for a terminal. */
export function renderExplanation({ form, handOver, messageBytes, strippedBytes, notes }: Explanation): string {
  const lines = [
    `form          ${form}`,
    `sender        ${handOver.sender ?? '<> (null sender)'}`,
    `client        ${handOver.senderIp ?? 'not told'}`,
    `gateway id    ${handOver.gatewayMessageId ?? 'not told'}`,
    `node          ${handOver.node ?? 'not told'}`,
    `message       ${messageBytes === null ? 'none' : `${messageBytes} bytes`}${strippedBytes > 0 ? `, ${strippedBytes} bytes of header left out` : ''}`,
  ];
  for (const verdict of handOver.verdicts) {
    lines.push(
      '',
      `action        ${verdict.action}`,
      `recipients    ${verdict.recipients.join(', ') || 'none'}`,
      `reason        ${verdict.reason ?? 'none'}`,
    );
    for (const result of verdict.scanResults) {
      const threats = result.threatNames.length > 0 ? ` [${result.threatNames.join(', ')}]` : '';
      const said = result.scannerVerdict === null ? '' : `  "${result.scannerVerdict}"`;
      lines.push(`  ${result.module.padEnd(22)} ${result.status}${threats}${said}`);
    }
  }
  if (notes.length > 0) lines.push('', ...notes.map((note) => `note: ${note}`));
  return `${lines.join('\n')}\n`;
}
