// Installs the Debian packages of what the tests can use: services and a browser.
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import services from './services/index.cjs';
import { runQuietly, step, StepFailed } from './steps.mjs';

const POLICY = '/usr/sbin/policy-rc.d';
// Other installations may be running; apt waits so long for its lock.
const LOCK_WAIT_SECONDS = 600;

const browserPackages = () => (existsSync('/usr/bin/chromium') ? [] : ['chromium', 'fonts-dejavu-core']);

/** Installs missing packages without letting any system service start; throws {@link StepFailed} where that is impossible. */
export async function installMissingPackages() {
  const missing = [...services.missingPackages(), ...browserPackages()];
  if (missing.length === 0) return;
  const list = missing.join(' ');
  if (!existsSync('/usr/bin/apt-get'))
    throw new StepFailed(`REQUIRE_SERVICES=1 needs these Debian packages, and there is no apt-get: ${list}`);
  if (process.getuid?.() !== 0) {
    throw new StepFailed(`REQUIRE_SERVICES=1 needs root to install: apt-get install --no-install-recommends ${list}`);
  }
  const ownPolicy = !existsSync(POLICY);
  // 101: the action is forbidden; the packages must not start services on their usual ports.
  if (ownPolicy) writeFileSync(POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  const removePolicy = () => ownPolicy && rmSync(POLICY, { force: true });
  process.once('exit', removePolicy);
  const apt = (...args) =>
    runQuietly('apt-get', ['-o', `DPkg::Lock::Timeout=${LOCK_WAIT_SECONDS}`, '-q', '-y', ...args], {
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    });
  try {
    await step('Updating the list of Debian packages', () => apt('update'));
    await step(`Installing ${list}`, () => apt('install', '--no-install-recommends', ...missing));
  } finally {
    removePolicy();
  }
  const absent = services.missingPackages();
  if (absent.length > 0) throw new StepFailed(`Installed, yet their programs are not there: ${absent.join(' ')}`);
}
