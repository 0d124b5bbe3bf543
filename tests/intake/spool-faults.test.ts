import { startTestApp, type TestApp } from '../support/app.js';
import { createDatabase, describeWhenPresent, PrivateService } from '../support/services.js';
import { LogLines } from '../support/log-lines.js';
import { until } from '../support/until.js';

const CLIENTS = 4;
const MESSAGES_EACH = 40;

describeWhenPresent(['mariadb'], 'Intake while MariaDB is away', () => {
  const server = new PrivateService('mariadb');
  let test: TestApp;
  const log = new LogLines();
  let secret: string;

  beforeAll(async () => {
    const database = await createDatabase(await server.start());
    test = await startTestApp(
      { kind: 'mysql', url: database.url, connections: 6 },
      { spoolLimitBytes: 1024 * 1024, intakeStoreLimitMs: 500, logLevel: 'warn' },
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
    // In the order of arrival as far as a commit shared by several allows.
    expect(rows.map(({ subject }) => subject).sort()).toEqual([0, 1, 2, 3, 4].map((index) => `large ${index}`));
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
