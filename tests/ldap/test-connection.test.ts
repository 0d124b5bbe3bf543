import type { LdapConnectionSettings } from '../../src/ldap/connection-settings.js';
import { CONNECTION_TEST_STEPS, testConnection, type ConnectionTestStep } from '../../src/ldap/test-connection.js';
import { collect, startDirectory, type RunningDirectory } from './example.js';

describe('testing a connection', () => {
  let running: RunningDirectory;
  const start = async (options: Parameters<typeof startDirectory>[0] = {}): Promise<LdapConnectionSettings> =>
    (running = await startDirectory(options)).settings;
  afterEach(() => running.directory.stop());

  const walk = async (settings: LdapConnectionSettings): Promise<ConnectionTestStep[]> => {
    const steps = await collect(testConnection(settings));
    expect(steps.map(({ step }) => step)).toEqual([...CONNECTION_TEST_STEPS]);
    for (const { status, advice } of steps)
      if (status === 'FAILED' || status === 'WARNING') expect(advice).toBeTruthy();
    return steps;
  };
  const short = (steps: ConnectionTestStep[]): string => steps.map(({ status }) => status[0]).join('');

  it('walks all steps when all is well, and warns that there is no TLS', async () => {
    const steps = await walk(await start());
    expect(short(steps)).toBe('OOOWOOOO');
    expect(steps.at(-2)?.message).toBe('13 people were found.');
    expect(steps.at(-1)?.message).toBe('msExchDelegateListLink is filled on 2 mailboxes.');
  });

  it.each<[string, Partial<LdapConnectionSettings>, string, RegExp]>([
    ['settings', { baseDn: 'nonsense' }, 'FSSSSSSS', /baseDn/],
    ['the servers', { servers: [], domain: 'nowhere.invalid' }, 'OFSSSSSS', /DNS knows no servers/],
    ['the connection', { servers: [{ host: '127.0.0.1', port: 1 }] }, 'OOFSSSSS', /nothing listens/],
    ['TLS', { tlsMode: 'LDAPS' }, 'OOOFSSSS', /does not speak TLS|TLS connection/],
    ['the bind', { bindPassword: 'wrong' }, 'OOOWFSSS', /name or the password/],
    ['the base DN', { baseDn: 'OU=Nowhere,DC=example,DC=com' }, 'OOOWOFSS', /does not exist/],
  ])('says that %s failed, and skips the rest', async (_title, change, expected, message) => {
    const steps = await walk({ ...(await start()), ...change });
    expect(short(steps)).toBe(expected);
    expect(steps.find(({ status }) => status === 'FAILED')?.message).toMatch(message);
    expect(JSON.stringify(steps)).not.toContain('sync-demo');
  });

  it('warns when nobody is found, and when the identity is missing', async () => {
    const settings = await start();
    expect((await walk({ ...settings, baseDn: 'OU=Groups,DC=example,DC=com' })).at(-2)).toMatchObject({
      status: 'WARNING',
      message: expect.stringContaining('No people'),
    });
    expect((await walk({ ...settings, overrides: { idAttribute: 'employeeID' } })).at(-2)).toMatchObject({
      status: 'WARNING',
      message: '13 of 13 people have no employeeID.',
    });
  });

  it('tells an attribute that the schema lacks from one that is empty', async () => {
    const settings = await start({ exchangeSchema: false });
    expect((await walk(settings)).at(-1)).toMatchObject({
      status: 'WARNING',
      message: expect.stringContaining('no attribute msExchDelegateListLink'),
    });
    await running.directory.stop();
    const withExchange = await start();
    expect((await walk({ ...withExchange, delegationAttributes: ['extensionAttribute1'] })).at(-1)).toMatchObject({
      status: 'WARNING',
      message: expect.stringContaining('filled on no mailbox'),
    });
    expect((await walk({ ...withExchange, delegationAttributes: [] })).at(-1)?.status).toBe('SKIPPED');
  });
});
