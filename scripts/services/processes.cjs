'use strict';
// Starting programs, waiting until they answer, and stopping exactly the ones that were started.
const { spawn, spawnSync } = require('node:child_process');
const { randomInt } = require('node:crypto');
const fs = require('node:fs');
const net = require('node:net');
const path = require('node:path');

const HOST = '127.0.0.1';
const POLL_MS = 25;
// Below the range that systems take for outgoing connections: a server that was stopped finds its port free again.
const FIRST_PORT = 15_000;
const LAST_PORT = 29_999;
// Daemons live in the sbin folders, which are not on every account's PATH.
const SEARCH_PATH = [
  ...(process.env.PATH ?? '').split(path.delimiter),
  '/usr/sbin',
  '/sbin',
  '/usr/local/sbin',
  '/usr/bin',
  '/bin',
];

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

/** Full path of a program, or undefined when it is not installed. */
function findProgram(name) {
  const candidates = name.startsWith('/')
    ? [name]
    : SEARCH_PATH.filter(Boolean).map((folder) => path.join(folder, name));
  return candidates.find((file) => {
    try {
      fs.accessSync(file, fs.constants.X_OK);
      return fs.statSync(file).isFile();
    } catch {
      return false;
    }
  });
}

/** Runs a program to its end and returns what it printed; throws with that text when it fails. */
function run(program, args, options = {}) {
  const file = findProgram(program);
  if (!file) throw new Error(`${program} is not installed`);
  const result = spawnSync(file, args, { encoding: 'utf8', ...options });
  if (result.error) throw result.error;
  if (result.status !== 0) {
    throw new Error(
      `${program} failed (${result.signal ?? `exit code ${result.status}`})\n${result.stdout}${result.stderr}`.trim(),
    );
  }
  return result.stdout;
}

/** Field of /proc/PID/stat behind the command, which may hold spaces; undefined without such a process. */
function processField(pid, index) {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[index];
  } catch {
    return undefined;
  }
}

/** When a process started, in clock ticks since boot: with the pid it identifies a process, since pids are used again. */
const startTicks = (pid) => processField(pid, 19);

/** Whether this very process still runs; one that ended and only waits to be noticed (a zombie) does not. */
function isRunning({ pid, ticks }) {
  if (!pid) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (error.code !== 'EPERM') return false;
  }
  if (!fs.existsSync('/proc/self/stat')) return true;
  // The first thread may be a zombie while others still hold the sockets.
  const ended = processField(pid, 0) === 'Z' && Number(processField(pid, 17)) <= 1;
  return !ended && (ticks === undefined || startTicks(pid) === ticks);
}

/** Pid and start of a process, as they are recorded to find it again. */
const identify = (pid) => ({ pid, ticks: startTicks(pid) });

/** Whether nothing listens on a port of the loopback address. */
function isPortFree(port, host = HOST) {
  return new Promise((done) => {
    const server = net.createServer().once('error', () => done(false));
    server.listen(port, host, () => server.close(() => done(true)));
  });
}

/** Ports on the loopback address that are free now; all different. */
async function freePorts(count) {
  const ports = new Set();
  while (ports.size < count) {
    const port = randomInt(FIRST_PORT, LAST_PORT + 1);
    if (await isPortFree(port)) ports.add(port);
  }
  return [...ports];
}

/** Whether a server takes a connection, and answers `send` (or greets) with something that matches `expect`. */
function answers({ host = HOST, port, send, expect, timeoutMs = 1000 }) {
  return new Promise((done) => {
    let received = '';
    const socket = net.connect({ host, port });
    const finish = (answered) => {
      socket.destroy();
      done(answered);
    };
    socket.setTimeout(timeoutMs, () => finish(false));
    socket.once('error', () => finish(false));
    socket.once('close', () => finish(false));
    socket.once('connect', () => {
      if (send) socket.write(send);
      if (!expect) finish(true);
    });
    socket.on('data', (bytes) => {
      received += bytes.toString('latin1');
      if (expect.test(received)) finish(true);
    });
  });
}

/** The last lines of a log, for an error message. */
function tail(file, lines = 15) {
  try {
    return fs.readFileSync(file, 'utf8').trimEnd().split('\n').slice(-lines).join('\n');
  } catch {
    return '';
  }
}

/** Where the process that was launched last for a folder is noted, before it is known to work. */
const launchNote = (folder) => path.join(folder, 'launched.json');

/** Starts a server that outlives this process; its output goes to `log`. Returns the pid and whether it has ended since. */
function launch(program, args, { log, cwd, env, uid, gid }) {
  const file = findProgram(program);
  if (!file) throw new Error(`${program} is not installed`);
  const output = fs.openSync(log, 'a');
  const child = spawn(file, args, {
    cwd,
    env: { ...process.env, ...env },
    uid,
    gid,
    detached: true,
    stdio: ['ignore', output, output],
  });
  fs.closeSync(output);
  // Whoever stops it finds it even if this process ends before the server is ready.
  if (child.pid) fs.writeFileSync(launchNote(path.dirname(log)), JSON.stringify(identify(child.pid)));
  const launched = { program, pid: child.pid, log, ended: undefined };
  child.once('error', (error) => (launched.ended = error.message));
  child.once('exit', (code, signal) => (launched.ended = signal ?? `exit code ${code}`));
  child.unref();
  return launched;
}

/** Waits until `ready` is true; a server that ends first or takes longer than `timeoutMs` is stopped and its log's end thrown. */
async function waitUntilReady(launched, ready, timeoutMs = 30_000) {
  const deadline = Date.now() + timeoutMs;
  while (!(await ready())) {
    if (launched.ended !== undefined)
      throw new Error(`${launched.program} ended at its start (${launched.ended})\n${tail(launched.log)}`);
    if (Date.now() > deadline) {
      await end(identify(launched.pid));
      throw new Error(`${launched.program} did not answer within ${timeoutMs / 1000} s\n${tail(launched.log)}`);
    }
    await pause(POLL_MS);
  }
}

/** Sends a signal to one recorded process if it is still that process; false when it is gone. */
function signal(identity, name) {
  if (!isRunning(identity)) return false;
  try {
    process.kill(identity.pid, name);
    return true;
  } catch (error) {
    if (error.code === 'ESRCH') return false;
    throw error;
  }
}

/** Ends a process: SIGTERM, and SIGKILL to it and its group when it is still there after `graceMs`. */
async function end(identity, graceMs = 10_000) {
  if (!signal(identity, 'SIGTERM')) return;
  const deadline = Date.now() + graceMs;
  while (isRunning(identity) && Date.now() < deadline) await pause(POLL_MS);
  if (!isRunning(identity)) return;
  signal(identity, 'SIGKILL');
  if (processField(identity.pid, 2) === String(identity.pid)) process.kill(-identity.pid, 'SIGKILL');
  while (isRunning(identity)) await pause(POLL_MS);
}

module.exports = {
  HOST,
  answers,
  end,
  findProgram,
  freePorts,
  identify,
  isPortFree,
  isRunning,
  launch,
  launchNote,
  pause,
  run,
  signal,
  tail,
  waitUntilReady,
};
