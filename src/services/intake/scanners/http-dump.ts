import { type IncomingHttpHeaders } from 'node:http';
import { HandOverUnreadableError } from './hand-over-errors.js';

/** An HTTP request as it stood on the wire. */
export interface HttpDump {
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

const REQUEST_LINE = /^(?:POST|PUT) \S+ HTTP\/1\.[01]\r?\n/;

/** Whether bytes begin like a captured request. */
export function looksLikeHttp(bytes: Buffer): boolean {
  return REQUEST_LINE.test(bytes.toString('latin1', 0, 2048));
}

/** Splits a captured request into headers and body, undoing chunked transfer (RFC 9112, 7.1). */
export function parseHttpDump(bytes: Buffer): HttpDump {
  const crlf = bytes.indexOf('\r\n\r\n');
  const lf = bytes.indexOf('\n\n');
  const useCrlf = crlf >= 0 && (lf < 0 || crlf < lf);
  const end = useCrlf ? crlf : lf;
  if (end < 0)
    throw new HandOverUnreadableError('headers', 'The captured request has no empty line after its headers.');
  const headers: IncomingHttpHeaders = {};
  const lines = bytes.toString('latin1', 0, end).split(/\r?\n/).slice(1);
  for (const line of lines) {
    const colon = line.indexOf(':');
    if (colon > 0) headers[line.slice(0, colon).trim().toLowerCase()] = line.slice(colon + 1).trim();
  }
  const rest = bytes.subarray(end + (useCrlf ? 4 : 2));
  const chunked = /\bchunked\b/i.test(headers['transfer-encoding'] ?? '');
  return { headers, body: chunked ? joinChunks(rest) : rest };
}

function joinChunks(bytes: Buffer): Buffer {
  const chunks: Buffer[] = [];
  for (let position = 0; ;) {
    const lineEnd = bytes.indexOf('\r\n', position);
    const size = lineEnd < 0 ? NaN : Number.parseInt(bytes.toString('latin1', position, lineEnd), 16);
    if (!(size >= 0)) throw new HandOverUnreadableError('body', 'The chunks of the captured request are damaged.');
    if (size === 0) return Buffer.concat(chunks);
    chunks.push(bytes.subarray(lineEnd + 2, lineEnd + 2 + size));
    position = lineEnd + 2 + size + 2;
  }
}
