import { existsSync, mkdirSync, rmSync, watch } from 'node:fs';
import { join } from 'node:path';
import { startApp } from '../app.js';
import type { Config } from '../config.js';
import { ApiTokenScope } from '../entities/api-token.js';
import { GatewayAction, Module, ScanStatus } from '../entities/vocabulary.js';
import { EmbeddedDirectory } from '../ldap/embedded/embedded-directory.js';
import { connectionsTo } from '../ldap/embedded/example-connections.js';
import { exampleOrganisation } from '../ldap/embedded/organisation.js';
import { createLogger } from '../log.js';
import { readExampleMessages } from '../services/intake/example-messages.js';
import { MailCatcher } from '../services/sending/mail-catcher.js';
import type { Services } from '../composition/create-services.js';
import type { Command, CommandSurroundings } from './command.js';
import { importMessages } from './import.js';

const AUTHOR = { actor: 'system:demo', remoteAddress: '' } as const;
// Long enough for an editor or a copy to finish with a dropped file.
const SETTLE_MS = 300;

/** Starts the example organisation: directory, messages, settings, server; ends with Ctrl-C. */
export const demo: Command = {
  usage: 'demo [--keep]',
  summary: 'Starts a server with an example organisation, to look at and play with.',
  options: ['--keep          goes on with the data of the last demo instead of starting afresh'],
  async run(arguments_, surroundings) {
    const settings = demoConfig(surroundings.config);
    if (!settings.databaseUrl && !arguments_.includes('--keep'))
      rmSync(settings.dataDir, { recursive: true, force: true });
    const catcher = new MailCatcher({ folder: join(settings.dataDir, 'sent') }, (path) =>
      surroundings.print(`sent    ${path}`),
    );
    const sent = await catcher.start();
    const config: Config = {
      ...settings,
      relayHost: sent.host,
      relayPort: sent.port,
      relayProtocol: 'SMTP',
      relayTls: 'NONE',
      relayUser: '',
      senderAddress: 'backup@example.com',
      senderName: 'Mailkeep demo',
    };
    const directory = new EmbeddedDirectory({ organisation: exampleOrganisation });
    const { port: directoryPort } = await directory.start();
    const app = await startApp(config, createLogger('warn'));
    await new Promise<void>((complete) => app.whenComplete(() => complete()));
    const { services } = app;
    await fillDirectory(services, directoryPort);
    await switchOn(services);
    let messages = 0;
    for await (const { handOver, open } of readExampleMessages()) {
      await services.intake.receive(handOver, open(), 'demo');
      messages += 1;
    }
    const { secret } = await services.tokens.create('demo gateway', [ApiTokenScope.INTAKE], null, AUTHOR);
    const dropFolder = join(config.dataDir, 'drop');
    const stopWatching = watchDrops(dropFolder, services, surroundings);
    announce(surroundings, {
      url: `http://127.0.0.1:${app.port}`,
      dropFolder,
      sentFolder: sent.folder,
      secret,
      messages,
      config,
    });
    await interrupted();
    surroundings.print('\nStopping …');
    await stopWatching();
    await app.stop();
    await catcher.stop();
    await directory.stop();
    surroundings.print('Stopped.');
  },
};

function demoConfig(config: Config): Config {
  return {
    ...config,
    dataDir: join(config.dataDir, 'demo'),
    adminPassword: 'admin-demo',
    explorer: true,
    privilegedIdleMs: Math.max(config.privilegedIdleMs, 3_600_000),
  };
}

async function fillDirectory(services: Services, port: number): Promise<void> {
  const present = await services.connections.list();
  for (const settings of connectionsTo(exampleOrganisation, port)) {
    const known = present.find((connection) => connection.name === settings.domain);
    const connection = known
      ? await services.connections.update(known.id, known.version, { settings }, AUTHOR)
      : await services.connections.create(settings.domain, settings, AUTHOR);
    await services.synchronisation.synchronise(connection.id);
  }
}

async function switchOn(services: Services): Promise<void> {
  const { version } = await services.personalBackupSettings.read();
  await services.personalBackupSettings.update(version, { enabled: true, groupMailboxes: true }, AUTHOR);
}

/** Imports every message file that appears in the folder, as if a gateway had put it aside as spam. */
function watchDrops(folder: string, services: Services, { print }: CommandSurroundings): () => Promise<void> {
  mkdirSync(folder, { recursive: true });
  const waiting = new Map<string, NodeJS.Timeout>();
  let importing: Promise<unknown> = Promise.resolve();
  const take = async (path: string) => {
    if (!existsSync(path)) return;
    const summary = await importMessages(services.intake, [path], {
      recipients: [],
      action: GatewayAction.DELETE_MESSAGE,
      module: Module.ANTI_SPAM,
      status: ScanStatus.PROBABLE_SPAM,
    });
    print(
      `dropped ${path}: ${summary.stored} stored, ${summary.present} already there, ${summary.failed.length + summary.skipped.length} not readable`,
    );
  };
  const watcher = watch(folder, (_event, name) => {
    if (!name) return;
    const path = join(folder, name);
    clearTimeout(waiting.get(path));
    waiting.set(
      path,
      setTimeout(() => {
        waiting.delete(path);
        importing = importing
          .then(() => take(path))
          .catch((error: unknown) =>
            print(`dropped ${path}: ${error instanceof Error ? error.message : String(error)}`),
          );
      }, SETTLE_MS),
    );
  });
  return async () => {
    watcher.close();
    for (const timer of waiting.values()) clearTimeout(timer);
    await importing;
  };
}

function interrupted(): Promise<void> {
  return new Promise((resolve) => {
    process.once('SIGINT', resolve);
    process.once('SIGTERM', resolve);
  });
}

function announce(
  { print }: CommandSurroundings,
  facts: { url: string; dropFolder: string; sentFolder: string; secret: string; messages: number; config: Config },
): void {
  const { url, dropFolder, sentFolder, secret, messages, config } = facts;
  print(`
Mailkeep runs with the example organisation: ${messages} messages that a gateway put aside.

  Explorer      ${url}/explorer/
  GraphQL       ${url}/graphql (HTTP POST, and WebSocket for subscriptions)
  Health        ${url}/readyz
  Database      ${config.databaseUrl ? 'MariaDB or MySQL' : join(config.dataDir, 'mailkeep.db')}

  Login         Password     Sees
  admin         admin-demo   everything: local administrator
  anna          demo         own mail, sales@example.com, support@example.com
  boris         demo         own mail, support@example.com through a nested group
  clara         demo         own mail
  dmitri        demo         own mail, board@branch.example (the other domain)

  Let a message arrive: copy an .eml file into
                ${dropFolder}
                for example: cp demo/drop/invitation.eml ${dropFolder}
  or hand one over as a gateway does:
                curl -H 'Authorization: Bearer ${secret}' -H 'Content-Type: message/rfc822' \\
                  -H 'X-Mailkeep-Metadata: {"sender":"x@example.net","recipients":["anna@example.com"]}' \\
                  --data-binary @demo/drop/invitation.eml ${url}/intake/message

  Sent mail is caught, not delivered; look at it in
                ${sentFolder}

Ctrl-C stops.`);
}
