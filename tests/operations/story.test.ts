import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DeliveryFormat } from '../../src/entities/delivery-format.js';
import { GatewayAction, Module, ScanStatus } from '../../src/entities/vocabulary.js';
import { verifyDkim } from '../sending/dkim.js';
import { dkimKeys, signedMessage } from '../sending/signed-message.js';
import { startTestApp, TEST_AUTHOR, type TestApp } from '../support/app.js';
import type { Client } from '../support/client.js';
import { handOverOf, received } from '../support/hand-overs.js';
import { ALL_ON, asAccount, asPerson, setSwitches } from '../support/people.js';
import { describeWith } from '../support/services.js';
import { until } from '../support/until.js';
import { finished, messageOf, newKey, perform, request, type SeenOperation } from './operation-client.js';

const MANY = 1_000;

describeWith('postfix', 'The story of sending, with Postfix as relay', (facts) => {
  let folder = '';
  let test: TestApp;
  let anna: Client;
  let boris: Client;
  let admin: Client;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'mailkeep-story-'));
    test = await startTestApp(
      { kind: 'sqlite', file: join(folder, 'mailkeep.db') },
      { relayHost: facts().host, relayPort: facts().port, relayTls: 'NONE', senderAddress: 'backup@example.com' },
    );
    await setSwitches(test.app.database, ALL_ON);
    anna = await asPerson(test, 'anna');
    boris = await asPerson(test, 'boris');
    admin = await asAccount(test, 'root', ['Administrator']);
  }, 60_000);
  afterAll(async () => {
    await test?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const store = (subject: string, to: string, bytes?: Buffer<ArrayBuffer>, status = ScanStatus.NOT_DETECTED) => {
    const scanResults = [{ module: Module.ANTI_VIRUS, status, scannerVerdict: null, threatNames: [] }];
    const verdict = { ruleName: '', action: GatewayAction.DELETE_MESSAGE, scanResults, reason: null, recipients: [to] };
    return test.app.services.store.store(received(subject, handOverOf([to], { verdicts: [verdict] }), bytes));
  };
  const files = async () => (await readdir(facts().mail)).map((name) => join(facts().mail, name));
  /** Waits for the delivery of a message that contains this. */
  const arrived = async (text: string): Promise<Buffer> => {
    const found = await until(
      `Postfix has delivered "${text}"`,
      async () =>
        (await Promise.all((await files()).map((file) => readFile(file)))).filter((each) => each.includes(text)),
      (messages) => messages.length > 0,
      20_000,
    );
    return found[0] ?? Buffer.alloc(0);
  };

  it('D2, D4: Anna gets her message back with its signature valid; a threat is refused with the reason', async () => {
    const { version } = await test.app.services.personalBackupSettings.read();
    await test.app.services.personalBackupSettings.update(
      version,
      { deliveryFormat: DeliveryFormat.AS_IS },
      TEST_AUTHOR,
    );
    await store('signed', 'anna@example.com', Buffer.from(await signedMessage()));
    await store('threat', 'anna@example.com', undefined, ScanStatus.DETECTED);
    const ids = await Promise.all(
      ['signed', 'threat'].map(async (subject) => (await messageOf(anna, 'anna@example.com', subject)).id),
    );
    const operation = await perform(anna, 'sendPersonalMessages', { ids, idempotencyKey: newKey() });
    expect(operation.results.nodes).toMatchObject([
      { outcome: 'DONE', smtpAnswer: expect.stringContaining('queued as') as string },
      { outcome: 'REFUSED', reason: 'THREAT_DETECTED' },
    ]);
    const bytes = await arrived('<signed@example.org>');
    // Maildirs keep lines with LF; signatures are made over CRLF.
    const wire = Buffer.from(bytes.toString('latin1').replace(/\r?\n/g, '\r\n'), 'latin1');
    expect(verifyDkim(wire.subarray(wire.indexOf('Resent-From: ')), dkimKeys.publicKey)).toBe(true);
  }, 60_000);

  it("D3: the group's message returns to the group mailbox, which the others see", async () => {
    await store('for the group', 'support@example.com', Buffer.from('Subject: for the group\r\n\r\ngroup body\r\n'));
    const { id } = await messageOf(boris, 'support@example.com', 'for the group');
    await perform(boris, 'sendPersonalMessages', { ids: [id], idempotencyKey: newKey() });
    expect((await arrived('group body')).toString()).toContain('Delivered-To: support@example.com');
    expect((await messageOf(anna, 'support@example.com', 'for the group')).sendings.nodes).toMatchObject([
      { to: 'support@example.com', by: 'ANOTHER_USER', state: 'DELIVERED' },
    ]);
  }, 60_000);

  it(`D6, D10: the administrator sends ${MANY} with progress, and all of them arrive, once`, async () => {
    await Promise.all(
      Array.from({ length: MANY }, (_, index) => {
        const bytes = Buffer.from(`Subject: mass ${index}\r\n\r\nmass-${index}.\r\n`);
        return store(`mass ${index}`, `many${index}@example.com`, bytes);
      }),
    );
    const { operation } = await request(admin, 'sendBackupMessages', {
      filter: { subject: 'mass' },
      toOriginalRecipients: true,
      idempotencyKey: newKey(),
    });
    expect(operation?.total).toBe(MANY);
    const events = await admin.subscribe<{ operationChanged: SeenOperation }>(
      'subscription ($id: ID!) { operationChanged(id: $id) { state done failed } }',
      { id: operation?.id },
    );
    expect(await finished(admin, operation?.id, 120_000)).toMatchObject({ done: MANY, failed: 0 });
    expect(await events.ended).toBe('complete');
    const seen = events.waiting.map(({ operationChanged }) => operationChanged.done);
    expect(seen.length).toBeGreaterThan(2);
    expect(seen).toEqual([...seen].sort((one, other) => one - other));
    expect(events.waiting.at(-1)).toEqual({ operationChanged: { state: 'FINISHED', done: MANY, failed: 0 } });
    const bodies = await until(
      'Postfix has delivered all',
      async () => {
        const texts = await Promise.all((await files()).map((file) => readFile(file, 'latin1')));
        return texts.flatMap((text) => /mass-\d+\./.exec(text)?.[0] ?? []);
      },
      (found) => found.length >= MANY,
      120_000,
    );
    expect(new Set(bodies).size).toBe(MANY);
    expect(bodies).toHaveLength(MANY);
    await events.close();
  }, 300_000);
});
