import type { SrvRecord } from 'node:dns';
import { BadInputError } from '../../src/errors.js';
import type { LdapConnectionSettings } from '../../src/ldap/connection-settings.js';
import { orderByWeight, resolveServers } from '../../src/ldap/server-addresses.js';
import { settingsWarnings, validateSettings } from '../../src/ldap/validate-settings.js';
import { makeCertificates } from '../support/certificates.js';

const good: LdapConnectionSettings = {
  domain: 'example.com',
  servers: [{ host: 'dc1.example.com' }],
  tlsMode: 'LDAPS',
  plainAllowed: false,
  caPem: null,
  baseDn: 'DC=example,DC=com',
  bindName: 'svc@example.com',
  bindPassword: 'secret',
  addressAttributes: 'BOTH',
  contacts: true,
  delegationAttributes: ['msExchDelegateListLink'],
  preset: 'ACTIVE_DIRECTORY',
  overrides: {},
};

describe('settings of a connection (rule L1)', () => {
  it('brings them into one form', () => {
    const changed = {
      ...good,
      domain: 'Example.COM.',
      servers: [{ host: 'DC1.Example.com', port: 636 }],
      baseDn: ' DC=example,DC=com ',
    };
    expect(validateSettings({ ...changed, delegationAttributes: ['a', 'a ', 'b', 'A'] })).toMatchObject({
      domain: 'example.com',
      baseDn: 'DC=example,DC=com',
      servers: [{ host: 'dc1.example.com', port: 636 }],
      delegationAttributes: ['a', 'b'],
    });
  });

  it.each<[string, Partial<LdapConnectionSettings>, string]>([
    ['a base DN that is none', { baseDn: 'example.com' }, 'baseDn'],
    ['an empty base DN', { baseDn: '' }, 'baseDn'],
    ['a domain with a space', { domain: 'exa mple.com' }, 'domain'],
    ['an IP address as domain', { domain: '192.0.2.1' }, 'domain'],
    ['a URL as host', { servers: [{ host: 'ldap://dc1' }] }, 'servers.0.host'],
    ['too many attributes', { delegationAttributes: ['a', 'b', 'c', 'd', 'e', 'f'] }, 'delegationAttributes'],
    ['a port of 0', { servers: [{ host: 'dc1', port: 0 }] }, 'servers.0.port'],
    ['too many servers', { servers: Array.from({ length: 9 }, () => ({ host: 'dc1' })) }, 'servers'],
    ['no TLS without consent', { tlsMode: 'PLAIN' }, 'tlsMode'],
    ['an empty password', { bindPassword: '' }, 'bindPassword'],
    ['an empty bind name', { bindName: ' ' }, 'bindName'],
    ['a bind name that is endless', { bindName: 'x'.repeat(1_025) }, 'bindName'],
    ['a password that is endless', { bindPassword: 'secret'.repeat(200) }, 'bindPassword'],
    ['a CA that is endless', { caPem: 'x'.repeat(100_001) }, 'caPem'],
    ['an attribute with a star', { delegationAttributes: ['ext*'] }, 'delegationAttributes'],
    ['an attribute with a parenthesis', { overrides: { loginAttribute: 'uid)(x=*' } }, 'overrides.loginAttribute'],
    ['a filter that does not parse', { overrides: { personFilter: '(objectClass=person' } }, 'overrides.personFilter'],
    ['a CA that is no certificate', { caPem: 'hello' }, 'caPem'],
    ['a CA that cannot be read', { caPem: '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----' }, 'caPem'],
    ['a page of 0', { pageSize: 0 }, 'pageSize'],
  ])('refuses %s and names the field', (_title, change, field) => {
    let thrown: unknown;
    try {
      validateSettings({ ...good, ...change });
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(BadInputError);
    expect((thrown as BadInputError).details).toEqual({ field });
    expect((thrown as BadInputError).message).toContain(field);
    expect((thrown as BadInputError).message).not.toContain('secret');
  });

  it('accepts a CA, and refuses one that has expired or comes with its key', async () => {
    const certificates = await makeCertificates();
    expect(validateSettings({ ...good, caPem: `# our CA\n${certificates.ca}` }).caPem).toMatch(
      /^-----BEGIN CERTIFICATE-----/,
    );
    expect(() => validateSettings({ ...good, caPem: certificates.expired.cert })).toThrow(/expired/);
    expect(() => validateSettings({ ...good, caPem: certificates.ca + certificates.good.key })).toThrow(/private key/);
  });

  it('warns of what is allowed but doubtful', () => {
    expect(settingsWarnings(good)).toEqual([]);
    const doubtful = { ...good, tlsMode: 'PLAIN', plainAllowed: true, baseDn: 'DC=other,DC=net' } as const;
    expect(settingsWarnings(doubtful)).toHaveLength(2);
  });
});

describe('servers found by DNS (RFC 2782)', () => {
  const record = (name: string, priority: number, weight: number, port = 389): SrvRecord => ({
    name,
    priority,
    weight,
    port,
  });

  it('orders by priority, and by weight within one', () => {
    const records = [record('c', 20, 0), record('a', 10, 10), record('b', 10, 90)];
    expect(orderByWeight(records, () => 0.5).map(({ name }) => name)).toEqual(['b', 'a', 'c']);
    expect(orderByWeight(records, () => 0.01).map(({ name }) => name)).toEqual(['a', 'b', 'c']);
    expect(orderByWeight([record('x', 1, 0), record('y', 1, 0)], () => 0)).toHaveLength(2);
  });

  it('asks for _ldap._tcp of the domain and uses the port of the TLS mode', async () => {
    const asked: string[] = [];
    const lookUp = async (name: string): Promise<SrvRecord[]> => {
      asked.push(name);
      return [record('dc1.example.com.', 0, 1), record('dc2.example.com', 1, 1, 1389)];
    };
    expect(await resolveServers({ ...good, servers: [] }, lookUp)).toEqual([
      { host: 'dc1.example.com', port: 636 },
      { host: 'dc2.example.com', port: 1389 },
    ]);
    expect(await resolveServers({ ...good, servers: [], tlsMode: 'STARTTLS' }, lookUp)).toContainEqual({
      host: 'dc1.example.com',
      port: 389,
    });
    expect(asked[0]).toBe('_ldap._tcp.example.com');
  });

  it('says so when DNS names no servers', async () => {
    const failing = () => Promise.reject(Object.assign(new Error('querySrv ENOTFOUND'), { code: 'ENOTFOUND' }));
    await expect(resolveServers({ ...good, servers: [] }, failing)).rejects.toMatchObject({ code: 'LDAP_UNREACHABLE' });
    await expect(resolveServers({ ...good, servers: [] }, async () => [record('.', 0, 0)])).rejects.toMatchObject({
      kind: 'UNREACHABLE',
    });
  });
});
