import { fileTimeToMs, generalizedTimeToMs, msToFileTime, msToGeneralizedTime } from '../../src/ldap/directory-time.js';
import { toDirectoryEntry, type DirectoryEntry } from '../../src/ldap/directory-entry.js';
import { connectionsTo } from '../../src/ldap/embedded/example-connections.js';
import { exampleOrganisation } from '../../src/ldap/embedded/organisation.js';
import { guidBytes, guidText } from '../../src/ldap/object-guid.js';
import { RawEntry } from '../../src/ldap/raw-entry.js';
import type { LdapConnectionSettings } from '../../src/ldap/connection-settings.js';

const [settings] = connectionsTo(exampleOrganisation, 1) as [LdapConnectionSettings];
const GUID = guidBytes('6f9619ff-8b86-d011-b42d-00cf4fc964ff');

function read(
  attributes: Record<string, string | string[] | Buffer>,
  changes: Partial<LdapConnectionSettings> = {},
): DirectoryEntry {
  const raw = new RawEntry({ dn: 'CN=Anna,DC=example,DC=com', objectGUID: GUID, ...attributes });
  const entry = toDirectoryEntry(raw, 'PERSON', { ...settings, ...changes });
  if (typeof entry === 'string') throw new Error(entry);
  return entry;
}

