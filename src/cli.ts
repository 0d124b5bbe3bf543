import 'reflect-metadata';
import { audit } from './commands/audit.js';
import type { Command } from './commands/command.js';
import { UsageError } from './commands/command.js';
import { config as configCommand } from './commands/config.js';
import { createToken } from './commands/create-token.js';
import { demo } from './commands/demo.js';
import { explain } from './commands/explain.js';
import { importCommand } from './commands/import.js';
import { ldapConnections } from './commands/ldap-connections.js';
import { migrate } from './commands/migrate.js';
import { schema } from './commands/schema.js';
import { synchronise } from './commands/synchronise.js';
import { ConfigError, loadConfig } from './config.js';
import { PublicError } from './errors.js';
import { createLogger } from './log.js';

const commands: Readonly<Record<string, Command>> = {
  migrate,
  import: importCommand,
  explain,
  'create-token': createToken,
  'ldap-connections': ldapConnections,
  'sync-directory': synchronise,
  audit,
  config: configCommand,
  schema,
  demo,
};

const print = (line: string) => void process.stdout.write(`${line}\n`);

function help(): void {
  print('Usage: npm run cli -- COMMAND [ARGUMENT…]\n');
  for (const { usage, summary, options = [] } of Object.values(commands)) {
    print(`  ${usage}\n      ${summary}`);
    for (const option of options) print(`        ${option}`);
  }
  print('\nSettings come from the environment or from the file named by MAILKEEP_CONFIG_FILE; "config" lists them.');
}

async function main([name, ...arguments_]: readonly string[]): Promise<number> {
  if (name === undefined || name === 'help' || name === '--help' || name === '-h') {
    help();
    return name === undefined ? 2 : 0;
  }
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (!command) throw new UsageError(`There is no command "${name}". "help" lists them.`);
  const config = loadConfig();
  // Commands talk to a person; the log is for what that person would not ask for.
  const log = createLogger(config.logLevel === 'info' ? 'warn' : config.logLevel, process.stderr);
  return (await command.run(arguments_, { config, log, print })) ?? 0;
}

/** Wrong arguments as node's own parser reports them. */
const isArgumentError = (error: unknown): error is Error =>
  error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS');

// Who reads only the beginning, as "head" does, is no fault.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(0);
});

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    const expected =
      error instanceof UsageError ||
      error instanceof ConfigError ||
      error instanceof PublicError ||
      isArgumentError(error);
    process.stderr.write(
      `${expected ? error.message : error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
    );
    process.exitCode = error instanceof UsageError || isArgumentError(error) ? 2 : 1;
  },
);
