import type { DatabaseLocation } from '../../src/entities/database.js';
import { startTestApp, type TestApp } from '../support/app.js';
import type { Client } from '../support/client.js';
import { describeOnBothDatabases } from '../support/databases.js';
import { asAccount, type DelegationState, setDelegation } from '../support/people.js';
import { until } from '../support/until.js';

const FIELDS = 'version enabled preview deletion sending deliveryFormat removeMessageId groupMailboxes';
const READ = `{ personalBackupSettings { ${FIELDS} } }`;
const UPDATE = `mutation ($input: UpdatePersonalBackupSettingsInput!) { updatePersonalBackupSettings(input: $input) { settings { ${FIELDS} } warnings userErrors { code field message } } }`;
const DEFAULTS = {
  enabled: false,
  preview: true,
  deletion: true,
  sending: true,
  deliveryFormat: 'IN_ATTACHMENT',
  removeMessageId: false,
  groupMailboxes: false,
};
type Settings = typeof DEFAULTS & { version: number };
interface Payload {
  readonly settings: Settings | null;
  readonly warnings: string[];
  readonly userErrors: { code: string; field: string | null; message: string }[];
}

describeOnBothDatabases('The settings', (location: () => DatabaseLocation) => {
  let test: TestApp;
  let admin: Client;

  const read = async () => (await admin.ask<{ personalBackupSettings: Settings }>(READ)).personalBackupSettings;
  const updateFrom = async (version: number, change: Record<string, unknown>) =>
    (await admin.ask<{ updatePersonalBackupSettings: Payload }>(UPDATE, { input: { version, ...change } }))
      .updatePersonalBackupSettings;
  const update = async (change: Record<string, unknown>) => updateFrom((await read()).version, change);
  const audit = () =>
    test.app.database.rows<{ actor: string; event: string; outcome: string; details: string; remote_address: string }>(
      "SELECT actor, event, outcome, details, remote_address FROM audit_entry WHERE event LIKE '%BACKUP_SETTINGS_UPDATE' ORDER BY id",
    );

  beforeAll(async () => {
    test = await startTestApp(location());
    admin = await asAccount(test, 'root', ['Administrator']);
  }, 30_000);
  beforeEach(() =>
    test.app.database.transaction((transaction) =>
      transaction.run(
        "UPDATE personal_backup_settings SET enabled = 0, preview = 1, deletion = 1, sending = 1, delivery_format = 'IN_ATTACHMENT', remove_message_id = 0, group_mailboxes = 0",
      ),
    ),
  );
  afterAll(() => test?.stop());

  it('have the defaults of the rules', async () => {
    expect(await read()).toEqual({ version: 1, ...DEFAULTS });
    expect(
      (
        await admin.ask(
          '{ backupSettings { version sizeLimitBytes storagePeriodDays deliveryFormat removeMessageId } }',
        )
      )['backupSettings'],
    ).toEqual({
      version: 1,
      sizeLimitBytes: 7168 * 1024 * 1024,
      storagePeriodDays: 30,
      deliveryFormat: 'IN_ATTACHMENT',
      removeMessageId: false,
    });
  });

  it.each([
    ['preview', { preview: false }],
    ['deletion', { deletion: false }],
    ['sending', { sending: false }],
    ['deliveryFormat', { deliveryFormat: 'AS_IS' }],
    ['groupMailboxes', { groupMailboxes: true }],
  ])(
    'C1: refuse to change %s while personal Backup is off, and allow it together with switching it on',
    async (field, change) => {
      const before = await read();
      const refused = await update(change);
      expect(refused).toMatchObject({
        settings: null,
        userErrors: [
          { code: 'BAD_USER_INPUT', field, message: expect.stringContaining('while personal Backup is off') as string },
        ],
      });
      expect(await read()).toEqual(before);
      expect(await update({ enabled: true, ...change })).toMatchObject({
        settings: { ...before, version: before.version + 1, enabled: true, ...change },
        userErrors: [],
      });
      expect(await update({ enabled: false, [field]: DEFAULTS[field as keyof typeof DEFAULTS] })).toMatchObject({
        settings: null,
        userErrors: [{ code: 'BAD_USER_INPUT', field }],
      });
    },
  );

  it('C1: keep their values while personal Backup is off and on again; naming the value they have changes nothing', async () => {
    await update({ enabled: true, preview: false, groupMailboxes: true });
    expect((await update({ enabled: false, preview: false })).settings).toMatchObject({
      enabled: false,
      preview: false,
      groupMailboxes: true,
    });
    expect((await update({ enabled: true })).settings).toMatchObject({
      enabled: true,
      preview: false,
      groupMailboxes: true,
    });
  });

  it('C2: refuse removing the Message-ID unless messages are sent as they are, and warn of DKIM when they are', async () => {
    await update({ enabled: true });
    const before = await read();
    const message = expect.stringContaining('AS_IS') as string;
    for (const change of [{ removeMessageId: true }, { deliveryFormat: 'IN_ATTACHMENT', removeMessageId: true }])
      expect(await update(change)).toMatchObject({
        settings: null,
        userErrors: [{ code: 'BAD_USER_INPUT', field: 'removeMessageId', message }],
      });
    expect(await read()).toEqual(before);
    expect(await update({ deliveryFormat: 'AS_IS', removeMessageId: true })).toMatchObject({
      settings: { deliveryFormat: 'AS_IS', removeMessageId: true },
      warnings: ['MESSAGE_ID_REMOVAL_CAN_BREAK_DKIM'],
      userErrors: [],
    });
    expect(await update({ deliveryFormat: 'IN_ATTACHMENT' })).toMatchObject({
      settings: { deliveryFormat: 'IN_ATTACHMENT', removeMessageId: false },
      warnings: [],
    });
  });

  it('C3: refuse a change that is based on another version, and show the current one', async () => {
    const { version } = await read();
    await updateFrom(version, { enabled: true });
    const current = await read();
    for (const stale of [version, version - 1, version + 5, -1]) {
      expect(await updateFrom(stale, { enabled: false })).toEqual({
        settings: current,
        warnings: [],
        userErrors: [
          {
            code: 'CONFLICT',
            field: 'version',
            message: 'The settings were changed meanwhile. Look at the current ones and decide anew.',
          },
        ],
      });
    }
    expect(await read()).toEqual(current);
  });

  it('C3: let exactly one of many changes at the same moment through', async () => {
    const { version } = await read();
    const entries = (await audit()).length;
    const payloads = await Promise.all(Array.from({ length: 8 }, () => updateFrom(version, { enabled: true })));
    const refused = payloads.filter(({ userErrors }) => userErrors[0]?.code === 'CONFLICT');
    expect(refused).toHaveLength(7);
    expect(payloads.every(({ settings }) => settings?.version === version + 1)).toBe(true);
    expect(await audit()).toHaveLength(entries + 1);
  });

  it('C3: are audited with old and new values, refusals not among them', async () => {
    await update({ enabled: true, preview: false, deliveryFormat: 'AS_IS' });
    const last = (await audit()).at(-1);
    expect({ ...last, details: JSON.parse(last?.details ?? '') as unknown }).toEqual({
      actor: 'account:root',
      event: 'PERSONAL_BACKUP_SETTINGS_UPDATE',
      outcome: 'DONE',
      remote_address: expect.stringContaining('127.0.0.1') as string,
      details: {
        enabled: { before: false, after: true },
        preview: { before: true, after: false },
        deliveryFormat: { before: 'IN_ATTACHMENT', after: 'AS_IS' },
      },
    });
    const entries = (await audit()).length;
    await update({ deliveryFormat: 'IN_ATTACHMENT', removeMessageId: true });
    await updateFrom(0, { enabled: false });
    expect(await audit()).toHaveLength(entries);
  });

  it.each<[DelegationState, string[]]>([
    ['NOT_CONFIGURED', ['DELEGATION_ATTRIBUTE_NOT_CONFIGURED']],
    ['NOT_LOADED', ['DELEGATION_NOT_LOADED']],
    ['LOADED', []],
  ])(
    'C4: with delegation %s, switching group mailboxes on is allowed and warns of what is missing',
    async (state, warnings) => {
      await setDelegation(test.app.database, state);
      expect(await update({ enabled: true, groupMailboxes: true })).toMatchObject({
        settings: { groupMailboxes: true },
        warnings,
        userErrors: [],
      });
    },
  );

  it('are pushed to those who may see them, after each change and not after refusals', async () => {
    await setDelegation(test.app.database, 'LOADED');
    const before = test.app.services.feed.followerCount;
    const viewer = await asAccount(test, `viewer-${Date.now()}`, ['Viewer']);
    const events = await viewer.subscribe<{ personalBackupSettingsChanged: Settings }>(
      `subscription { personalBackupSettingsChanged { ${FIELDS} } }`,
    );
    // One follower for the subscription, one for the end of its session.
    await until(
      'the server follows',
      () => test.app.services.feed.followerCount,
      (count) => count >= before + 2,
    );
    await update({ preview: false });
    const { settings: first } = await update({ enabled: true });
    expect((await events.next()).personalBackupSettingsChanged).toEqual(first);
    const { settings: second } = await update({ preview: false });
    expect((await events.next()).personalBackupSettingsChanged).toEqual(second);
    expect(events.waiting).toEqual([]);
    await events.close();
  });

  describe('of Backup', () => {
    const BACKUP_FIELDS = 'version sizeLimitBytes storagePeriodDays deliveryFormat removeMessageId';
    const change = async (input: Record<string, unknown>) => {
      const { backupSettings } = await admin.ask<{ backupSettings: { version: number } }>(
        '{ backupSettings { version } }',
      );
      const { updateBackupSettings } = await admin.ask<{
        updateBackupSettings: {
          settings: Record<string, unknown> | null;
          userErrors: { code: string; field: string }[];
        };
      }>(
        `mutation ($input: UpdateBackupSettingsInput!) { updateBackupSettings(input: $input) { settings { ${BACKUP_FIELDS} } userErrors { code field } } }`,
        { input: { version: backupSettings.version, ...input } },
      );
      return updateBackupSettings;
    };
    const MIB = 1024 * 1024;

    it.each([
      [{ sizeLimitBytes: 1024 * MIB - 1 }, 'sizeLimitBytes'],
      [{ sizeLimitBytes: 0 }, 'sizeLimitBytes'],
      [{ storagePeriodDays: 0 }, 'storagePeriodDays'],
      [{ storagePeriodDays: -1 }, 'storagePeriodDays'],
      [{ storagePeriodDays: 1101 }, 'storagePeriodDays'],
      [{ removeMessageId: true }, 'removeMessageId'],
    ])('S7, C2: refuse %j', async (input, field) => {
      expect(await change(input)).toEqual({ settings: null, userErrors: [{ code: 'BAD_USER_INPUT', field }] });
    });

    it.each([
      { sizeLimitBytes: 1024 * MIB },
      { sizeLimitBytes: Number.MAX_SAFE_INTEGER },
      { storagePeriodDays: 1 },
      { storagePeriodDays: 1100 },
      { deliveryFormat: 'AS_IS', removeMessageId: true },
    ])('S7: take %j and audit it', async (input) => {
      expect(await change(input)).toMatchObject({ settings: input, userErrors: [] });
      expect((await audit()).at(-1)).toMatchObject({ event: 'BACKUP_SETTINGS_UPDATE', actor: 'account:root' });
    });

    it('C3: refuse a stale version and show the current settings', async () => {
      const payload = await change({ version: 0, storagePeriodDays: 7 });
      expect(payload).toMatchObject({
        settings: { storagePeriodDays: 1100 },
        userErrors: [{ code: 'CONFLICT', field: 'version' }],
      });
    });
  });
});
