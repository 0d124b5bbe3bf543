import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { checkPassword } from '../../src/ldap/check-password.js';
import { findPerson } from '../../src/ldap/find-person.js';
import { startDirectory, type RunningDirectory } from './example.js';

const BASE = 'DC=example,DC=com';
const ANNA = `CN=Anna Lindqvist,OU=People,${BASE}`;

describe('signing in against a directory', () => {
  let running: RunningDirectory;
  beforeAll(async () => {
    running = await startDirectory();
  });
  afterAll(() => running.directory.stop());

  it.each([
    ['a principal name', 'anna@example.com', 'demo', 'OK'],
    ['DOMAIN\\name', 'EXAMPLE\\anna', 'demo', 'OK'],
    ['a DN', ANNA, 'demo', 'OK'],
    ['a DN with escapes', `CN=Müller\\, Jörg,OU=People,${BASE}`, 'demo', 'OK'],
    ['a mail address, which is no name', 'anna.lindqvist@example.com', 'demo', 'WRONG_CREDENTIALS'],
    ['a wrong password', 'anna@example.com', 'nope', 'WRONG_CREDENTIALS'],
    ['an unknown name', 'nobody@example.com', 'demo', 'WRONG_CREDENTIALS'],
    ['a bare word', 'anna', 'demo', 'WRONG_CREDENTIALS'],
    ['a mechanism as name', 'EXTERNAL', 'demo', 'WRONG_CREDENTIALS'],
    ['a disabled account', 'emil@example.com', 'demo', 'DISABLED'],
    ['a disabled account and a wrong password', 'emil@example.com', 'nope', 'WRONG_CREDENTIALS'],
    ['an expired account', 'gustav@example.com', 'demo', 'EXPIRED'],
  ])('%s: %s', async (_title, name, password, outcome) => {
    expect(await checkPassword(running.settings, name, password)).toEqual({ outcome });
  });

  it('knows locked accounts and passwords that must be changed', async () => {
    running.directory.entries.modify(ANNA, { lockoutTime: '1' });
    expect(await checkPassword(running.settings, ANNA, 'demo')).toEqual({ outcome: 'LOCKED' });
    running.directory.entries.modify(ANNA, { lockoutTime: '0', pwdLastSet: '0' });
    expect(await checkPassword(running.settings, ANNA, 'demo')).toEqual({ outcome: 'MUST_CHANGE_PASSWORD' });
    running.directory.entries.modify(ANNA, { pwdLastSet: '133500000000000000' });
  });

  it('L8: an empty password or name is refused before the directory is asked', async () => {
    let asked = 0;
    const server = createServer((socket) => {
      asked += 1;
      socket.destroy();
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const settings = {
      ...running.settings,
      servers: [{ host: '127.0.0.1', port: (server.address() as AddressInfo).port }],
    };
    expect(await checkPassword(settings, ANNA, '')).toEqual({ outcome: 'WRONG_CREDENTIALS' });
    expect(await checkPassword(settings, ' ', 'demo')).toEqual({ outcome: 'WRONG_CREDENTIALS' });
    expect(asked).toBe(0);
    // The check above can fail: with a password the server is asked.
    expect(await checkPassword(settings, ANNA, 'demo')).toMatchObject({ outcome: 'UNAVAILABLE' });
    expect(asked).toBe(1);
    server.close();
  });

  it('a directory that is away says nothing about the password', async () => {
    const settings = { ...running.settings, servers: [{ host: '127.0.0.1', port: 1 }] };
    expect(await checkPassword(settings, ANNA, 'demo')).toMatchObject({
      outcome: 'UNAVAILABLE',
      error: { kind: 'UNREACHABLE' },
    });
    expect(await checkPassword({ ...running.settings, plainAllowed: false }, ANNA, 'demo')).toMatchObject({
      error: { kind: 'TLS_REQUIRED' },
    });
  });
});

describe('finding one person at once', () => {
  let running: RunningDirectory;
  beforeAll(async () => {
    running = await startDirectory();
    const { entries } = running.directory;
    // Clara's principal name is one of Zoë's addresses: the principal name is the stronger one.
    entries.modify(`CN=Zoë O'Neill,OU=People,${BASE}`, {
      proxyAddresses: ['SMTP:zoe@example.com', 'smtp:clara@example.com'],
    });
  });
  afterAll(() => running.directory.stop());

  it.each([
    ['a principal name', 'ANNA@example.com', 'anna'],
    ['DOMAIN\\name', 'EXAMPLE\\boris', 'boris'],
    ['an account name', 'joerg', 'joerg'],
    ['a mail alias', 'joerg.mueller@example.com', 'joerg'],
    ['an alias in other letters', 'Anna.Lindqvist@EXAMPLE.com', 'anna'],
    ['a principal name that is also an alias of somebody else', 'clara@example.com', 'clara'],
    ['a disabled account', 'emil', 'emil'],
  ])('finds by %s', async (_title, login, accountName) => {
    expect(await findPerson(running.settings, login)).toMatchObject({
      outcome: 'FOUND',
      entry: { accountName, kind: 'PERSON' },
    });
  });

  it('V8: an address that two people have names nobody', async () => {
    expect(await findPerson(running.settings, 'berg@example.com')).toEqual({ outcome: 'AMBIGUOUS' });
  });

  it.each([
    'nobody',
    'a*',
    '*',
    'anna)(objectClass=*',
    'anna\\2a',
    '*@example.com',
    'Front Desk',
    '',
    ' ',
    'EXAMPLE\\',
    'dmitri',
    'x'.repeat(1000),
    'a\0b',
  ])('takes %j as a name and not as a filter, and finds nobody', async (login) => {
    expect(await findPerson(running.settings, login)).toEqual({ outcome: 'NOT_FOUND' });
  });

  it('looks only at the address attributes of the connection', async () => {
    expect(await findPerson({ ...running.settings, addressAttributes: 'MAIL' }, 'joerg.mueller@example.com')).toEqual({
      outcome: 'NOT_FOUND',
    });
    expect(
      await findPerson({ ...running.settings, addressAttributes: 'PROXY_ADDRESSES' }, 'joerg.mueller@example.com'),
    ).toMatchObject({ outcome: 'FOUND' });
  });
});
