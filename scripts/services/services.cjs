'use strict';
// Private instances of the servers that Mailkeep works with: own folder, own loopback ports, stopped by pid. Shared by
// `npm run services` and the tests; needs nothing but Node and the servers' programs.
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const {
  HOST,
  end,
  findProgram,
  freePorts,
  identify,
  isPortFree,
  isRunning,
  launchNote,
  pause,
  signal,
} = require('./processes.cjs');

// A UNIX socket's path has at most 107 bytes; folders of checkouts are often longer.
const SOCKET_FOLDER_PREFIX = path.join(os.tmpdir(), 'mk-');
const LOCK_WAIT_MS = 120_000;

const definitions = new Map();
for (const file of ['mariadb', 'slapd', 'samba', 'redis', 'clamd', 'rspamd', 'amavis', 'postfix', 'dovecot']) {
  const definition = require(`./${file}.cjs`);
  definitions.set(definition.name, definition);
}

/** What can be started, in the order in which to start it. */
const names = () => [...definitions.keys()];

function definitionOf(name) {
  const definition = definitions.get(name);
  if (!definition) throw new Error(`There is no service "${name}"; there are: ${names().join(', ')}`);
  return definition;
}

/** Why a service cannot run on this machine, as a sentence that names the way out; undefined when it can. */
function absence(name) {
  const definition = definitionOf(name);
  const missing = definition.programs.filter((program) => !findProgram(program));
  missing.push(...(definition.files ?? []).filter((file) => !fs.existsSync(file)));
  if (missing.length > 0) {
    return `${missing.join(', ')} not found; on Debian: apt-get install --no-install-recommends ${definition.packages.join(' ')}`;
  }
  if (definition.needsRoot && process.getuid?.() !== 0) return `${name} must be started as root`;
  return (definition.uses ?? []).map(absence).find(Boolean);
}

/** Debian packages of the services whose programs are missing here. */
function missingPackages(wanted = names()) {
  const packages = wanted
    .map(definitionOf)
    .filter(({ programs, files = [] }) => !programs.every(findProgram) || !files.every((file) => fs.existsSync(file)))
    .flatMap((definition) => definition.packages);
  return [...new Set(packages)];
}

