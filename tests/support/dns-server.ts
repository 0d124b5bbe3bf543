import { createSocket, type Socket } from 'node:dgram';
import { getServers, setServers, type SrvRecord } from 'node:dns';
import type { AddressInfo } from 'node:net';

/** What is answered to a question: SRV records, a response code (RFC 1035, 4.1.1), or nothing at all. */
export type DnsAnswer = readonly SrvRecord[] | 'SERVFAIL' | 'NXDOMAIN' | 'REFUSED' | 'SILENCE';

const RESPONSE_CODES = { SERVFAIL: 2, NXDOMAIN: 3, REFUSED: 5 } as const;
const HEADER_BYTES = 12;
const SRV = 33;
const INTERNET = 1;
const TTL_SECONDS = 60;

/** A real name server over UDP for SRV records (RFC 2782), which this process asks while it runs. */
export class DnsServer {
  /** By name, lower case; others do not exist. */
  readonly answers = new Map<string, DnsAnswer>();
  readonly asked: string[] = [];
  readonly #before = getServers();

  private constructor(private readonly socket: Socket) {
    socket.on('message', (question, { port, address }) => {
      const answer = this.#answerTo(question);
      if (answer) socket.send(answer, port, address);
    });
  }

  /** Starts one on a free port of 127.0.0.1 and makes it this process's only one. */
  static async start(): Promise<DnsServer> {
    const socket = createSocket('udp4');
    await new Promise<void>((ready) => socket.bind(0, '127.0.0.1', ready));
    const server = new DnsServer(socket);
    setServers([`127.0.0.1:${(socket.address() as AddressInfo).port}`]);
    return server;
  }

  /** Ends it; the process asks those of before again. */
  async stop(): Promise<void> {
    setServers(this.#before);
    await new Promise<void>((closed) => this.socket.close(closed));
  }

  #answerTo(question: Buffer): Buffer | undefined {
    const labels: string[] = [];
    let end = HEADER_BYTES;
    for (let length = question[end] ?? 0; length > 0; length = question[end] ?? 0) {
      labels.push(question.toString('latin1', end + 1, end + 1 + length));
      end += 1 + length;
    }
    // The type and the class follow the name.
    end += 5;
    const name = labels.join('.').toLowerCase();
    this.asked.push(name);
    const answer = this.answers.get(name) ?? 'NXDOMAIN';
    if (answer === 'SILENCE') return undefined;
    const records = typeof answer === 'string' ? [] : answer;
    const header = Buffer.alloc(HEADER_BYTES);
    question.copy(header, 0, 0, 2);
    // A response that recursed, as was asked for.
    header.writeUInt16BE(0x8180 | (typeof answer === 'string' ? RESPONSE_CODES[answer] : 0), 2);
    header.writeUInt16BE(1, 4);
    header.writeUInt16BE(records.length, 6);
    return Buffer.concat([header, question.subarray(HEADER_BYTES, end), ...records.map(encode)]);
  }
}

function encode({ priority, weight, port, name }: SrvRecord): Buffer {
  const labels = name.split('.').filter((label) => label !== '');
  const target = Buffer.concat([
    ...labels.map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label, 'latin1')])),
    Buffer.from([0]),
  ]);
  // The owner is a pointer to the name in the question.
  const record = Buffer.alloc(18);
  record.writeUInt16BE(0xc000 | HEADER_BYTES, 0);
  record.writeUInt16BE(SRV, 2);
  record.writeUInt16BE(INTERNET, 4);
  record.writeUInt32BE(TTL_SECONDS, 6);
  record.writeUInt16BE(6 + target.length, 10);
  record.writeUInt16BE(priority, 12);
  record.writeUInt16BE(weight, 14);
  record.writeUInt16BE(port, 16);
  return Buffer.concat([record, target]);
}
