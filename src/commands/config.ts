import { type Config, describeSettings } from '../config.js';
import type { Command } from './command.js';

const SECRET: ReadonlySet<string> = new Set<keyof Config>(['adminPassword', 'secretKey', 'databaseUrl']);

/** Shows every setting, its value and how it is set. */
export const config: Command = {
  usage: 'config',
  summary: 'Lists every setting with its environment variable and its value now; secrets are not shown.',
  run(_arguments, { config: values, print }) {
    for (const { name, environmentName, description } of describeSettings()) {
      const value = values[name as keyof Config];
      const shown = SECRET.has(name) ? (value ? '(set)' : '(not set)') : JSON.stringify(value);
      print(`${environmentName} = ${shown}\n    ${description}`);
    }
    return Promise.resolve();
  },
};
