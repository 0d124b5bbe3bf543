import type { IncomingMessage } from 'node:http';
import { CloseCode, type Server } from 'graphql-ws';
import type { WebSocket } from 'ws';
import type { Logger } from '../log.js';

/** What graphql-ws hands on with each call: the socket and the request that opened it. */
export interface SocketExtra {
  readonly socket: WebSocket;
  readonly request: IncomingMessage;
}

// Who has not answered a ping by the time of the next one is gone.
const KEEP_ALIVE_MS = 12_000;

/**
 * Connects a socket with graphql-ws. Its own adapter prints to the console whatever clients do wrong, as often as they
 * like; here it goes to the log. `onArrival` is called for each message and each ping before they are answered.
 */
export function serveSocket(
  graphql: Server<SocketExtra>,
  socket: WebSocket,
  request: IncomingMessage,
  { onArrival, log }: { onArrival(): void; log: Logger },
): void {
  socket.on('error', (error) => log.debug({ err: error }, 'a WebSocket failed'));
  socket.on('ping', onArrival);
  const closed = graphql.opened(
    {
      protocol: socket.protocol,
      // Who has gone hears nothing; the close event tells the rest.
      send: (data) =>
        new Promise((sent) => (socket.readyState === socket.OPEN ? socket.send(data, () => sent()) : sent())),
      close: (code, reason) => socket.close(code, reason),
      onMessage: (take) =>
        socket.on('message', (data: Buffer) => {
          onArrival();
          take(data.toString('utf8')).catch((error: unknown) => {
            log.error({ err: error }, 'a message of a WebSocket failed');
            socket.close(CloseCode.InternalServerError, 'Internal server error');
          });
        }),
    },
    { socket, request },
  );
  let answered = true;
  socket.on('pong', () => {
    answered = true;
  });
  const beat = setInterval(() => {
    if (!answered) return socket.terminate();
    answered = false;
    socket.ping();
  }, KEEP_ALIVE_MS);
  socket.once('close', (code, reason) => {
    clearInterval(beat);
    closed(code, reason.toString()).catch((error: unknown) => log.error({ err: error }, 'a WebSocket was not left'));
  });
}
