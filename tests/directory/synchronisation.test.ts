import { DataSource } from 'typeorm';
import type { SqlRow } from '../../src/entities/database.js';
import { DirectoryOrder1764000000010 } from '../../src/entities/migrations/1764000000010-directory-order.js';
import { sqliteDriver } from '../../src/entities/sqlite-driver.js';
import { newGuid } from '../../src/ldap/embedded/entry-store.js';
import { databaseLocation } from '../../src/composition/places.js';
import { createServices } from '../../src/composition/create-services.js';
import { createLogger } from '../../src/log.js';
import { SynchronisationKind, SynchronisationStatus } from '../../src/services/directory/synchronisation-state.js';
import { startTestApp, TEST_AUTHOR, type TestApp } from '../support/app.js';
import { describeOnBothDatabases } from '../support/databases.js';
import { runCommand, settingsFor, startCommand } from '../support/processes.js';
import { until } from '../support/until.js';
import { cacheRows } from './cache-rows.js';
import { CONNECTION, ConnectionsApi, type ShownConnection } from './connections-api.js';

const BASE = 'DC=example,DC=com';
const SERVICE = `CN=Mailkeep Synchronisation,OU=Service Accounts,${BASE}`;
const FOLLOW = `subscription { directoryChanged { ${CONNECTION} } }`;

