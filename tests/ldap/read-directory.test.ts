import { readDirectory } from '../../src/ldap/read-directory.js';
import type { ChangeMark } from '../../src/ldap/change-mark.js';
import { collect, guidOf, largeOrganisation, named, startDirectory, type RunningDirectory } from './example.js';

describe('reading a whole directory', () => {
  let running: RunningDirectory;
  const start = async (options: Parameters<typeof startDirectory>[0] = {}): Promise<RunningDirectory> =>
    (running = await startDirectory(options));
  afterEach(() => running.directory.stop());

  it('L5: reads people, groups and contacts with names, addresses and delegations', async () => {
    const { settings, branch } = await start();
    const entries = await collect(readDirectory(settings));
    expect(entries.map(({ kind }) => kind).filter((kind) => kind === 'GROUP')).toHaveLength(5);
    expect(named(entries, 'anna')).toEqual({
      id: '5493e3d4-15b0-5ddb-9f24-c564ef96b8b0',
      kind: 'PERSON',
      dn: 'CN=Anna Lindqvist,OU=People,DC=example,DC=com',
      dnKey: 'cn=anna lindqvist,ou=people,dc=example,dc=com',
      domain: 'example.com',
      accountName: 'anna',
      userPrincipalName: 'anna@example.com',
      displayName: 'Anna Lindqvist',
      addresses: [
        { address: 'anna@example.com', primary: true },
        { address: 'anna.lindqvist@example.com', primary: false },
        { address: 'a.lindqvist@example.com', primary: false },
      ],
      disabled: false,
      expiresAtMs: null,
      members: [],
      delegations: [],
      primaryGroup: null,
    });
    expect(named(entries, 'joerg')).toMatchObject({
      dn: 'CN=Müller\\, Jörg,OU=People,DC=example,DC=com',
      displayName: 'Müller, Jörg',
    });
    expect(named(entries, 'emil').disabled).toBe(true);
    expect(named(entries, 'sales')).toMatchObject({
      kind: 'PERSON',
      disabled: true,
      delegations: [{ attribute: 'msExchDelegateListLink', value: 'CN=Anna Lindqvist,OU=People,DC=example,DC=com' }],
    });
    expect(named(entries, 'Front Desk').members).toEqual([
      'cn=борис соколов,ou=people,dc=example,dc=com',
      'cn=anna lindqvist,ou=people,dc=example,dc=com',
    ]);
    expect(entries.filter(({ kind }) => kind === 'CONTACT').map(({ displayName }) => displayName)).toEqual([
      'Hilde Partner',
    ]);
    expect((await collect(readDirectory(branch))).map(({ accountName }) => accountName)).toContain('dmitri');
  });

  it('L1: leaves contacts out and takes custom attributes and filters when the connection says so', async () => {
    const { settings, directory } = await start();
    directory.entries.modify('CN=Sales,OU=Shared Mailboxes,DC=example,DC=com', {
      extensionAttribute1: ['anna@example.com;boris', 'clara'],
    });
    const entries = await collect(
      readDirectory({
        ...settings,
        contacts: false,
        delegationAttributes: ['extensionAttribute1'],
        overrides: {
          personFilter: '(&(objectClass=user)(|(cn=Sales)(cn=M\\c3\\bcller\\2c J\\c3\\b6rg)))',
          loginAttribute: 'cn',
        },
      }),
    );
    expect(entries.filter(({ kind }) => kind !== 'GROUP').map(({ accountName }) => accountName)).toEqual([
      'Müller, Jörg',
      'Sales',
    ]);
    expect(named(entries, 'Sales').delegations.map(({ value }) => value)).toEqual(['anna@example.com;boris', 'clara']);
  });

  it('bears a schema without Exchange', async () => {
    const { settings } = await start({ exchangeSchema: false });
    const entries = await collect(readDirectory(settings));
    expect(named(entries, 'sales').delegations).toEqual([]);
  });

  it.each([1, 2, 4, 1500])(
    'reads large groups and delegations to the last value, %d at a time',
    async (maxValRange) => {
      const { settings, directory } = await start({ maxValRange });
      const anna = 'CN=Anna Lindqvist,OU=People,DC=example,DC=com';
      const boris = 'CN=Борис Соколов,OU=People,DC=example,DC=com';
      directory.entries.modify('CN=Sales,OU=Shared Mailboxes,DC=example,DC=com', {
        msExchDelegateListLink: [anna, boris, 'CN=Clara Fontaine,OU=People,DC=example,DC=com'],
      });
      const entries = await collect(readDirectory(settings));
      expect(named(entries, 'All Staff').members).toHaveLength(6);
      expect(named(entries, 'Mail Administrators').members).toHaveLength(1);
      expect(named(entries, 'anna').addresses).toHaveLength(3);
      expect(named(entries, 'sales').delegations.map(({ value }) => value)).toEqual([
        anna,
        boris,
        'CN=Clara Fontaine,OU=People,DC=example,DC=com',
      ]);
    },
  );

  it('reads far more entries than one page, and a group of 3,000, from a server that cuts both', async () => {
    const { settings } = await start({ organisation: largeOrganisation(3000) });
    const entries = await collect(readDirectory({ ...settings, pageSize: 1000 }));
    expect(entries.filter(({ kind }) => kind === 'PERSON')).toHaveLength(3001);
    expect(new Set(entries.map(({ id }) => id)).size).toBe(3002);
    expect(new Set(named(entries, 'Everybody').members).size).toBe(3000);
  });

  it('L3: is an error when the connection breaks in the middle, after entries were given', async () => {
    const { settings } = await start({ faults: { dropAfterEntries: 8 } });
    const seen: string[] = [];
    const reading = (async () => {
      for await (const entry of readDirectory({ ...settings, pageSize: 3 })) seen.push(entry.id);
    })();
    await expect(reading).rejects.toMatchObject({ kind: 'CONNECTION_LOST' });
    expect(seen.length).toBeGreaterThan(0);
  });

  it('leaves entries out that make no sense, and tells why', async () => {
    const { settings, directory } = await start();
    const reasons: string[] = [];
    const mark: (ChangeMark | null)[] = [];
    const entries = readDirectory(settings, {
      onSkipped: (reason) => reasons.push(reason),
      onMark: (read) => {
        mark.push(read);
        directory.faults = { garbage: 'ENTRIES' };
      },
    });
    expect(await collect(entries)).toEqual([]);
    expect(mark).toEqual([expect.objectContaining({ kind: 'USN', usn: directory.entries.highestUsn })]);
    expect(new Set(reasons)).toEqual(
      new Set(['an entry has no usable objectGUID', 'an entry has a name that is no DN']),
    );
  });

  it('what is a person is no group too, even when filters overlap', async () => {
    const { settings } = await start();
    const entries = await collect(readDirectory({ ...settings, overrides: { groupFilter: '(objectClass=*)' } }));
    expect(new Set(entries.map(({ id }) => id)).size).toBe(entries.length);
    expect(named(entries, 'anna').kind).toBe('PERSON');
  });

  it('stops when it is told to', async () => {
    const { settings } = await start({ organisation: largeOrganisation(20) });
    const stop = new AbortController();
    const reading = (async () => {
      for await (const entry of readDirectory({ ...settings, pageSize: 2 }, { signal: stop.signal })) {
        if (entry.id === guidOf(1003)) stop.abort();
      }
    })();
    await expect(reading).rejects.toMatchObject({ name: 'AbortError' });
  });
});
