import type { Client } from './client.js';

/** A short message with a subject, and further header fields as given. */
export const mail = (subject: string, fields: Record<string, string> = {}): string =>
  [
    'From: Some One <some@example.net>',
    `To: ${fields['To'] ?? 'anna@example.com'}`,
    `Subject: ${subject}`,
    ...Object.entries(fields).flatMap(([name, value]) => (name === 'To' ? [] : [`${name}: ${value}`])),
    '',
    'Hello',
    '',
  ].join('\r\n');

/** Hands a message over and gives its number in the database; fails when it was refused. */
export async function store(
  client: Client,
  secret: string,
  message: string | Buffer,
  metadata: Record<string, unknown>,
): Promise<number> {
  const { status, body } = await client.handOver(secret, message, metadata);
  if (status !== 200) throw new Error(`The message was refused: ${status} ${JSON.stringify(body)}`);
  return Number(body['id']);
}

/** Changes settings of personal Backup as an administrator does; fails when they are refused. */
export async function switchTo(admin: Client, change: Record<string, unknown>): Promise<void> {
  const { personalBackupSettings } = await admin.ask<{ personalBackupSettings: { version: number } }>(
    '{ personalBackupSettings { version } }',
  );
  const { updatePersonalBackupSettings: payload } = await admin.ask<{
    updatePersonalBackupSettings: { userErrors: unknown[] };
  }>(
    'mutation ($input: UpdatePersonalBackupSettingsInput!) { updatePersonalBackupSettings(input: $input) { userErrors { code field message } } }',
    { input: { version: personalBackupSettings.version, ...change } },
  );
  if (payload.userErrors.length > 0) throw new Error(`The change was refused: ${JSON.stringify(payload.userErrors)}`);
}
