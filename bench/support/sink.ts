import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';

/** Where a server listens. */
export interface Place {
  readonly host: string;
  readonly port: number;
}

const HOST = '127.0.0.1';
const START_MS = 5_000;

async function freePort(): Promise<number> {
  const server = createServer().listen(0, HOST);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

const answers = (port: number) =>
  new Promise<boolean>((resolve) => {
    const socket = connect({ port, host: HOST });
    const end = (answered: boolean) => {
      socket.destroy();
      resolve(answered);
    };
    socket.once('data', () => end(true));
    socket.once('error', () => end(false));
  });

/** Postfix's smtp-sink(1): takes mail and forgets it, at next to no cost. */
export class Sink {
  private constructor(
    private readonly child: ChildProcess,
    readonly place: Place,
  ) {}

  static async start(): Promise<Sink> {
    const port = await freePort();
    // As root it wants to become somebody else.
    const user = process.getuid?.() === 0 ? ['-u', 'nobody'] : [];
    const child = spawn('/usr/sbin/smtp-sink', [...user, `${HOST}:${port}`, '100'], { stdio: 'ignore' });
    const failed = new Promise<never>((_, reject) => {
      child.once('error', reject);
      child.once('exit', (code) => reject(new Error(`smtp-sink ended with ${code}.`)));
    });
    failed.catch(() => undefined);
    const until = performance.now() + START_MS;
    while (!(await Promise.race([answers(port), failed]))) {
      if (performance.now() > until) throw new Error('smtp-sink does not answer.');
      await new Promise((wake) => setTimeout(wake, 20));
    }
    return new Sink(child, { host: HOST, port });
  }

  async stop(): Promise<void> {
    this.child.kill('SIGTERM');
    if (this.child.exitCode === null && this.child.signalCode === null) await once(this.child, 'exit');
  }
}
