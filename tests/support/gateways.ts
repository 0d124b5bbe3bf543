import { createHash } from 'node:crypto';
import { request } from 'node:http';
import { connect, type Socket } from 'node:net';

/** What a gateway heard: taken for good, not now, never, or nothing because the line broke. */
export type Heard = 'ACKNOWLEDGED' | 'NOT_NOW' | 'NEVER' | 'BROKEN';

/** A message of a test gateway; its id is the gateway's id and stands in the subject. */
export interface Handed {
  readonly id: string;
  readonly bytes: Buffer;
}

// Long enough that writing it takes several packets, different for each id so that no content is shared.
const LINES = 120;

/** A message of about 8 KB that no other id has. */
export function messageOf(id: string, lines = LINES): Handed {
  const body = Array.from(
    { length: lines },
    (_, line) => `${createHash('sha256').update(`${id} ${line}`).digest('hex')}\r\n`,
  );
  return { id, bytes: Buffer.from(`Subject: message ${id}\r\nFrom: <s@example.net>\r\n\r\n${body.join('')}`) };
}

/** Hands over as rspamd does: one request, one connection. */
export function handOverByHttp(url: string, secret: string, { id, bytes }: Handed): Promise<Heard> {
  const metadata = {
    gatewayMessageId: id,
    recipients: ['anna@example.com', 'ben@example.com'],
    sender: 's@example.net',
  };
  return new Promise((resolve) => {
    const sent = request(`${url}/intake/message`, {
      method: 'POST',
      agent: false,
      headers: {
        authorization: `Bearer ${secret}`,
        'content-type': 'message/rfc822',
        'content-length': bytes.length,
        'x-mailkeep-metadata': JSON.stringify(metadata),
      },
    });
    sent.on('error', () => resolve('BROKEN'));
    sent.on('response', (response) => {
      response.resume();
      response.on('error', () => resolve('BROKEN'));
      response.on('end', () => {
        const status = response.statusCode ?? 0;
        resolve(status === 200 ? 'ACKNOWLEDGED' : status >= 500 ? 'NOT_NOW' : 'NEVER');
      });
    });
    sent.end(bytes);
  });
}

/** Hands over as amavis does: LMTP with the leading block, one recipient address of the quarantine. */
export async function handOverByLmtp(address: string, { id, bytes }: Handed): Promise<Heard> {
  const [host = '', port = ''] = address.split(':');
  const talk = new Conversation(connect(Number(port), host));
  try {
    const block = `X-Envelope-From: <s@example.net>\r\nX-Envelope-To: <anna@example.com>, <ben@example.com>\r\nX-Envelope-To-Blocked: <anna@example.com>, <ben@example.com>\r\nX-Quarantine-ID: <${id}>\r\n`;
    const steps = [
      undefined,
      'LHLO scanner.example.com\r\n',
      'MAIL FROM:<s@example.net>\r\n',
      'RCPT TO:<quarantine@example.com>\r\n',
      'DATA\r\n',
      `${block}${bytes.toString('latin1')}.\r\n`,
    ];
    for (const step of steps) {
      const answer = await talk.say(step);
      if (answer.startsWith('4')) return 'NOT_NOW';
      if (answer.startsWith('5')) return 'NEVER';
    }
    return 'ACKNOWLEDGED';
  } catch {
    return 'BROKEN';
  } finally {
    talk.end();
  }
}

/** SMTP or LMTP spoken line by line. */
export class Conversation {
  #text = '';
  #wake: () => void = () => undefined;
  #closed = false;

  constructor(readonly socket: Socket) {
    socket.on('data', (chunk) => {
      this.#text += chunk.toString('latin1');
      this.#wake();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.#closed = true;
      this.#wake();
    });
  }

  /** Sends text, unless there is none, and gives the last line of the next answer; fails when the line breaks first. */
  async say(text?: string): Promise<string> {
    if (text !== undefined) this.socket.write(text, 'latin1');
    for (;;) {
      const answer = /^(?:\d{3}-.*\r\n)*(\d{3}(?: .*)?)\r\n/.exec(this.#text);
      if (answer) {
        this.#text = this.#text.slice(answer[0].length);
        return answer[1] ?? '';
      }
      if (this.#closed) throw new Error('The line broke.');
      await new Promise<void>((wake) => (this.#wake = wake));
    }
  }

  end(): void {
    this.socket.destroy();
  }
}

/** Gateways that hand over one message after the other, whatever happens, and remember what they were told. */
export class Gateways {
  readonly sent = new Map<string, string>();
  readonly acknowledged = new Set<string>();
  readonly heard: Record<Heard, number> = { ACKNOWLEDGED: 0, NOT_NOW: 0, NEVER: 0, BROKEN: 0 };
  #stopped = false;
  #waiting: { readonly count: number; readonly resolve: () => void }[] = [];
  #running: Promise<unknown> = Promise.resolve();

  /** Begins; a gateway that `insists` hands the same message over until it is taken or refused for good, others try once. */
  start(gateways: readonly { readonly insists: boolean; handOver(message: Handed): Promise<Heard> }[]): void {
    this.#running = Promise.all(
      gateways.map(async ({ insists, handOver }, gateway) => {
        for (let number = 0; !this.#stopped; number += 1) {
          const message = messageOf(`g${gateway}-${String(number).padStart(6, '0')}`);
          this.sent.set(message.id, createHash('sha256').update(message.bytes).digest('hex'));
          for (;;) {
            const heard = await handOver(message);
            this.heard[heard] += 1;
            if (heard === 'ACKNOWLEDGED') this.#acknowledge(message.id);
            if (heard === 'ACKNOWLEDGED' || heard === 'NEVER' || this.#stopped || !insists) {
              if (heard !== 'BROKEN') break;
            }
            // What a refused connection costs, so that waiting gateways leave the machine to those who work.
            await new Promise((again) => setTimeout(again, 25));
            if (!insists || this.#stopped) break;
          }
        }
      }),
    );
  }

  /** Resolves when so many more messages were acknowledged. */
  more(count: number): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push({ count: this.acknowledged.size + count, resolve });
    });
  }

  /** Lets each gateway end what it does. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  #acknowledge(id: string): void {
    this.acknowledged.add(id);
    this.#waiting = this.#waiting.filter(({ count, resolve }) => {
      if (this.acknowledged.size < count) return true;
      resolve();
      return false;
    });
  }
}
