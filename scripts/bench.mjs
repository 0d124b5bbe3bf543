// npm run bench -- NAME [ARGUMENTS]: runs bench/NAME.ts and prints its figures.
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { follow } from './follow.mjs';
import { ensureBuilt, ensureInstalled, giveUp, root } from './steps.mjs';

const [name, ...args] = process.argv.slice(2);
const file = `bench/${name}.ts`;
if (!name || !existsSync(join(root, file))) {
  const names = readdirSync(join(root, 'bench'))
    .filter((entry) => entry.endsWith('.ts'))
    .map((entry) => entry.slice(0, -'.ts'.length));
  console.error(`npm run bench -- NAME, where NAME is one of: ${names.join(', ')}`);
  process.exit(2);
}
try {
  await ensureInstalled(process.stderr);
  // Some measure the built program as a process of its own.
  await ensureBuilt(process.stderr);
} catch (error) {
  giveUp(error);
}
process.exitCode = await follow([
  '--expose-gc',
  '--require',
  join(root, 'scripts', 'register-typescript.cjs'),
  file,
  ...args,
]);
