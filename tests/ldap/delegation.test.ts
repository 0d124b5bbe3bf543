import {
  DelegationResolver,
  delegationNames,
  type DelegationEntry,
  type MailboxDelegation,
} from '../../src/ldap/delegation.js';
import { normaliseDn } from '../../src/ldap/distinguished-name.js';
import { readDirectory } from '../../src/ldap/read-directory.js';
import { GroupMembership } from '../../src/ldap/membership.js';
import { collect, startDirectory } from './example.js';

const ATTRIBUTE = 'extensionAttribute1';

function entry(
  kind: DelegationEntry['kind'],
  name: string,
  more: Partial<DelegationEntry> & { delegates?: string[] } = {},
): DelegationEntry {
  const { delegates = [], domain = 'example.com', ...rest } = more;
  return {
    id: name,
    kind,
    dnKey: normaliseDn(`CN=${name},DC=${domain.replace('.', ',DC=')}`),
    domain,
    accountName: name,
    userPrincipalName: kind === 'PERSON' ? `${name}@${domain}` : null,
    addresses: kind === 'GROUP' ? [] : [{ address: `${name}.mail@${domain}`, primary: true }],
    members: [],
    delegations: delegates.map((value) => ({ attribute: ATTRIBUTE, value })),
    ...rest,
  };
}
const dn = (name: string, domain = 'example.com'): string => `CN=${name},DC=${domain.replace('.', ',DC=')}`;
const group = (name: string, members: string[], domain = 'example.com'): DelegationEntry =>
  entry('GROUP', name, { domain, members: members.map((member) => normaliseDn(member)) });

function resolve(...entries: DelegationEntry[]): Record<string, { people: string[]; unresolved: string[] }> {
  const resolver = new DelegationResolver();
  for (const each of entries) resolver.add(each);
  const shown = ({ personIds, unresolved }: MailboxDelegation) => ({
    people: [...personIds].sort(),
    unresolved: unresolved.map(({ value, reason }) => `${value}: ${reason}`),
  });
  return Object.fromEntries([...resolver.resolve()].map((mailbox) => [mailbox.mailboxId, shown(mailbox)]));
}

