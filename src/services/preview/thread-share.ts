import { readFileSync, readlinkSync } from 'node:fs';
import { setPriority } from 'node:os';

// The main thread gets about nine tenths of a core that a thread with this value wants, too (Linux, sched(7)).
const NICE = 10;

/**
 * Lets the main thread go first where cores are scarce, and names the calling thread for {@link readCpuMs}. Null where
 * priorities are not per thread: only Linux has them so; elsewhere this would slow the whole process down.
 */
export function giveWay(): number | null {
  if (process.platform !== 'linux') return null;
  try {
    const thread = Number(readlinkSync('/proc/thread-self').split('/').at(-1));
    setPriority(thread, NICE);
    return thread;
  } catch {
    // No /proc, or a sandbox forbids it: previews are made all the same, only without that courtesy.
    return null;
  }
}

/** CPU time that a thread of this process has used, ms; null where the system does not tell. */
export function readCpuMs(thread: number | null): number | null {
  if (thread === null) return null;
  try {
    return Number(readFileSync(`/proc/self/task/${thread}/schedstat`, 'utf8').split(' ')[0]) / 1e6;
  } catch {
    return null;
  }
}
