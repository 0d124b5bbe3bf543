import { readFile, watch } from 'node:fs/promises';
import { join } from 'node:path';
import { createConnection } from 'mysql2/promise';
import nodemailer from 'nodemailer';
import { absence, names } from '../../scripts/services/index.cjs';
import { describeOnBothDatabases } from './databases.js';
import { createDatabase, describeWhenPresent, describeWith, PrivateService } from './services.js';

const SLOW_MS = 120_000;

describeWith('mariadb', 'the shared MariaDB', (mariadb) => {
  it('gives each caller an empty database of its own', async () => {
    const [first, second] = await Promise.all([createDatabase(mariadb()), createDatabase(mariadb())]);
    expect(first.url).not.toBe(second.url);
    const connection = await createConnection(first.url);
    const [tables] = await connection.query('SHOW TABLES');
    await connection.end();
    expect(tables).toEqual([]);
    await first.drop();
    await second.drop();
    await expect(createConnection(first.url)).rejects.toMatchObject({ code: 'ER_BAD_DB_ERROR' });
  });
});

describeOnBothDatabases('a location', (location) => {
  it('names a database that can be reached', async () => {
    const place = location();
    if (place.kind === 'sqlite') expect(place.file).toMatch(/mailkeep-sqlite-/);
    else await (await createConnection(place.url)).end();
  });
});

describeWhenPresent(['mariadb'], 'a private MariaDB', () => {
  const server = new PrivateService('mariadb');
  afterAll(() => server.remove(), SLOW_MS);

  it(
    'comes back on the same port with its data after a crash',
    async () => {
      const facts = await server.start();
      const before = await createConnection(facts.url);
      await before.query('CREATE TABLE kept (id INT PRIMARY KEY) SELECT 1 AS id');
      before.destroy();

      await server.kill();
      await expect(createConnection(facts.url)).rejects.toMatchObject({ code: 'ECONNREFUSED' });

      const again = await server.start();
      expect(again).toMatchObject({ port: facts.port, url: facts.url });
      const after = await createConnection(again.url);
      const [rows] = await after.query('SELECT id FROM kept');
      await after.end();
      expect(rows).toEqual([{ id: 1 }]);
    },
    SLOW_MS,
  );
});

describeWith('postfix', 'the shared Postfix', (postfix) => {
  const send = (to: string) =>
    nodemailer
      .createTransport({ host: postfix().host, port: postfix().port, ignoreTLS: true })
      .sendMail({ envelope: { from: 'sender@example.net', to: [to] }, raw: `Subject: for ${to}\r\n\r\nText\r\n` });

  it(
    'writes what it takes into files and adds nothing below its trace fields',
    async () => {
      const folder = postfix().mail;
      const arrival = (async () => {
        for await (const { filename } of watch(folder, { signal: AbortSignal.timeout(SLOW_MS) })) {
          const text = await readFile(join(folder, String(filename)), 'utf8');
          if (text.includes('Delivered-To: anna@example.com')) return text;
        }
        throw new Error('nothing was delivered');
      })();
      await send('anna@example.com');
      expect(await arrival).toMatch(/\(UTC\)\nSubject: for anna@example\.com\n\nText\n$/);
    },
    SLOW_MS,
  );

  it.each([
    ['refused@example.com', 550],
    ['busy@example.com', 450],
  ])('refuses %s with %i', async (to, responseCode) => {
    await expect(send(to)).rejects.toMatchObject({ responseCode });
  });
});

describe('the list of services', () => {
  it('names the Debian packages where programs are absent', () => {
    for (const name of names()) {
      const reason = absence(name);
      if (reason !== undefined) expect(reason).toMatch(/apt-get install|started as root/);
    }
  });

  it('knows no service of another name', () => {
    expect(() => absence('oracle' as never)).toThrow('There is no service "oracle"');
  });
});
