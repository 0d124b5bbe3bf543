import { createServer, request as httpRequest, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  HandOverCutError,
  isTemporary,
  MessageTooLargeError,
} from '../../../src/services/intake/scanners/hand-over-errors';
import { type RspamdForm, readRspamdRequest } from '../../../src/services/intake/scanners/rspamd-request';
import { type RspamdMetadata } from '../../../src/services/intake/scanners/rspamd-metadata';

export interface Received {
  readonly form: RspamdForm;
  readonly metadata: RspamdMetadata;
  readonly bytes: Buffer;
}

/** A small HTTP server that reads rspamd's hand-overs the way the product does. */
export class Receiver {
  readonly received: Received[] = [];
  readonly errors: unknown[] = [];
  folder = '';
  #server: Server | undefined;
  #waiting: (() => void)[] = [];

  constructor(
    private readonly limits: {
      messageBytes?: number;
      metadataBytes?: number;
      memoryBytes?: number;
      keepBytes?: boolean;
    } = {},
  ) {}

  async start(): Promise<void> {
    this.folder = await mkdtemp(join(tmpdir(), 'mailkeep-receiver-'));
    const { messageBytes = 64 << 20, metadataBytes = 1 << 20, memoryBytes = 1024, keepBytes = true } = this.limits;
    const limits = { messageBytes, metadataBytes, memoryBytes, temporaryFolder: this.folder };
    this.#server = createServer({ maxHeaderSize: 256 * 1024 }, (request, response) => {
      const read = async () => {
        const { form, metadata, message, discard } = await readRspamdRequest(request, limits);
        try {
          const chunks: Buffer[] = [];
          for await (const chunk of message) if (keepBytes) chunks.push(chunk);
          this.received.push({ form, metadata, bytes: Buffer.concat(chunks) });
        } finally {
          await discard();
        }
      };
      read()
        .then(
          () => response.writeHead(200).end(),
          (error: unknown) => {
            this.errors.push(error);
            const status =
              error instanceof MessageTooLargeError
                ? 413
                : error instanceof HandOverCutError || !isTemporary(error)
                  ? 400
                  : 503;
            response.writeHead(status, { connection: 'close' }).end();
          },
        )
        .finally(() => this.#waiting.splice(0).forEach((wake) => wake()));
    });
    await new Promise<void>((resolve) => this.#server?.listen(0, '127.0.0.1', resolve));
  }

  get port(): number {
    return (this.#server?.address() as AddressInfo).port;
  }

  /** Resolves after the next request has been dealt with. */
  next(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  async filesLeft(): Promise<number> {
    return (await readdir(this.folder)).length;
  }

  async stop(): Promise<void> {
    this.#server?.closeAllConnections();
    await new Promise((resolve) => this.#server?.close(resolve));
    await rm(this.folder, { recursive: true });
  }

  /** Sends bytes as they are; resolves with the status of the answer. */
  sendRaw(bytes: Buffer): Promise<number> {
    return new Promise((resolve, reject) => {
      const socket = connect(this.port, '127.0.0.1');
      let answer = '';
      socket.on('data', (chunk) => (answer += chunk.toString('latin1')));
      socket.on('error', reject);
      socket.on('close', () => resolve(Number(answer.slice(9, 12))));
      socket.write(bytes);
    });
  }

  /** Posts a body; resolves with the status of the answer. */
  post(body: Buffer | AsyncIterable<Buffer>, headers: Record<string, string>): Promise<number> {
    return new Promise((resolve, reject) => {
      const request = httpRequest(
        { port: this.port, host: '127.0.0.1', method: 'POST', path: '/', headers, agent: false },
        (response) => {
          response.resume();
          resolve(response.statusCode ?? 0);
        },
      );
      request.on('error', reject);
      if (Buffer.isBuffer(body)) request.end(body);
      else
        void (async () => {
          for await (const chunk of body)
            if (!request.write(chunk)) await new Promise((drained) => request.once('drain', drained));
          request.end();
        })().catch(reject);
    });
  }
}