describe('delegation (rules L6, V9)', () => {
  const people = [entry('PERSON', 'anna'), entry('PERSON', 'boris'), entry('PERSON', 'clara')];
  const box = (...delegates: string[]): DelegationEntry => entry('PERSON', 'sales', { delegates });

  it.each([
    ['a DN', [dn('anna')], ['anna']],
    ['a DN in another spelling', ['cn= ANNA ,dc=example, dc=COM'], ['anna']],
    ['a mail address', ['Anna.Mail@Example.com'], ['anna']],
    ['a principal name', ['boris@example.com'], ['boris']],
    ['an account name', ['CLARA'], ['clara']],
    ['several values', [dn('anna'), 'boris'], ['anna', 'boris']],
    ['several names in one value', [`${dn('anna')}; boris ;;clara.mail@example.com;`], ['anna', 'boris', 'clara']],
    ['the same person twice', ['anna', dn('anna')], ['anna']],
  ])('takes %s', (_title, delegates, expected) => {
    expect(resolve(...people, box(...delegates)).sales).toEqual({ people: expected, unresolved: [] });
  });

  it('goes through nested groups, and cycles end', () => {
    const groups = [
      group('outer', [dn('inner'), dn('clara')]),
      group('inner', [dn('outer'), dn('inner'), dn('anna'), dn('nobody'), dn('deep')]),
      group('deep', [dn('boris')]),
    ];
    expect(resolve(...people, ...groups, box(dn('outer'))).sales).toEqual({
      people: ['anna', 'boris', 'clara'],
      unresolved: [],
    });
    expect(resolve(...people, ...groups, box('deep')).sales?.people).toEqual(['boris']);
    // The order in which entries come does not matter.
    expect(resolve(box(dn('outer')), ...groups.reverse(), ...people).sales?.people).toEqual(['anna', 'boris', 'clara']);
  });

  it('takes account names of posix groups as members', () => {
    expect(
      resolve(...people, entry('GROUP', 'posix', { members: ['anna', 'boris', 'stranger'] }), box('posix')).sales
        ?.people,
    ).toEqual(['anna', 'boris']);
  });

  it('V9: gives nobody of another domain access, directly, by name or through a group', () => {
    const others = [
      entry('PERSON', 'dmitri', { domain: 'branch.example' }),
      group('mixed', [dn('anna'), dn('dmitri', 'branch.example')]),
      group('foreign', [dn('dmitri', 'branch.example')]),
    ];
    const mailbox = box(dn('dmitri', 'branch.example'), 'dmitri', 'dmitri@branch.example', dn('mixed'), dn('foreign'));
    expect(resolve(...people, ...others, mailbox).sales).toEqual({
      people: ['anna'],
      unresolved: [
        'CN=dmitri,DC=branch,DC=example: OTHER_DOMAIN',
        'dmitri: UNKNOWN',
        'dmitri@branch.example: UNKNOWN',
        'CN=foreign,DC=example,DC=com: OTHER_DOMAIN',
      ],
    });
  });

  it('V8: a name that several accounts share names nobody', () => {
    const twins = [
      entry('PERSON', 'finn', { addresses: [{ address: 'Berg@example.com', primary: true }] }),
      entry('PERSON', 'frida', { addresses: [{ address: 'berg@example.com', primary: true }] }),
    ];
    expect(resolve(...twins, box('berg@example.com')).sales).toEqual({
      people: [],
      unresolved: ['berg@example.com: AMBIGUOUS'],
    });
  });

  it('lists what leads to nobody', () => {
    expect(
      resolve(...people, entry('CONTACT', 'hilde'), group('empty', []), box('nobody', dn('gone'), dn('hilde'), 'empty'))
        .sales,
    ).toEqual({
      people: [],
      unresolved: ['nobody: UNKNOWN', 'CN=gone,DC=example,DC=com: UNKNOWN', 'CN=hilde,DC=example,DC=com: NOT_A_PERSON'],
    });
  });

  it.each([
    ['CN=A\\;B,DC=x;anna', ['CN=A\\;B,DC=x', 'anna']],
    ['CN=A\\\\;anna', ['CN=A\\\\', 'anna']],
    [' ; ;', []],
    ['anna\\', ['anna\\']],
  ])('splits %j at semicolons that are not escaped', (value, expected) => {
    expect(delegationNames(value)).toEqual(expected);
  });

  it('gives the example organisation what its story tells', async () => {
    const { directory, settings, branch } = await startDirectory();
    const resolver = new DelegationResolver();
    const names = new Map<string, string>();
    for (const each of [...(await collect(readDirectory(settings))), ...(await collect(readDirectory(branch)))]) {
      resolver.add(each);
      names.set(each.id, each.accountName ?? each.id);
    }
    await directory.stop();
    const access = [...resolver.resolve()].map(({ mailboxId, personIds, unresolved }) => [
      names.get(mailboxId),
      [...personIds].map((id) => names.get(id)).sort(),
      unresolved.map(({ reason }) => reason),
    ]);
    expect(access).toEqual([
      ['sales', ['anna'], []],
      ['support', ['anna', 'boris', 'hanako'], []],
      ['board', ['dmitri'], ['OTHER_DOMAIN']],
    ]);
  });
});

describe('membership', () => {
  it('knows the groups of somebody, through groups and cycles', () => {
    const membership = new GroupMembership();
    membership.add('a', ['b', 'anna']);
    membership.add('b', ['c']);
    membership.add('c', ['a', 'boris']);
    expect([...membership.groupsOf('boris')].sort()).toEqual(['a', 'b', 'c']);
    expect([...membership.groupsOf('nobody')]).toEqual([]);
    expect([...membership.membersOf('b')].sort()).toEqual(['anna', 'boris']);
    membership.add('d', ['anna']);
    expect([...membership.groupsOf('anna')].sort()).toEqual(['a', 'b', 'c', 'd']);
  });
});
