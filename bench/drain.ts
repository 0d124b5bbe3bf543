import 'reflect-metadata';
import { createConnection, type RowDataPacket } from 'mysql2/promise';
import { cpuMs } from './support/cpu.js';
import { option, printMachine, printTable, residentMiB, round } from './support/figures.js';
import { IntakeMail } from './support/intake-mail.js';
import { Connection } from './support/keep-alive-client.js';
import { environment, seed } from './support/seed.js';
import { run } from './support/workplace.js';

/*
 * How fast the spool empties: npm run bench -- drain [messages=2000] [rounds=3] [clients=8]
 * The database holds every commit back while gateways hand over; then it lets go, and messages go from the spool into MariaDB
 * with durable commits. The time runs until the last one is in the database.
 */

const MESSAGES = option('messages', 2_000);
const ROUNDS = option('rounds', 3);
const CLIENTS = option('clients', 8);
const LOOK_MS = 20;

run(async (workplace) => {
  printMachine();
  const mariadb = await workplace.mariadb({ durable: true, bufferPoolMiB: 512 });
  const { url, intake } = await workplace.database(mariadb, 'drain', (empty) =>
    seed(empty, workplace.folder, { messages: 1_000, people: 200, groupMailboxes: 0, sessions: 1 }),
  );
  const server = await workplace.product({
    ...environment(url, workplace.folder),
    MAILKEEP_INTAKE_STORE_LIMIT_MS: '300',
    MAILKEEP_RETENTION_INTERVAL_MS: '86400000',
  });
  const holder = await createConnection({ uri: url });
  const count = async () => {
    const [[row]] = await holder.query<(RowDataPacket & { count: number })[]>('SELECT count(*) AS count FROM message');
    return row?.count ?? 0;
  };
  const mail = new IntakeMail();
  const templates = Array.from({ length: CLIENTS }, () => mail.handOver('METADATA', server.port, intake));
  let number = Date.now() % 1_000_000_000;
  const rows: (string | number)[][] = [];
  for (let turn = 0; turn < ROUNDS; turn += 1) {
    const before = await count();
    await holder.query('START TRANSACTION');
    await holder.query('SELECT * FROM backup_total FOR UPDATE');
    let left = MESSAGES;
    const spooledAt = performance.now();
    await Promise.all(
      templates.map(async (template) => {
        const connection = new Connection(server.port);
        while (left > 0) {
          left -= 1;
          await connection.send(template.number((number += 1)));
        }
        connection.close();
      }),
    );
    const spoolMs = performance.now() - spooledAt;
    const cpuBefore = cpuMs(server.pid);
    const startedAt = performance.now();
    await holder.query('ROLLBACK');
    while ((await count()) < before + MESSAGES) await new Promise((wake) => setTimeout(wake, LOOK_MS));
    const seconds = (performance.now() - startedAt) / 1000;
    rows.push([
      turn + 1,
      round((MESSAGES / spoolMs) * 1000),
      round(MESSAGES / seconds),
      round((cpuMs(server.pid) - cpuBefore) / MESSAGES),
      round(residentMiB(server.pid)),
    ]);
  }
  await holder.end();
  printTable(
    `${MESSAGES} messages of 8 to 10 KB through the spool, ${CLIENTS} clients`,
    ['round', 'spooled/s', 'drained/s', 'CPU ms each', 'resident MiB'],
    rows,
  );
});
