import { connect, type Socket } from 'node:net';

/** One LMTP connection that hands over message after message, with PIPELINING; cheap, so that the server is what is measured. */
export class LmtpConnection {
  readonly #socket: Socket;
  #rest = '';
  #lines = 0;
  #last = '';
  #answered: (() => void) | undefined;
  #fail: ((error: Error) => void) | undefined;

  constructor(port: number) {
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true });
    this.#socket.on('data', (bytes) => this.#take(bytes.toString('latin1')));
    this.#socket.on('error', (error) => this.#fail?.(error));
    this.#socket.on('close', () => this.#fail?.(new Error('The server closed the connection.')));
  }

  /** Waits for the greeting and says LHLO. */
  async open(): Promise<void> {
    await this.#send('', 1);
    await this.#send('LHLO bench\r\n', 1);
  }

  /** Hands over one message, its last line being the dot; fails unless it is accepted. */
  async send(message: Buffer): Promise<void> {
    const asked = await this.#send(
      'MAIL FROM:<bounce@example.net>\r\nRCPT TO:<spam-quarantine@quarantine.test>\r\nDATA\r\n',
      3,
    );
    if (!asked.startsWith('354')) throw new Error(`Unexpected answer: ${asked}`);
    const taken = await this.#send(message, 1);
    if (!taken.startsWith('250')) throw new Error(`Unexpected answer: ${taken}`);
  }

  close(): void {
    this.#fail = undefined;
    this.#socket.destroy();
  }

  /** Sends and waits for so many answers; gives the last one. */
  #send(bytes: string | Buffer, answers: number): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#lines = answers;
      this.#answered = () => resolve(this.#last);
      this.#fail = reject;
      if (bytes.length > 0) this.#socket.write(bytes);
    });
  }

  #take(text: string): void {
    const lines = (this.#rest + text).split('\r\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) {
      if (line[3] === '-') continue;
      this.#last = line;
      this.#lines -= 1;
    }
    if (this.#lines <= 0) this.#answered?.();
  }
}
