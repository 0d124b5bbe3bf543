import type { DatabaseLocation } from '../../src/entities/database.js';
import { MAX_PERSONAL_MESSAGES_A_DAY } from '../../src/services/sending/flood-limit.js';
import { startTestApp, type TestApp } from '../support/app.js';
import type { Client } from '../support/client.js';
import { caughtUp } from '../support/caught-up.js';
import { describeOnBothDatabases } from '../support/databases.js';
import { handOverOf, received } from '../support/hand-overs.js';
import { ALL_ON, asAccount, asPerson, setSwitches } from '../support/people.js';
import { finished, idsIn, messageOf, messagesOf, newKey, perform, request } from './operation-client.js';

interface PersonalEvents {
  readonly personalBackupChanged: { readonly kind: string; readonly messageId: string | null };
}

describeOnBothDatabases('Deleting', (location: () => DatabaseLocation) => {
  let test: TestApp;
  let admin: Client;
  let anna: Client;
  let boris: Client;

  beforeAll(async () => {
    test = await startTestApp(location());
    await setSwitches(test.app.database, ALL_ON);
    admin = await asAccount(test, 'root', ['Administrator']);
    anna = await asPerson(test, 'anna');
    boris = await asPerson(test, 'boris');
  }, 60_000);
  afterAll(() => test?.stop());

  const store = (subject: string, recipients: readonly string[], bytes?: Buffer<ArrayBuffer>) =>
    test.app.services.store.store(received(subject, handOverOf(recipients), bytes));
  const subjects = async (client: Client, address: string, deleted = false) =>
    (await messagesOf(client, address, deleted)).map(({ subject }) => subject);
  const changeCursor = async (client: Client) => {
    await caughtUp(test.app);
    const { viewer } = await client.ask<{ viewer: { personalBackup: { changeCursor: string } } }>(
      '{ viewer { personalBackup { changeCursor } } }',
    );
    return viewer.personalBackup.changeCursor;
  };
  const follow = async (client: Client) =>
    client.subscribe<PersonalEvents>(
      'subscription ($after: ChangeCursor) { personalBackupChanged(after: $after) { kind messageId } }',
      { after: await changeCursor(client) },
    );

  it('X2, X5: a deletion from the own section hides the message from that person alone, and can be taken back', async () => {
    await store('own', ['anna@example.com', 'boris@example.com']);
    const { id } = await messageOf(anna, 'anna@example.com', 'own');
    const events = await follow(anna);
    const operation = await perform(anna, 'deletePersonalMessages', { ids: [id, id] });
    expect(operation).toMatchObject({ kind: 'DELETE', total: 1, done: 1, failed: 0 });
    expect(await events.next()).toEqual({ personalBackupChanged: { kind: 'REMOVED', messageId: id } });
    expect(await subjects(anna, 'anna@example.com')).not.toContain('own');
    expect(await subjects(boris, 'boris@example.com')).toContain('own');
    expect(await idsIn(admin, 'own')).toHaveLength(1);

    const [deleted] = await messagesOf(anna, 'anna@example.com', true);
    expect(deleted).toMatchObject({ id, subject: 'own', viewerCan: { send: { reason: 'DELETED' } } });
    const restored = await perform(anna, 'restorePersonalMessages', { ids: [id] });
    expect(restored).toMatchObject({ kind: 'RESTORE', done: 1, failed: 0 });
    expect(await events.next()).toEqual({ personalBackupChanged: { kind: 'STORED', messageId: id } });
    expect(await subjects(anna, 'anna@example.com')).toContain('own');
    expect(await subjects(anna, 'anna@example.com', true)).toEqual([]);
    await events.close();
  });

  it("X3, X5: a deletion from a group's section hides the message from everybody with access, who can all take it back", async () => {
    await store('group', ['support@example.com']);
    const { id } = await messageOf(anna, 'support@example.com', 'group');
    const events = await follow(boris);
    await perform(anna, 'deletePersonalMessages', { ids: [id] });
    expect(await events.next()).toEqual({ personalBackupChanged: { kind: 'REMOVED', messageId: id } });
    expect(await subjects(boris, 'support@example.com')).not.toContain('group');
    expect(await subjects(boris, 'support@example.com', true)).toEqual(['group']);
    await perform(boris, 'restorePersonalMessages', { ids: [id] });
    expect(await subjects(anna, 'support@example.com')).toContain('group');
    await events.close();
  });

  it('X1, V6: refuses while deleting is switched off, and what is foreign or not deleted, each with its reason', async () => {
    await store('kept', ['anna@example.com']);
    const { id } = await messageOf(anna, 'anna@example.com', 'kept');
    const reasons = async (client: Client, name: string) =>
      (await perform(client, name, { ids: [id] })).results.nodes.map(({ outcome, reason }) => [outcome, reason]);
    expect(await reasons(boris, 'deletePersonalMessages')).toEqual([['REFUSED', 'NOT_FOUND']]);
    expect(await reasons(anna, 'restorePersonalMessages')).toEqual([['REFUSED', 'NOT_FOUND']]);
    await setSwitches(test.app.database, { ...ALL_ON, deletion: false });
    expect(await reasons(anna, 'deletePersonalMessages')).toEqual([['REFUSED', 'DELETION_SWITCHED_OFF']]);
    await setSwitches(test.app.database, { ...ALL_ON, enabled: false });
    expect(await reasons(anna, 'deletePersonalMessages')).toEqual([['REFUSED', 'NOT_FOUND']]);
    await setSwitches(test.app.database, ALL_ON);
    expect(await subjects(anna, 'anna@example.com')).toContain('kept');
  });

  it('X4: a global deletion removes the message for everybody, and its bytes with the last message that has them', async () => {
    const bytes = Buffer.from('Subject: twin\r\n\r\nthe same bytes\r\n');
    await store('twin one', ['anna@example.com'], bytes);
    await store('twin two', ['boris@example.com'], bytes);
    const contents = async () =>
      Number((await test.app.database.rows<{ count: number }>('SELECT count(*) AS count FROM content'))[0]?.count);
    const chunks = async () =>
      Number(
        (await test.app.database.rows<{ count: number }>('SELECT count(*) AS count FROM content_chunk'))[0]?.count,
      );
    const before = [await contents(), await chunks()] as const;
    const events = await follow(anna);
    const removal = await perform(admin, 'deleteBackupMessages', { ids: await idsIn(admin, 'twin one') });
    expect(removal).toMatchObject({ total: 1, done: 1, failed: 0 });
    expect(await events.next()).toMatchObject({ personalBackupChanged: { kind: 'REMOVED' } });
    expect([await contents(), await chunks()]).toEqual(before);
    await perform(admin, 'deleteBackupMessages', { filter: { subject: 'twin' } });
    expect([await contents(), await chunks()]).toEqual([before[0] - 1, before[1] - 1]);
    const { auditLog } = await admin.ask<{ auditLog: { nodes: { event: string; details: string }[] } }>(
      '{ auditLog(first: 2) { nodes { event details } } }',
    );
    expect(auditLog.nodes.map(({ event }) => event)).toEqual(['DELETE_FINISH', 'DELETE_REQUEST']);
    await events.close();
  });

  it('D10: works off hundreds in batches, told live until the last, and leaves none', async () => {
    await Promise.all(Array.from({ length: 130 }, (_, index) => store(`bulk ${index}`, ['clara@example.com'])));
    const { operation } = await request(admin, 'deleteBackupMessages', {
      filter: { subject: 'bulk' },
      idempotencyKey: newKey(),
    });
    const events = await admin.subscribe<{ operationChanged: { state: string; done: number } }>(
      'subscription ($id: ID!) { operationChanged(id: $id) { state done } }',
      { id: operation?.id },
    );
    expect(await finished(admin, operation?.id)).toMatchObject({ total: 130, done: 130, failed: 0 });
    expect(await events.ended).toBe('complete');
    expect(events.waiting.at(-1)).toEqual({ operationChanged: { state: 'FINISHED', done: 130 } });
    expect(await idsIn(admin, 'bulk')).toEqual([]);
    await events.close();
  }, 20_000);

  it('takes up what another process left unfinished', async () => {
    await store('left', ['anna@example.com']);
    const ids = await idsIn(admin, 'left');
    const { operation } = await request(admin, 'deleteBackupMessages', { ids });
    await finished(admin, operation?.id);
    await store('left again', ['anna@example.com']);
    const [message] = await test.app.database.rows<{ id: number }>(
      "SELECT id FROM message WHERE subject = 'left again'",
    );
    // As a process leaves it that dies in the middle: running, with a lapsed lease.
    await test.app.database.transaction(async (transaction) => {
      await transaction.run(
        "UPDATE operation SET state = 'RUNNING', done = 0, lease_owner = 'dead', lease_until = 1, finished_at = NULL WHERE public_id = ?",
        [operation?.id ?? ''],
      );
      await transaction.run(
        "UPDATE operation_item SET outcome = 'PENDING', message_id = ? WHERE operation_id = (SELECT id FROM operation WHERE public_id = ?)",
        [message?.id ?? 0, operation?.id ?? ''],
      );
    });
    expect(await finished(admin, operation?.id)).toMatchObject({ done: 1, failed: 0 });
    expect(await idsIn(admin, 'left again')).toEqual([]);
  });

  it('says at once that there is no relay', async () => {
    await store('nowhere', ['anna@example.com']);
    const { id } = await messageOf(anna, 'anna@example.com', 'nowhere');
    expect(await request(anna, 'sendPersonalMessages', { ids: [id], idempotencyKey: newKey() })).toMatchObject({
      operation: null,
      userErrors: [{ code: 'RELAY_NOT_CONFIGURED' }],
    });
  });

  it('lets nobody fill the database with operations on messages that are not there', async () => {
    const clara = await asPerson(test, 'clara');
    const ask = (count: number) =>
      request(clara, 'deletePersonalMessages', { ids: Array.from({ length: count }, (_, index) => `none${index}`) });
    for (let turn = 0; turn < MAX_PERSONAL_MESSAGES_A_DAY / 5_000; turn += 1)
      expect((await ask(5_000)).operation).toMatchObject({ state: 'FINISHED', failed: 5_000 });
    expect(await ask(1)).toMatchObject({ operation: null, userErrors: [{ code: 'TOO_MANY_REQUESTS' }] });
    // Everybody has a limit of their own, and it is that of a day.
    expect((await request(boris, 'deletePersonalMessages', { ids: ['none'] })).operation).not.toBeNull();
    await test.app.database.transaction((transaction) =>
      transaction.run('UPDATE operation SET created_at = created_at - 86400000 WHERE total = 5000'),
    );
    expect((await ask(1)).operation).toMatchObject({ failed: 1 });
  });
});
