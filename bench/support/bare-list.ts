import { createServer } from 'node:http';
import { createPool, type RowDataPacket } from 'mysql2/promise';
import { type ScanStatus, STATUS_CODES } from '../../src/entities/vocabulary.js';
import { messageCapabilities } from '../../src/services/access/message-capabilities.js';
import type { PersonalSwitches } from '../../src/services/access/personal-access.js';
import { modulesOf } from '../../src/services/backup/message-rows.js';

/*
 * What the first page costs without the product: one node:http handler that sends the same statements over mysql2 and
 * prints the same JSON. The rules themselves are the product's; everything around them is as little as it can be.
 */

type Row = RowDataPacket & Record<string, string | number | null>;

const statements = JSON.parse(process.env['STATEMENTS'] ?? '[]') as string[];
const pool = createPool({
  uri: process.env['URL'] as string,
  connectionLimit: 10,
  charset: 'utf8mb4',
  timezone: 'Z',
  supportBigNumbers: true,
  bigNumberStrings: false,
});
const rows = async (sql: string) => (await pool.query<Row[]>(sql))[0];
const statusOf = (code: unknown): ScanStatus | null => (code === null ? null : (STATUS_CODES[Number(code)] ?? null));

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    void answer(Buffer.concat(chunks).toString()).then((body) => {
      response.writeHead(200, {
        'content-type': 'application/json; charset=utf-8',
        'content-length': Buffer.byteLength(body),
      });
      response.end(body);
    });
  });
});

async function answer(body: string): Promise<string> {
  JSON.parse(body);
  let switches: PersonalSwitches | undefined;
  let page: Row[] = [];
  for (const sql of statements) {
    page = await rows(sql);
    if (page[0] && 'sending' in page[0]) switches = page[0] as unknown as PersonalSwitches;
  }
  const allowed = switches as PersonalSwitches;
  const nodes = page.slice(0, 50).map((row) => ({
    sender: row['sender'],
    subject: row['subject'],
    receivedAt: new Date(Number(row['receivedAt'])).toISOString(),
    size: row['sizeBytes'],
    detectedBy: modulesOf(Number(row['detectedBy'])),
    viewerCan: messageCapabilities(allowed, {
      hasHtml: Boolean(row['hasHtml']),
      antiVirus: statusOf(row['antiVirus']),
      antiPhishing: statusOf(row['antiPhishing']),
      linkScanning: statusOf(row['linkScanning']),
    }),
  }));
  return `${JSON.stringify({ data: { viewer: { personalBackup: { own: { messages: { nodes } } } } } })}\n`;
}

server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  console.log(`{"port":${typeof address === 'object' ? address?.port : 0},"msg":"listening"}`);
});
process.on('SIGTERM', () => process.exit(0));