describeOnBothDatabases('Synchronisation', (location) => {
  let test: TestApp;
  let api: ConnectionsApi;
  let id: number;

  beforeAll(async () => {
    // What the bytes without sense are waited for.
    test = await startTestApp(location(), { ldapTimeoutMs: 1_000 });
    api = new ConnectionsApi(await test.signedIn('admin'));
    id = Number((await api.named('example.com')).id);
  }, 60_000);
  afterEach(() => {
    test.directory.faults = {};
  });
  afterAll(() => test?.stop());

  const services = () => test.app.services;
  const shown = () => api.named('example.com');
  /** Services of another process that shares the database. */
  const elsewhere = () => createServices(test.config, createLogger('silent'), test.app.database);
  const succeed = async () => {
    const state = await services().synchronisation.synchronise(id, { full: true });
    expect(state).toMatchObject({ status: SynchronisationStatus.SUCCEEDED });
  };
  const update = async (change: Parameters<TestApp['app']['services']['connections']['update']>[2]) => {
    const connection = await services().connections.find(id);
    return services().connections.update(id, connection?.version ?? 0, change, TEST_AUTHOR);
  };
  const settings = async () => {
    const connection = await services().connections.find(id);
    if (!connection) throw new Error('The connection is gone.');
    return services().connections.settingsOf(connection);
  };
  const running = () =>
    until(
      'the synchronisation runs',
      async () => (await shown()).synchronization.status,
      (status) => status === 'RUNNING',
    );

  it('L3: readers see the old directory or the new one, never half of both', async () => {
    for (let number = 0; number < 30; number += 1) {
      test.directory.entries.add({
        dn: `CN=Zebra ${number},OU=Partners,${BASE}`,
        kind: 'user',
        guid: newGuid(),
        attributes: { sAMAccountName: `zebra${number}`, displayName: `Zebra old` },
      });
    }
    await succeed();
    for (let number = 0; number < 30; number += 1)
      test.directory.entries.modify(`CN=Zebra ${number},OU=Partners,${BASE}`, { displayName: 'Zebra new' });
    const seen: string[] = [];
    let going = true;
    const read = async () => {
      while (going) {
        const { directoryAccounts } = await api.client.ask<{ directoryAccounts: { name: string }[] }>(
          '{ directoryAccounts(search: "zebra", first: 100) { name } }',
        );
        const names = new Set(directoryAccounts.map(({ name }) => name));
        seen.push(`${directoryAccounts.length} ${[...names].join('+')}`);
      }
    };
    test.directory.faults = { delayMs: 20 };
    const readers = [read(), read()];
    await succeed();
    await until(
      'the new one is read',
      () => seen.at(-1),
      (last) => last === '30 Zebra new',
    );
    going = false;
    await Promise.all(readers);
    // The look-up of the words and that of the names may lie on both sides of the switch: then identities are the same.
    expect([...new Set(seen)].sort()).toEqual(['30 Zebra new', '30 Zebra old']);
  });

  it.each<[string, () => Promise<void> | void, string]>([
    ['a server that is away', () => test.directory.stop(), 'LDAP_UNREACHABLE'],
    [
      'a connection that is cut in the middle',
      () => void (test.directory.faults = { dropAfterEntries: 8 }),
      'LDAP_CONNECTION_LOST',
    ],
    ['a busy server', () => void (test.directory.faults = { busy: true }), 'LDAP_BUSY'],
    ['bytes that are no LDAP', () => void (test.directory.faults = { garbage: 'BYTES' }), 'LDAP_TIMEOUT'],
    ['a server that wants TLS', () => void (test.directory.faults = { requireTls: true }), 'LDAP_TLS_REQUIRED'],
    ['a bind account that was disabled', () => disableService('514'), 'LDAP_BIND_REFUSED'],
  ])('L3: %s leaves the old cache whole and in use, is told, and is tried again', async (_title, fail, code) => {
    await succeed();
    const before = await cacheRows(test.app.database, id);
    const port = (await settings()).servers[0]?.port;
    const events = await api.client.subscribe<{ directoryChanged: ShownConnection }>(FOLLOW);
    await fail();
    const state = await services().synchronisation.synchronise(id, { full: true });
    expect(state).toMatchObject({ status: SynchronisationStatus.FAILED, failures: 1, error: { code } });
    const told: string[] = [];
    let last: ShownConnection | undefined;
    while (told.at(-1) !== 'FAILED') {
      last = (await events.next()).directoryChanged;
      told.push(last.synchronization.status);
    }
    expect(last?.synchronization).toMatchObject({
      error: { code },
      counts: expect.objectContaining({ groups: 5 }),
      nextRunAt: expect.any(String),
    });
    expect(await cacheRows(test.app.database, id)).toEqual(before);
    test.directory.faults = {};
    if (code === 'LDAP_UNREACHABLE') await restartDirectory(port);
    if (code === 'LDAP_BIND_REFUSED') {
      // The sub-code of Active Directory, in words.
      expect(state?.error?.message).toBe('The directory refused the bind: the account is disabled.');
      disableService('512');
    }
    await succeed();
    expect((await shown()).synchronization).toMatchObject({ status: 'SUCCEEDED', error: null });
    await events.close();
  });

  const disableService = (control: string) => {
    test.directory.entries.modify(SERVICE, { userAccountControl: [control] });
  };
  const restartDirectory = async (port: number | undefined) => {
    // The same port, which the settings name.
    Object.assign((test.directory as unknown as { options: { port?: number } }).options, { port });
    await test.directory.start();
  };

  it('L3: waits longer after each failure in a row', async () => {
    test.directory.faults = { busy: true };
    const delays: number[] = [];
    for (let failure = 0; failure < 4; failure += 1) {
      const state = await services().synchronisation.synchronise(id);
      const { synchronization } = await shown();
      delays.push(Math.round((Date.parse(synchronization.nextRunAt ?? '') - (state?.finishedAtMs ?? 0)) / 60_000));
    }
    expect(delays).toEqual([1, 2, 4, 8]);
    test.directory.faults = {};
    await succeed();
    const { nextRunAt, finishedAt } = (await shown()).synchronization;
    expect(Math.round((Date.parse(nextRunAt ?? '') - Date.parse(finishedAt ?? '')) / 60_000)).toBe(30);
  });

  it('L3: holds a directory back that lost more than half of its people, until somebody confirms it', async () => {
    const full = await settings();
    const before = await cacheRows(test.app.database, id);
    await update({ settings: { ...full, baseDn: `OU=Shared Mailboxes,${BASE}` } });
    for (const options of [{}, { full: true }]) {
      const state = await services().synchronisation.synchronise(id, options);
      expect(state).toMatchObject({ status: SynchronisationStatus.HELD_BACK, error: { code: 'DIRECTORY_SHRUNK' } });
      expect(await cacheRows(test.app.database, id)).toEqual(before);
    }
    const { started, userErrors } = await api.synchronize({ id: String(id), acceptLoss: true });
    expect({ started, userErrors }).toEqual({ started: true, userErrors: [] });
    const { synchronization } = await until('it ends', shown, (now) => now.synchronization.status !== 'RUNNING');
    expect(synchronization).toMatchObject({ status: 'SUCCEEDED', counts: { people: 2 } });
    const audit = await test.app.database.rows<SqlRow>(
      "SELECT * FROM audit_entry WHERE event = 'DIRECTORY_SYNCHRONIZE'",
    );
    expect(audit.at(-1)).toMatchObject({
      actor: 'account:admin',
      details: expect.stringContaining('"acceptLoss":true'),
    });
    await update({ settings: full });
    await succeed();
    expect(await cacheRows(test.app.database, id)).toEqual(before);
  });

  it('L3: the command says what is held back and how to confirm it, and confirms it on demand', async () => {
    const full = await settings();
    await update({ settings: { ...full, baseDn: `OU=Shared Mailboxes,${BASE}` } });
    const environment = settingsFor(location(), test.config.dataDir);
    const refused = await runCommand(['sync-directory', 'example.com'], environment);
    expect({ code: refused.code, lines: refused.stdout.trim().split('\n') }).toEqual({
      code: 1,
      lines: [
        expect.stringMatching(/^example\.com: HELD_BACK The directory shows 2 people where it showed \d+/),
        '             If the loss is meant: sync-directory --accept-loss "example.com"',
      ],
    });
    expect(await runCommand(['sync-directory', '--accept-loss'], environment)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--accept-loss needs the names'),
    });
    expect(await runCommand(['sync-directory', '--accept-loss', 'example.com'], environment)).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('SUCCEEDED'),
    });
    const audit = await test.app.database.rows<SqlRow>(
      "SELECT * FROM audit_entry WHERE event = 'DIRECTORY_SYNCHRONIZE' AND actor = 'system:cli' ORDER BY id DESC",
    );
    expect(audit[0]).toMatchObject({ details: expect.stringContaining('"acceptLoss":true') });
    await update({ settings: full });
    await succeed();
  }, 90_000);

  it('L3: takes entries without sense for no directory', async () => {
    const before = await cacheRows(test.app.database, id);
    test.directory.faults = { garbage: 'ENTRIES' };
    expect(await services().synchronisation.synchronise(id, { full: true })).toMatchObject({
      error: { code: expect.stringMatching(/DIRECTORY_SHRUNK|LDAP_PROTOCOL/) },
    });
    expect(await cacheRows(test.app.database, id)).toEqual(before);
    test.directory.faults = {};
    await succeed();
  });

  it('L3: holds back an incremental loss, too', async () => {
    const people = [...test.directory.entries.all()].filter(
      (entry) => !entry.deleted && /^cn=(zebra .*|.*ou=people),.*dc=example,dc=com$/.test(entry.key),
    );
    for (const { dn } of people) test.directory.entries.delete(dn);
    expect(await services().synchronisation.synchronise(id)).toMatchObject({
      status: SynchronisationStatus.HELD_BACK,
      error: { code: 'DIRECTORY_SHRUNK' },
    });
    expect(await services().synchronisation.synchronise(id, { acceptLoss: true })).toMatchObject({
      status: SynchronisationStatus.SUCCEEDED,
      kind: SynchronisationKind.FULL,
    });
  });

  it('L2: runs once when several ask at once, in one process and in two', async () => {
    test.directory.faults = { delayMs: 20 };
    const other = elsewhere();
    const [first, second, third] = await Promise.all([
      services().synchronisation.synchronise(id, { full: true }),
      services().synchronisation.synchronise(id, { full: true }),
      until('the first one runs', () => running()).then(() => other.synchronisation.synchronise(id, { full: true })),
    ]);
    expect(first).toMatchObject({ status: SynchronisationStatus.SUCCEEDED });
    expect(second).toBe(first);
    expect(third).toBeUndefined();
    expect((await api.synchronize({ id: String(id) })).started).toBe(true);
    await until('it ends', shown, (now) => now.synchronization.status !== 'RUNNING');
  });

  it('L2: another process, that of a command, finds the lease taken, and takes that of a dead one over', async () => {
    const environment = settingsFor(location(), test.config.dataDir);
    const lease = (until_: number) =>
      test.app.database.transaction((transaction) =>
        transaction.run("UPDATE ldap_connection SET lease_owner = 'dead', lease_until = ? WHERE id = ?", [until_, id]),
      );
    await lease(Date.now() + 60_000);
    const refused = await runCommand(['sync-directory', 'example.com'], environment);
    expect(refused.stdout).toContain('is being synchronised by another process');
    await lease(Date.now() - 1);
    const done = await runCommand(['sync-directory', 'example.com'], environment);
    expect({ code: done.code, stdout: done.stdout }).toEqual({ code: 0, stdout: expect.stringContaining('SUCCEEDED') });
  }, 60_000);

  it('L3: a process that lost its lease writes nothing more', async () => {
    const before = await cacheRows(test.app.database, id);
    test.directory.entries.add({ dn: `CN=Late,OU=Partners,${BASE}`, kind: 'user', guid: newGuid() });
    test.directory.faults = { delayMs: 30 };
    const slow = services().synchronisation.synchronise(id, { full: true });
    await running();
    await test.app.database.transaction((transaction) =>
      transaction.run("UPDATE ldap_connection SET lease_owner = 'another', lease_until = ? WHERE id = ?", [
        Date.now() + 60_000,
        id,
      ]),
    );
    expect(await slow).toMatchObject({ error: { code: 'SYNCHRONISATION_TAKEN_OVER' } });
    expect(await cacheRows(test.app.database, id)).toEqual(before);
    const [row] = await test.app.database.rows<SqlRow>('SELECT * FROM ldap_connection WHERE id = ?', [id]);
    expect(row).toMatchObject({ lease_owner: 'another' });
    await test.app.database.transaction((transaction) =>
      transaction.run('UPDATE ldap_connection SET lease_owner = NULL, lease_until = 0 WHERE id = ?', [id]),
    );
    await succeed();
  });

  it('L3: a process that is killed in the middle leaves the old cache whole, and the next one clears up', async () => {
    for (let number = 0; number < 1_200; number += 1)
      test.directory.entries.add({ dn: `CN=Many ${number},OU=Partners,${BASE}`, kind: 'user', guid: newGuid() });
    const before = await cacheRows(test.app.database, id);
    // As if nothing were known of its last full pass, so that a new generation is written.
    await test.app.database.transaction((transaction) =>
      transaction.run('UPDATE ldap_connection SET full_pass_at = NULL WHERE id = ?', [id]),
    );
    test.directory.faults = { delayMs: 400 };
    const half = async () =>
      test.app.database.rows(
        `SELECT 1 AS written FROM directory_entry e JOIN ldap_connection c ON c.id = e.connection_id
          WHERE c.id = ? AND e.generation > c.generation LIMIT 1`,
        [id],
      );
    const command = startCommand(['sync-directory', 'example.com'], settingsFor(location(), test.config.dataDir));
    await until('a part is written', half, (rows) => rows.length > 0, 60_000);
    expect(await command.kill('SIGKILL')).toMatchObject({ code: null });
    expect(await half()).toHaveLength(1);
    expect(await cacheRows(test.app.database, id)).toEqual(before);
    test.directory.faults = {};
    // Nobody else takes it before the lease is over.
    expect(await services().synchronisation.synchronise(id)).toBeUndefined();
    await test.app.database.transaction((transaction) =>
      transaction.run('UPDATE ldap_connection SET lease_until = ? WHERE id = ?', [Date.now() - 1, id]),
    );
    const state = await services().synchronisation.synchronise(id);
    expect(state).toMatchObject({ status: SynchronisationStatus.SUCCEEDED, kind: SynchronisationKind.FULL });
    expect(state?.counts?.people).toBeGreaterThan(1_200);
    expect(await half()).toEqual([]);
    for (const entry of [...test.directory.entries.all()])
      if (entry.dn.startsWith('CN=Many ')) test.directory.entries.delete(entry.dn);
    await services().synchronisation.synchronise(id, { acceptLoss: true });
  }, 120_000);

  it('settings that are changed while it runs are taken at once, and nothing of the old ones stays', async () => {
    const full = await settings();
    test.directory.faults = { delayMs: 30 };
    const work = services().synchronisation.synchronise(id, { full: true, acceptLoss: true });
    await running();
    await update({ settings: { ...full, baseDn: `OU=Groups,${BASE}` } });
    expect(await work).toMatchObject({ status: SynchronisationStatus.SUCCEEDED, counts: { people: 0, groups: 5 } });
    test.directory.faults = {};
    await update({ settings: full });
    await succeed();
  });

  it('settings that are corrected while it fails are taken at once', async () => {
    const full = await settings();
    await update({ settings: { ...full, bindPassword: 'a wrong one' } });
    test.directory.faults = { delayMs: 700 };
    const work = services().synchronisation.synchronise(id);
    await running();
    await update({ settings: full });
    test.directory.faults = {};
    expect(await work).toMatchObject({ status: SynchronisationStatus.SUCCEEDED, error: null });
  });

  it('another name or schedule does not disturb one that runs', async () => {
    test.directory.faults = { delayMs: 30 };
    const work = services().synchronisation.synchronise(id, { full: true });
    await running();
    await update({ name: 'Example', schedule: { kind: 'DAILY', time: '03:30', timeZone: 'UTC' } });
    expect(await work).toMatchObject({ status: SynchronisationStatus.SUCCEEDED });
    const { name, synchronization, schedule } = await api.named('Example');
    expect({ name, schedule }).toMatchObject({ name: 'Example', schedule: { kind: 'DAILY', time: '03:30' } });
    expect(synchronization.nextRunAt).toMatch(/T03:30:00/);
    await update({ name: 'example.com', schedule: { kind: 'INTERVAL', minutes: 30 } });
  });

  it('a process that stops breaks off, and leaves the connection due', async () => {
    const other = elsewhere();
    test.directory.faults = { delayMs: 30 };
    const work = other.synchronisation.synchronise(id, { full: true });
    await running();
    await other.synchronisation.stop();
    await work;
    const [row] = await test.app.database.rows<{ next: number; lease: number }>(
      'SELECT next_run_at AS next, lease_until AS lease FROM ldap_connection WHERE id = ?',
      [id],
    );
    expect(row?.lease).toBe(0);
    expect(row?.next).toBeLessThanOrEqual(Date.now());
    expect((await shown()).synchronization.status).toBe('SUCCEEDED');
    test.directory.faults = {};
    await succeed();
  });

  it('L3: the cache of an earlier version goes on in the new form, also when the change was interrupted', async () => {
    await succeed();
    const before = await cacheRows(test.app.database, id);
    expect(before['directory_word']?.length).toBeGreaterThan(before['directory_entry']?.length ?? Infinity);
    const place = databaseLocation(test.config);
    const source = await new DataSource(
      place.kind === 'sqlite'
        ? { type: 'better-sqlite3', driver: sqliteDriver(), database: place.file }
        : { type: 'mysql', url: place.url },
    ).initialize();
    const runner = source.createQueryRunner();
    try {
      const migration = new DirectoryOrder1764000000010();
      await migration.down(runner);
      expect(await cacheRows(test.app.database, id)).not.toEqual(before);
      await migration.up(runner);
      expect(await cacheRows(test.app.database, id)).toEqual(before);
      await migration.down(runner);
      // What a process leaves that dies in the middle of copying entries.
      await runner.query('ALTER TABLE directory_entry RENAME TO directory_entry_before');
      await runner.query('CREATE TABLE directory_entry (directory_id integer)');
      await migration.up(runner);
      expect(await cacheRows(test.app.database, id)).toEqual(before);
    } finally {
      await source.destroy();
    }
    const again = await services().synchronisation.synchronise(id);
    expect(again).toMatchObject({ status: SynchronisationStatus.SUCCEEDED, kind: SynchronisationKind.INCREMENTAL });
  });

  it('L4: a connection that is deleted while it is synchronised leaves no rows behind', async () => {
    test.directory.faults = { delayMs: 30 };
    const work = services().synchronisation.synchronise(id, { full: true });
    await running();
    await services().connections.delete(id, TEST_AUTHOR);
    expect(await work).toMatchObject({ error: { code: 'SYNCHRONISATION_TAKEN_OVER' } });
    for (const table of ['directory_entry', 'directory_identifier', 'directory_word', 'directory_member']) {
      expect(await test.app.database.rows(`SELECT * FROM ${table} WHERE connection_id = ?`, [id])).toEqual([]);
    }
    expect(await test.app.database.rows("SELECT * FROM mailbox_access WHERE domain = 'example.com'")).toEqual([]);
  });
});
