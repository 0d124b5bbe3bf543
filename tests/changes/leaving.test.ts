import { WebSocket } from 'ws';
import { startTestApp, type TestApp } from '../support/app.js';
import type { Client } from '../support/client.js';
import { describeOnBothDatabases } from '../support/databases.js';
import { switchTo } from '../support/mail.js';
import { until } from '../support/until.js';

const FOLLOW = 'subscription ($after: ChangeCursor) { personalBackupChanged(after: $after) { kind } }';
const FOLLOW_ALL = 'subscription { backupChanged { kind } }';
const FOLLOW_SETTINGS = 'subscription { personalBackupSettingsChanged { version } }';
const FOREIGN_CURSOR = Buffer.from('00000000-0000-4000-8000-000000000000/1').toString('base64url');

describeOnBothDatabases('Leaving a subscription', (location) => {
  let test: TestApp;
  let admin: Client;
  let anna: Client;

  beforeAll(async () => {
    test = await startTestApp(location());
    admin = await test.signedIn('admin');
    anna = await test.signedIn('anna');
    await switchTo(admin, { enabled: true });
  }, 60_000);
  afterAll(() => test?.stop());

  const followers = () => test.app.services.feed.followerCount;
  const nobody = () => until('nobody follows', followers, (count) => count === 0);

  it('frees its follower and its socket, although nothing happens that would wake it', async () => {
    const personal = await Promise.all(Array.from({ length: 5 }, () => anna.subscribe(FOLLOW)));
    const all = await admin.subscribe(FOLLOW_ALL);
    const settings = await admin.subscribe(FOLLOW_SETTINGS);
    // Each socket watches its session, too.
    await until('everybody follows', followers, (count) => count === 14);
    for (const events of [...personal, all, settings]) await events.close();
    await nobody();
  });

  it('frees its follower when only the subscription ends and the socket stays', async () => {
    const socket = anna.socket();
    const end = socket.subscribe(
      { query: FOLLOW },
      { next: () => undefined, error: () => undefined, complete: () => undefined },
    );
    const other = socket.subscribe(
      { query: FOLLOW },
      { next: () => undefined, error: () => undefined, complete: () => undefined },
    );
    await until('both follow', followers, (count) => count === 3);
    end();
    await until('one follows', followers, (count) => count === 2);
    other();
    await socket.dispose();
    await nobody();
  });

  it('frees its follower after a cursor that was answered with RESET', async () => {
    const events = await anna.subscribe<{ personalBackupChanged: { kind: string } }>(FOLLOW, { after: FOREIGN_CURSOR });
    expect(await events.next()).toEqual({ personalBackupChanged: { kind: 'RESET' } });
    await events.close();
    await nobody();
  });

  it('leaves nothing behind when sockets are cut at any moment of their beginning', async () => {
    const init = JSON.stringify({ type: 'connection_init', payload: { authorization: `Bearer ${anna.token}` } });
    const subscribe = JSON.stringify({ id: '1', type: 'subscribe', payload: { query: FOLLOW } });
    await Promise.all(
      Array.from({ length: 60 }, async (_, index) => {
        const socket = new WebSocket(`${test.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
        await new Promise((open) => socket.once('open', open));
        const closed = new Promise((close) => socket.once('close', close));
        socket.send(init);
        if (index % 3 === 0) socket.terminate();
        else
          socket.once('message', () => {
            socket.send(subscribe);
            if (index % 3 === 1) setImmediate(() => socket.terminate());
            else socket.send(JSON.stringify({ id: '1', type: 'complete' }), () => socket.close());
          });
        await closed;
      }),
    );
    await nobody();
  });
});
