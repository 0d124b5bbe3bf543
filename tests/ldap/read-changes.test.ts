import type { ChangeMark } from '../../src/ldap/change-mark.js';
import { readChanges, readServerState, type DirectoryChanges } from '../../src/ldap/read-changes.js';
import { collect, guidOf, largeOrganisation, startDirectory, type RunningDirectory } from './example.js';
import { readDirectory } from '../../src/ldap/read-directory.js';

const BASE = 'DC=example,DC=com';
const ANNA = `CN=Anna Lindqvist,OU=People,${BASE}`;
const ANNA_ID = '5493e3d4-15b0-5ddb-9f24-c564ef96b8b0';
const JOERG_ID = '21f8b542-05c0-5159-88a8-c7936e10e486';

describe('reading changes of Active Directory', () => {
  let running: RunningDirectory;
  let mark: ChangeMark;
  const start = async (options: Parameters<typeof startDirectory>[0] = {}): Promise<RunningDirectory> => {
    running = await startDirectory(options);
    const state = await readServerState(running.settings);
    mark = state.mark as ChangeMark;
    return running;
  };
  afterEach(() => running.directory.stop());

  const changed = (changes: DirectoryChanges): (string | null)[] => {
    if (changes.outcome !== 'CHANGES') throw new Error(changes.explanation);
    return changes.upserted.map(({ accountName }) => accountName);
  };

  it('the mark is plain data: server, invocationId and change number', async () => {
    const { directory, port } = await start();
    expect(JSON.parse(JSON.stringify(mark))).toEqual({
      kind: 'USN',
      server: `127.0.0.1:${port}`,
      invocationId: expect.stringMatching(/^[0-9a-f-]{36}$/),
      usn: directory.entries.highestUsn,
    });
  });

  it('nothing changed: nothing is read, and the mark stays', async () => {
    const { settings } = await start();
    expect(await readChanges(settings, mark)).toEqual({
      outcome: 'CHANGES',
      upserted: [],
      removedIds: [],
      mark,
      deletionsSeen: true,
    });
  });

  it('reads what was changed and added since, with members and delegations, and nothing else', async () => {
    const { settings, directory } = await start();
    directory.entries.modify(ANNA, { displayName: 'Anna Berg' });
    directory.entries.modify(`CN=Front Desk,OU=Groups,${BASE}`, { member: [ANNA] });
    directory.entries.modify(`CN=Sales,OU=Shared Mailboxes,${BASE}`, { msExchDelegateListLink: [] });
    directory.entries.add({
      dn: `CN=New,OU=People,${BASE}`,
      kind: 'user',
      guid: guidOf(7),
      attributes: { sAMAccountName: 'new' },
    });
    const changes = await readChanges(settings, mark);
    expect(changed(changes).sort()).toEqual(['Front Desk', 'anna', 'new', 'sales']);
    expect(changes).toMatchObject({ removedIds: [], mark: { usn: directory.entries.highestUsn } });
    if (changes.outcome !== 'CHANGES') throw new Error();
    expect(changes.upserted.find(({ accountName }) => accountName === 'Front Desk')?.members).toEqual([
      'cn=anna lindqvist,ou=people,dc=example,dc=com',
    ]);
    expect(changed(await readChanges(settings, changes.mark))).toEqual([]);
  });

  it('L7: a rename keeps the identity', async () => {
    const { settings, directory } = await start();
    directory.entries.rename(ANNA, `CN=Anna Berg,OU=Partners,${BASE}`);
    const changes = await readChanges(settings, mark);
    expect(changes).toMatchObject({
      upserted: [{ id: ANNA_ID, dnKey: 'cn=anna berg,ou=partners,dc=example,dc=com' }],
      removedIds: [],
    });
  });

  it('tells deletions through tombstones', async () => {
    const { settings, directory } = await start();
    directory.entries.delete(`CN=Müller\\, Jörg,OU=People,${BASE}`);
    expect(await readChanges(settings, mark)).toMatchObject({
      upserted: [],
      removedIds: [JOERG_ID],
      deletionsSeen: true,
    });
  });

  it('says that deletions are not seen when the account lacks the right', async () => {
    const { settings, directory } = await start({ deletedObjectsReadable: false });
    directory.entries.delete(`CN=Müller\\, Jörg,OU=People,${BASE}`);
    expect(await readChanges(settings, mark)).toMatchObject({
      outcome: 'CHANGES',
      removedIds: [],
      deletionsSeen: false,
    });
  });

  it('what left the base DN or its filter is gone', async () => {
    const { settings, directory } = await start();
    const people = { ...settings, baseDn: `OU=People,${BASE}` };
    directory.entries.rename(ANNA, `CN=Anna Lindqvist,OU=Partners,${BASE}`);
    expect(await readChanges(people, mark)).toMatchObject({ upserted: [], removedIds: [ANNA_ID] });
    expect(await readChanges({ ...settings, overrides: { personFilter: '(cn=Clara*)' } }, mark)).toMatchObject({
      removedIds: [ANNA_ID],
    });
  });

  it('needs a full pass when an organisational unit was renamed or moved, for what is below it has no new number', async () => {
    const { settings, directory } = await start();
    directory.entries.rename(`OU=People,${BASE}`, `OU=Staff,${BASE}`);
    expect(await readChanges(settings, mark)).toMatchObject({
      outcome: 'FULL_PASS_NEEDED',
      reason: 'CONTAINER_CHANGED',
    });
  });

  it('needs none when an organisational unit is new', async () => {
    const { settings, directory } = await start();
    directory.entries.add({ dn: `OU=New,${BASE}`, kind: 'organizationalUnit', guid: guidOf(8) });
    directory.entries.rename(ANNA, `CN=Anna Lindqvist,OU=New,${BASE}`);
    expect(changed(await readChanges(settings, mark))).toEqual(['anna']);
  });

  it('needs a full pass when the server was restored', async () => {
    const { settings, directory } = await start();
    directory.restoreFromBackup();
    expect(await readChanges(settings, mark)).toMatchObject({ outcome: 'FULL_PASS_NEEDED', reason: 'SERVER_RESTORED' });
  });

  it('needs a full pass when change numbers went back', async () => {
    const { settings } = await start();
    const ahead = { ...mark, usn: 1_000_000 } as ChangeMark;
    expect(await readChanges(settings, ahead)).toMatchObject({ reason: 'SERVER_RESTORED' });
  });

  it('asks the same server again, and needs a full pass when only another one answers', async () => {
    const { settings, port } = await start();
    const other = await startDirectory();
    try {
      const both = {
        ...settings,
        servers: [
          { host: '127.0.0.1', port: other.port },
          { host: '127.0.0.1', port },
        ],
      };
      expect(await readChanges(both, mark)).toMatchObject({
        outcome: 'CHANGES',
        mark: { server: `127.0.0.1:${port}` },
      });
      await running.directory.stop();
      expect(await readChanges(both, mark)).toMatchObject({ outcome: 'FULL_PASS_NEEDED', reason: 'OTHER_SERVER' });
    } finally {
      await other.directory.stop();
    }
  });

  it('needs a full pass when too much changed', async () => {
    const { settings, directory } = await start({ organisation: largeOrganisation(30) });
    for (let index = 0; index < 12; index++)
      directory.entries.modify(`CN=Person ${index},OU=People,DC=large,DC=example`, { displayName: 'x' });
    expect(await readChanges(settings, mark, { maxChanges: 10 })).toMatchObject({ reason: 'TOO_MANY_CHANGES' });
    expect(changed(await readChanges(settings, mark, { maxChanges: 12 }))).toHaveLength(12);
  });

  it('misses nothing that changes while the whole directory is read', async () => {
    const { settings, directory } = await start();
    let during: ChangeMark | null = null;
    const reading = readDirectory({ ...settings, pageSize: 2 }, { onMark: (read) => (during = read) });
    await reading.next();
    directory.entries.modify(ANNA, { displayName: 'Later' });
    await collect(reading);
    expect(changed(await readChanges(settings, during as unknown as ChangeMark))).toEqual(['anna']);
  });

  it('a failure is an error and no answer', async () => {
    const { settings, directory } = await start();
    directory.faults = { busy: true };
    await expect(readChanges(settings, mark)).rejects.toMatchObject({ kind: 'BUSY' });
  });
});
