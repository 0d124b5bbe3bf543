import { spawn } from 'node:child_process';
import { root } from './steps.mjs';

// npm passes Ctrl-C on to us although the terminal has sent it already; a second one by a person comes later.
const SAME_KEYSTROKE_MS = 500;
const SIGNAL_NUMBERS = { SIGINT: 2, SIGTERM: 15, SIGHUP: 1, SIGKILL: 9 };

/**
 * Runs a Node program with our terminal to its end and returns its exit code. With `ownGroup` it gets each signal once
 * and from us alone; it then cannot read from the terminal.
 */
export function follow(args, { ownGroup = false } = {}) {
  const child = spawn(process.execPath, args, { cwd: root, stdio: 'inherit', detached: ownGroup });
  let signalledAt = -Infinity;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => {
      // In one group with us the terminal's Ctrl-C has reached it.
      if (!ownGroup && signal === 'SIGINT' && process.stdin.isTTY) return;
      if (performance.now() - signalledAt < SAME_KEYSTROKE_MS) return;
      signalledAt = performance.now();
      child.kill(signal);
    });
  }
  return new Promise((done, failed) => {
    child.once('error', failed);
    child.once('close', (code, signal) => done(code ?? 128 + (SIGNAL_NUMBERS[signal] ?? 0)));
  });
}
