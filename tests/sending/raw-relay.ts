import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';

/** What is written when a line of the client's begins with the key, or when its message has ended ('.'). null: cut at once. */
export type RawScript = Readonly<Record<string, string | null>>;

/** An SMTP server of a few words, for answers that a proper one never gives. */
export class RawRelay {
  readonly lines: string[] = [];
  connectionsMade = 0;
  private readonly server: Server;
  private readonly sockets = new Set<Socket>();

  constructor(
    public script: RawScript,
    private readonly greeting: string | null = '220 raw.test ESMTP\r\n',
  ) {
    this.server = createServer((socket) => this.serve(socket));
  }

  async start(): Promise<{ host: string; port: number }> {
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    return { host: '127.0.0.1', port: (this.server.address() as AddressInfo).port };
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }

  private serve(socket: Socket): void {
    this.connectionsMade += 1;
    this.sockets.add(socket);
    socket.on('close', () => this.sockets.delete(socket));
    socket.on('error', () => undefined);
    if (this.greeting === null) {
      socket.destroy();
      return;
    }
    socket.write(this.greeting);
    let rest = '';
    let inMessage = false;
    let handshake = false;
    socket.on('data', (piece: Buffer) => {
      if (handshake) {
        socket.end('this is no TLS\r\n');
        return;
      }
      rest += piece.toString('latin1');
      for (;;) {
        const end = rest.indexOf('\r\n');
        if (end < 0) return;
        const line = rest.slice(0, end);
        rest = rest.slice(end + 2);
        if (inMessage && line !== '.') {
          const early = this.script['MESSAGE'];
          if (early) socket.write(early);
          continue;
        }
        const key = inMessage
          ? '.'
          : (Object.keys(this.script).find((word) => line.toUpperCase().startsWith(word)) ?? '');
        this.lines.push(line);
        inMessage = false;
        const answer = this.script[key];
        if (answer === null) {
          socket.destroy();
          return;
        }
        const text = answer ?? (line.startsWith('DATA') ? '354 Go on\r\n' : '250 Ok\r\n');
        inMessage = line.startsWith('DATA') && text.startsWith('354');
        handshake = line.startsWith('STARTTLS') && text.startsWith('220');
        // An answer without its line end is the last thing that is said.
        if (text.endsWith('\n')) socket.write(text);
        else socket.end(text);
      }
    });
  }
}
