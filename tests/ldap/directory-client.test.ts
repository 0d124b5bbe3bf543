import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { PresenceFilter } from 'ldapts';
import type { LdapConnectionSettings } from '../../src/ldap/connection-settings.js';
import { DirectoryClient } from '../../src/ldap/directory-client.js';
import { LdapError } from '../../src/ldap/ldap-error.js';
import { makeCertificates, type TestCertificates } from '../support/certificates.js';
import { DnsServer } from '../support/dns-server.js';
import { collect, startDirectory, type RunningDirectory } from './example.js';

const QUERY = { filter: new PresenceFilter({ attribute: 'objectClass' }), attributes: ['cn'] };

/** A server that runs a script for each connection. */
async function scripted(serve: (socket: Socket) => void): Promise<{ port: number; server: Server }> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    serve(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { port: (server.address() as AddressInfo).port, server };
}

describe('connecting to a directory', () => {
  let certificates: TestCertificates;
  const stops: (() => Promise<void>)[] = [];
  beforeAll(async () => {
    certificates = await makeCertificates();
  });
  afterEach(async () => {
    for (const stop of stops.splice(0)) await stop();
  });

  const start = async (options: Parameters<typeof startDirectory>[0] = {}): Promise<RunningDirectory> => {
    const running = await startDirectory(options);
    stops.push(() => running.directory.stop());
    return running;
  };
  const startScripted = async (serve: (socket: Socket) => void): Promise<number> => {
    const sockets = new Set<Socket>();
    const { port, server } = await scripted((socket) => {
      sockets.add(socket);
      serve(socket);
    });
    stops.push(async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    });
    return port;
  };
  const bindError = async (settings: LdapConnectionSettings): Promise<LdapError> => {
    const error: unknown = await DirectoryClient.bind(settings).then(
      (client) => {
        client.close();
        return new Error('the bind was accepted');
      },
      (refused: unknown) => refused,
    );
    if (!(error instanceof LdapError)) throw error;
    expect(error.code).toBe(`LDAP_${error.kind}`);
    expect(`${error.message} ${JSON.stringify(error.details)}`).not.toContain('sync-demo');
    return error;
  };
  const bindAndSearch = async (settings: LdapConnectionSettings): Promise<number> => {
    const client = await DirectoryClient.bind(settings);
    try {
      return (await collect(client.search(settings.baseDn, QUERY))).length;
    } finally {
      client.close();
    }
  };

  describe.each([
    ['LDAPS', false],
    ['STARTTLS', true],
  ] as const)('%s', (tlsMode, startTls) => {
    const serve = async (pair: { key: string; cert: string }): Promise<LdapConnectionSettings> => {
      const { settings } = await start({ tls: { ...pair, startTls }, faults: { requireTls: true } });
      return { ...settings, tlsMode, plainAllowed: false, caPem: certificates.ca };
    };

    it('connects when the certificate is trusted and is for the host', async () => {
      expect(await bindAndSearch(await serve(certificates.good))).toBeGreaterThan(20);
    });

    it.each([
      ['for another name, even localhost', 'wrongName', 'ca', /another host name/],
      ['of another authority', 'good', 'otherCa', /not trusted|not signed/],
      ['that has expired', 'expired', 'ca', /expired/],
    ] as const)('refuses a certificate %s', async (_title, pair, ca, reason) => {
      const settings = { ...(await serve(certificates[pair])), caPem: certificates[ca] };
      const error = await bindError(settings);
      expect(error.kind).toBe('TLS_REFUSED');
      expect(error.message).toMatch(reason);
    });

    it('refuses a certificate when no CA is given, for it is none that everybody trusts', async () => {
      expect((await bindError({ ...(await serve(certificates.good)), caPem: null })).kind).toBe('TLS_REFUSED');
    });
  });

  it('says that a port does not speak TLS', async () => {
    const { settings } = await start();
    expect((await bindError({ ...settings, tlsMode: 'LDAPS' })).kind).toBe('TLS_REFUSED');
    const error = await bindError({ ...settings, tlsMode: 'STARTTLS' });
    expect([error.kind, error.message]).toEqual(['TLS_REFUSED', expect.stringContaining('does not offer StartTLS')]);
  });

  it('takes no octets that somebody put behind the consent to StartTLS', async () => {
    // The consent, and the beginning of a forged answer to the bind that would follow.
    const consent = Buffer.from('300c02010178070a010004000400', 'hex');
    const port = await startScripted((socket) =>
      socket.once('data', () => socket.write(Buffer.concat([consent, Buffer.from('300c0201', 'hex')]))),
    );
    const { settings } = await start();
    const error = await bindError({
      ...settings,
      servers: [{ host: '127.0.0.1', port }],
      tlsMode: 'STARTTLS',
      caPem: certificates.ca,
    });
    expect([error.kind, error.message]).toEqual(['TLS_REFUSED', expect.stringContaining('not the expected one')]);
  });

  it('explains that a directory wants TLS, and does not go without it unless allowed', async () => {
    const { settings } = await start({ faults: { requireTls: true } });
    expect((await bindError(settings)).kind).toBe('TLS_REQUIRED');
    expect((await bindError({ ...settings, plainAllowed: false })).message).toMatch(/allow it explicitly/);
  });

  it.each([
    ['52e', { bindPassword: 'wrong' }, /name or the password/],
    ['525', { bindName: 'nobody@example.com' }, /no such account/],
    ['533', { bindName: 'emil@example.com', bindPassword: 'demo' }, /disabled/],
    ['701', { bindName: 'gustav@example.com', bindPassword: 'demo' }, /expired/],
  ])('explains the sub-code %s of a refused bind', async (subcode, change, explanation) => {
    const { settings } = await start();
    const error = await bindError({ ...settings, ...change });
    expect(error).toMatchObject({ kind: 'BIND_REFUSED', subcode });
    expect(error.message).toMatch(explanation);
  });

  it('L8: sends no empty password, and no name that is a mechanism', async () => {
    let connections = 0;
    const port = await startScripted((socket) => {
      socket.on('data', () => connections++);
    });
    const { settings } = await start();
    const silent = { ...settings, servers: [{ host: '127.0.0.1', port }] };
    expect((await bindError({ ...silent, bindPassword: '' })).kind).toBe('BIND_REFUSED');
    expect((await bindError({ ...silent, bindName: 'EXTERNAL' })).kind).toBe('BIND_REFUSED');
    expect(connections).toBe(0);
  });

  it('goes on to the next server when one is away, busy with TLS or silent', async () => {
    const dead = await startScripted(() => undefined);
    const hangsUp = await startScripted((socket) => socket.destroy());
    const { settings, port } = await start();
    const servers = [
      { host: '127.0.0.1', port: 1 },
      { host: '127.0.0.1', port: hangsUp },
      { host: '127.0.0.1', port: dead },
      { host: '127.0.0.1', port },
    ];
    const client = await DirectoryClient.bind({ ...settings, servers, operationTimeoutMs: 300 });
    expect(client.server).toBe(`127.0.0.1:${port}`);
    client.close();
  });

  it('tries no other server with a password that was refused, or the account would be locked', async () => {
    const { settings, port } = await start();
    const second = await start();
    const tried: string[] = [];
    const servers = [
      { host: '127.0.0.1', port },
      { host: '127.0.0.1', port: second.port },
    ];
    const options = { onPhase: (phase: string, server: string) => void (phase === 'CONNECT' && tried.push(server)) };
    await expect(DirectoryClient.bind({ ...settings, servers, bindPassword: 'wrong' }, options)).rejects.toMatchObject({
      kind: 'BIND_REFUSED',
    });
    expect(tried).toEqual([`127.0.0.1:${port}`]);
  });

  it('tells for every server why it failed', async () => {
    const { settings } = await start();
    const error = await bindError({
      ...settings,
      servers: [{ host: '127.0.0.1', port: 1 }, { host: 'nowhere.invalid' }],
    });
    expect(error.kind).toBe('UNREACHABLE');
    expect(error.message).toMatch(
      /nothing listens.*nowhere\.invalid:389 cannot be reached: (its name is not known|DNS does not answer)/,
    );
  });

  it('finds servers by DNS and takes the first that answers', async () => {
    const { settings, port } = await start();
    const client = await DirectoryClient.bind(
      { ...settings, servers: [] },
      {
        resolveSrv: async () => [
          { name: '127.0.0.1', port: 1, priority: 0, weight: 0 },
          { name: '127.0.0.1', port, priority: 1, weight: 0 },
        ],
      },
    );
    expect(client.server).toBe(`127.0.0.1:${port}`);
    client.close();
  });

  it('does not wait for name servers longer than for a connection', async () => {
    const { settings } = await start();
    const dns = await DnsServer.start();
    dns.answers.set('_ldap._tcp.example.com', 'SILENCE');
    try {
      const asked = DirectoryClient.bind({ ...settings, servers: [], connectTimeoutMs: 200 });
      // The patience of Node's own resolver ends after 24 seconds, this test's after 20.
      await expect(asked).rejects.toMatchObject({
        kind: 'UNREACHABLE',
        message: expect.stringMatching(/DNS gave no answer .*enter the servers/),
      });
      expect(dns.asked).toContain('_ldap._tcp.example.com');
    } finally {
      await dns.stop();
    }
  }, 20_000);

  describe('L3: a directory that fails in the middle', () => {
    it('is an error, however late, and not a short answer', async () => {
      const { settings, directory } = await start();
      directory.faults = { dropAfterEntries: 7 };
      await expect(bindAndSearch({ ...settings, pageSize: 3 })).rejects.toMatchObject({ kind: 'CONNECTION_LOST' });
    });

    it('is not asked again without protection and bind after the connection broke', async () => {
      const { settings, directory } = await start();
      const client = await DirectoryClient.bind(settings);
      await client.find('', { ...QUERY, scope: 'base' });
      directory.dropConnections();
      await expect(client.find('', { ...QUERY, scope: 'base' })).rejects.toMatchObject({ kind: 'CONNECTION_LOST' });
      await expect(client.find('', { ...QUERY, scope: 'base' })).rejects.toMatchObject({ kind: 'CONNECTION_LOST' });
      client.close();
    });

    it.each([
      ['BUSY', { busy: true }, {}],
      ['TIMEOUT', { garbage: 'BYTES' }, { operationTimeoutMs: 300 }],
      ['TIMEOUT', { delayMs: 2_000 }, { operationTimeoutMs: 200 }],
    ] as const)('answers %s for %j', async (kind, faults, change) => {
      const { settings, directory } = await start();
      const client = await DirectoryClient.bind({ ...settings, ...change });
      directory.faults = { ...faults };
      await expect(collect(client.search(settings.baseDn, QUERY))).rejects.toMatchObject({ kind });
      client.close();
    });

    it('a search that is not paged ends at the size limit with an error', async () => {
      const { settings } = await start({ maxPageSize: 5 });
      const client = await DirectoryClient.bind(settings);
      await expect(client.find(settings.baseDn, QUERY)).rejects.toMatchObject({ kind: 'SIZE_LIMIT' });
      expect(
        await client.find(settings.baseDn, {
          ...QUERY,
          filter: new PresenceFilter({ attribute: 'msExchDelegateListLink' }),
        }),
      ).toHaveLength(2);
      client.close();
    });

    it.each([
      ['OU=Nowhere,DC=example,DC=com', /does not exist/],
      ['DC=other,DC=net', /referral/],
    ])('a base DN that is not there, %s, is told apart', async (baseDn, reason) => {
      const { settings } = await start();
      const error: unknown = await bindAndSearch({ ...settings, baseDn }).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ kind: 'BASE_DN_NOT_FOUND', message: expect.stringMatching(reason) });
    });

    it('an empty page with a cookie is not the end (RFC 2696)', async () => {
      const { settings, directory } = await start();
      const all = await bindAndSearch(settings);
      directory.faults = { emptyPages: true };
      expect(await bindAndSearch({ ...settings, pageSize: 4 })).toBe(all);
    });
  });
});
