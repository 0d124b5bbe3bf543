// What the commands of package.json share: installing, building, and showing each step on one line. Needs nothing but Node.
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Folder of the repository. */
export const root = fileURLToPath(new URL('..', import.meta.url));

const STAMP = join(root, 'dist', '.built');
const SOURCES = ['src', 'explorer', 'scripts/build-explorer.mjs', 'tsconfig.json', 'package.json', 'package-lock.json'];

/** A program that did not succeed; the output is what it printed. */
export class StepFailed extends Error {
  constructor(message, output) {
    super(message);
    this.output = output;
  }
}

/** Seconds since `startedAt`, for people. */
export const seconds = (startedAt) => `${((performance.now() - startedAt) / 1000).toFixed(1)} s`;

const SIGNALS = { SIGINT: 2, SIGTERM: 15, SIGHUP: 1 };

/** Runs a program silently; throws {@link StepFailed} with all it printed when it fails. A signal to us ends it and us. */
export function runQuietly(program, args, options = {}) {
  return new Promise((done, failed) => {
    const child = spawn(program, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], ...options });
    const passOn = (signal) => {
      child.kill(signal);
      process.exit(128 + SIGNALS[signal]);
    };
    for (const signal of Object.keys(SIGNALS)) process.on(signal, passOn);
    const release = () => {
      for (const signal of Object.keys(SIGNALS)) process.off(signal, passOn);
    };
    let output = '';
    child.stdout.on('data', (bytes) => (output += bytes));
    child.stderr.on('data', (bytes) => (output += bytes));
    child.once('error', (error) => {
      release();
      failed(new StepFailed(error.message, output));
    });
    child.once('close', (code, signal) => {
      release();
      if (code === 0) done(output);
      else failed(new StepFailed(`${program} ended with ${signal ?? `exit code ${code}`}`, output));
    });
  });
}

/** Shows a step with the time that it takes; its failure is passed on. */
export async function step(title, action, out = process.stdout) {
  const startedAt = performance.now();
  out.write(`${title} … `);
  try {
    const result = await action();
    out.write(`${seconds(startedAt)}\n`);
    return result;
  } catch (error) {
    out.write(`failed after ${seconds(startedAt)}\n`);
    if (error instanceof StepFailed && error.output) out.write(`${error.output.trimEnd()}\n`);
    throw error;
  }
}

/** Ends the command with what went wrong in one line instead of a stack. */
export function giveUp(error) {
  if (!(error instanceof StepFailed)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exit(1);
}

/** A program of node_modules, by package and file. */
export const installed = (...file) => join(root, 'node_modules', ...file);

const readJson = (file) => JSON.parse(readFileSync(file, 'utf8'));

/** Why the packages have to be installed; undefined when node_modules holds what package-lock.json says. */
function staleness() {
  const record = installed('.package-lock.json');
  if (!existsSync(record)) return 'nothing is installed';
  const wanted = readJson(join(root, 'package-lock.json')).packages;
  const present = readJson(record).packages;
  // Optional packages are left out where they are for other systems.
  const stale = Object.entries(wanted).find(
    ([folder, { version, optional, devOptional, peer, link }]) =>
      folder !== '' &&
      !link &&
      (present[folder] ? present[folder].version !== version : !(optional || devOptional || peer)),
  );
  return stale && `${stale[0]} differs from package-lock.json`;
}

/** Installs the packages of package-lock.json unless they are there. */
export async function ensureInstalled(out = process.stdout) {
  if (staleness() === undefined) return;
  const npm = process.env.npm_execpath?.endsWith('.js') ? [process.execPath, process.env.npm_execpath] : ['npm'];
  const args = ['ci', '--no-audit', '--no-fund', '--loglevel=error'];
  await step(
    'Installing packages, a minute or two the first time',
    () => runQuietly(npm[0], [...npm.slice(1), ...args]),
    out,
  );
}

/** When something in a file or folder was changed last, in ms; folders change when a file is added or removed. */
function newestChange(path) {
  if (!existsSync(path)) return 0;
  const stats = statSync(path);
  if (!stats.isDirectory()) return stats.mtimeMs;
  return Math.max(stats.mtimeMs, ...readdirSync(path).map((name) => newestChange(join(path, name))));
}

/** Compiles the sources to dist/ and bundles the explorer. */
export async function build(out = process.stdout) {
  const startedAt = new Date();
  await step('Compiling', () => runQuietly(process.execPath, [installed('typescript', 'bin', 'tsc'), '-p', '.']), out);
  const explorer = join(root, 'scripts', 'build-explorer.mjs');
  if (existsSync(explorer)) await step('Bundling the explorer', () => runQuietly(process.execPath, [explorer]), out);
  // Changes made while this was building are newer than the stamp.
  writeFileSync(STAMP, '');
  utimesSync(STAMP, startedAt, startedAt);
}

/** Builds unless dist/ is newer than everything that it is made from. */
export async function ensureBuilt(out = process.stdout) {
  const builtAt = existsSync(STAMP) ? statSync(STAMP).mtimeMs : 0;
  if (SOURCES.every((source) => newestChange(join(root, source)) < builtAt)) return;
  await build(out);
}
