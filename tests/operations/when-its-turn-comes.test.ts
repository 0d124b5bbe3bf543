import type { DatabaseLocation } from '../../src/entities/database.js';
import { CHECK_HOLDS_MS } from '../../src/services/sending/sending-worker.js';
import { GatewayAction, Module, ScanStatus } from '../../src/entities/vocabulary.js';
import { RightOfWay } from '../../src/services/right-of-way.js';
import { startTestApp, type TestApp } from '../support/app.js';
import type { Client } from '../support/client.js';
import { describeOnBothDatabases } from '../support/databases.js';
import { handOverOf, received } from '../support/hand-overs.js';
import { ALL_ON, asAccount, asPerson, setDelegation, setSwitches } from '../support/people.js';
import { ScriptedRelay } from '../support/scripted-relay.js';
import { until } from '../support/until.js';
import { finished, idsIn, messageOf, newKey, perform, request } from './operation-client.js';

describeOnBothDatabases('Sending, when its turn comes', (location: () => DatabaseLocation) => {
  const relay = new ScriptedRelay();
  let test: TestApp;
  let admin: Client;
  let anna: Client;
  let boris: Client;

  beforeAll(async () => {
    const { host, port } = await relay.start();
    test = await startTestApp(location(), {
      relayHost: host,
      relayPort: port,
      relayTls: 'NONE',
      senderAddress: 'backup@example.com',
    });
    await setSwitches(test.app.database, ALL_ON);
    admin = await asAccount(test, 'root', ['Administrator']);
    anna = await asPerson(test, 'anna');
    boris = await asPerson(test, 'boris');
  }, 60_000);
  afterAll(async () => {
    await test?.stop();
    await relay.stop();
  });
  beforeEach(() => {
    relay.script = {};
    relay.received.splice(0);
  });

  const store = (subject: string, recipients: readonly string[]) => {
    const scanResults = [{ module: Module.ANTI_SPAM, status: ScanStatus.SPAM, scannerVerdict: null, threatNames: [] }];
    const verdict = { ruleName: '', action: GatewayAction.DELETE_MESSAGE, scanResults, reason: null, recipients };
    return test.app.services.store.store(received(subject, handOverOf(recipients, { verdicts: [verdict] })));
  };
  const outcomesOf = ({ results }: { results: { nodes: readonly { outcome: string; reason: string | null }[] } }) =>
    results.nodes.map(({ outcome, reason }) => [outcome, reason]);
  /** Lets the deferred attempts begin, with a relay that takes everything, and waits for their end. */
  const secondAttempt = async (client: Client, id: string) => {
    relay.script = {};
    relay.received.splice(0);
    await test.app.database.transaction((transaction) =>
      transaction.run("UPDATE sending SET next_attempt_at = 0 WHERE state = 'QUEUED'"),
    );
    return until(
      'the second attempt has ended',
      () => finished(client, id),
      ({ results }) => results.nodes.every(({ outcome }) => outcome !== 'DEFERRED'),
    );
  };

  it('D9: two people who press at once cause one attempt; a second comes about when it is asked for after the first', async () => {
    await store('pressed', ['support@example.com']);
    const { id } = await messageOf(anna, 'support@example.com', 'pressed');
    let release: () => void = () => undefined;
    relay.script = { hold: new Promise((resolve) => (release = resolve)) };
    const asked = await Promise.all(
      [anna, boris].map((client) => request(client, 'sendPersonalMessages', { ids: [id], idempotencyKey: newKey() })),
    );
    await relay.messages(1);
    release();
    const ended = await Promise.all(
      [anna, boris].map((client, index) => finished(client, asked[index]?.operation?.id)),
    );
    expect(ended.flatMap(outcomesOf).sort()).toEqual([
      ['DONE', null],
      ['REFUSED', 'ALREADY_BEING_SENT'],
    ]);
    expect(relay.received).toHaveLength(1);
    expect(outcomesOf(await perform(boris, 'sendPersonalMessages', { ids: [id], idempotencyKey: newKey() }))).toEqual([
      ['DONE', null],
    ]);
    expect(relay.received).toHaveLength(2);
  });

  it('D9: an administrator does not double what people wait for, but may send it elsewhere or in another form', async () => {
    await store('waiting', ['anna@example.com']);
    const { id } = await messageOf(anna, 'anna@example.com', 'waiting');
    relay.script = { message: '450 4.2.1 Later' };
    const first = await perform(anna, 'sendPersonalMessages', { ids: [id], idempotencyKey: newKey() });
    relay.script = {};
    const ids = await idsIn(admin, 'waiting');
    const input = { ids, toOriginalRecipients: true };
    const again = await perform(admin, 'sendBackupMessages', { ...input, idempotencyKey: newKey() });
    expect(outcomesOf(again)).toEqual([['REFUSED', 'ALREADY_BEING_SENT']]);
    const others = { addresses: ['lab@example.org'], idempotencyKey: newKey() };
    expect(outcomesOf(await perform(admin, 'sendBackupMessages', { ...input, ...others }))).toEqual([['DONE', null]]);
    const form = { deliveryFormat: 'AS_IS', idempotencyKey: newKey() };
    expect(outcomesOf(await perform(admin, 'sendBackupMessages', { ...input, ...form }))).toEqual([['DONE', null]]);
    expect(relay.received.map(({ to }) => to[0])).toEqual(['anna@example.com', 'lab@example.org', 'anna@example.com']);
    expect(outcomesOf(await secondAttempt(anna, first.id))).toEqual([['DONE', null]]);
  });

  it('V9, V11: a delegation that ended meanwhile ends what was asked for with it', async () => {
    await store('delegated', ['support@example.com']);
    const { id } = await messageOf(anna, 'support@example.com', 'delegated');
    relay.script = { message: '450 4.2.1 Later' };
    const operation = await perform(anna, 'sendPersonalMessages', { ids: [id], idempotencyKey: newKey() });
    await setDelegation(test.app.database, 'NOT_LOADED');
    expect(outcomesOf(await secondAttempt(anna, operation.id))).toEqual([['FAILED', 'ACCESS_GONE']]);
    await setDelegation(test.app.database, 'LOADED');
    expect(relay.received).toEqual([]);
  });

  it('D3: an own address that is no longer one receives nothing', async () => {
    await store('moved', ['support@example.com']);
    const { id } = await messageOf(anna, 'support@example.com', 'moved');
    relay.script = { message: '450 4.2.1 Later' };
    const input = { ids: [id], destination: 'OWN_ADDRESS', idempotencyKey: newKey() };
    const operation = await perform(anna, 'sendPersonalMessages', input);
    await test.app.database.transaction((transaction) =>
      transaction.run("UPDATE sending SET address = 'former@example.com' WHERE state = 'QUEUED'"),
    );
    expect(outcomesOf(await secondAttempt(anna, operation.id))).toEqual([['FAILED', 'ACCESS_GONE']]);
    expect(relay.received).toEqual([]);
  });

  it('D6: a permission that was withdrawn meanwhile ends what needs it, and nothing else', async () => {
    await store('permitted', ['clara@example.com']);
    const deputy = await asAccount(test, 'deputy', ['Administrator']);
    relay.script = { message: '450 4.2.1 Later' };
    const ids = await idsIn(admin, 'permitted');
    const operation = await perform(deputy, 'sendBackupMessages', {
      ids,
      toOriginalRecipients: true,
      addresses: ['lab@example.org'],
      idempotencyKey: newKey(),
    });
    await test.app.database.transaction(async (transaction) => {
      const [helpdesk] = await transaction.rows<{ id: number }>("SELECT id FROM role WHERE name = 'Helpdesk'");
      await transaction.run(
        'UPDATE granted_role SET role_id = ? WHERE subject = (SELECT owner_id FROM (SELECT id AS owner_id FROM account WHERE login = ?) a)',
        [helpdesk?.id ?? 0, 'deputy'],
      );
    });
    expect(outcomesOf(await secondAttempt(admin, operation.id))).toEqual([['FAILED', 'ACCESS_GONE']]);
    expect((await relay.messages(1)).map(({ to }) => to)).toEqual([['clara@example.com']]);
  });

  it('D1, X4, V11: what waited long for a slow relay is decided again before a word is said', async () => {
    const deputy = await asAccount(test, 'deleter', ['Administrator']);
    const subjects = Array.from({ length: test.config.relayConnections + 1 }, (_, index) => `held${index}`);
    for (const subject of subjects) await store(subject, ['clara@example.com']);
    await store('held up', ['anna@example.com']);
    let release: () => void = () => undefined;
    relay.script = { hold: new Promise((resolve) => (release = resolve)) };
    const ids = await Promise.all(subjects.map(async (subject) => (await idsIn(admin, subject))[0]));
    const input = { ids, addresses: ['lab@example.org'], idempotencyKey: newKey() };
    const all = await request(admin, 'sendBackupMessages', input);
    await relay.messages(test.config.relayConnections);
    // All connections are taken: these two wait.
    const { id } = await messageOf(anna, 'anna@example.com', 'held up');
    const own = await request(anna, 'sendPersonalMessages', { ids: [id], idempotencyKey: newKey() });
    const begun = relay.received.map(({ bytes }) => /held\d/.exec(bytes.toString())?.[0]);
    const waiting = subjects.findIndex((subject) => !begun.includes(subject));
    await perform(deputy, 'deleteBackupMessages', { ids: [ids[waiting]] });
    await setSwitches(test.app.database, { ...ALL_ON, sending: false });
    const changedAtMs = performance.now();
    await until('checks from before the change are old', () => performance.now() - changedAtMs > CHECK_HOLDS_MS);
    release();
    const outcomes = outcomesOf(await finished(admin, all.operation?.id));
    expect(outcomes).toEqual(
      subjects.map((_, index) => (index === waiting ? ['FAILED', 'MESSAGE_GONE'] : ['DONE', null])),
    );
    expect(outcomesOf(await finished(anna, own.operation?.id))).toEqual([['FAILED', 'SENDING_SWITCHED_OFF']]);
    expect(relay.received).toHaveLength(test.config.relayConnections);
    await setSwitches(test.app.database, ALL_ON);
  });

  it('X2: what its owner deleted meanwhile is not sent any more', async () => {
    await store('regretted', ['anna@example.com']);
    const { id } = await messageOf(anna, 'anna@example.com', 'regretted');
    relay.script = { message: '450 4.2.1 Later' };
    const operation = await perform(anna, 'sendPersonalMessages', { ids: [id], idempotencyKey: newKey() });
    await perform(anna, 'deletePersonalMessages', { ids: [id] });
    expect(outcomesOf(await secondAttempt(anna, operation.id))).toEqual([['FAILED', 'ACCESS_GONE']]);
    expect(relay.received).toEqual([]);
  });

  it('D7: a recipient that SMTP cannot carry fails alone, with the reason', async () => {
    await store('odd', ['anna@example.com', 'no address at all']);
    const operation = await perform(admin, 'sendBackupMessages', {
      ids: await idsIn(admin, 'odd'),
      toOriginalRecipients: true,
      idempotencyKey: newKey(),
    });
    expect(outcomesOf(operation)).toEqual([['FAILED', 'UNUSABLE_ADDRESS']]);
    expect(relay.received.map(({ to }) => to)).toEqual([['anna@example.com']]);
  });

  it('gives way to people before it takes a message, hands it over and writes down what became of it', async () => {
    await store('gives way', ['anna@example.com']);
    const ids = await idsIn(admin, 'gives way');
    const waiting: (() => void)[] = [];
    const giveWay = jest
      .spyOn(RightOfWay.prototype, 'giveWay')
      .mockImplementation(() => new Promise((go) => waiting.push(go)));
    const seen: string[] = [];
    try {
      await request(admin, 'sendBackupMessages', { ids, toOriginalRecipients: true, idempotencyKey: newKey() });
      while (seen.at(-1) !== 'DELIVERED 1') {
        // A look for due messages may come between, each second.
        await until(
          'a step waits',
          () => Promise.resolve(waiting.length),
          (count) => count > 0,
        );
        const [row] = await test.app.database.rows<{ state: string }>(
          'SELECT state FROM sending WHERE message_id IN (SELECT id FROM message WHERE subject = ?)',
          ['gives way'],
        );
        const now = `${row?.state} ${relay.received.length}`;
        if (seen.at(-1) !== now) seen.push(now);
        for (const go of waiting.splice(0)) go();
      }
    } finally {
      giveWay.mockRestore();
      for (const go of waiting) go();
    }
    expect(seen).toEqual(['QUEUED 0', 'SENDING 0', 'SENDING 1', 'DELIVERED 1']);
  });
});
