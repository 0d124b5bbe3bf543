import { connect } from 'node:net';
import { once } from 'node:events';
import { Client, Control, EqualityFilter, type SearchOptions } from 'ldapts';
import { requireFilter } from '../../src/ldap/filter-text.js';
import { guidBytes } from '../../src/ldap/object-guid.js';
import { largeOrganisation, startDirectory, type RunningDirectory } from './example.js';

const BASE = 'DC=example,DC=com';
const ANNA = `CN=Anna Lindqvist,OU=People,${BASE}`;
const JOERG = `CN=Müller\\, Jörg,OU=People,${BASE}`;
const SHOW_DELETED = new Control('1.2.840.113556.1.4.417', { critical: true });

describe('the embedded directory behaves like Active Directory', () => {
  let running: RunningDirectory;
  let client: Client;

  beforeEach(async () => {
    running = await startDirectory({ maxValRange: 2 });
    client = new Client({ url: `ldap://127.0.0.1:${running.port}`, timeout: 5000 });
  });
  afterEach(async () => {
    await client.unbind();
    await running.directory.stop();
  });

  const find = async (filter: string, options: SearchOptions = {}, base = BASE) => {
    await client.bind('svc-mailkeep@example.com', 'sync-demo');
    const result = await client.search(base, {
      filter: requireFilter('filter', filter),
      attributes: ['cn'],
      ...options,
    });
    return result.searchEntries;
  };
  const namesOf = async (filter: string): Promise<unknown[]> => (await find(filter)).map(({ cn }) => cn);

  it.each([
    ['a DN', ANNA],
    ['a DN in another spelling', `cn=ANNA  lindqvist, ou=people,${BASE}`],
    ['a DN with escapes and umlauts', JOERG],
    ['a principal name', 'Anna@example.com'],
    ['DOMAIN\\name', 'EXAMPLE\\anna'],
  ])('binds by %s', async (_title, name) => {
    await expect(client.bind(name, 'demo')).resolves.toBeUndefined();
  });

  it.each([
    ['525', 'nobody@example.com', 'demo'],
    ['525', 'anna.lindqvist@example.com', 'demo'],
    ['525', 'anna', 'demo'],
    ['525', `CN=Support Team,OU=Groups,${BASE}`, 'demo'],
    ['52e', 'anna@example.com', 'wrong'],
    ['52e', 'anna@example.com', 'Demo'],
    ['533', 'emil@example.com', 'demo'],
    ['701', 'gustav@example.com', 'demo'],
  ])('refuses a bind with the sub-code %s: %s', async (subcode, name, password) => {
    await expect(client.bind(name, password)).rejects.toMatchObject({
      code: 49,
      message: expect.stringContaining(`data ${subcode},`),
    });
  });

  it('refuses binds of locked accounts and of those that must change the password', async () => {
    running.directory.entries.modify(ANNA, { lockoutTime: '133500000000000001' });
    await expect(client.bind(ANNA, 'demo')).rejects.toThrow('data 775');
    running.directory.entries.modify(ANNA, { lockoutTime: '0', pwdLastSet: '0' });
    await expect(client.bind(ANNA, 'demo')).rejects.toThrow('data 773');
  });

  it('L8: takes a name with an empty password for an anonymous bind that succeeds and finds nothing', async () => {
    await expect(client.bind(ANNA, '')).resolves.toBeUndefined();
    await expect(client.search(BASE)).rejects.toMatchObject({ code: 1 });
  });

  it('shows its root DSE to everybody and all else only after a bind', async () => {
    const { searchEntries } = await client.search('', { scope: 'base' });
    expect(searchEntries[0]).toMatchObject({
      defaultNamingContext: BASE,
      highestCommittedUSN: expect.stringMatching(/^\d+$/),
    });
    await expect(client.search(BASE)).rejects.toMatchObject({
      code: 1,
      message: expect.stringContaining('successful bind'),
    });
  });

  it.each([
    ['(cn=anna lindqvist)', ['Anna Lindqvist']],
    ['(cn=M\\c3\\bcller\\2c J\\c3\\b6rg)', ['Müller, Jörg']],
    ['(cn=*berg)', ['Frida Berg', 'Finn Berg']],
    ['(cn=f*a*be*)', ['Frida Berg']],
    ['(&(objectCategory=person)(cn=S*))', ['Sales', 'Support']],
    ['(&(objectClass=user)(userAccountControl:1.2.840.113556.1.4.803:=2))', ['Emil Novák', 'Sales', 'Support']],
    ['(&(objectClass=contact)(!(mail=nobody@example.com)))', ['Hilde Partner']],
    ["(&(member=*)(!(member=cn=zoë o'neill,OU=People,DC=example,DC=com))(cn=Mail*))", []],
    ['(memberOf=CN=Front Desk,OU=Groups,DC=example,DC=com)', ['Anna Lindqvist', 'Борис Соколов']],
    ['(proxyAddresses=smtp:ANNA@example.com)', ['Anna Lindqvist']],
    ['(&(uSNChanged>=1)(uSNChanged<=2))', []],
    ['(objectCategory=CN=Nothing,DC=example,DC=com)', []],
    ['(cn:1.2.3.4:=x)', []],
  ])('finds with %s', async (filter, expected) => {
    expect(await namesOf(filter)).toEqual(expected);
  });

  it('compares octets', async () => {
    const filter = new EqualityFilter({
      attribute: 'objectGUID',
      value: guidBytes('21f8b542-05c0-5159-88a8-c7936e10e486'),
    });
    await client.bind('svc-mailkeep@example.com', 'sync-demo');
    expect((await client.search(BASE, { filter })).searchEntries.map(({ dn }) => dn)).toEqual([JOERG]);
  });

  it('keeps to the scope of a search', async () => {
    expect(await find('(objectClass=*)', { scope: 'base' }, ANNA)).toHaveLength(1);
    expect((await find('(objectClass=*)', { scope: 'one' }, BASE)).map(({ dn }) => dn)).toContain(`OU=People,${BASE}`);
    expect(await find('(objectClass=user)', { scope: 'one' }, BASE)).toEqual([]);
    expect(await find('(objectClass=user)', {}, `OU=People,${BASE}`)).toHaveLength(10);
  });

  it('answers with referrals at the root of a domain and for a base elsewhere', async () => {
    await client.bind('svc-mailkeep@example.com', 'sync-demo');
    expect((await client.search(BASE, { filter: '(cn=nobody)' })).searchReferences).toContain(
      `ldap://DomainDnsZones.example.com/DC=DomainDnsZones,${BASE}`,
    );
    await expect(client.search('DC=other,DC=net')).rejects.toMatchObject({ code: 10 });
    await expect(client.search(`OU=Nowhere,${BASE}`)).rejects.toMatchObject({ code: 32 });
    await expect(client.search('nonsense')).rejects.toMatchObject({ code: 34 });
  });

  it('cuts large attributes to ranges', async () => {
    const [first] = await find('(cn=All Staff)', { attributes: ['member', 'cn'] });
    expect(first).toMatchObject({
      cn: 'All Staff',
      member: [],
      'member;range=0-1': [ANNA, `CN=Борис Соколов,OU=People,${BASE}`],
    });
    const [last] = await find('(cn=All Staff)', { attributes: ['member;range=4-*'] });
    expect(last?.['member;range=4-*']).toHaveLength(2);
    await expect(find('(cn=All Staff)', { attributes: ['member;range=99-*'] })).rejects.toMatchObject({ code: 1 });
  });

  it('refuses to be changed over LDAP', async () => {
    await client.bind(ANNA, 'demo');
    await expect(client.del(ANNA)).rejects.toMatchObject({ code: 53 });
    await expect(client.add(`CN=x,${BASE}`, { cn: 'x' })).rejects.toMatchObject({ code: 53 });
    expect(await namesOf('(cn=Anna Lindqvist)')).toHaveLength(1);
  });

  it('refuses critical controls that it does not know', async () => {
    await client.bind(ANNA, 'demo');
    await expect(client.search(BASE, {}, [new Control('1.2.3.4', { critical: true })])).rejects.toMatchObject({
      code: 12,
    });
  });

  it('follows renames in links, without a new change number for the group', async () => {
    const before = await find('(cn=Front Desk)', { attributes: ['uSNChanged'] });
    running.directory.entries.rename(ANNA, `CN=Anna Berg,OU=Partners,${BASE}`);
    const [after] = await find('(cn=Front Desk)', { attributes: ['uSNChanged', 'member'] });
    expect(after?.uSNChanged).toBe(before[0]?.uSNChanged);
    expect(after?.member).toContain(`CN=Anna Berg,OU=Partners,${BASE}`);
    expect(await namesOf('(memberOf=CN=Front Desk,OU=Groups,DC=example,DC=com)')).toHaveLength(2);
  });

  it('renames what lies below a unit with it', async () => {
    running.directory.entries.rename(`OU=People,${BASE}`, `OU=Staff,${BASE}`);
    await expect(client.bind(`CN=Anna Lindqvist,OU=Staff,${BASE}`, 'demo')).resolves.toBeUndefined();
    expect((await find('(cn=Sales)', { attributes: ['msExchDelegateListLink'] }))[0]?.msExchDelegateListLink).toBe(
      `CN=Anna Lindqvist,OU=Staff,${BASE}`,
    );
  });

  it('keeps a tombstone of what is deleted, visible with the control only', async () => {
    const usn = running.directory.entries.highestUsn;
    running.directory.entries.delete(JOERG);
    expect(await namesOf('(sAMAccountName=joerg)')).toEqual([]);
    const filter = requireFilter('filter', `(&(isDeleted=TRUE)(uSNChanged>=${usn + 1}))`);
    const { searchEntries } = await client.search(
      `CN=Deleted Objects,${BASE}`,
      { filter, explicitBufferAttributes: ['objectGUID'] },
      SHOW_DELETED,
    );
    expect(searchEntries).toEqual([
      expect.objectContaining({
        objectGUID: guidBytes('21f8b542-05c0-5159-88a8-c7936e10e486'),
        lastKnownParent: `OU=People,${BASE}`,
        isDeleted: 'TRUE',
      }),
    ]);
    expect(await namesOf('(member=CN=Müller\\5c, Jörg,OU=People,DC=example,DC=com)')).toEqual([]);
    await expect(client.search(`CN=Deleted Objects,${BASE}`)).rejects.toMatchObject({ code: 32 });
  });

  it('hangs up on what is no LDAP and lives on', async () => {
    const socket = connect(running.port, '127.0.0.1');
    socket.write('GET / HTTP/1.1\r\n\r\n');
    await once(socket, 'close');
    await expect(client.bind(ANNA, 'demo')).resolves.toBeUndefined();
  });
});

describe('limits of the embedded directory', () => {
  it('cuts pages at 1000 and ends unpaged searches there with sizeLimitExceeded', async () => {
    const { directory, port } = await startDirectory({ organisation: largeOrganisation(1100) });
    const client = new Client({ url: `ldap://127.0.0.1:${port}`, timeout: 5000 });
    try {
      await client.bind('service@large.example', 'sync-demo');
      await expect(client.search('DC=large,DC=example', { attributes: ['cn'] })).rejects.toMatchObject({ code: 4 });
      const pages: number[] = [];
      for await (const page of client.searchPaginated('DC=large,DC=example', {
        attributes: ['cn'],
        filter: '(objectClass=user)',
        paged: { pageSize: 5000 },
      })) {
        pages.push(page.searchEntries.length);
      }
      expect(pages).toEqual([1000, 101]);
    } finally {
      await client.unbind();
      await directory.stop();
    }
  });
});
