// npm run demo: installs, builds and starts the example organisation; further arguments go to `mailkeep demo`.
import { follow } from './follow.mjs';
import { ensureBuilt, ensureInstalled, giveUp } from './steps.mjs';

try {
  await ensureInstalled();
  await ensureBuilt();
} catch (error) {
  giveUp(error);
}
process.exitCode = await follow(['dist/cli.js', 'demo', ...process.argv.slice(2)], { ownGroup: true });
