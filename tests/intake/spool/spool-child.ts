import { appendFileSync } from 'node:fs';
import { createLogger } from '../../../src/log';
import { Spool } from '../../../src/services/intake/spool';
import { factsFor, oneByOne } from './spool-facts';

/** Run as a process of its own, to be killed: "write" spools and prints each acknowledged id, "drain" stores into a file. */
async function main([task = '', folder = '', file = '', name = '']: string[]): Promise<void> {
  const settings = { folder, maxBytes: 1 << 30, maxEntries: 1_000_000, minFreeBytes: 0, leaseMs: 60_000 };
  const spool = await Spool.open(settings, createLogger('silent'));
  process.stdout.write('ready\n');
  if (task === 'write') {
    await Promise.all(
      Array.from({ length: 4 }, async (_, writer) => {
        for (let index = 0; ; index += 1) {
          const id = `${name}-${writer}-${index}`;
          await spool.put(factsFor(id), body(id));
          process.stdout.write(`${id}\n`);
        }
      }),
    );
  } else {
    await spool.drain(
      oneByOne(async (message) => {
        for await (const chunk of message.open()) void chunk;
        appendFileSync(file, `${message.handOver.gatewayMessageId}\n`);
        process.stdout.write('stored\n');
      }),
      2,
    );
    await spool.close();
  }
}

async function* body(id: string): AsyncGenerator<Buffer> {
  for (let piece = 0; piece < 5; piece += 1) yield Buffer.from(`${id} `.repeat(200));
}

void main(process.argv.slice(2));
