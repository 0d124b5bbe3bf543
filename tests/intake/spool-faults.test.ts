import { startTestApp, type TestApp } from '../support/app.js';
import { handOverByHttp, handOverByLmtp, messageOf } from '../support/gateways.js';
import { switchTo } from '../support/mail.js';
import { createDatabase, describeWhenPresent, PrivateService } from '../support/services.js';
import { LogLines } from '../support/log-lines.js';
import { until } from '../support/until.js';

const CLIENTS = 4;
const MESSAGES_EACH = 40;
// More than share a commit.
const IN_ORDER = 80;

interface Listed {
  readonly backup: { readonly messages: { readonly nodes: readonly { readonly subject: string }[] } };
}
interface Cursor {
  readonly backup: { readonly changeCursor: string };
}
interface Told {
  readonly told: { readonly message: { readonly subject: string } };
}

/** Hands over one message after the other through both doors while the database is away, and looks how they come to Backup. */
async function expectOrderOfArrival(
  test: TestApp,
  secret: string,
  name: string,
  takeAway: () => Promise<unknown>,
  bringBack: () => Promise<unknown>,
): Promise<void> {
  const admin = await test.signedIn('admin');
  await switchTo(admin, { enabled: true });
  const anna = await test.signedIn('anna');
  const { backup: before } = await admin.ask<Cursor>('{ backup { changeCursor } }');
  await takeAway();
  const ids = Array.from({ length: IN_ORDER }, (_, index) => `${name}-${String(index).padStart(3, '0')}`);
  for (const [index, id] of ids.entries()) {
    const message = messageOf(id, 10);
    const heard =
      index % 2 === 0
        ? await handOverByHttp(test.url, secret, message)
        : await handOverByLmtp(test.app.lmtpAddress ?? '', message);
    expect(heard).toBe('ACKNOWLEDGED');
  }
  const { spool } = (await (await fetch(`${test.url}/readyz`)).json()) as { spool?: { entries: number } };
  // SQLite's file may have had room for the first ones.
  expect(spool?.entries).toBeGreaterThan(IN_ORDER / 2);
  await bringBack();
  const subjects = ids.map((id) => `message ${id}`);
  await until(
    'the spool is empty',
    async () => ((await (await fetch(`${test.url}/readyz`)).json()) as { spool?: unknown }).spool,
    (state) => state === undefined,
    30_000,
  );
  // Sockets may end while the database is away; clients come back with the place up to which they know everything.
  for (const [client, field] of [
    [admin, 'backupChanged'],
    [anna, 'personalBackupChanged'],
  ] as const) {
    const events = await client.subscribe<Told>(
      `subscription ($after: ChangeCursor) { told: ${field}(after: $after) { message { subject } } }`,
      { after: before.changeCursor },
    );
    const seen: string[] = [];
    while (seen.length < IN_ORDER) seen.push((await events.next()).told.message.subject);
    expect(seen).toEqual(subjects);
    await events.close();
  }
  const { backup } = await admin.ask<Listed>(
    `{ backup { messages(first: 100, filter: { subject: "message ${name}-" }) { nodes { subject } } } }`,
  );
  expect(backup.messages.nodes.map(({ subject }) => subject)).toEqual(subjects.toReversed());
  const rows = await test.app.database.rows<{ subject: string }>(
    `SELECT subject FROM message WHERE subject LIKE 'message ${name}-%' ORDER BY id`,
  );
  expect(rows.map(({ subject }) => subject)).toEqual(subjects);
}

