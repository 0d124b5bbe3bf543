'use strict';
// The services of one test run live in a folder of their own that carries the pid of the run's process.
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { identify, isRunning } = require('./processes.cjs');
const { Services } = require('./services.cjs');

const PREFIX = 'mailkeep-tests-';
const ENDED = 'ended';

/** Creates the folder for the services of one test run; it belongs to this process. */
function createRun() {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), PREFIX));
  // Some servers give up root and must still be able to walk to their files.
  fs.chmodSync(folder, 0o755);
  fs.writeFileSync(path.join(folder, 'owner.json'), JSON.stringify(identify(process.pid)));
  return folder;
}

/** Whether the run's services were stopped or are about to be. */
const hasEnded = (folder) => !fs.existsSync(folder) || fs.existsSync(path.join(folder, ENDED));

/** Stops and removes what test runs left behind that were ended without notice (kill -9, a closed terminal). */
async function sweepAbandonedRuns() {
  for (const entry of fs.readdirSync(os.tmpdir()).filter((name) => name.startsWith(PREFIX))) {
    const folder = path.join(os.tmpdir(), entry);
    let owner;
    try {
      owner = JSON.parse(fs.readFileSync(path.join(folder, 'owner.json'), 'utf8'));
    } catch {
      continue; // another account's, or being made just now
    }
    if (isRunning(owner)) continue;
    await removeRun(folder);
  }
}

/** Stops the services of a run, shared and private ones, and removes its folder. */
async function removeRun(folder) {
  // Workers that are still at it start nothing from now on.
  fs.writeFileSync(path.join(folder, ENDED), '');
  const own = path.join(folder, 'private');
  const roots = fs.existsSync(own) ? fs.readdirSync(own).map((name) => path.join(own, name)) : [];
  for (const root of [...roots, folder]) {
    const services = new Services(root);
    await services.stopAll();
    services.remove();
  }
}

module.exports = { createRun, hasEnded, removeRun, sweepAbandonedRuns };
