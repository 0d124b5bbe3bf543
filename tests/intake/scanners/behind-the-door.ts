import { rm } from 'node:fs/promises';
import SMTPConnection from 'nodemailer/lib/smtp-connection';
import { type App, startApp } from '../../../src/app.js';
import type { Config } from '../../../src/config.js';
import { createLogger } from '../../../src/log.js';
import type { DatabaseLocation } from '../../../src/entities/database.js';
import { freePorts } from '../../../scripts/services/index.cjs';
import { startTestApp, type TestApp } from '../../support/app.js';
import type { Client, Events } from '../../support/client.js';
import { until } from '../../support/until.js';

/** A message of global Backup as administrators see it. */
export interface Seen {
  readonly subject: string;
  readonly sender: string | null;
  readonly senderIp: string | null;
  readonly node: string | null;
  readonly gatewayMessageId: string | null;
  readonly action: string;
  readonly sourceUrl: string;
  readonly recipients: readonly { readonly address: string }[];
  readonly rules: readonly {
    readonly action: string;
    readonly reason: string | null;
    readonly to: readonly string[];
  }[];
  readonly scanResults: readonly {
    readonly module: string;
    readonly status: string;
    readonly scannerVerdict: string | null;
    readonly threatNames: readonly string[];
  }[];
}

interface Change {
  readonly personalBackupChanged: {
    readonly kind: string;
    readonly mailbox: string | null;
    readonly message: { readonly subject: string; readonly action: string } | null;
  };
}

const ALL = `query ($subject: String!) { backup { messages(first: 20, filter: { subject: $subject }) { nodes {
  subject sender senderIp node gatewayMessageId action sourceUrl recipients { address }
  rules { action reason to } scanResults { module status scannerVerdict threatNames } } } } }`;
const FOLLOW = 'subscription { personalBackupChanged { kind mailbox message { subject action } } }';

/** The running application as a gateway meets it: stops and starts on the same ports, and is looked at through its API. */
export class BehindTheDoor {
  #test: TestApp | undefined;
  #again: App | undefined;
  #config: Config | undefined;
  admin!: Client;

  /** Starts the application with personal Backup and group mailboxes switched on; gives its ports and an intake token. */
  async start(
    location: DatabaseLocation,
    overrides: Partial<Config>,
  ): Promise<{ http: number; lmtp: number; token: string }> {
    const [http = 0, lmtp = 0] = await freePorts(2);
    const test = await startTestApp(location, {
      httpPort: http,
      lmtpListen: `127.0.0.1:${lmtp}`,
      ...overrides,
    });
    this.#test = test;
    this.#config = test.config;
    this.admin = await test.signedIn('admin');
    const { personalBackupSettings } = await this.admin.ask<{ personalBackupSettings: { version: number } }>(
      '{ personalBackupSettings { version } }',
    );
    await this.admin.ask(
      'mutation ($input: UpdatePersonalBackupSettingsInput!) { updatePersonalBackupSettings(input: $input) { userErrors { code } } }',
      { input: { version: personalBackupSettings.version, enabled: true, groupMailboxes: true } },
    );
    return { http, lmtp, token: await test.intakeToken() };
  }

  signedIn(login: string): Promise<Client> {
    if (!this.#test) throw new Error('The application was not started.');
    return this.#test.signedIn(login);
  }

  /** Live events of a person's own and group mailboxes. */
  async follow(login: string): Promise<Events<Change>> {
    return (await this.signedIn(login)).subscribe<Change>(FOLLOW);
  }

  /** Ends the server, leaving its data. */
  async goAway(): Promise<void> {
    await (this.#again ?? this.#test?.app)?.stop();
  }

  /** Starts the server anew on its data and ports. */
  async comeBack(): Promise<void> {
    this.#again = await startApp(this.#config as Config, createLogger('silent'));
  }

  /** What Backup has under a subject, once there are so many. */
  stored(subject: string, count = 1): Promise<Seen[]> {
    return until(
      `${count} with the subject "${subject}" are stored`,
      async () =>
        (await this.admin.ask<{ backup: { messages: { nodes: Seen[] } } }>(ALL, { subject })).backup.messages.nodes,
      (nodes) => nodes.length === count,
      30_000,
    );
  }

  /** The stored bytes of a message, downloaded as an administrator does. */
  async source({ sourceUrl }: Seen): Promise<Buffer> {
    const response = await fetch(new URL(sourceUrl, this.#test?.url), {
      headers: { authorization: `Bearer ${this.admin.token}` },
    });
    if (response.status !== 200) throw new Error(`The source was not given: ${response.status}`);
    return Buffer.from(await response.arrayBuffer());
  }

  async stop(): Promise<void> {
    if (!this.#again) return this.#test?.stop();
    await this.#again.stop();
    await this.#test?.directory.stop();
    await rm(this.#config?.dataDir ?? '', { recursive: true, force: true });
  }
}

/** Sends by SMTP as a client of the gateway does; resolves with the gateway's answer to the message. */
export function sendTo(
  port: number,
  message: Buffer,
  { from = 'sender@example.net', to = ['anna@example.com'] }: { from?: string; to?: readonly string[] } = {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    const client = new SMTPConnection({ host: '127.0.0.1', port, ignoreTLS: true, name: 'mx.example.net' });
    client.once('error', reject);
    client.connect(() =>
      client.send({ from, to: [...to] }, message, (error, info) => {
        client.quit();
        resolve(error ? (error.response ?? error.message) : info.response);
      }),
    );
  });
}

/** Waits for the events of several mailboxes, in whatever order they come. */
export async function nextOf(events: Events<Change>, count: number): Promise<string[]> {
  const seen: string[] = [];
  while (seen.length < count) {
    const { kind, mailbox, message } = (await events.next()).personalBackupChanged;
    if (kind === 'STORED') seen.push(`${mailbox}: ${message?.subject}`);
  }
  return seen.sort();
}
