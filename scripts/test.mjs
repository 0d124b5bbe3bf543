// npm test [-- JEST ARGUMENTS]: lint, format, types, build and tests; with REQUIRE_SERVICES=1 absent services are installed first.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { installMissingPackages } from './debian-packages.mjs';
import {
  ensureBuilt,
  ensureInstalled,
  giveUp,
  installed,
  root,
  runQuietly,
  seconds,
  step,
  StepFailed,
} from './steps.mjs';

const tsc = (project) =>
  runQuietly(process.execPath, [installed('typescript', 'bin', 'tsc'), '--noEmit', '-p', project]);

const checks = [
  ['Lint', () => runQuietly(process.execPath, [installed('eslint', 'bin', 'eslint.js'), '--max-warnings=0', '.'])],
  [
    'Format',
    () =>
      runQuietly(process.execPath, [installed('prettier', 'bin', 'prettier.cjs'), '--check', '--log-level=warn', '.']),
  ],
  ...['.', 'tests', 'explorer']
    .filter((project) => existsSync(join(root, project, 'tsconfig.json')))
    .map((project) => [`Types of ${project === '.' ? 'src' : project}`, () => tsc(project)]),
  ['Build', () => ensureBuilt({ write: () => true })],
];

/** Runs jest with our terminal; returns whether it succeeded, and its results where it got so far. */
async function runTests(args) {
  const folder = mkdtempSync(join(tmpdir(), 'mailkeep-results-'));
  const file = join(folder, 'results.json');
  try {
    const jest = [installed('jest', 'bin', 'jest.js'), '--json', `--outputFile=${file}`, ...args];
    const child = spawn(process.execPath, jest, { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] });
    // Jest stops its services when it is interrupted; wait for that.
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
    const code = await new Promise((done, failed) => child.once('error', failed).once('close', done));
    return { succeeded: code === 0, results: existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Counts of jest's results; a file that could not run counts as one failure. */
function count({ succeeded, results }) {
  if (!results) return { passed: 0, failed: 1, skipped: 0 };
  const failed = results.numFailedTests + results.numRuntimeErrorTestSuites;
  return {
    passed: results.numPassedTests,
    failed: failed === 0 && !succeeded ? 1 : failed,
    skipped: results.numPendingTests + results.numTodoTests,
  };
}

// Ends the title of a block or test that is left out; see describeWith in tests/support/services.ts.
const STATED_REASON = /[[(]skipped: (.*)[\])]$/;

/** Number of skipped tests and their files by reason. */
function skips(results) {
  const reasons = new Map();
  for (const { name, assertionResults } of results?.testResults ?? []) {
    for (const { status, ancestorTitles, title } of assertionResults) {
      if (status !== 'pending' && status !== 'todo') continue;
      const stated = [...ancestorTitles, title].map((text) => STATED_REASON.exec(text)?.[1]).find(Boolean);
      const reason = stated ?? (status === 'todo' ? 'not written yet' : 'no reason is stated');
      const { tests, files } = reasons.get(reason) ?? { tests: 0, files: new Set() };
      reasons.set(reason, { tests: tests + 1, files: files.add(relative(root, name)) });
    }
  }
  return reasons;
}

const startedAt = performance.now();
try {
  if (process.env.REQUIRE_SERVICES === '1') await installMissingPackages();
  await ensureInstalled();
} catch (error) {
  giveUp(error);
}

const failedSteps = [];
for (const [title, check] of checks) {
  try {
    await step(title, check);
  } catch (error) {
    if (!(error instanceof StepFailed)) throw error;
    failedSteps.push(title);
  }
}

const testsStartedAt = performance.now();
console.log('Tests …');
const outcome = await runTests(process.argv.slice(2));
const { passed, failed, skipped } = count(outcome);
console.log(`Tests … ${seconds(testsStartedAt)}`);

for (const [reason, { tests, files }] of skips(outcome.results)) {
  console.log(`Skipped ${tests} in ${[...files].sort().join(', ')}: ${reason}`);
}
if (failedSteps.length > 0) console.log(`Failed, each counted as one: ${failedSteps.join(', ')}`);
console.log(`All of it took ${seconds(startedAt)}`);
console.log(`${passed} passed, ${failed + failedSteps.length} failed, ${skipped} skipped`);
process.exitCode = failed + failedSteps.length === 0 ? 0 : 1;
