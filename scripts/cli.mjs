// npm run cli -- COMMAND …: the operator's commands, built first where that is needed. Only the command prints to stdout.
import { follow } from './follow.mjs';
import { ensureBuilt, ensureInstalled, giveUp } from './steps.mjs';

try {
  await ensureInstalled(process.stderr);
  await ensureBuilt(process.stderr);
} catch (error) {
  giveUp(error);
}
process.exitCode = await follow(['dist/cli.js', ...process.argv.slice(2)]);
