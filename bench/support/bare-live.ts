import { WebSocketServer, type WebSocket } from 'ws';

/*
 * What a push costs without the product: sockets that name themselves and get a frame of the product's form when this
 * process is told to; nothing is stored, nobody's rights are looked up.
 */

const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
const sockets = new Map<number, WebSocket>();
const sent: [number, bigint][] = [];

server.on('connection', (socket) => {
  socket.on('message', (data: Buffer) => {
    const frame = JSON.parse(data.toString()) as { type: string; id?: string; person?: number };
    if (frame.type === 'connection_init') socket.send('{"type":"connection_ack"}');
    else if (frame.type === 'subscribe' && frame.person !== undefined) sockets.set(frame.person, socket);
  });
});

process.on('message', (question: unknown) => {
  if (question === 'commits') process.send?.(sent.splice(0));
  else if (question === 'gc') {
    global.gc?.();
    process.send?.('done');
  } else if (typeof question === 'object' && question !== null) {
    const { people, frame } = question as { people: readonly number[]; frame: object };
    for (const person of people) {
      sent.push([person, process.hrtime.bigint()]);
      sockets.get(person)?.send(JSON.stringify(frame));
    }
  }
});

server.on('listening', () => {
  const address = server.address();
  console.log(`{"port":${typeof address === 'object' ? address?.port : 0},"msg":"listening"}`);
});
process.on('SIGTERM', () => process.exit(0));
