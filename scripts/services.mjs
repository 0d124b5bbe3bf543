// npm run services -- start|stop|status [name…]: private instances of the servers that Mailkeep works with, for work by hand.
import { join, relative } from 'node:path';
import { root, seconds } from './steps.mjs';
import services from './services/index.cjs';

const FOLDER = join(root, '.services');

const usage = () => {
  console.error(`npm run services -- start|stop|status [name…]

start   starts the named services (all that this machine has programs for), each with its own folder and ports
stop    stops the named services (all); their data stay in ${relative(process.cwd(), FOLDER) || '.'}
status  shows state, port, pid, folder and how to connect

${services
  .names()
  .map((name) => `${name.padEnd(8)} ${services.definitionOf(name).summary}`)
  .join('\n')}`);
  process.exit(2);
};

const [command, ...named] = process.argv.slice(2);
if (!['start', 'stop', 'status'].includes(command)) usage();
const unknown = named.filter((name) => !services.names().includes(name));
if (unknown.length > 0) {
  console.error(`No such service: ${unknown.join(', ')}`);
  usage();
}
const wanted = named.length > 0 ? services.names().filter((name) => named.includes(name)) : services.names();
const here = new services.Services(FOLDER);

/** By hand one expects what was committed to be there after a power cut, and a database that can be filled. */
const OPTIONS = { mariadb: { durable: true, bufferPoolMiB: 512 }, slapd: { durable: true } };

async function start(name) {
  const absence = services.absence(name);
  if (absence) {
    console.log(`${name}: not started: ${absence}`);
    return named.length === 0;
  }
  const startedAt = performance.now();
  try {
    const already = here.facts(name);
    const facts = await here.start(name, OPTIONS[name]);
    console.log(`${name}: ${already ? 'runs already' : `started in ${seconds(startedAt)}`}\n  ${facts.connection}`);
    return true;
  } catch (error) {
    console.log(`${name}: not started: ${error.message}`);
    return false;
  }
}

function status(name) {
  const facts = here.facts(name);
  const known = here.record(name)?.facts;
  const state = facts ? 'running' : (services.absence(name) ?? (known ? 'stopped' : 'never started'));
  console.log(`${name}: ${state}`);
  if (known) console.log(`  port ${known.port}${facts ? `, pid ${facts.pid}` : ''}, folder ${known.folder}`);
  if (facts) console.log(`  ${facts.connection}`);
  return true;
}

async function stop(name) {
  console.log(`${name}: ${(await here.stop(name)) ? 'stopped' : 'does not run'}`);
  return true;
}

const action = { start, stop, status }[command];
let succeeded = true;
// Users of other services are stopped before these.
for (const name of command === 'stop' ? [...wanted].reverse() : wanted) succeeded = (await action(name)) && succeeded;
process.exitCode = succeeded ? 0 : 1;
