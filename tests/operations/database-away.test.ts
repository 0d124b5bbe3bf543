import { startTestApp, type TestApp } from '../support/app.js';
import type { Client } from '../support/client.js';
import { handOverOf, received } from '../support/hand-overs.js';
import { asAccount } from '../support/people.js';
import { ScriptedRelay } from '../support/scripted-relay.js';
import { createDatabase, describeWhenPresent, PrivateService } from '../support/services.js';
import { until } from '../support/until.js';
import { finished, newKey, request, type SeenOperation } from './operation-client.js';

const MESSAGES = 60;
const LEASE_MS = 500;

describeWhenPresent(['mariadb'], 'Sending while MariaDB is away', () => {
  const server = new PrivateService('mariadb');
  const relay = new ScriptedRelay();
  let test: TestApp;
  let admin: Client;

  beforeAll(async () => {
    const database = await createDatabase(await server.start());
    const { host, port } = await relay.start();
    test = await startTestApp(
      { kind: 'mysql', url: database.url, connections: 6 },
      // Shorter than the outage: every lease lapses.
      {
        relayHost: host,
        relayPort: port,
        relayTls: 'NONE',
        senderAddress: 'backup@example.com',
        operationLeaseMs: 500,
      },
    );
    admin = await asAccount(test, 'root', ['Administrator']);
    await Promise.all(
      Array.from({ length: MESSAGES }, (_, index) =>
        test.app.services.store.store(received(`away ${index}.`, handOverOf([`away${index}@example.com`]))),
      ),
    );
  }, 120_000);
  afterAll(async () => {
    await test?.stop();
    await relay.stop();
    await server.remove();
  }, 60_000);

  it('D7: loses nothing, sends nothing twice, and knows afterwards what the relay said while it was away', async () => {
    let release: () => void = () => undefined;
    relay.script = { hold: new Promise((resolve) => (release = resolve)) };
    const { operation } = await request(admin, 'sendBackupMessages', {
      filter: { subject: 'away' },
      toOriginalRecipients: true,
      idempotencyKey: newKey(),
    });
    await relay.messages(3);
    await server.kill();
    // The answers come while nothing can be written down.
    release();
    const killedAt = Date.now();
    await until('every lease has lapsed', () => Date.now() > killedAt + 2 * LEASE_MS);
    await server.start();
    const ended = await until<SeenOperation>(
      'all have arrived',
      async () => {
        // What could not be marked was put off for a minute.
        await test.app.database.run("UPDATE sending SET next_attempt_at = 0 WHERE state = 'QUEUED'");
        return finished(admin, operation?.id, 60_000);
      },
      ({ results }) => results.nodes.every(({ outcome }) => outcome === 'DONE' || outcome === 'UNKNOWN'),
      60_000,
    );
    expect(ended).toMatchObject({ total: MESSAGES, done: MESSAGES, failed: 0 });
    const to = relay.received.map((message) => message.to[0]);
    expect(to).toHaveLength(MESSAGES);
    expect(new Set(to).size).toBe(MESSAGES);
  }, 120_000);
});
