import 'reflect-metadata';
import { request as httpRequest } from 'node:http';
import { createConnection } from 'mysql2/promise';
import { median, option, percentile, printMachine, printTable, residentMiB, round } from './support/figures.js';
import { load, request } from './support/keep-alive-client.js';
import { environment, seed } from './support/seed.js';
import { sessionToken } from './support/seed-names.js';
import { run } from './support/workplace.js';

/*
 * More than the database takes: npm run bench -- pressure [clients=64] [seconds=12] [bytes=200000]
 * Lists before and while gateways flood intake; then the database holds every commit back while the flood goes on.
 */

const CLIENTS = option('clients', 64);
const SECONDS = option('seconds', 12);
const BYTES = option('bytes', 200_000);
const PAGE =
  '{ viewer { personalBackup { own { messages(first: 50) { nodes { sender subject receivedAt size } } } } } }';

/** Hands one message over; gives the status, 0 for a broken line. */
function handOver(port: number, secret: string, id: string): Promise<number> {
  const body = Buffer.from(`Subject: ${id}\r\n\r\n${id} `.padEnd(BYTES, `${id} and more text of the same kind\r\n`));
  return new Promise((resolve) => {
    const sent = httpRequest({
      port,
      path: '/intake/message',
      method: 'POST',
      agent: false,
      headers: {
        authorization: `Bearer ${secret}`,
        'content-type': 'message/rfc822',
        'content-length': body.length,
        'x-mailkeep-metadata': JSON.stringify({ gatewayMessageId: id, recipients: ['someone@example.com'] }),
      },
    });
    sent.on('error', () => resolve(0));
    sent.on('response', (response) => response.resume().on('end', () => resolve(response.statusCode ?? 0)));
    sent.end(body);
  });
}

run(async (workplace) => {
  printMachine();
  const mariadb = await workplace.mariadb({ bufferPoolMiB: 512 });
  const { url, intake } = await workplace.database(mariadb, 'pressure', (empty) =>
    seed(empty, workplace.folder, { messages: 20_000, people: 1_000, groupMailboxes: 0, sessions: 10 }),
  );
  const server = await workplace.product({
    ...environment(url, workplace.folder),
    MAILKEEP_SPOOL_LIMIT_BYTES: String(64 * 1024 * 1024),
  });
  const page = request(server.port, '/graphql', JSON.stringify({ query: PAGE }), {
    authorization: `Bearer ${sessionToken(0)}`,
  });
  let number = 0;
  const rows: (string | number)[][] = [];
  const measure = async (title: string, clients: number) => {
    const statuses = new Map<number, number>();
    let floods = true;
    let peakMiB = 0;
    const watch = setInterval(() => (peakMiB = Math.max(peakMiB, residentMiB(server.pid))), 50);
    const flood = Array.from({ length: clients }, async () => {
      while (floods) {
        const status = await handOver(server.port, intake, `flood ${(number += 1)}`);
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
      }
    });
    const { times } = await load(server.port, page, 2, SECONDS * 1_000);
    floods = false;
    clearInterval(watch);
    await Promise.all(flood);
    const answers = [...statuses].sort().map(([status, count]) => `${count} × ${status || 'broken'}`);
    rows.push([title, answers.join(', ') || '–', round(median(times)), round(percentile(times, 0.99)), round(peakMiB)]);
  };
  await load(server.port, page, 2, 5_000);
  await measure('no intake', 0);
  await measure(`${CLIENTS} gateways`, CLIENTS);
  const holder = await createConnection({ uri: url });
  await holder.query('START TRANSACTION');
  await holder.query('SELECT * FROM backup_total FOR UPDATE');
  await measure(`${CLIENTS} gateways, no commit passes`, CLIENTS);
  await holder.query('ROLLBACK');
  await holder.end();
  printTable(
    `Messages of ${BYTES} bytes, spool of 64 MiB, two clients reading first pages`,
    ['load', 'answers to gateways', 'list p50 ms', 'list p99 ms', 'most resident MiB'],
    rows,
  );
});
