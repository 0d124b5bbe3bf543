import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { databaseLocation } from '../../src/composition/places.js';
import { describeSettings, loadConfig } from '../../src/config.js';
import { Database } from '../../src/entities/database.js';
import { ContentStore } from '../../src/services/backup/content-store.js';
import { describeOnBothDatabases } from '../support/databases.js';
import { runCommand, type Settings, settingsFor, startServer } from '../support/processes.js';

const ANNA = '"Ann\u00e4" <anna@example.com>';
const message = (subject: string, ...fields: string[]) =>
  ['From: some@example.net', ...fields, `Subject: ${subject}`, '', `Body of ${subject}`, ''].join('\r\n');

describeOnBothDatabases('The operator’s commands', (location) => {
  let folder: string;
  let dataDir: string;
  let settings: Settings;

  beforeAll(() => {
    const place = location();
    folder = mkdtempSync(join(tmpdir(), 'mailkeep-commands-'));
    dataDir = place.kind === 'sqlite' ? dirname(place.file) : join(folder, 'data');
    settings = settingsFor(place, dataDir);
    const file = (path: string, content: string | Buffer) => {
      mkdirSync(dirname(join(folder, 'mail', path)), { recursive: true });
      writeFileSync(join(folder, 'mail', path), content);
    };
    file('one.eml', message('One', `To: ${ANNA}`, 'Cc: clara@example.com'));
    file(
      'raw.eml',
      Buffer.concat([Buffer.from(message('Raw', 'Delivered-To: anna@example.com')), Buffer.from([0, 255, 10, 13])]),
    );
    file('sub/nobody.eml', message('Nobody'));
    file('sub/broken.eml', Buffer.from([0x80, 0x81, 0x82, 0x00, 0x0a]));
    file(
      'box.mbox',
      ['Two', 'Three']
        .map(
          (name) =>
            `From sender@example.net Mon Jan  5 10:00:00 2026\n${message(name, 'X-Envelope-To: boris@example.com').replaceAll('\r\n', '\n')}\n`,
        )
        .join(''),
    );
    for (const leaf of ['new', 'cur', 'tmp']) mkdirSync(join(folder, 'mail', 'Maildir', leaf), { recursive: true });
    file('Maildir/new/1.host', message('Four', 'X-Original-To: anna@example.com'));
    file('Maildir/cur/2.host:2,S', message('Five', 'X-Original-To: anna@example.com'));
    file('Maildir/tmp/3.host', message('Not delivered yet', 'X-Original-To: anna@example.com'));
    file('notes.txt', 'no mail at all');
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const run = (...args: string[]) => runCommand(args, settings);
  const withDatabase = async <Result>(work: (database: Database) => Promise<Result>): Promise<Result> => {
    const database = await Database.open(databaseLocation(loadConfig({ ...settings })));
    try {
      return await work(database);
    } finally {
      await database.close();
    }
  };

  it('import takes files, mbox files, Maildirs and folders of them, says what it did, and stores nothing twice', async () => {
    const mailFolder = join(folder, 'mail');
    const first = await run('import', mailFolder, '--module', 'ANTI_SPAM', '--status', 'SPAM');
    expect(first.code).toBe(0);
    expect(first.stdout.trim().split('\n')).toEqual([
      `skipped ${join(mailFolder, 'notes.txt')}: NOT_A_MESSAGE`,
      '8 stored, 0 already there, 0 failed, 1 files skipped.',
      '1 messages named no envelope recipient: To and Cc were taken instead, which may miss or invent recipients.',
      '2 messages have no recipient at all: only administrators see them. Give --to.',
    ]);
    // Progress goes where it does not mix with the summary.
    expect(first.stderr).toContain('8 messages');
    const again = await run(
      'import',
      mailFolder,
      join(mailFolder, 'one.eml'),
      '--module',
      'ANTI_SPAM',
      '--status',
      'SPAM',
    );
    expect(again.code).toBe(0);
    expect(again.stdout).toContain('0 stored, 9 already there, 0 failed');

    await withDatabase(async (database) => {
      const rows = await database.rows<{ subject: string; recipient: string | null; detected: number; source: string }>(
        `SELECT m.subject, r.mailbox AS recipient, m.detected_by AS detected, m.source FROM message m
           LEFT JOIN recipient r ON r.message_id = m.id ORDER BY m.subject, r.mailbox`,
      );
      expect(rows.map(({ subject, recipient }) => [subject, recipient])).toEqual([
        ['', null],
        ['Five', 'anna@example.com'],
        ['Four', 'anna@example.com'],
        ['Nobody', null],
        ['One', 'anna@example.com'],
        ['One', 'clara@example.com'],
        ['Raw', 'anna@example.com'],
        ['Three', 'boris@example.com'],
        ['Two', 'boris@example.com'],
      ]);
      expect(new Set(rows.map(({ source }) => source))).toEqual(new Set(['import']));
      expect(new Set(rows.map(({ detected }) => detected))).toEqual(new Set([2]));
      const [raw] = await database.rows<{ id: number }>("SELECT content_id AS id FROM message WHERE subject = 'Raw'");
      const hash = createHash('sha256');
      for await (const chunk of new ContentStore(database).open(raw?.id ?? 0)) hash.update(chunk);
      expect(hash.digest('hex')).toBe(
        createHash('sha256')
          .update(readFileSync(join(mailFolder, 'raw.eml')))
          .digest('hex'),
      );
    });
  }, 30_000);

  it('import takes recipients and action from its options, and two imports at once store once', async () => {
    const path = join(folder, 'mail', 'one.eml');
    const options = ['--to', 'zoe@example.com', '--to', 'Joerg@example.com', '--action', 'DISINFECT'];
    const ended = await Promise.all([run('import', path, ...options), run('import', path, ...options)]);
    expect(ended.map(({ stdout }) => stdout.trim()).sort()).toEqual([
      '0 stored, 1 already there, 0 failed, 0 files skipped.',
      '1 stored, 0 already there, 0 failed, 0 files skipped.',
    ]);
    await withDatabase(async (database) =>
      expect(
        await database.rows(
          'SELECT r.address, r.action FROM recipient r JOIN message m ON m.id = r.message_id WHERE m.action = 1 ORDER BY r.position',
        ),
      ).toEqual([
        { address: 'zoe@example.com', action: 1 },
        { address: 'Joerg@example.com', action: 1 },
      ]),
    );
  }, 30_000);

  it('import fails when a path that it was given is not there, and still takes the others', async () => {
    const { code, stdout } = await run(
      'import',
      join(folder, 'nowhere'),
      join(folder, 'mail', 'one.eml'),
      '--to',
      'emil@example.com',
    );
    expect(code).toBe(1);
    expect(stdout).toContain(`skipped ${join(folder, 'nowhere')}: NOT_FOUND`);
    expect(stdout).toContain('1 stored');
  }, 30_000);

  it('create-token prints a secret that a server takes, and keeps only its hash', async () => {
    const { code, stdout, stderr } = await run('create-token', 'gateway one', '--days', '30');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const secret = stdout.trim();
    expect(secret).toMatch(/^mk_[\w-]{40,}$/);
    await withDatabase(async (database) => {
      const rows = await database.rows<{ name: string; expires: number }>(
        'SELECT name, expires_at AS expires, token_hash FROM api_token',
      );
      expect(rows).toMatchObject([{ name: 'gateway one' }]);
      expect(JSON.stringify(rows)).not.toContain(secret.slice(3));
      expect(Math.round(((rows[0]?.expires ?? 0) - Date.now()) / 86_400_000)).toBe(30);
    });
    const server = await startServer(settings);
    try {
      const { status } = await fetch(`${server.url}/intake/message`, {
        method: 'POST',
        headers: { authorization: `Bearer ${secret}`, 'content-type': 'message/rfc822', 'x-mailkeep-metadata': '{}' },
        body: message('By token'),
      });
      expect(status).toBe(200);
    } finally {
      expect((await server.kill('SIGTERM')).code).toBe(0);
    }
  }, 30_000);

  it('migrate applies what is missing once', async () => {
    const { code, stdout } = await run('migrate');
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'The database is up to date.\n' });
  }, 20_000);

  it('a command that cannot reach its database says so in one line, without its password', async () => {
    const { code, stdout, stderr } = await runCommand(['migrate'], {
      ...settings,
      MAILKEEP_DATABASE_URL: 'mysql://root:secret-password@127.0.0.1:1/none',
    });
    expect({ code, stdout, stderr }).toEqual({ code: 1, stdout: '', stderr: 'The database cannot be opened.\n' });
  }, 20_000);
});

