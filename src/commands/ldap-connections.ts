import type { Services } from '../composition/create-services.js';
import type { LdapConnection } from '../entities/ldap-connection.js';
import { testConnection } from '../ldap/test-connection.js';
import { settingsWarnings } from '../ldap/validate-settings.js';
import { storedSettings } from '../services/directory/connections.js';
import { type Command, type CommandSurroundings, UsageError } from './command.js';
import { completed, type ConnectionOptions, OPTION_HELP, readConnectionOptions } from './connection-options.js';
import { OPERATOR, withServices } from './with-services.js';

type Action = (
  services: Services,
  options: ConnectionOptions,
  surroundings: CommandSurroundings,
) => Promise<number | void>;

const list: Action = async ({ connections }, _options, { print }) => {
  const all = await connections.list();
  if (all.length === 0) print('There are no directory connections.');
  for (const connection of all) {
    const { servers, tlsMode, baseDn, bindName, preset } = storedSettings(connection);
    const { status, error, counts } = connections.stateOf(connection);
    const hosts = servers.map(({ host, port }) => (port === undefined ? host : `${host}:${port}`)).join(', ');
    print(connection.name);
    print(`  directory   ${connection.domain}, ${preset}, ${tlsMode}, ${hosts || 'servers from DNS'}`);
    print(`  reads       ${baseDn} as ${bindName}`);
    print(`  delegation  ${connection.delegationAttributes.join(', ') || 'none'}`);
    print(`  schedule    ${Object.values(connection.schedule).join(' ')}`);
    print(`  last        ${[status, error?.message, counts && JSON.stringify(counts)].filter(Boolean).join(' ')}`);
    if (connection.nextRunAtMs !== null) print(`  next        ${new Date(connection.nextRunAtMs).toISOString()}`);
  }
};

const create: Action = async ({ connections }, { name, settings, schedule }, { print }) => {
  if (name === undefined) throw new UsageError('create needs a name for the connection.');
  const whole = completed(settings);
  const connection = await connections.create(name, whole, OPERATOR, schedule);
  warn(connection, print);
  print(`${connection.name} was created. A running server synchronises it within seconds.`);
};

const update: Action = async ({ connections }, { name, rename, settings, schedule }, { print }) => {
  const known = await named(connections, name);
  const change = {
    name: rename,
    schedule,
    settings: settings && completed(settings, storedSettings(known)),
  };
  const connection = await connections.update(known.id, known.version, change, OPERATOR);
  warn(connection, print);
  print(`${connection.name} was changed.`);
};

const remove: Action = async ({ connections }, { name }, { print }) => {
  const known = await named(connections, name);
  await connections.delete(known.id, OPERATOR);
  print(`${known.name} was deleted with its part of the LDAP cache.`);
};

const test: Action = async ({ connections }, { name, settings }, { print }) => {
  const known = name === undefined ? undefined : await named(connections, name);
  const tried = known
    ? settings
      ? connections.withStoredPassword(completed(settings, storedSettings(known)), known)
      : connections.settingsOf(known)
    : completed(settings);
  let failed = false;
  for await (const { step, status, message, advice } of testConnection(tried)) {
    print(`${status.padEnd(8)} ${step.padEnd(20)} ${message}`);
    if (advice) print(`${' '.repeat(30)}${advice}`);
    failed ||= status === 'FAILED';
  }
  return failed ? 1 : 0;
};

const ACTIONS: Readonly<Record<string, Action>> = { list, create, update, delete: remove, test };

/** Shows, makes, changes, deletes and tests connections to directories. */
export const ldapConnections: Command = {
  usage: `ldap-connections ${Object.keys(ACTIONS).join('|')} [NAME] [OPTION…]`,
  summary: 'Connections to directories: shows them, makes, changes, deletes or tests one.',
  options: OPTION_HELP,
  async run([verb = 'list', ...rest], surroundings) {
    const action = Object.hasOwn(ACTIONS, verb) ? ACTIONS[verb] : undefined;
    if (!action) throw new UsageError(`ldap-connections does ${Object.keys(ACTIONS).join(', ')}, but not "${verb}".`);
    const options = await readConnectionOptions(rest);
    return withServices(surroundings, (services) => action(services, options, surroundings));
  },
};

async function named(connections: Services['connections'], name: string | undefined): Promise<LdapConnection> {
  const all = await connections.list();
  const found = all.find((connection) => connection.name === name);
  if (found) return found;
  const names = all.map((connection) => connection.name).join(', ') || 'none';
  throw new UsageError(
    `${name === undefined ? 'Name a connection.' : `There is no connection "${name}".`} There are: ${names}.`,
  );
}

function warn(connection: LdapConnection, print: (line: string) => void): void {
  for (const warning of settingsWarnings(storedSettings(connection))) print(`Note: ${warning}`);
}
