import 'reflect-metadata';
import { startApp } from './app.js';
import { ConfigError, loadConfig } from './config.js';
import { PublicError } from './errors.js';
import { createLogger } from './log.js';

/** The production start: serves until SIGINT or SIGTERM. */
async function main(): Promise<void> {
  const config = loadConfig();
  const log = createLogger(config.logLevel);
  const app = await startApp(config, log);
  const address = { host: config.httpHost, port: app.port };
  const waitingFor = app.waitingFor();
  if (waitingFor !== undefined)
    log.warn({ ...address, waitingFor }, 'the database is away: intake is open, the rest comes up with the database');
  app.whenComplete((oneTimePassword) => {
    if (oneTimePassword !== undefined) {
      // Not through the logger: log files are kept, this must be seen once only.
      process.stderr.write(
        `\nFirst start: sign in as "${config.adminLogin}" with the password ${oneTimePassword}\nIt is not shown again.\n\n`,
      );
    }
    log.info({ ...address, database: app.database.kind }, 'listening');
  });
  let stopping = false;
  const stop = (signal: NodeJS.Signals) => {
    if (stopping) return;
    stopping = true;
    log.info({ signal }, 'stopping');
    app.stop().then(
      () => process.exit(0),
      (error: unknown) => {
        log.error({ err: error }, 'the stop failed');
        process.exit(1);
      },
    );
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
}

main().catch((error: unknown) => {
  const message =
    error instanceof ConfigError || error instanceof PublicError
      ? error.message
      : error instanceof Error
        ? (error.stack ?? error.message)
        : String(error);
  process.stderr.write(`${message}\n`);
  process.exit(1);
});