/** Lets one process at a time start or stop a service; a lock whose owner is gone is taken over. */
async function locked(file, action) {
  const deadline = Date.now() + LOCK_WAIT_MS;
  for (;;) {
    try {
      fs.writeFileSync(file, JSON.stringify(identify(process.pid)), { flag: 'wx' });
      break;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    let owner;
    try {
      owner = JSON.parse(fs.readFileSync(file, 'utf8'));
    } catch {
      owner = undefined; // just being written, or just removed
    }
    if (owner && !isRunning(owner)) fs.rmSync(file, { force: true });
    else if (Date.now() > deadline)
      throw new Error(`${file} is held by another process (pid ${owner?.pid ?? 'unknown'})`);
    else await pause(50);
  }
  try {
    return await action();
  } finally {
    fs.rmSync(file, { force: true });
  }
}

/** Whether every account may walk into a folder: servers that give up root read their files as another user. */
function isReachable(folder) {
  for (let current = path.resolve(folder); ; current = path.dirname(current)) {
    if (fs.existsSync(current) && (fs.statSync(current).mode & 0o001) === 0) return false;
    if (current === path.dirname(current)) return true;
  }
}

/** A file of ours; undefined when there is none. */
function readJson(file) {
  try {
    return JSON.parse(fs.readFileSync(file, 'utf8'));
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** The services of one folder; several processes may use the same folder at once. */
class Services {
  constructor(root) {
    this.root = path.resolve(root);
  }

  #recordFile(name) {
    return path.join(this.root, name, 'instance.json');
  }

  /** Where an instance keeps its data and sockets, known from before its first start on. */
  #place(name) {
    return readJson(path.join(this.root, name, 'place.json'));
  }

  /** What is known of an instance, running or stopped; undefined when it was never started. */
  record(name) {
    return readJson(this.#recordFile(name));
  }

  /** Facts of a running instance; undefined when it does not run. */
  facts(name) {
    const record = this.record(name);
    return record && isRunning(record.process) ? record.facts : undefined;
  }

  /** Starts a service, and first those that it uses, unless it runs already; returns how to reach it. */
  async start(name, options = {}) {
    const definition = definitionOf(name);
    const reason = absence(name);
    if (reason) throw new Error(reason);
    fs.mkdirSync(path.join(this.root, name), { recursive: true, mode: 0o755 });
    return locked(path.join(this.root, `${name}.lock`), async () => {
      const running = this.facts(name);
      if (running) return running;
      const used = {};
      for (const other of definition.uses ?? []) used[other] = await this.start(other, options[other] ?? {});
      return this.#launch(definition, options, used);
    });
  }

  async #launch(definition, options, used) {
    const { name } = definition;
    const previous = this.record(name);
    const place = this.#place(name);
    if (place) fs.rmSync(place.sockets, { recursive: true, force: true });
    const folder = place && fs.existsSync(place.folder) ? place.folder : this.#dataFolder(definition);
    const sockets = fs.mkdtempSync(SOCKET_FOLDER_PREFIX);
    fs.chmodSync(sockets, 0o755);
    fs.writeFileSync(path.join(this.root, name, 'place.json'), JSON.stringify({ folder, sockets }));
    const log = path.join(folder, `${name}.log`);
    const ports = { ...(await this.#ports(definition, previous)), ...options.ports };
    const start = { folder, sockets, log, ports, options, used, previous: previous?.facts };
    const { pid, facts } = await definition.start(start).catch((error) => {
      fs.rmSync(sockets, { recursive: true, force: true });
      throw error;
    });
    const record = {
      process: identify(pid),
      ports,
      options,
      facts: { name, host: HOST, ...ports, pid, folder, log, ...facts },
    };
    fs.writeFileSync(this.#recordFile(name), JSON.stringify(record, null, 2), { mode: 0o600 });
    return record.facts;
  }

  #dataFolder(definition) {
    const folder = path.join(this.root, definition.name);
    if (!definition.otherUser || isReachable(folder)) return folder;
    const elsewhere = fs.mkdtempSync(path.join(os.tmpdir(), `mailkeep-${definition.name}-`));
    fs.chmodSync(elsewhere, 0o755);
    return elsewhere;
  }

  /** The ports of the last start where they are still free, so that clients find a restarted server again. */
  async #ports(definition, previous) {
    const fresh = await freePorts(definition.ports.length);
    const ports = {};
    for (const [index, key] of definition.ports.entries()) {
      const last = previous?.ports[key];
      ports[key] = last && (await isPortFree(last)) ? last : fresh[index];
    }
    return ports;
  }

  /** Stops a service and waits until its process is gone; nothing happens when it does not run. */
  async stop(name) {
    const definition = definitionOf(name);
    if (!fs.existsSync(path.join(this.root, name))) return false;
    return locked(path.join(this.root, `${name}.lock`), async () => {
      const place = this.#place(name);
      if (!place) return false;
      // A start that was interrupted has left no record, but a process.
      const identities = [this.record(name)?.process, readJson(launchNote(place.folder))];
      const running = identities.filter((identity) => identity && isRunning(identity));
      for (const identity of running) await end(identity, definition.graceMs);
      fs.rmSync(place.sockets, { recursive: true, force: true });
      return running.length > 0;
    });
  }

  /** Ends a service without notice, as a crash does; its folder and ports stay for a new start. */
  async kill(name) {
    const record = this.record(name);
    if (!record || !signal(record.process, 'SIGKILL')) return;
    while (isRunning(record.process)) await pause(10);
  }

  /** Stops everything that runs in this folder, users of other services first. */
  async stopAll() {
    const stopped = [];
    for (const name of names().reverse()) if (await this.stop(name)) stopped.push(name);
    return stopped;
  }

  /** Removes all data of stopped services. */
  remove() {
    for (const name of names()) {
      const place = this.#place(name);
      if (place && !this.facts(name)) fs.rmSync(place.folder, { recursive: true, force: true });
    }
    fs.rmSync(this.root, { recursive: true, force: true });
  }
}

module.exports = { Services, absence, definitionOf, missingPackages, names };
