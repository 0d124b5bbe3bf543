import type { DatabaseLocation } from '../../src/entities/database.js';
import { GatewayAction, Module, ScanStatus } from '../../src/entities/vocabulary.js';
import { handOverOf, received } from '../support/hand-overs.js';
import { type TestApp, startTestApp } from '../support/app.js';
import type { Client } from '../support/client.js';
import { caughtUp } from '../support/caught-up.js';
import { describeOnBothDatabases } from '../support/databases.js';
import { ALL_ON, asAccount, asPerson, setSwitches } from '../support/people.js';
import { ScriptedRelay } from '../support/scripted-relay.js';
import { until } from '../support/until.js';
import { finished, idsIn, messageOf, newKey, perform, request, type SeenOperation } from './operation-client.js';

interface Found {
  readonly module: Module;
  readonly status: ScanStatus;
}
const CLEAN: Found = { module: Module.ANTI_SPAM, status: ScanStatus.SPAM };
const virus = (status: ScanStatus): Found => ({ module: Module.ANTI_VIRUS, status });

describeOnBothDatabases('Sending', (location: () => DatabaseLocation) => {
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
      operationLeaseMs: 2_000,
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

  async function store(subject: string, recipients: readonly string[], found: Found = CLEAN): Promise<void> {
    const bytes = Buffer.from(
      `From: a@example.net\r\nBcc: hidden@example.net\r\nSubject: ${subject}\r\nMessage-ID: <${subject}@x>\r\n\r\nHello ${subject}\r\n`,
    );
    const scanResults = [{ ...found, scannerVerdict: null, threatNames: [] }];
    const verdict = { ruleName: '', action: GatewayAction.DELETE_MESSAGE, scanResults, reason: null, recipients };
    await test.app.services.store.store(received(subject, handOverOf(recipients, { verdicts: [verdict] }), bytes));
  }
  const send = (client: Client, ids: readonly string[], more: Record<string, unknown> = {}) =>
    perform(client, 'sendPersonalMessages', { ids, idempotencyKey: newKey(), ...more });

  it('D3, D5, D8: gives Anna her message back, attached to a new one, and tells it on the card, in the history and live', async () => {
    await store('wanted', ['anna@example.com']);
    const { id } = await messageOf(anna, 'anna@example.com', 'wanted');
    const events = await anna.subscribe<{ personalBackupChanged: unknown }>(
      'subscription { personalBackupChanged { kind message { sentFromBackup } } }',
    );
    const before = test.app.services.feed.followerCount;
    await until('the server follows', () => test.app.services.feed.followerCount >= Math.max(1, before));
    const operation = await send(anna, [id]);
    expect(operation).toMatchObject({ kind: 'SEND', total: 1, done: 1, failed: 0 });
    expect(operation.results.nodes).toEqual([
      { messageId: id, outcome: 'DONE', reason: null, smtpAnswer: expect.stringContaining('250') as string },
    ]);
    expect(relay.received).toHaveLength(1);
    expect(relay.received[0]).toMatchObject({ from: 'backup@example.com', to: ['anna@example.com'] });
    expect(relay.received[0]?.bytes.toString()).toContain(
      'Subject: wanted\r\nMessage-ID: <wanted@x>\r\n\r\nHello wanted',
    );
    const sent = await messageOf(anna, 'anna@example.com', 'wanted');
    expect(sent.sentFromBackup).toBe(true);
    expect(sent.sendings.nodes).toMatchObject([
      {
        to: 'anna@example.com',
        by: 'YOU',
        byName: null,
        state: 'DELIVERED',
        attempts: 1,
        deliveryFormat: 'IN_ATTACHMENT',
      },
    ]);
    expect(await events.next()).toEqual({
      personalBackupChanged: { kind: 'UPDATED', message: { sentFromBackup: true } },
    });
    await events.close();
  });

  it('D2, V6: refuses threats, foreign and unknown messages each with the reason, and sends the others', async () => {
    await store('good', ['anna@example.com']);
    await store('threat', ['anna@example.com'], virus(ScanStatus.DETECTED));
    await store('cleaned', ['anna@example.com'], virus(ScanStatus.DISINFECTED));
    await store('macros', ['anna@example.com'], virus(ScanStatus.MACROS));
    await store('foreign', ['boris@example.com']);
    const own = await Promise.all(
      ['good', 'threat', 'cleaned', 'macros'].map(
        async (subject) => (await messageOf(anna, 'anna@example.com', subject)).id,
      ),
    );
    const foreign = (await messageOf(boris, 'boris@example.com', 'foreign')).id;
    const operation = await send(anna, [...own, foreign, 'unknown', own[0] as string]);
    expect(operation).toMatchObject({ total: 6, done: 6, failed: 4 });
    expect(operation.results.nodes.map(({ outcome, reason }) => [outcome, reason])).toEqual([
      ['DONE', null],
      ['REFUSED', 'THREAT_DETECTED'],
      ['REFUSED', 'THREAT_DETECTED'],
      ['DONE', null],
      ['REFUSED', 'NOT_FOUND'],
      ['REFUSED', 'NOT_FOUND'],
    ]);
    expect(relay.received).toHaveLength(2);
  });

  it("D3, D8: returns a group's message to the group mailbox, or to one's own address, and tells others only of the first", async () => {
    await store('order', ['support@example.com']);
    const { id } = await messageOf(anna, 'support@example.com', 'order');
    await send(anna, [id]);
    await send(anna, [id], { destination: 'OWN_ADDRESS' });
    expect(relay.received.map(({ to }) => to)).toEqual([['support@example.com'], ['anna@example.com']]);
    expect((await messageOf(boris, 'support@example.com', 'order')).sendings.nodes).toMatchObject([
      { to: 'support@example.com', by: 'ANOTHER_USER', byName: null },
    ]);
  });

  it('D1: refuses while sending is switched off, and again when it was switched off between request and execution', async () => {
    await store('off', ['anna@example.com']);
    const { id } = await messageOf(anna, 'anna@example.com', 'off');
    relay.script = { message: '450 4.2.1 Later' };
    const deferred = await send(anna, [id]);
    expect(deferred.results.nodes).toMatchObject([{ outcome: 'DEFERRED', smtpAnswer: '450 4.2.1 Later' }]);
    relay.script = {};
    relay.received.splice(0);
    await setSwitches(test.app.database, { ...ALL_ON, sending: false });
    expect((await send(anna, [id])).results.nodes).toMatchObject([
      { outcome: 'REFUSED', reason: 'SENDING_SWITCHED_OFF' },
    ]);
    await due();
    const operation = await until(
      'the second attempt was judged',
      () => finished(anna, deferred.id),
      ({ failed }) => failed === 1,
    );
    expect(operation.results.nodes).toMatchObject([{ outcome: 'FAILED', reason: 'SENDING_SWITCHED_OFF' }]);
    expect(relay.received).toEqual([]);
    await setSwitches(test.app.database, ALL_ON);
  });

  /** Makes what waits for another attempt due. */
  const due = () =>
    test.app.database.transaction((transaction) =>
      transaction.run("UPDATE sending SET next_attempt_at = 0 WHERE state = 'QUEUED'"),
    );

  it('D7: tries again after a temporary refusal, keeps the answer for each recipient, and takes a permanent one as final', async () => {
    await store('two', ['one@example.com', 'two@example.com', 'three@example.com']);
    const [id] = await idsIn(admin, 'two');
    relay.script = { rcpt: { 'one@example.com': '450 4.2.1 Later', 'two@example.com': '550 5.1.1 Nobody' } };
    const operation = await perform(admin, 'sendBackupMessages', {
      ids: [id],
      toOriginalRecipients: true,
      idempotencyKey: newKey(),
    });
    expect(operation.results.nodes).toMatchObject([
      { outcome: 'FAILED', reason: 'RELAY_REFUSED', smtpAnswer: '550 5.1.1 Nobody' },
    ]);
    relay.script = {};
    await due();
    const history = async () => {
      const { backup } = await admin.ask<{
        backup: {
          message: { recipients: unknown; sendings: { nodes: { to: string; state: string; attempts: number }[] } };
        };
      }>(
        'query ($id: ID!) { backup { message(id: $id) { recipients { address sent } sendings { nodes { to state attempts byName } } } } }',
        { id },
      );
      return backup.message;
    };
    const seen = await until('the second attempt', history, ({ sendings }) =>
      sendings.nodes.every(({ state }) => state !== 'QUEUED' && state !== 'SENDING'),
    );
    expect(seen.sendings.nodes).toEqual([
      { to: 'three@example.com', state: 'DELIVERED', attempts: 1, byName: 'account:root' },
      { to: 'two@example.com', state: 'FAILED', attempts: 1, byName: 'account:root' },
      { to: 'one@example.com', state: 'DELIVERED', attempts: 2, byName: 'account:root' },
    ]);
    expect(seen.recipients).toEqual([
      { address: 'one@example.com', sent: true },
      { address: 'two@example.com', sent: false },
      { address: 'three@example.com', sent: true },
    ]);
  });

  it('D7: tells a lost answer to the last bytes as unknown and does not repeat it', async () => {
    await store('lost', ['anna@example.com']);
    const { id } = await messageOf(anna, 'anna@example.com', 'lost');
    relay.script = { cut: 'BEFORE_REPLY' };
    const operation = await send(anna, [id]);
    expect(operation.results.nodes).toMatchObject([{ outcome: 'UNKNOWN', reason: 'MAY_ARRIVE_TWICE' }]);
    relay.script = {};
    await due();
    expect(relay.received).toHaveLength(1);
  });

  it('D9: sends once for the same key, for both of two requests at once; the same key with another request is refused', async () => {
    await store('once', ['anna@example.com']);
    const { id } = await messageOf(anna, 'anna@example.com', 'once');
    const input = { ids: [id], idempotencyKey: newKey() };
    const payloads = await Promise.all(Array.from({ length: 5 }, () => request(anna, 'sendPersonalMessages', input)));
    expect(new Set(payloads.map(({ operation }) => operation?.id)).size).toBe(1);
    await finished(anna, payloads[0]?.operation?.id);
    expect(relay.received).toHaveLength(1);
    expect(
      (await request(anna, 'sendPersonalMessages', { ...input, destination: 'OWN_ADDRESS' })).userErrors,
    ).toMatchObject([{ code: 'IDEMPOTENCY_KEY_REUSED', field: 'idempotencyKey' }]);
  });

  it('D10: refuses a second operation while one runs, cancels what has not started, and tells the progress', async () => {
    const subjects = Array.from({ length: 30 }, (_, index) => `many${index}`);
    for (const subject of subjects) await store(subject, ['clara@example.com']);
    const ids = await idsIn(admin, 'many');
    let release: () => void = () => undefined;
    relay.script = { hold: new Promise((resolve) => (release = resolve)) };
    const input = { ids, toOriginalRecipients: true, idempotencyKey: newKey() };
    const first = await request(admin, 'sendBackupMessages', input);
    expect(first.operation).toMatchObject({ total: 30, state: 'QUEUED' });
    const refused = await request(admin, 'sendBackupMessages', { ...input, idempotencyKey: newKey() });
    expect(refused).toMatchObject({ operation: null, userErrors: [{ code: 'OPERATION_RUNNING' }] });
    const events = await admin.subscribe<{ operationChanged: SeenOperation }>(
      'subscription ($id: ID!) { operationChanged(id: $id) { state total done } }',
      { id: first.operation?.id },
    );
    await relay.messages(1);
    const { operation: cancelled } = await request(admin, 'cancelOperation', { id: first.operation?.id });
    expect(cancelled?.cancelled).toBe(true);
    release();
    const operation = await finished(admin, first.operation?.id);
    expect(operation.done).toBe(30);
    expect(relay.received.length).toBe(30 - operation.failed);
    expect(operation.failed).toBeGreaterThanOrEqual(20);
    for (;;) {
      const { operationChanged } = await events.next();
      if (operationChanged.state === 'FINISHED') {
        expect(operationChanged).toEqual({ state: 'FINISHED', total: 30, done: 30 });
        break;
      }
    }
    expect(await events.ended).toBe('complete');
    await events.close();
  });

  it('D10: cancels what waits for another attempt, also where the message has reached somebody else', async () => {
    await store('half', ['anna@example.com']);
    relay.script = { rcpt: { 'busy@example.org': '450 4.2.1 Later' } };
    const operation = await perform(admin, 'sendBackupMessages', {
      ids: await idsIn(admin, 'half'),
      addresses: ['lab@example.org', 'busy@example.org'],
      idempotencyKey: newKey(),
    });
    expect(operation).toMatchObject({ failed: 0, results: { nodes: [{ outcome: 'DEFERRED' }] } });
    const { operation: cancelled } = await request(admin, 'cancelOperation', { id: operation.id });
    expect(cancelled).toMatchObject({
      state: 'FINISHED',
      done: 1,
      failed: 1,
      results: { nodes: [{ outcome: 'CANCELLED', reason: 'CANCELLED' }] },
    });
  });

  it('D8, V11: tells everybody who sees a message of its cancelled attempt, and nobody else', async () => {
    await store('given up', ['support@example.com', 'anna@example.com', 'clara@example.com']);
    const { id } = await messageOf(boris, 'support@example.com', 'given up');
    relay.script = { rcpt: { 'support@example.com': '450 4.2.1 Later' } };
    const operation = await send(boris, [id]);
    const clara = await asPerson(test, 'clara');
    // Events behind a cursor cannot be missed, however late the server follows.
    await caughtUp(test.app);
    const follow = async (client: Client) => {
      const { viewer } = await client.ask<{ viewer: { personalBackup: { changeCursor: string } } }>(
        '{ viewer { personalBackup { changeCursor } } }',
      );
      return client.subscribe<{ personalBackupChanged: unknown }>(
        `subscription ($after: ChangeCursor!) { personalBackupChanged(after: $after) {
           kind mailbox message { subject sendings { nodes { state by } } } } }`,
        { after: viewer.personalBackup.changeCursor },
      );
    };
    const [annas, claras] = await Promise.all([anna, clara].map(follow));
    const { backup } = await admin.ask<{ backup: { changeCursor: string } }>('{ backup { changeCursor } }');
    const admins = await admin.subscribe<{ backupChanged: unknown }>(
      `subscription ($after: ChangeCursor!) { backupChanged(after: $after) {
         kind message { subject sendings { nodes { state } } } } }`,
      { after: backup.changeCursor },
    );
    await request(boris, 'cancelOperation', { id: operation.id });
    expect(await admins.next()).toEqual({
      backupChanged: {
        kind: 'UPDATED',
        message: { subject: 'given up', sendings: { nodes: [{ state: 'CANCELLED' }] } },
      },
    });
    expect(await annas?.next()).toEqual({
      personalBackupChanged: {
        kind: 'UPDATED',
        mailbox: 'support@example.com',
        message: { subject: 'given up', sendings: { nodes: [{ state: 'CANCELLED', by: 'ANOTHER_USER' }] } },
      },
    });
    await store('for clara', ['clara@example.com']);
    expect(await claras?.next()).toMatchObject({ personalBackupChanged: { kind: 'STORED' } });
    for (const events of [annas, claras, admins]) await events?.close();
  });

  it('D10: an operation of which nothing is left stays what it is when it is cancelled', async () => {
    await store('over', ['anna@example.com']);
    const operation = await send(anna, [(await messageOf(anna, 'anna@example.com', 'over')).id]);
    const { operation: cancelled, userErrors } = await request(anna, 'cancelOperation', { id: operation.id });
    expect(userErrors).toEqual([]);
    expect(cancelled).toEqual(operation);
    expect(cancelled?.cancelled).toBe(false);
  });

  it('D10: tells the results in the order of the request, also to administrators', async () => {
    for (const subject of ['ordered1', 'ordered2', 'ordered3']) await store(subject, ['anna@example.com']);
    const ids = [...(await idsIn(admin, 'ordered')), 'unknown'];
    for (const order of [ids, ids.toReversed()]) {
      const input = { ids: order, addresses: ['lab@example.org'], idempotencyKey: newKey() };
      const { results } = await perform(admin, 'sendBackupMessages', input);
      expect(results.nodes.map(({ messageId }) => messageId)).toEqual(order);
    }
    const { results } = await perform(admin, 'deleteBackupMessages', { ids });
    expect(results.nodes.map(({ messageId }) => messageId)).toEqual(ids);
  });

  it('D4, D6: sends as is to another address, with the fields that may go taken out', async () => {
    await store('asis', ['anna@example.com']);
    const ids = await idsIn(admin, 'asis');
    await perform(admin, 'sendBackupMessages', {
      ids,
      addresses: ['lab@example.org', 'LAB@example.org'],
      deliveryFormat: 'AS_IS',
      removeMessageId: true,
      idempotencyKey: newKey(),
    });
    expect(relay.received.map(({ to }) => to)).toHaveLength(1);
    const text = relay.received[0]?.bytes.toString() ?? '';
    expect(text).toContain('Resent-From: backup@example.com');
    expect(text.slice(text.indexOf('From: a@'))).toBe('From: a@example.net\r\nSubject: asis\r\n\r\nHello asis\r\n');
  });

  it('X4: tells of a message that was deleted while it was queued', async () => {
    await store('deleted', ['anna@example.com']);
    const ids = await idsIn(admin, 'deleted');
    relay.script = { message: '450 4.2.1 Later' };
    const sending = await perform(admin, 'sendBackupMessages', {
      ids,
      toOriginalRecipients: true,
      idempotencyKey: newKey(),
    });
    await perform(admin, 'deleteBackupMessages', { ids });
    relay.script = {};
    relay.received.splice(0);
    await due();
    const operation = await until(
      'it was judged',
      () => finished(admin, sending.id),
      ({ failed }) => failed === 1,
    );
    expect(operation.results.nodes).toMatchObject([{ outcome: 'FAILED', reason: 'MESSAGE_GONE' }]);
    expect(relay.received).toEqual([]);
  });

  it('audits request and outcome, with who, from where and which messages, for AUDIT_VIEW', async () => {
    await store('audited', ['anna@example.com']);
    const ids = await idsIn(admin, 'audited');
    const { id } = await perform(admin, 'sendBackupMessages', {
      ids,
      addresses: ['lab@example.org'],
      idempotencyKey: newKey(),
    });
    const { auditLog } = await admin.ask<{
      auditLog: { nodes: { event: string; subject: string; details: string; actor: string; remoteAddress: string }[] };
    }>(
      '{ auditLog(filter: { actor: "account:root" }, first: 3) { nodes { event outcome subject details actor remoteAddress } } }',
    );
    expect(auditLog.nodes.map(({ event }) => event)).toEqual(['SEND_FINISH', 'SEND_RESULT', 'SEND_REQUEST']);
    expect(auditLog.nodes[2]).toMatchObject({ subject: `operation:${id}`, actor: 'account:root' });
    expect(JSON.parse(auditLog.nodes[2]?.details ?? '')).toMatchObject({
      addresses: ['lab@example.org'],
      messages: [expect.any(Number)],
    });
    expect(JSON.parse(auditLog.nodes[1]?.details ?? '')).toMatchObject({ to: 'lab@example.org', state: 'DELIVERED' });
    await store('audited threat', ['anna@example.com'], virus(ScanStatus.DETECTED));
    const threat = (await messageOf(anna, 'anna@example.com', 'audited threat')).id;
    const refused = await send(anna, [threat, 'unknown']);
    const entries = await admin.ask<{ auditLog: { nodes: { details: string; remoteAddress: string }[] } }>(
      'query ($subject: String!) { auditLog(filter: { subject: $subject, event: SEND_REQUEST }) { nodes { details remoteAddress } } }',
      { subject: `operation:${refused.id}` },
    );
    expect(JSON.parse(entries.auditLog.nodes[0]?.details ?? '')).toMatchObject({
      messages: [],
      refused: 2,
      refusals: {
        THREAT_DETECTED: { count: 1, messages: [expect.any(Number)] },
        NOT_FOUND: { count: 1, messages: [] },
      },
    });
    const { errors } = await anna.query('{ auditLog { nodes { event } } }');
    expect(errors[0]?.extensions).toMatchObject({ code: 'FORBIDDEN' });
  });

  it('V6: shows an operation to its owner and to BACKUP_VIEW, and nobody else can cancel it', async () => {
    await store('mine', ['anna@example.com']);
    const { id } = await messageOf(anna, 'anna@example.com', 'mine');
    const operation = await send(anna, [id]);
    const ask = (client: Client) =>
      client.ask('query ($id: ID!) { operation(id: $id) { kind } }', { id: operation.id });
    expect(await ask(admin)).toEqual({ operation: { kind: 'SEND' } });
    expect(await ask(boris)).toEqual({ operation: null });
    expect((await request(boris, 'cancelOperation', { id: operation.id })).userErrors).toMatchObject([{ field: 'id' }]);
  });

  const tooMany = Array.from({ length: 5001 }, (_, index) => `id${index}`);
  it.each([
    ['no ids', { ids: [] }, 'ids', 'at least one'],
    ['5001 ids', { ids: tooMany }, 'ids', '5001'],
    ['neither ids nor filter', { addresses: ['a@example.org'] }, 'ids', 'ids or filter'],
    ['both', { ids: ['x'], filter: {} }, 'filter', 'not both'],
    ['nobody to send to', { ids: ['x'], toOriginalRecipients: false }, 'addresses', 'to whom'],
    [
      '1,000 addresses',
      { ids: ['x'], addresses: Array.from({ length: 1000 }, (_, n) => `a${n}@example.org`) },
      'addresses',
      '1000',
    ],
    [
      'removal in an attachment',
      { ids: ['x'], deliveryFormat: 'IN_ATTACHMENT', removeMessageId: true },
      'removeMessageId',
      'AS_IS',
    ],
    ['a key that MariaDB takes for another one', { ids: ['x'], idempotencyKey: 'k ' }, 'idempotencyKey', 'blank'],
    ['an empty key', { ids: ['x'], idempotencyKey: '' }, 'idempotencyKey', '1 to 128'],
    ['an endless key', { ids: ['x'], idempotencyKey: 'k'.repeat(129) }, 'idempotencyKey', '1 to 128'],
  ])('refuses %s, naming the field and the way out', async (_title, input, field, words) => {
    const { operation, userErrors } = await request(admin, 'sendBackupMessages', {
      toOriginalRecipients: !('addresses' in input),
      idempotencyKey: newKey(),
      ...input,
    });
    expect(operation).toBeNull();
    expect(userErrors).toMatchObject([
      { code: 'BAD_USER_INPUT', field, message: expect.stringContaining(words) as string },
    ]);
  });

  it('refuses an address with a line break before anything is looked at', async () => {
    const { errors } = await admin.query(
      'mutation ($a: [EmailAddress!]!) { sendBackupMessages(input: { ids: ["x"], addresses: $a, idempotencyKey: "k" }) { operation { id } } }',
      { a: ['a@example.org\r\nRCPT TO:<b@example.org>'] },
    );
    expect(errors[0]?.extensions).toMatchObject({ code: 'BAD_USER_INPUT' });
  });

  it('D6, V2: needs the permission for each kind of recipient', async () => {
    const helpdesk = await asAccount(test, 'helpdesk', ['Helpdesk']);
    const attempt = (input: string) =>
      helpdesk.query(
        `mutation { sendBackupMessages(input: { ids: ["x"], idempotencyKey: "h", ${input} }) { operation { done } } }`,
      );
    expect((await attempt('toOriginalRecipients: true')).data).toEqual({
      sendBackupMessages: { operation: { done: 1 } },
    });
    expect((await attempt('addresses: ["a@example.org"]')).errors[0]?.extensions).toMatchObject({
      permission: 'BACKUP_SEND_TO_ANYONE',
    });
  });
});
