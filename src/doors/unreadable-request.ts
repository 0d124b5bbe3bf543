import type { Duplex } from 'node:stream';

const REASONS: Readonly<Record<string, readonly [status: string, code: string, message: string]>> = {
  HPE_HEADER_OVERFLOW: [
    '431 Request Header Fields Too Large',
    'HEADERS_TOO_LARGE',
    'The header fields of the request are larger than 272 KiB. Hand over as multipart, which carries metadata in the body.',
  ],
  ERR_HTTP_REQUEST_TIMEOUT: ['408 Request Timeout', 'REQUEST_TIMEOUT', 'The request took too long to arrive.'],
};
const OTHER = [
  '400 Bad Request',
  'REQUEST_UNREADABLE',
  'The request is no HTTP/1.1: a header field may hold line breaks or control characters (RFC 9110, 5.5).',
] as const;

/** Answers what Node cannot read as a request: unlike Node's own answer with the reason and the way out, for gateways to log. */
export function refuseUnreadableRequest(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const [status, code, message] = REASONS[error.code ?? ''] ?? OTHER;
  const body = JSON.stringify({ error: { code, message } });
  socket.end(
    `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}
