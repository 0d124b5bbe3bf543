import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ADMIN_PASSWORD, startTestApp, type TestApp } from '../support/app.js';
import { LogLines } from '../support/log-lines.js';
import { asAccount, openSession } from '../support/people.js';
import { post, WireSocket } from '../support/wire.js';

const SIGN_IN =
  'mutation ($login: String!, $password: String!) { signIn(input: { login: $login, password: $password }) { viewer { name permissions } token sessionExpiresAt userErrors { code field message } } }';
const REFUSED =
  '{"data":{"signIn":{"viewer":null,"token":null,"sessionExpiresAt":null,"userErrors":[{"code":"CREDENTIALS_REFUSED","field":null,"message":"Login or password is wrong, or the account cannot sign in."}]}}}\n';

interface SignedIn {
  signIn: {
    viewer: { name: string; permissions: string[] } | null;
    token: string | null;
    userErrors: { code: string; field: string | null }[];
  };
}

describe('Sign-in', () => {
  const folder = mkdtempSync(join(tmpdir(), 'mailkeep-sign-in-'));
  const log = new LogLines();
  let test: TestApp;

  beforeAll(async () => {
    test = await startTestApp(
      { kind: 'sqlite', file: join(folder, 'mailkeep.db') },
      { logLevel: 'debug', signInFailuresPerAddress: 1000 },
      log,
    );
  }, 30_000);
  beforeEach(() => log.clear());
  afterAll(async () => {
    await test?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const raw = (login: string, password: string, headers: Record<string, string> = {}) =>
    post(test.url, { query: SIGN_IN, variables: { login, password } }, headers);
  const signIn = async (login: string, password: string) =>
    (JSON.parse((await raw(login, password)).text) as { data: SignedIn }).data.signIn;
  const audited = async () =>
    (
      await test.app.database.rows<{ actor: string; outcome: string; details: string }>(
        "SELECT actor, outcome, details FROM audit_entry WHERE event = 'SIGN_IN' ORDER BY id DESC LIMIT 1",
      )
    )[0];

  it.each(['admin', ' Admin '])('lets the local administrator in as "%s"', async (login) => {
    const { viewer, token, userErrors } = await signIn(login, ADMIN_PASSWORD);
    expect(userErrors).toEqual([]);
    expect(viewer?.permissions).toContain('ACCOUNTS_EDIT');
    expect(token).toMatch(/^[\w-]{43}$/);
    expect(await audited()).toMatchObject({ actor: 'account:admin', outcome: 'DONE' });
  });

  it.each([
    ['user principal name', 'anna@example.com'],
    ['user principal name, in another case', 'Anna@Example.COM'],
    ['account name', 'anna'],
    ['short domain and account name', 'EXAMPLE\\anna'],
    ['domain and account name', 'example.com\\Anna'],
    ['another mail address', 'a.lindqvist@example.com'],
  ])('lets people of the directory in by %s', async (_what, login) => {
    expect(await signIn(login, 'demo')).toMatchObject({
      viewer: { name: 'Anna Lindqvist', permissions: [] },
      userErrors: [],
    });
  });

  it.each([
    ['a wrong password', 'anna', 'Demo', 'WRONG_PASSWORD'],
    ['a wrong local password', 'admin', 'demo', 'WRONG_PASSWORD'],
    ['an unknown name', 'nobody@example.com', 'demo', 'UNKNOWN'],
    ['a disabled account', 'emil', 'demo', 'DISABLED'],
    ['an expired account', 'gustav', 'demo', 'EXPIRED'],
    ['a group mailbox', 'sales@example.com', 'demo', 'DISABLED'],
    ['a group', 'Support Team', 'demo', 'UNKNOWN'],
    ['a contact', 'hilde@partner.example', 'demo', 'UNKNOWN'],
    ['another domain', 'BRANCH\\anna', 'demo', 'UNKNOWN'],
    ['a wildcard', '*', 'demo', 'UNKNOWN'],
    ['an LDAP filter', 'anna)(objectClass=*', 'demo', 'UNKNOWN'],
    ['a distinguished name', 'CN=Anna Lindqvist,OU=People,DC=example,DC=com', 'demo', 'UNKNOWN'],
    ['SQL', "anna' OR '1'='1", 'demo', 'UNKNOWN'],
    ['a name cut by a null byte', 'anna\u0000x', 'demo', 'UNKNOWN'],
    ['letters that only look alike', 'аnna', 'demo', 'UNKNOWN'],
  ])('gives %s the one answer, and the reason to log and audit only', async (_what, login, password, reason) => {
    const { text, headers } = await raw(login, password);
    expect(text).toBe(REFUSED);
    expect(headers['set-cookie']).toBeUndefined();
    const audit = await audited();
    expect({ outcome: audit?.outcome, details: JSON.parse(audit?.details ?? '') as unknown }).toEqual({
      outcome: 'REFUSED',
      details: { reason },
    });
    expect(log.entries.find(({ msg }) => msg === 'sign-in refused')).toMatchObject({ reason });
  });

  it.each([
    ['an empty password', 'anna', '', 'password'],
    ['an empty login', '', 'demo', 'login'],
    ['a blank login', '  ', 'demo', 'login'],
    ['a login that is too long', 'x'.repeat(321), 'demo', 'login'],
    ['a password that is too long', 'anna', 'x'.repeat(1025), 'password'],
  ])('L8: refuses %s before anybody is asked', async (_what, login, password, field) => {
    const before = await audited();
    expect(await signIn(login, password)).toMatchObject({
      viewer: null,
      token: null,
      userErrors: [{ code: 'BAD_USER_INPUT', field }],
    });
    expect(await audited()).toEqual(before);
  });

  it('L8: writes no password anywhere', async () => {
    await signIn('zoe', 'pass-word-of-zoe');
    await signIn('zoe', 'demo');
    expect(log.text).not.toMatch(/pass-word-of-zoe|"demo"/);
    const entries = JSON.stringify(await test.app.database.rows('SELECT * FROM audit_entry'));
    expect(entries).not.toContain('pass-word-of-zoe');
    expect(JSON.stringify(await test.app.database.rows('SELECT * FROM session'))).not.toMatch(/"demo"/);
  });

  it('keeps no token that could be used: only its hash', async () => {
    const { token } = await signIn('zoe', 'demo');
    for (const table of ['session', 'audit_entry', 'change_event'])
      expect(JSON.stringify(await test.app.database.rows(`SELECT * FROM ${table}`))).not.toContain(token);
  });

  describe('the session it opens', () => {
    const LOGIN = { query: '{ viewer { login } }' };
    const who = async (headers: Record<string, string>) =>
      (JSON.parse((await post(test.url, LOGIN, headers)).text) as { data: { viewer: { login: string } | null } }).data
        .viewer?.login ?? null;

    it('comes to browsers as a cookie that scripts and other sites cannot use, for as long as the browser is open', async () => {
      const { headers } = await raw('oscar', 'demo');
      expect(headers['set-cookie']).toMatch(/^mailkeep=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict$/);
      const cookie = (headers['set-cookie'] ?? '').split(';')[0] ?? '';
      expect(await who({ cookie: `a=b; ${cookie}; c=d` })).toBe('oscar');
      expect(await who({ cookie: cookie.replace('mailkeep=', 'xmailkeep=') })).toBeNull();
    });

    it('comes to programs as a bearer token, which wins over a cookie', async () => {
      const [oscar, elena] = [
        await openSession(test.app, { accountId: 1, login: 'one' }),
        await openSession(test.app, { accountId: 1, login: 'two' }),
      ];
      expect(await who({ authorization: `bearer  ${oscar.token}` })).toBe('one');
      expect(await who({ authorization: `Bearer ${oscar.token}`, cookie: `mailkeep=${elena.token}` })).toBe('one');
      for (const wrong of [oscar.token.slice(1), oscar.token.toLowerCase(), '', 'x'.repeat(10_000), "' OR 1=1 --"])
        expect(await who({ authorization: `Bearer ${wrong}` })).toBeNull();
      expect(await who({ authorization: `Basic ${Buffer.from(`a:${oscar.token}`).toString('base64')}` })).toBeNull();
    });

    it('ends everywhere at once by sign-out: cookie, bearer, sockets with 4403, and their events', async () => {
      const { token } = await openSession(test.app, { accountId: 1, login: 'leaving' });
      const staying = await openSession(test.app, { accountId: 1, login: 'staying' });
      const sockets = await Promise.all(
        [token, token, staying.token].map((each) => WireSocket.admitted(test.url, each)),
      );
      for (const socket of sockets) socket.subscribe('1', 'subscription { backupChanged { kind } }');
      const out = await post(
        test.url,
        { query: 'mutation { signOut { signedOut } }' },
        { cookie: `mailkeep=${token}` },
      );
      expect(out.text).toBe('{"data":{"signOut":{"signedOut":true}}}\n');
      expect(out.headers['set-cookie']).toMatch(
        /^mailkeep=; Path=\/; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; SameSite=Strict$/,
      );
      for (const socket of sockets.slice(0, 2))
        expect(await socket.ended).toEqual({ code: 4403, reason: 'The session has ended. Sign in again.' });
      expect(await who({ authorization: `Bearer ${token}` })).toBeNull();
      expect(await who({ authorization: `Bearer ${staying.token}` })).toBe('staying');
      sockets[2]?.send({ type: 'ping' });
      expect((await sockets[2]?.next('pong'))?.type).toBe('pong');
      await sockets[2]?.close();
      expect((await post(test.url, { query: 'mutation { signOut { signedOut } }' })).text).toBe(
        '{"data":{"signOut":{"signedOut":false}}}\n',
      );
    });

    it('does not outlive its local account', async () => {
      const client = await asAccount(test, 'leaver', ['Viewer']);
      expect((await client.query('{ viewer { login } }')).data).toEqual({ viewer: { login: 'leaver' } });
      await test.app.database.transaction((transaction) =>
        transaction.run("UPDATE account SET disabled = 1 WHERE login = 'leaver'"),
      );
      expect((await client.query('{ viewer { login } }')).data).toEqual({ viewer: null });
    });
  });
});

describe('Sign-in, refused', () => {
  const folder = mkdtempSync(join(tmpdir(), 'mailkeep-refused-'));
  let test: TestApp;
  beforeAll(async () => {
    test = await startTestApp(
      { kind: 'sqlite', file: join(folder, 'mailkeep.db') },
      { signInFailuresPerAccount: 3, signInFailuresPerAddress: 1000 },
    );
  }, 30_000);
  afterAll(async () => {
    await test?.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  const codesOf = async (logins: readonly string[], password = 'wrong') => {
    const codes: (string | undefined)[] = [];
    for (const login of logins) {
      const { text } = await post(test.url, { query: SIGN_IN, variables: { login, password } });
      codes.push((JSON.parse(text) as { data: SignedIn }).data.signIn.userErrors[0]?.code);
    }
    return codes;
  };

  it('counts the account, however it is spelt, and lets no spelling show that it exists', async () => {
    const attempts = (name: string) => [name, `EXAMPLE\\${name}`, `${name}@example.com`, `${name}@elsewhere.example`];
    const expected = [...Array<string>(3).fill('CREDENTIALS_REFUSED'), 'TOO_MANY_REQUESTS'];
    expect(await codesOf(attempts('anna'))).toEqual(expected);
    expect(await codesOf(attempts('nobody-at-all'))).toEqual(expected);
    // An alias has another name, and is the same account.
    expect(await codesOf(['a.lindqvist@example.com'])).toEqual(['TOO_MANY_REQUESTS']);
  }, 30_000);

  it('refuses the right password, too, after too many failures, and says how long', async () => {
    expect(await codesOf(Array<string>(3).fill('boris'))).toEqual(Array<string>(3).fill('CREDENTIALS_REFUSED'));
    const { text } = await post(test.url, { query: SIGN_IN, variables: { login: 'boris', password: 'demo' } });
    expect(text).toMatch(
      /"code":"TOO_MANY_REQUESTS","field":null,"message":"Too many failed sign-ins\. Try again in \d+ seconds\."/,
    );
    expect(await codesOf(['clara'], 'demo')).toEqual([undefined]);
  }, 30_000);

  // The last of its block: the directory does not come back.
  it('says that the directory is away to everybody whom it does not let in, whoever they are', async () => {
    await test.directory.stop();
    await test.app.database.transaction((transaction) => transaction.run('DELETE FROM sign_in_failure'));
    const everybody = ['hanako', 'emil', 'stranger', 'EXAMPLE\\stranger2', 'NOWHERE\\stranger3', 'admin'];
    expect(await codesOf(everybody)).toEqual(everybody.map(() => 'DIRECTORY_UNAVAILABLE'));
    expect(await codesOf(['admin'], ADMIN_PASSWORD)).toEqual([undefined]);
    // Nothing is charged to the address, and the limit holds for accounts that exist and others.
    for (const login of ['hanako', 'stranger', 'emil'])
      expect(await codesOf([login, login, login])).toEqual([
        'DIRECTORY_UNAVAILABLE',
        'DIRECTORY_UNAVAILABLE',
        'TOO_MANY_REQUESTS',
      ]);
    expect(await codesOf(Array<string>(4).fill('admin'))).toEqual([
      ...Array<string>(3).fill('DIRECTORY_UNAVAILABLE'),
      'TOO_MANY_REQUESTS',
    ]);
    const counts = await test.app.database.rows<{ count: number }>(
      'SELECT count(*) AS count FROM sign_in_failure GROUP BY subject',
    );
    expect(Math.max(...counts.map(({ count }) => count))).toBe(3);
  }, 60_000);
});

describe("Changing one's own password", () => {
  const folder = mkdtempSync(join(tmpdir(), 'mailkeep-change-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('bears as many wrong guesses of the old one as a sign-in does, and audits them', async () => {
    const test = await startTestApp(
      { kind: 'sqlite', file: join(folder, 'mailkeep.db') },
      { signInFailuresPerAccount: 2 },
    );
    try {
      const admin = await test.signedIn('admin');
      const change = async (currentPassword: string) =>
        (
          await admin.ask<{ changePassword: { changed: boolean; userErrors: { code: string }[] } }>(
            'mutation ($input: ChangePasswordInput!) { changePassword(input: $input) { changed userErrors { code } } }',
            { input: { currentPassword, newPassword: 'another-password' } },
          )
        ).changePassword;
      const refused = (code: string) => ({ changed: false, userErrors: [{ code }] });
      expect(await change('wrong')).toEqual(refused('BAD_USER_INPUT'));
      expect(await change('wrong')).toEqual(refused('BAD_USER_INPUT'));
      expect(await change(ADMIN_PASSWORD)).toEqual(refused('TOO_MANY_REQUESTS'));
      expect(
        await test.app.database.rows("SELECT actor, outcome FROM audit_entry WHERE event = 'PASSWORD_CHANGE'"),
      ).toEqual(Array.from({ length: 2 }, () => ({ actor: 'account:admin', outcome: 'REFUSED' })));
    } finally {
      await test.stop();
    }
  }, 30_000);
});

describe('Sign-in behind https and a proxy', () => {
  const folder = mkdtempSync(join(tmpdir(), 'mailkeep-proxy-'));
  let test: TestApp;
  beforeAll(async () => {
    test = await startTestApp(
      { kind: 'sqlite', file: join(folder, 'mailkeep.db') },
      { publicUrl: 'https://backup.example.com', trustedProxies: ['127.0.0.1'], signInFailuresPerAddress: 2 },
    );
  }, 30_000);
  afterAll(async () => {
    await test?.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  const attempt = async (login: string, password: string, from: string) => {
    const answer = await post(
      test.url,
      { query: SIGN_IN, variables: { login, password } },
      { 'x-forwarded-for': from },
    );
    return { answer, code: (JSON.parse(answer.text) as { data: SignedIn }).data.signIn.userErrors[0]?.code };
  };

  it('binds the cookie to https and to the host', async () => {
    const { answer } = await attempt('anna', 'demo', '203.0.113.9');
    expect(answer.headers['set-cookie']).toMatch(
      /^__Host-mailkeep=[\w-]{43}; Path=\/; HttpOnly; Secure; SameSite=Strict$/,
    );
    const token = /=([\w-]{43});/.exec(answer.headers['set-cookie'] ?? '')?.[1] ?? '';
    const who = async (name: string) =>
      (await post(test.url, { query: '{ viewer { login } }' }, { cookie: `${name}=${token}` })).text;
    expect(await who('__Host-mailkeep')).toContain('"login":"anna"');
    expect(await who('mailkeep')).toContain('"viewer":null');
  });

  it('counts failures by the client behind the proxy, and believes only what the proxy itself wrote', async () => {
    for (const login of ['x1', 'x2'])
      expect((await attempt(login, 'wrong', '203.0.113.1')).code).toBe('CREDENTIALS_REFUSED');
    expect((await attempt('x3', 'wrong', '203.0.113.1')).code).toBe('TOO_MANY_REQUESTS');
    // The client's own header stands on the left of what the trusted proxy appended.
    expect((await attempt('x4', 'wrong', '198.51.100.99, 203.0.113.1')).code).toBe('TOO_MANY_REQUESTS');
    expect((await attempt('x5', 'wrong', '203.0.113.2')).code).toBe('CREDENTIALS_REFUSED');
  });

  it('takes what is no address for the address of the proxy, however it is spelt', async () => {
    const codes: (string | undefined)[] = [];
    for (const name of ['unknown', 'x'.repeat(200), '\u00e4', '_hidden'])
      codes.push((await attempt(`y${name}`, 'wrong', `${name}, 127.0.0.1`)).code);
    expect(codes).toEqual(['CREDENTIALS_REFUSED', 'CREDENTIALS_REFUSED', 'TOO_MANY_REQUESTS', 'TOO_MANY_REQUESTS']);
  });
});

describe('Sign-in without a trusted proxy', () => {
  const folder = mkdtempSync(join(tmpdir(), 'mailkeep-direct-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('lets nobody escape the count of an address by a forged header', async () => {
    const test = await startTestApp(
      { kind: 'sqlite', file: join(folder, 'mailkeep.db') },
      { signInFailuresPerAddress: 2 },
    );
    try {
      const codes: (string | undefined)[] = [];
      for (let index = 0; index < 4; index += 1) {
        const { text } = await post(
          test.url,
          { query: SIGN_IN, variables: { login: `x${index}`, password: 'wrong' } },
          {
            'x-forwarded-for': `203.0.113.${index}`,
            forwarded: `for=203.0.113.${index}`,
            'x-real-ip': `203.0.113.${index}`,
          },
        );
        codes.push((JSON.parse(text) as { data: SignedIn }).data.signIn.userErrors[0]?.code);
      }
      expect(codes).toEqual(['CREDENTIALS_REFUSED', 'CREDENTIALS_REFUSED', 'TOO_MANY_REQUESTS', 'TOO_MANY_REQUESTS']);
    } finally {
      await test.stop();
    }
  }, 30_000);
});
