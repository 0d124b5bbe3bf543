import { randomUUID } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { createPool } from 'mysql2/promise';

/*
 * What taking a message durably costs without the product: node:http reads the body whole and either inserts one row into
 * MariaDB, autocommitted, or writes one file and syncs it. No envelope, no card, no recognition of repeats, no live events.
 */

const folder = process.env['FOLDER'];
const pool = process.env['URL']
  ? createPool({ uri: process.env['URL'], connectionLimit: 10, charset: 'utf8mb4' })
  : undefined;
if (folder) mkdirSync(folder, { recursive: true });

async function keep(headers: string, body: Buffer): Promise<void> {
  if (pool) {
    await pool.query('INSERT INTO bare_intake (headers, body) VALUES (?, ?)', [headers, body]);
    return;
  }
  const file = await open(join(folder ?? '', randomUUID()), 'wx');
  try {
    await file.write(body);
    await file.sync();
  } finally {
    await file.close();
  }
}

const server = createServer({ maxHeaderSize: 272 * 1024 }, (request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    keep(JSON.stringify(request.headers), Buffer.concat(chunks)).then(
      () => response.writeHead(200, { 'content-length': 2 }).end('{}'),
      (error: unknown) => response.writeHead(500, { 'content-length': 0 }).end(String(error)),
    );
  });
});

async function start(): Promise<void> {
  await pool?.query(
    'CREATE TABLE IF NOT EXISTS bare_intake (id BIGINT AUTO_INCREMENT PRIMARY KEY, headers MEDIUMTEXT, body MEDIUMBLOB)',
  );
  server.listen(0, '127.0.0.1', () => {
    const address = server.address();
    console.log(`{"port":${typeof address === 'object' ? address?.port : 0},"msg":"listening"}`);
  });
}
void start();
process.on('SIGTERM', () => process.exit(0));