describeWhenPresent(['mariadb'], 'Intake while MariaDB is away', () => {
  const server = new PrivateService('mariadb');
  let test: TestApp;
  const log = new LogLines();
  let secret: string;

  beforeAll(async () => {
    const database = await createDatabase(await server.start());
    test = await startTestApp(
      { kind: 'mysql', url: database.url, connections: 6 },
      { spoolLimitBytes: 1024 * 1024, intakeStoreLimitMs: 500, logLevel: 'warn', lmtpListen: '127.0.0.1:0' },
      log,
    );
    secret = await test.intakeToken();
  }, 120_000);
  afterAll(async () => {
    await test?.stop();
    await server.remove();
  }, 60_000);

  const handOver = (subject: string, body = 'Hello') =>
    test.client().handOver(secret, `Subject: ${subject}\r\n\r\n${body}\r\n`, { recipients: ['anna@example.com'] });

  const drained = () =>
    until(
      'the spool is empty',
      async () => {
        const [row] = await test.app.database
          .rows<{ count: number }>("SELECT count(*) AS count FROM message WHERE source = 'http'")
          .catch(() => []);
        const ready = (await (await fetch(`${test.url}/readyz`)).json()) as { status: string; spool?: unknown };
        return { count: row?.count, ...ready };
      },
      ({ status, spool }) => status === 'ready' && spool === undefined,
      30_000,
    );

  it('S6, S5: acknowledges all that comes while the server is stopped and started again, and stores each once', async () => {
    expect(await handOver('before')).toMatchObject({ status: 200, body: { stored: true } });
    const accepted: string[] = [];
    let spooled = 0;
    let halfway: () => void = () => undefined;
    const enough = new Promise<void>((resolve) => (halfway = resolve));
    const client = async (name: number) => {
      for (let index = 0; index < MESSAGES_EACH; index += 1) {
        const subject = `message ${name}-${index}`;
        const { status, body } = await handOver(subject);
        expect(status).toBe(200);
        accepted.push(subject);
        if ((body as { spooled?: boolean }).spooled) spooled += 1;
        if (accepted.length === CLIENTS * 5) halfway();
      }
    };
    const working = Promise.all(Array.from({ length: CLIENTS }, (_, name) => client(name)));
    await enough;
    await server.kill();
    await until('something was spooled', () => spooled > 10, Boolean, 30_000);
    const ready = await fetch(`${test.url}/readyz`);
    expect(await ready.json()).toMatchObject({ status: 'not ready', spool: { entries: expect.any(Number) as number } });
    await server.start();
    await working;
    await drained();
    const rows = await test.app.database.rows<{ subject: string; count: number }>(
      'SELECT subject, count(*) AS count FROM message GROUP BY subject',
    );
    expect(new Map(rows.map(({ subject, count }) => [subject, count]))).toEqual(
      new Map(['before', ...accepted].map((subject) => [subject, 1])),
    );
  }, 120_000);

  it('S6: stores what came while the server was away, and tells of it, in order of arrival', async () => {
    await expectOrderOfArrival(
      test,
      secret,
      'killed',
      () => server.kill(),
      () => server.start(),
    );
  }, 120_000);

  it('S6: answers 503 with Retry-After when the spool is full, and loses nothing of what it took', async () => {
    await server.kill();
    const large = 'x'.repeat(200_000);
    const answers: number[] = [];
    for (let index = 0; index < 8; index += 1) answers.push((await handOver(`large ${index}`, large)).status);
    expect(answers).toEqual([200, 200, 200, 200, 200, 503, 503, 503]);
    await server.start();
    await drained();
    const rows = await test.app.database.rows<{ subject: string }>(
      "SELECT subject FROM message WHERE subject LIKE 'large %' ORDER BY id",
    );
    expect(rows.map(({ subject }) => subject)).toEqual([0, 1, 2, 3, 4].map((index) => `large ${index}`));
  }, 120_000);

  it('S6: sets nothing aside for a fault that hits every message, and a message for a fault of its own', async () => {
    const change = (sql: string) => test.app.database.transaction((transaction) => transaction.run(sql));
    const spool = async () =>
      ((await (await fetch(`${test.url}/readyz`)).json()) as { spool?: { entries: number; setAside: number } }).spool;
    await change('ALTER TABLE verdict RENAME TO verdict_gone');
    for (let index = 0; index < 30; index += 1) expect((await handOver(`hit ${index}`)).status).toBe(200);
    await until(
      'it was tried in some rounds',
      () => log.text.match(/a spooled message could not be stored/g)?.length ?? 0,
      (rounds) => rounds >= 4,
      30_000,
    );
    expect(await spool()).toMatchObject({ entries: 30, setAside: 0 });
    await change('ALTER TABLE verdict_gone RENAME TO verdict');
    await drained();
    // One that the database refuses while it takes others.
    await change("ALTER TABLE message ADD CONSTRAINT at_fault CHECK (subject <> 'at fault')");
    expect((await handOver('at fault')).status).toBe(200);
    let others = 0;
    await until(
      'it was set aside',
      async () => {
        await handOver(`other ${others++}`);
        return (await spool())?.setAside;
      },
      (setAside) => setAside === 1,
      30_000,
    );
    await change('ALTER TABLE message DROP CONSTRAINT at_fault');
    await until('the others are stored', spool, (state) => state?.entries === 0, 30_000);
    const [row] = await test.app.database.rows<{ count: number }>(
      "SELECT count(*) AS count FROM message WHERE subject LIKE 'hit %' OR subject LIKE 'other %'",
    );
    expect(Number(row?.count)).toBe(30 + others);
  }, 120_000);
});

describe('Intake while SQLite has no room', () => {
  let test: TestApp;

  beforeAll(async () => {
    test = await startTestApp({ kind: 'sqlite', file: '' }, { lmtpListen: '127.0.0.1:0' });
  }, 60_000);
  afterAll(() => test?.stop());

  it('S6: stores what came meanwhile, and tells of it, in order of arrival', async () => {
    const limitPages = (pages: number) =>
      test.app.database.transaction((transaction) => transaction.rows(`PRAGMA max_page_count = ${pages}`));
    // Never less than the file has; what is free inside of it is used up first.
    await expectOrderOfArrival(
      test,
      await test.intakeToken(),
      'full',
      () => limitPages(1),
      () => limitPages(1_000_000),
    );
  }, 60_000);
});