describe('Commands that say no, or only what they know', () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'mailkeep-commands-'));
  afterAll(() => rmSync(dataDir, { recursive: true }));
  const secrets = {
    MAILKEEP_ADMIN_PASSWORD: 'the-admin-password',
    MAILKEEP_SECRET_KEY: 'the-secret-key-of-forty-characters-and-so',
    MAILKEEP_DATABASE_URL: 'mysql://user:the-database-password@db.example/mailkeep',
  };

  it.each([
    [['import'], 'import needs at least one path.'],
    [['import', '.', '--to', 'nobody'], '--to nobody is no mail address.'],
    [['import', '.', '--action', 'toString'], '--action must be one of'],
    [['import', '.', '--module', 'ANTI_SPAM'], '--module and --status go together.'],
    [['import', '.', '--module', 'ANTI_VIRUS', '--status', 'SPAM'], '--status must be one of'],
    [['import', '.', '--quick'], "Unknown option '--quick'"],
    [['create-token'], 'create-token needs a name'],
    [['create-token', 'x', '--scope', 'constructor'], '--scope must be one of INTAKE'],
    [['create-token', 'x', '--days', '0'], '--days must be a whole number of days.'],
    [['conquer'], 'There is no command "conquer". "help" lists them.'],
    [['toString'], 'There is no command "toString". "help" lists them.'],
    [['sync-directory', 'nowhere.example'], 'There is no connection "nowhere.example". There are: none.'],
  ])(
    '%j is refused with exit code 2 and one line that says why',
    async (args, reason) => {
      const { code, stdout, stderr } = await runCommand(args, { MAILKEEP_DATA_DIR: dataDir });
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
      expect(stderr).toContain(reason);
      expect(stderr).not.toMatch(/\n\s+at /);
    },
    20_000,
  );

  it('config lists every setting with its variable, and shows no secret', async () => {
    const { code, stdout } = await runCommand(['config'], { ...secrets, MAILKEEP_DATA_DIR: dataDir });
    expect(code).toBe(0);
    for (const { environmentName, description } of describeSettings()) {
      expect(stdout).toContain(`${environmentName} = `);
      expect(stdout).toContain(description);
    }
    expect(stdout).toContain('MAILKEEP_SECRET_KEY = (set)');
    for (const secret of ['the-admin-password', 'the-secret-key', 'the-database-password'])
      expect(stdout).not.toContain(secret);
  }, 20_000);

  it('help lists every command', async () => {
    const { code, stdout } = await runCommand(['help'], {});
    expect(code).toBe(0);
    for (const name of ['migrate', 'import PATH…', 'create-token NAME', 'sync-directory', 'config', 'schema', 'demo'])
      expect(stdout).toMatch(new RegExp(`^  ${name}`, 'm'));
    expect((await runCommand([], {})).code).toBe(2);
    expect((await runCommand(['--help'], {})).stdout).toBe(stdout);
  }, 20_000);

  it('wrong settings are refused by name, all at once, without their values', async () => {
    const { code, stderr } = await runCommand(['config'], {
      MAILKEEP_HTTP_PORT: '70000',
      MAILKEEP_SECRET_KEY: 'short-secret',
      MAILKEEP_COLOUR: 'blue',
      MAILKEEP_EXPLORER: 'perhaps',
    });
    expect(code).toBe(1);
    for (const name of ['MAILKEEP_HTTP_PORT', 'MAILKEEP_COLOUR: there is no such setting', 'MAILKEEP_EXPLORER'])
      expect(stderr).toContain(name);
    expect(stderr).not.toContain('short-secret');
    expect(stderr).not.toMatch(/\n\s+at /);
  }, 20_000);
});
