import { readFileSync } from 'node:fs';

// Linux counts processes' time in ticks of 10 ms whatever the kernel's own rate (proc(5), sysconf _SC_CLK_TCK).
const TICK_MS = 10;

/** Time that a process has computed so far, ms: other programs on the machine change it far less than they change durations. */
export function cpuMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The command stands in parentheses and may hold spaces; utime and stime are fields 14 and 15.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}
