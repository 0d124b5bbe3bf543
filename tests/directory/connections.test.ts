import { PassThrough } from 'node:stream';
import type { SqlRow } from '../../src/entities/database.js';
import { EmbeddedDirectory } from '../../src/ldap/embedded/embedded-directory.js';
import { connectionsTo } from '../../src/ldap/embedded/example-connections.js';
import { ADMIN_PASSWORD, startTestApp, type TestApp } from '../support/app.js';
import { makeCertificates, type TestCertificates } from '../support/certificates.js';
import type { Client } from '../support/client.js';
import { describeOnBothDatabases } from '../support/databases.js';
import { type DnsAnswer, DnsServer } from '../support/dns-server.js';
import { ALL_ON, setSwitches } from '../support/people.js';
import { until } from '../support/until.js';
import { largeOrganisation } from '../ldap/example.js';
import { type ConnectionPayload, ConnectionsApi } from './connections-api.js';

const PASSWORD = 'sync-demo';
const ORGANISATION = largeOrganisation(3);

describeOnBothDatabases('Directory connections through the API', (location) => {
  let test: TestApp;
  let admin: Client;
  let api: ConnectionsApi;
  let certificates: TestCertificates;
  let directory: EmbeddedDirectory;
  let port: number;
  const log = new PassThrough();
  const logged: string[] = [];
  const answers: string[] = [];

  beforeAll(async () => {
    log.on('data', (bytes: Buffer) => logged.push(bytes.toString()));
    certificates = await makeCertificates();
    directory = new EmbeddedDirectory({
      organisation: ORGANISATION,
      tls: { ...certificates.good, startTls: true },
    });
    ({ port } = await directory.start());
    test = await startTestApp(location(), { logLevel: 'trace' }, log);
    admin = await test.signedIn('admin');
    api = new ConnectionsApi(admin);
  }, 60_000);
  afterAll(async () => {
    await test?.stop();
    await directory?.stop();
  });

  const settings = (change: Record<string, unknown> = {}) => {
    const { overrides: _, ...known } = connectionsTo(ORGANISATION, port)[0] ?? { overrides: {} };
    return {
      ...known,
      tlsMode: 'STARTTLS',
      plainAllowed: false,
      caPem: certificates.ca,
      bindPassword: PASSWORD,
      ...change,
    };
  };
  const finished = (name: string) =>
    until(
      `${name} is synchronised`,
      () => api.named(name),
      ({ synchronization }) => synchronization.status !== 'RUNNING' && synchronization.finishedAt !== null,
    );
  const keep = <Answer>(answer: Answer): Answer => {
    answers.push(JSON.stringify(answer));
    return answer;
  };

  it('L2: a new connection is synchronised right after saving, and says what it found', async () => {
    const { connection, userErrors } = keep(await api.create({ name: 'large', settings: settings() }));
    expect(userErrors).toEqual([]);
    expect(connection).toMatchObject({ name: 'large', version: 1, schedule: { kind: 'INTERVAL', minutes: 30 } });
    expect(keep(await finished('large'))).toMatchObject({
      delegationLoaded: true,
      synchronization: {
        status: 'SUCCEEDED',
        kind: 'FULL',
        error: null,
        counts: { people: 4, groups: 1, contacts: 0, addresses: 3, delegations: 0, unresolved: 0 },
        nextRunAt: expect.any(String),
      },
    });
  });

  it.each<[string, Record<string, unknown>, string]>([
    ['an empty name', { name: ' ' }, 'name'],
    ['a name that is taken', { name: 'large' }, 'name'],
    ['a domain that is none', { settings: { domain: 'exa mple' } }, 'domain'],
    ['a base DN that does not parse', { settings: { baseDn: 'DC=example,com' } }, 'baseDn'],
    ['a filter that does not parse', { settings: { overrides: { personFilter: '(cn=' } } }, 'overrides.personFilter'],
    ['an attribute with wrong letters', { settings: { delegationAttributes: ['a b'] } }, 'delegationAttributes'],
    ['an attribute name that is none', { settings: { overrides: { idAttribute: '1=1' } } }, 'overrides.idAttribute'],
    ['a host that is an address of a page', { settings: { servers: [{ host: 'ldap://x' }] } }, 'servers.0.host'],
    ['a port that is none', { settings: { servers: [{ host: 'dc1', port: 0 }] } }, 'servers.0.port'],
    ['a CA that is no certificate', { settings: { caPem: 'certificate' } }, 'caPem'],
    ['an empty password', { settings: { bindPassword: '' } }, 'bindPassword'],
    ['an empty bind name', { settings: { bindName: ' ' } }, 'bindName'],
    ['plain LDAP that is not allowed', { settings: { tlsMode: 'PLAIN' } }, 'tlsMode'],
    ['an interval of no minutes', { schedule: { kind: 'INTERVAL', minutes: 0 } }, 'schedule.minutes'],
    ['a time that is none', { schedule: { kind: 'DAILY', time: '25:00' } }, 'schedule.time'],
    ['a zone that is none', { schedule: { kind: 'DAILY', time: '03:00', timeZone: 'Mars' } }, 'schedule.timeZone'],
    ['a weekday too many', { schedule: { kind: 'WEEKLY', weekday: 8, time: '03:00' } }, 'schedule.weekday'],
    ['a month without a day', { schedule: { kind: 'MONTHLY', time: '03:00' } }, 'schedule.day'],
  ])('refuses %s, names the field and changes nothing', async (_title, change, field) => {
    const before = (await api.list()).length;
    const input = { name: 'new', ...change, settings: settings(change['settings'] as Record<string, unknown>) };
    const answer = keep(await api.create(input));
    expect(answer).toMatchObject({ connection: null, userErrors: [{ code: 'BAD_USER_INPUT', field }] });
    expect(answer.userErrors[0]?.message.length).toBeGreaterThan(20);
    expect((await api.list()).length).toBe(before);
  });

  it('a change keeps what it does not name, and a stale one is refused and shows the current one', async () => {
    const before = await finished('large');
    const renamed = keep(await api.update({ id: before.id, version: before.version, name: 'larger' }));
    expect(renamed).toMatchObject({ connection: { name: 'larger', version: before.version + 1 }, userErrors: [] });
    // Another name is no reason to read the directory anew.
    expect(renamed.connection?.synchronization.nextRunAt).toBe(before.synchronization.nextRunAt);
    const stale = keep(await api.update({ id: before.id, version: before.version, name: 'largest' }));
    expect(stale).toMatchObject({ connection: { name: 'larger' }, userErrors: [{ code: 'CONFLICT' }] });
    const taken = keep(await api.update({ id: before.id, version: before.version + 1, name: 'example.com' }));
    expect(taken).toMatchObject({ connection: null, userErrors: [{ code: 'BAD_USER_INPUT', field: 'name' }] });
    await api.update({ id: before.id, version: before.version + 1, name: 'large' });
  });

  it('L8: the stored password is kept, and never sent to another server or under another name', async () => {
    const { id, version } = await finished('large');
    const other = keep(
      await api.update({
        id,
        version,
        settings: settings({ bindPassword: null, servers: [{ host: '127.0.0.1', port: 1 }] }),
      }),
    );
    expect(other).toMatchObject({ connection: null, userErrors: [{ field: 'bindPassword' }] });
    expect(
      keep(await api.test({ id, settings: settings({ bindPassword: null, tlsMode: 'PLAIN', plainAllowed: true }) }))
        .userErrors,
    ).toMatchObject([{ field: 'bindPassword' }]);
    const kept = keep(
      await api.update({
        id,
        version,
        settings: settings({ bindPassword: null, domain: 'LARGE.example.', contacts: false }),
      }),
    );
    expect(kept.userErrors).toEqual([]);
    expect((await finished('large')).synchronization.status).toBe('SUCCEEDED');
  });

  it('L8: no answer, audit entry, log line or stored row shows the password', async () => {
    await api.create({ name: 'wrong', settings: settings({ bindPassword: 'another-secret-password' }) });
    const wrong = keep(await finished('wrong'));
    expect(wrong.synchronization).toMatchObject({ status: 'FAILED', error: { code: 'LDAP_BIND_REFUSED' } });
    keep(await api.list());
    const audit = await test.app.database.rows<SqlRow>('SELECT * FROM audit_entry');
    expect(JSON.stringify(audit)).toContain('LDAP_CONNECTION_UPDATE');
    const rows = await test.app.database.rows<SqlRow>('SELECT * FROM ldap_connection');
    expect(logged.join('')).toContain('synchronisation failed');
    for (const text of [...answers, JSON.stringify(audit), JSON.stringify(rows), logged.join('')]) {
      expect(text).not.toContain(PASSWORD);
      expect(text).not.toContain('another-secret-password');
      expect(text).not.toContain(ADMIN_PASSWORD);
    }
    await api.delete(wrong.id);
  });

  it('V2: nobody without the permission sees or changes connections', async () => {
    const anna = await test.signedIn('anna');
    for (const client of [anna, test.client()]) {
      const { data, errors } = await client.query('{ ldapConnections { name } directoryClashes { value } }');
      expect(data).toEqual({ ldapConnections: null, directoryClashes: null });
      expect(errors[0]?.extensions?.['code']).toBe(client === anna ? 'FORBIDDEN' : 'UNAUTHENTICATED');
      const input = { id: '1' };
      const refused = await client.query<Record<string, ConnectionPayload | null>>(
        'mutation ($input: DeleteLdapConnectionInput!) { deleteLdapConnection(input: $input) { deletedConnectionId } }',
        { input },
      );
      expect(refused.errors[0]?.extensions?.['code']).toMatch(/FORBIDDEN|UNAUTHENTICATED/);
    }
    expect(await api.list()).toHaveLength(3);
  });

  it('L4: a deleted connection takes its cache with it and leaves that of the others', async () => {
    const { id } = await finished('large');
    const count = async (table: string, condition: string) =>
      (
        await test.app.database.rows<{ n: number }>(
          `SELECT count(*) AS n FROM ${table} WHERE connection_id ${condition}`,
          [id],
        )
      )[0]?.n;
    const tables = ['directory_entry', 'directory_identifier', 'directory_word', 'directory_member'];
    const others = await Promise.all(tables.map((table) => count(table, '<> ?')));
    for (const table of tables) expect(await count(table, '= ?')).toBeGreaterThan(0);
    expect(await api.delete(id)).toEqual({ deletedConnectionId: id, userErrors: [] });
    for (const table of tables) expect(await count(table, '= ?')).toBe(0);
    expect(await Promise.all(tables.map((table) => count(table, '<> ?')))).toEqual(others);
    expect(await api.delete(id)).toMatchObject({ deletedConnectionId: null, userErrors: [{ field: 'id' }] });
  });

  it('V9: one directory under the names of two domains gives its accesses once, and keeps them when one goes', async () => {
    await setSwitches(test.app.database, ALL_ON);
    const anna = await test.signedIn('anna');
    const seen = () => anna.ask('{ viewer { personalBackup { groupMailboxAccess groupMailboxes { address } } } }');
    const before = await seen();
    expect(before).toMatchObject({ viewer: { personalBackup: { groupMailboxes: [{}, {}] } } });
    const { connections } = test.app.services;
    const stored = await connections.find(Number((await api.named('example.com')).id));
    if (!stored) throw new Error('The connection to the example organisation is gone.');
    const { overrides: _, operationTimeoutMs: _ms, ...known } = connections.settingsOf(stored);
    const succeeded = async () => {
      const { id, version, synchronization } = await finished('again');
      expect(synchronization).toMatchObject({ status: 'SUCCEEDED', error: null });
      return { id, version };
    };
    await api.create({ name: 'again', settings: { ...known, domain: 'again.example' } });
    const { id, version } = await succeeded();
    expect(await seen()).toEqual(before);
    await api.update({ id, version, settings: { ...known, domain: 'third.example' } });
    await succeeded();
    expect(await seen()).toEqual(before);
    await api.delete(id);
    expect(await seen()).toEqual(before);
  });

  describe('the connection test', () => {
    const walk = async (change: Record<string, unknown>) => {
      const { steps, succeeded, userErrors } = keep(await api.test({ settings: settings(change) }));
      expect(userErrors).toEqual([]);
      return { succeeded, steps, failing: steps.find(({ status }) => status === 'FAILED') };
    };

    it('walks every step', async () => {
      const { succeeded, steps } = await walk({});
      expect(succeeded).toBe(true);
      expect(steps.map(({ step, status }) => `${step} ${status}`)).toEqual([
        'SETTINGS OK',
        'RESOLVE OK',
        'CONNECT OK',
        'TLS OK',
        'BIND OK',
        'BASE_DN OK',
        'PEOPLE OK',
        'DELEGATION_ATTRIBUTE WARNING',
      ]);
      expect(steps.at(-1)?.advice).toContain('Delegate a mailbox');
    });

    it.each<[string, () => Record<string, unknown>, string, RegExp]>([
      ['nothing listens', () => ({ servers: [{ host: '127.0.0.1', port: 1 }] }), 'CONNECT', /nothing listens/],
      ['an unknown host', () => ({ servers: [{ host: 'nowhere.invalid' }] }), 'CONNECT', /DNS/],
      ['the wrong CA', () => ({ caPem: certificates.otherCa }), 'TLS', /not trusted|not signed/],
      ['a refused bind', () => ({ bindPassword: 'nonsense' }), 'BIND', /wrong/],
      ['a base DN that does not exist', () => ({ baseDn: 'OU=No,DC=large,DC=example' }), 'BASE_DN', /does not exist/],
      ['a base DN elsewhere', () => ({ baseDn: 'DC=other,DC=example' }), 'BASE_DN', /another directory/],
    ])('%s is told with the step and what to do', async (_title, change, step, message) => {
      const { succeeded, steps, failing } = await walk(change());
      expect(succeeded).toBe(false);
      expect(failing).toMatchObject({ step, message: expect.stringMatching(message), advice: expect.any(String) });
      const at = steps.findIndex(({ status }) => status === 'FAILED');
      expect(steps.slice(at + 1).every(({ status }) => status === 'SKIPPED')).toBe(true);
    });

    it.each<[string, (all: TestCertificates) => { key: string; cert: string }, RegExp]>([
      ['an expired certificate', ({ expired }) => expired, /expired/],
      ['a certificate for another name', ({ wrongName }) => wrongName, /another host name/],
    ])('%s is refused', async (_title, pair, message) => {
      const server = new EmbeddedDirectory({ organisation: ORGANISATION, tls: { ...pair(certificates) } });
      const { port: tlsPort } = await server.start();
      const { failing } = await walk({ tlsMode: 'LDAPS', servers: [{ host: '127.0.0.1', port: tlsPort }] });
      expect(failing).toMatchObject({ step: 'TLS', message: expect.stringMatching(message) });
      await server.stop();
    });

    describe('L1: servers that DNS names', () => {
      const NAME = '_ldap._tcp.large.example';
      let dns: DnsServer;
      let local: EmbeddedDirectory;
      let localPort: number;

      beforeAll(async () => {
        dns = await DnsServer.start();
        // Its certificate is for localhost: what counts is the name in the record, which nobody wrote into the settings.
        local = new EmbeddedDirectory({ organisation: ORGANISATION, tls: certificates.wrongName });
        ({ port: localPort } = await local.start());
      });
      afterAll(async () => {
        await local?.stop();
        await dns?.stop();
      });

      const discover = () => walk({ tlsMode: 'LDAPS', servers: [] });
      const record = (recordPort: number, priority: number, weight: number) => ({
        name: 'localhost',
        port: recordPort,
        priority,
        weight,
      });

      it('are tried by priority and weight until one answers', async () => {
        dns.answers.set(NAME, [record(localPort, 20, 1), record(2, 10, 0), record(1, 10, 65_535)]);
        const { succeeded, steps } = await discover();
        expect(steps.slice(0, 4).map(({ step, message }) => `${step} ${message}`)).toEqual([
          'SETTINGS The settings are well-formed.',
          `RESOLVE Servers: localhost:1, localhost:2, localhost:${localPort}.`,
          `CONNECT Connected to localhost:${localPort}.`,
          `TLS The certificate is trusted and is for localhost:${localPort}.`,
        ]);
        expect(succeeded).toBe(true);
        expect(dns.asked).toContain(NAME);
      });

      it('are all told when none of them answers', async () => {
        dns.answers.set(NAME, [record(1, 0, 0), record(2, 1, 0)]);
        expect((await discover()).failing).toMatchObject({
          step: 'CONNECT',
          message: expect.stringMatching(/localhost:1 .*localhost:2 /s),
        });
      });

      it.each<[string, DnsAnswer, RegExp]>([
        ['a domain without such records', [], /knows no servers/],
        ['a domain that does not exist', 'NXDOMAIN', /knows no servers/],
        ['a domain that offers no LDAP', [{ name: '.', port: 0, priority: 0, weight: 0 }], /offers no LDAP/],
        ['a name server that fails', 'SERVFAIL', /DNS gave no answer .*ESERVFAIL/],
        ['a name server that refuses', 'REFUSED', /DNS gave no answer .*EREFUSED/],
      ])('%s is told', async (_title, answer, message) => {
        dns.answers.set(NAME, answer);
        expect((await discover()).failing).toMatchObject({
          step: 'RESOLVE',
          message: expect.stringMatching(message),
          advice: expect.any(String),
        });
      });
    });

    it('an attribute that the schema lacks, and plain LDAP, are warnings', async () => {
      const unknown = await walk({ delegationAttributes: ['msExchNothing'] });
      expect(unknown.steps.at(-1)).toMatchObject({
        status: 'WARNING',
        message: expect.stringContaining('no attribute msExchNothing'),
      });
      const plain = await walk({ tlsMode: 'PLAIN', plainAllowed: true });
      expect(plain.steps.find(({ step }) => step === 'TLS')).toMatchObject({ status: 'WARNING' });
    });
  });
});
