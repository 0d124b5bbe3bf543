import type { DatabaseLocation } from '../../src/entities/database.js';
import { startTestApp, type TestApp } from '../support/app.js';
import { caughtUp } from '../support/caught-up.js';
import type { Client } from '../support/client.js';
import { describeOnBothDatabases } from '../support/databases.js';

const BACKUP = `{ viewer { name addresses permissions personalBackup {
  availability changeCursor groupMailboxAccess
  own { address kind messageCount messages { nodes { id subject sender detectedBy viewerCan { previewText { allowed reason } send { allowed reason } } } } }
  groupMailboxes { address kind messages { nodes { subject mailbox } } }
} } }`;

interface Section {
  address: string;
  kind: string;
  messageCount: number;
  messages: { nodes: { id: string; subject: string; sender: string | null; mailbox: string }[] };
}
interface Backup {
  viewer: {
    name: string;
    addresses: string[];
    permissions: string[];
    personalBackup: {
      availability: string;
      changeCursor: string;
      groupMailboxAccess: string;
      own: Section;
      groupMailboxes: Section[] | null;
    } | null;
  };
}
interface Change {
  personalBackupChanged: {
    kind: string;
    mailbox: string | null;
    messageId: string | null;
    message: { subject: string } | null;
  };
}

const FOLLOW =
  'subscription ($after: ChangeCursor) { personalBackupChanged(after: $after) { kind mailbox messageId message { subject } } }';
const SETTINGS = '{ personalBackupSettings { version enabled groupMailboxes } }';
const UPDATE = `mutation ($input: UpdatePersonalBackupSettingsInput!) { updatePersonalBackupSettings(input: $input) { settings { version enabled groupMailboxes } warnings userErrors { code field message } } }`;

const mail = (subject: string, to = 'anna@example.com') =>
  `From: Some One <some@example.net>\r\nTo: ${to}\r\nSubject: ${subject}\r\nMessage-ID: <${subject.replace(/\W/g, '')}@example.net>\r\n\r\nHello\r\n`;

async function switchTo(admin: Client, change: Record<string, unknown>): Promise<unknown> {
  const { personalBackupSettings } = await admin.ask<{ personalBackupSettings: { version: number } }>(SETTINGS);
  const { updatePersonalBackupSettings: payload } = await admin.ask<{
    updatePersonalBackupSettings: { userErrors: unknown[]; warnings: string[] };
  }>(UPDATE, {
    input: { version: personalBackupSettings.version, ...change },
  });
  expect(payload.userErrors).toEqual([]);
  return payload.warnings;
}

describeOnBothDatabases('The main job', (location: () => DatabaseLocation) => {
  let test: TestApp;
  let admin: Client;
  let anna: Client;
  let secret: string;

  beforeAll(async () => {
    test = await startTestApp(location());
    admin = await test.signedIn('admin');
    anna = await test.signedIn('anna');
    secret = await test.intakeToken();
  }, 60_000);
  afterAll(() => test?.stop());

  it('V3: shows nothing personal while personal Backup is off', async () => {
    const { viewer } = await anna.ask<Backup>(BACKUP);
    expect(viewer.personalBackup).toBeNull();
    expect(viewer.permissions).toEqual([]);
  });

  it('leads from a message at the gateway to a live event for the person it is for', async () => {
    await switchTo(admin, { enabled: true, groupMailboxes: true });
    await caughtUp(test.app);
    const before = await anna.ask<Backup>(BACKUP);
    expect(before.viewer.personalBackup).toMatchObject({ availability: 'AVAILABLE', groupMailboxAccess: 'GRANTED' });
    expect(before.viewer.personalBackup?.groupMailboxes?.map(({ address }) => address)).toEqual([
      'sales@example.com',
      'support@example.com',
    ]);

    const events = await anna.subscribe<Change>(FOLLOW, { after: before.viewer.personalBackup?.changeCursor });
    const { status, body } = await test.client().handOver(secret, mail('Hello Anna'), {
      sender: 'some@example.net',
      recipients: ['anna@example.com', 'clara@example.com'],
      scanResults: [{ module: 'ANTI_SPAM', status: 'SPAM' }],
    });
    expect({ status, created: body['created'] }).toEqual({ status: 200, created: true });
    expect(await events.next()).toMatchObject({
      personalBackupChanged: { kind: 'STORED', mailbox: 'anna@example.com', message: { subject: 'Hello Anna' } },
    });

    const after = await anna.ask<Backup>(BACKUP);
    expect(after.viewer.personalBackup?.own).toMatchObject({
      address: 'anna@example.com',
      messageCount: 1,
      messages: { nodes: [{ subject: 'Hello Anna', detectedBy: ['ANTI_SPAM'] }] },
    });
    await events.close();
  });

  it('V9, V11: takes the group mailboxes away at once when the administrator switches them off, and brings them back', async () => {
    await caughtUp(test.app);
    const { viewer } = await anna.ask<Backup>(BACKUP);
    const events = await anna.subscribe<Change>(FOLLOW, { after: viewer.personalBackup?.changeCursor });
    await test.client().handOver(secret, mail('For sales'), { sender: null, recipients: ['sales@example.com'] });
    expect(await events.next()).toMatchObject({
      personalBackupChanged: { kind: 'STORED', mailbox: 'sales@example.com' },
    });

    await switchTo(admin, { groupMailboxes: false });
    expect(await events.next()).toMatchObject({ personalBackupChanged: { kind: 'ACCESS' } });
    await test.client().handOver(secret, mail('Not seen'), { sender: null, recipients: ['sales@example.com'] });
    await test.client().handOver(secret, mail('Seen again'), { sender: null, recipients: ['anna@example.com'] });
    expect(await events.next()).toMatchObject({
      personalBackupChanged: { kind: 'STORED', message: { subject: 'Seen again' } },
    });
    expect((await anna.ask<Backup>(BACKUP)).viewer.personalBackup).toMatchObject({
      groupMailboxAccess: 'SWITCHED_OFF',
      groupMailboxes: null,
    });

    await switchTo(admin, { groupMailboxes: true });
    expect(await events.next()).toMatchObject({ personalBackupChanged: { kind: 'ACCESS' } });
    const back = await anna.ask<Backup>(BACKUP);
    expect(back.viewer.personalBackup?.groupMailboxes?.[0]?.messages.nodes.map(({ subject }) => subject)).toEqual([
      'Not seen',
      'For sales',
    ]);
    await events.close();
  });

  it('shows administrators everything, and people nothing of it', async () => {
    const query =
      '{ backup { messages(first: 10) { nodes { subject recipients { address } rules { action to bcc } } } } }';
    const { backup } = await admin.ask<{
      backup: { messages: { nodes: { subject: string; recipients: unknown[] }[] } };
    }>(query);
    expect(backup.messages.nodes.map(({ subject }) => subject)).toEqual([
      'Seen again',
      'Not seen',
      'For sales',
      'Hello Anna',
    ]);
    const { data, errors } = await anna.query(query);
    expect(data).toEqual({ backup: null });
    expect(errors[0]?.extensions).toMatchObject({ code: 'FORBIDDEN' });
  });
});