describe('values of a directory', () => {
  it('L7: writes an objectGUID as Windows does, its first three groups reversed', () => {
    const bytes = Buffer.from('ff19966f868b11d0b42d00cf4fc964ff', 'hex');
    expect(guidText(bytes)).toBe('6f9619ff-8b86-d011-b42d-00cf4fc964ff');
    expect(guidBytes('6F9619FF-8B86-D011-B42D-00CF4FC964FF')).toEqual(bytes);
    expect(guidText(Buffer.alloc(15))).toBeNull();
    expect(() => guidBytes('nonsense')).toThrow(RangeError);
  });

  it.each([
    ['0', null],
    ['9223372036854775807', null],
    ['', null],
    ['-1', null],
    ['132223104000000000', Date.UTC(2020, 0, 1)],
    ['116444736000000000', 0],
  ])('L7: reads accountExpires %s', (value, expected) => {
    expect(fileTimeToMs(value)).toBe(expected);
  });

  it.each([
    ['20260131120000.0Z', Date.UTC(2026, 0, 31, 12)],
    ['20260131120000Z', Date.UTC(2026, 0, 31, 12)],
    ['20260131120000.5+0200', Date.UTC(2026, 0, 31, 10, 0, 0, 500)],
    ['2026013112Z', Date.UTC(2026, 0, 31, 12)],
    ['20261399000000Z', null],
    ['yesterday', null],
  ])('reads the generalized time %s (RFC 4517)', (value, expected) => {
    expect(generalizedTimeToMs(value)).toBe(expected);
  });

  it('writes times that read back the same', () => {
    const moment = Date.UTC(2026, 10, 23, 21, 30, 15);
    expect(generalizedTimeToMs(msToGeneralizedTime(moment))).toBe(moment);
    expect(fileTimeToMs(msToFileTime(moment))).toBe(moment);
  });

  describe('V5: addresses', () => {
    const proxyAddresses = [
      'smtp:second@example.com',
      'SMTP:Main@example.com',
      'X500:/o=Example',
      'SIP:main@example.com',
      'smtp:broken',
      'smtp:a b@example.com',
    ];
    const of = (entry: DirectoryEntry): string[] =>
      entry.addresses.map(({ address, primary }) => (primary ? `${address}!` : address));

    it('takes both attributes, only the smtp ones, the primary first and each once', () => {
      expect(of(read({ mail: 'main@example.com', proxyAddresses }))).toEqual([
        'Main@example.com!',
        'second@example.com',
      ]);
      expect(of(read({ mail: 'other@example.com', proxyAddresses }))).toEqual([
        'Main@example.com!',
        'other@example.com',
        'second@example.com',
      ]);
    });

    it('takes one attribute when the connection says so', () => {
      expect(of(read({ mail: 'other@example.com', proxyAddresses }, { addressAttributes: 'MAIL' }))).toEqual([
        'other@example.com!',
      ]);
      expect(of(read({ mail: 'other@example.com', proxyAddresses }, { addressAttributes: 'PROXY_ADDRESSES' }))).toEqual(
        ['Main@example.com!', 'second@example.com'],
      );
      expect(of(read({ mail: '' }))).toEqual([]);
    });

    it('keeps long and hostile values out', () => {
      expect(
        of(read({ mail: [`${'a'.repeat(400)}@example.com`, 'evil\r\nBcc: x@example.com', '@example.com', 'x@'] })),
      ).toEqual([]);
    });
  });

  it.each([
    ['a normal account', { userAccountControl: '512' }, false],
    ['the disabled bit', { userAccountControl: '66050' }, true],
    ['FreeIPA', { nsAccountLock: 'TRUE' }, true],
    ['OpenLDAP, locked for good', { pwdAccountLockedTime: '000001010000Z' }, true],
    ['OpenLDAP, locked for a while', { pwdAccountLockedTime: '20260101000000Z' }, false],
  ])('L7: knows a disabled account: %s', (_title, attributes, expected) => {
    expect(read(attributes).disabled).toBe(expected);
  });

  it('L7: knows when an account expires', () => {
    expect(read({ accountExpires: '132223104000000000' }).expiresAtMs).toBe(Date.UTC(2020, 0, 1));
    expect(read({ shadowExpire: '19000' }).expiresAtMs).toBe(19000 * 86_400_000);
    expect(read({ krbPrincipalExpiration: '20300101000000Z' }).expiresAtMs).toBe(Date.UTC(2030, 0, 1));
    expect(read({ accountExpires: '0' }).expiresAtMs).toBeNull();
  });

  it('knows the primary group of people, which does not list them, and by what groups are named so', () => {
    const sid = Buffer.from('010500000000000515000000' + '010000000200000003000000' + '50040000', 'hex');
    const of = (
      attributes: Record<string, string | Buffer>,
      kind: 'PERSON' | 'GROUP',
      preset: 'ACTIVE_DIRECTORY' | 'OPENLDAP',
    ) =>
      toDirectoryEntry(
        new RawEntry({ objectGUID: GUID, entryUUID: 'some-id', ...attributes, dn: 'CN=a,DC=example,DC=com' }),
        kind,
        { ...settings, preset },
      );
    const group = { primaryGroup: 'S-1-5-21-1-2-3-513' };
    expect(of({ objectSid: sid, primaryGroupID: '513' }, 'PERSON', 'ACTIVE_DIRECTORY')).toMatchObject(group);
    const own = Buffer.concat([sid.subarray(0, 24), Buffer.from('01020000', 'hex')]);
    expect(of({ objectSid: own }, 'GROUP', 'ACTIVE_DIRECTORY')).toMatchObject(group);
    for (const strange of [Buffer.from('S-1-5'), sid.subarray(1), Buffer.concat([sid, sid])])
      expect(of({ objectSid: strange, primaryGroupID: '513' }, 'PERSON', 'ACTIVE_DIRECTORY')).toMatchObject({
        primaryGroup: null,
      });
    expect(of({ objectSid: sid }, 'PERSON', 'ACTIVE_DIRECTORY')).toMatchObject({ primaryGroup: null });
    expect(of({ gidNumber: '100' }, 'PERSON', 'OPENLDAP')).toMatchObject({ primaryGroup: 'example.com 100' });
    expect(of({ gidNumber: '100' }, 'GROUP', 'OPENLDAP')).toMatchObject({ primaryGroup: 'example.com 100' });
    expect(of({ gidNumber: 'x' }, 'GROUP', 'OPENLDAP')).toMatchObject({ primaryGroup: null });
  });

  it('L7: an entry without identity or name is refused with the reason', () => {
    const convert = (raw: RawEntry) => toDirectoryEntry(raw, 'PERSON', settings);
    expect(convert(new RawEntry({ dn: 'CN=a,DC=x' }))).toMatch(/objectGUID/);
    expect(convert(new RawEntry({ dn: 'CN=a,DC=x', objectGUID: Buffer.from('short') }))).toMatch(/objectGUID/);
    expect(convert(new RawEntry({ dn: 'no name', objectGUID: GUID }))).toMatch(/DN/);
  });

  it('reads attributes in any spelling and joins ranges', () => {
    const raw = new RawEntry({ dn: 'CN=a,DC=x', MEMBER: [], 'Member;Range=0-1': ['one', 'two'] });
    expect(raw.texts('member')).toEqual(['one', 'two']);
    expect(raw.nextRangeStart('member')).toBe(2);
    raw.extend('member', new RawEntry({ dn: 'CN=a,DC=x', 'member;range=2-*': 'three' }));
    expect(raw.texts('member')).toEqual(['one', 'two', 'three']);
    expect(raw.nextRangeStart('member')).toBeUndefined();
  });
});
