import { createServer } from 'node:net';
import { join } from 'node:path';
import { createTransport } from 'nodemailer';
import { residentMiB } from './figures.js';

/*
 * What sending costs without the product: nodemailer's own pool, the messages read from files, no queue that outlives a crash, no
 * result kept, nobody's rights looked up. A question is a number of messages; the answer tells how long they took.
 */

const { host, port, connections } = JSON.parse(process.env['RELAY'] ?? '{}') as {
  host: string;
  port: number;
  connections: number;
};
const files = process.env['FILES'] ?? '';
const from = process.env['SENDER'] ?? '';

async function sendAll(count: number): Promise<{ sent: number; seconds: number; peakMiB: number }> {
  let peakMiB = 0;
  const watch = setInterval(() => (peakMiB = Math.max(peakMiB, residentMiB(process.pid))), 100);
  // A transport for each round, with the product's settings.
  const transport = createTransport({
    pool: true,
    host,
    port,
    ignoreTLS: true,
    maxConnections: connections,
    maxMessages: 100,
  });
  const startedAt = performance.now();
  const results = await Promise.all(
    Array.from({ length: count }, (_, index) =>
      transport.sendMail({
        envelope: { from, to: [`sent${index}@example.org`] },
        raw: { path: join(files, `${index}.eml`) },
      }),
    ),
  );
  const seconds = (performance.now() - startedAt) / 1000;
  transport.close();
  clearInterval(watch);
  return { sent: results.filter(({ accepted }) => accepted.length === 1).length, seconds, peakMiB };
}

process.on('message', (question: string) => {
  void sendAll(Number(question)).then((answer) => process.send?.(answer));
});

// Nothing connects here; the bench waits for a port.
const server = createServer().listen(0, '127.0.0.1', () => {
  const address = server.address();
  console.log(`{"port":${typeof address === 'object' ? address?.port : 0},"msg":"listening"}`);
});
process.on('SIGTERM', () => process.exit(0));
