import { SynchronisationStatus } from '../../src/services/directory/synchronisation-state.js';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type App, startApp } from '../../src/app.js';
import { type Config, loadConfig } from '../../src/config.js';
import type { DatabaseLocation } from '../../src/entities/database.js';
import { createLogger } from '../../src/log.js';
import { EmbeddedDirectory } from '../../src/ldap/embedded/embedded-directory.js';
import { connectionsTo } from '../../src/ldap/embedded/example-connections.js';
import { exampleOrganisation } from '../../src/ldap/embedded/organisation.js';
import { ApiTokenScope } from '../../src/entities/api-token.js';
import { Client } from './client.js';

/** A whole server with the example organisation, for one test file. */
export interface TestApp {
  readonly app: App;
  readonly config: Config;
  readonly directory: EmbeddedDirectory;
  readonly url: string;
  /** A client that is not signed in. */
  client(): Client;
  /** A client that is signed in. */
  signedIn(login: string, password?: string): Promise<Client>;
  /** Secret of an API token with the scope INTAKE. */
  intakeToken(): Promise<string>;
  stop(): Promise<void>;
}

/** Who makes changes that a test makes without the API. */
export const TEST_AUTHOR = { actor: 'system', remoteAddress: '' } as const;

/** The password of the administrator in tests. */
export const ADMIN_PASSWORD = 'admin-demo';

/** Starts a server with a fresh database and the example organisation in an embedded directory, already synchronised. */
export async function startTestApp(
  database: DatabaseLocation,
  overrides: Partial<Config> = {},
  /** Takes the log instead of standard output, as JSON lines. */
  log?: NodeJS.WritableStream,
): Promise<TestApp> {
  const dataDir = await mkdtemp(join(tmpdir(), 'mailkeep-test-'));
  const config = loadConfig(
    {},
    {
      dataDir,
      databaseUrl: database.kind === 'mysql' ? database.url : '',
      httpPort: 0,
      adminPassword: ADMIN_PASSWORD,
      logLevel: (process.env['TEST_LOG'] ?? 'silent') as Config['logLevel'],
      changePollMs: 50,
      // The least that is accepted: dozens of servers hash the administrator's password.
      passwordCostLog2: 14,
      // However slow the machine is, messages go into the database and not into the spool.
      intakeStoreLimitMs: 600_000,
      ...overrides,
    },
  );
  const directory = new EmbeddedDirectory({ organisation: exampleOrganisation });
  const { port } = await directory.start();
  const app = await startApp(config, createLogger(config.logLevel, log));
  for (const settings of connectionsTo(exampleOrganisation, port)) {
    const connection = await app.services.connections.create(settings.domain, settings, TEST_AUTHOR);
    const state = await app.services.synchronisation.synchronise(connection.id);
    if (state?.status !== SynchronisationStatus.SUCCEEDED)
      throw new Error(`The example organisation was not synchronised: ${JSON.stringify(state)}`);
  }
  const url = `http://127.0.0.1:${app.port}`;
  const client = () => new Client(url);
  return {
    app,
    config,
    directory,
    url,
    client,
    signedIn: async (login, password = login === 'admin' ? ADMIN_PASSWORD : 'demo') => client().signIn(login, password),
    intakeToken: async () =>
      (await app.services.tokens.create('test gateway', [ApiTokenScope.INTAKE], null, TEST_AUTHOR)).secret,
    stop: async () => {
      await app.stop();
      await directory.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}
