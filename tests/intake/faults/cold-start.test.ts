import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { tokenHash } from '../../../src/services/session/secret-token.js';
import { Client } from '../../support/client.js';
import { handOverByHttp, messageOf } from '../../support/gateways.js';
import { type ServerProcess, startServer } from '../../support/processes.js';
import { createDatabase, describeWhenPresent, PrivateService } from '../../support/services.js';
import { until } from '../../support/until.js';
import { WireSocket } from '../../support/wire.js';

const HOUR_MS = 3_600_000;

describeWhenPresent(['mariadb'], 'A start without the database', () => {
  const mariadb = new PrivateService('mariadb');
  let folder: string;
  let server: ServerProcess;
  let mirror: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'mailkeep-cold-'));
    mirror = join(folder, 'intake-tokens.json');
    const { url } = await createDatabase(await mariadb.start());
    await mariadb.kill();
    const tokens = [
      { hash: tokenHash('mk_known'), expiresAtMs: null },
      { hash: tokenHash('mk_expired'), expiresAtMs: Date.now() - HOUR_MS },
    ];
    writeFileSync(mirror, JSON.stringify({ takenAtMs: Date.now() - HOUR_MS, tokens }));
    server = await startServer(
      { MAILKEEP_DATA_DIR: folder, MAILKEEP_DATABASE_URL: url, MAILKEEP_ADMIN_PASSWORD: 'admin-demo' },
      'dist/main.js',
    );
  }, 120_000);
  afterAll(async () => {
    await server?.kill('SIGTERM');
    await mariadb.remove();
    await rm(folder, { recursive: true, force: true });
  }, 60_000);

  const ready = async () => {
    const answer = await fetch(`${server.url}/readyz`);
    return { status: answer.status, text: await answer.text() };
  };

  it('S6: says why it is not ready, takes hand-overs of known tokens, and answers the rest for the moment', async () => {
    expect(server.waiting).toBe(true);
    expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
    expect(await ready()).toMatchObject({ status: 503, text: expect.stringContaining('ECONNREFUSED') as string });
    for (const secret of ['mk_unknown', 'mk_expired'])
      expect(await handOverByHttp(server.url, secret, messageOf('not-taken'))).toBe('NOT_NOW');
    expect(await handOverByHttp(server.url, 'mk_known', messageOf('taken'))).toBe('ACKNOWLEDGED');
    expect((await ready()).text).toContain('"entries":1');

    const client = new Client(server.url);
    const input = { login: 'admin', password: 'admin-demo' };
    const signIn = 'mutation ($input: SignInInput!) { signIn(input: $input) { token userErrors { code } } }';
    expect((await client.query(signIn, { input })).data).toEqual({
      signIn: { token: null, userErrors: [{ code: 'DATABASE_UNAVAILABLE' }] },
    });
    client.token = 'some-session';
    const asked = await client.query('{ viewer { login } }');
    expect(asked).toMatchObject({ status: 503, errors: [{ extensions: { code: 'DATABASE_UNAVAILABLE' } }] });
    const socket = await WireSocket.open(server.url);
    socket.send({ type: 'connection_init', payload: { authorization: 'Bearer some-session' } });
    expect((await socket.ended).code).toBe(1013);
  }, 30_000);

  it('S6: comes up by itself with a database that has no table yet, and stores what waited', async () => {
    await mariadb.start();
    await until('it is ready', ready, ({ status, text }) => status === 200 && !text.includes('spool'), 30_000);
    const admin = await new Client(server.url).signIn('admin', 'admin-demo');
    const { backup } = await admin.ask<{ backup: { messages: { nodes: unknown[] } } }>(
      '{ backup { messages { nodes { gatewayMessageId } } } }',
    );
    expect(backup.messages.nodes).toEqual([{ gatewayMessageId: 'taken' }]);
    // The database knows no such token: from now on it is refused, also while the database is away again.
    expect(await handOverByHttp(server.url, 'mk_known', messageOf('later'))).toBe('NEVER');
    await until(
      'the mirror was taken anew',
      () => readFileSync(mirror, 'utf8'),
      (text) => text.includes('"tokens":[]'),
    );
    expect(statSync(mirror).mode & 0o777).toBe(0o600);
    await mariadb.kill();
    expect(await handOverByHttp(server.url, 'mk_known', messageOf('later'))).toBe('NOT_NOW');
  }, 60_000);
});
