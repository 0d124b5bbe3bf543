import { readFileSync } from 'node:fs';
import { cpus, loadavg, totalmem } from 'node:os';

/** The value that a share (0 to 1) of the values does not exceed. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

/** The middle value; medians of several rounds bear other programs on the machine better than means. */
export const median = (values: readonly number[]): number => percentile(values, 0.5);

/** Prints rows under their headings as a Markdown table with aligned columns, ready for docs/performance.md. */
export function printTable(
  title: string,
  headings: readonly string[],
  rows: readonly (readonly (string | number)[])[],
): void {
  const cells = [headings, ...rows].map((row) => row.map(String));
  const widths = headings.map((_, column) => Math.max(...cells.map((row) => (row[column] ?? '').length)));
  const line = (row: readonly string[]) =>
    `| ${row.map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0))).join(' | ')} |`;
  const rule = `| ${widths.map((width, column) => (column === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`)).join(' | ')} |`;
  console.log(`\n${title}\n\n${line(cells[0] ?? [])}\n${rule}\n${cells.slice(1).map(line).join('\n')}`);
}

/** A number with the digits that its size deserves. */
export const round = (value: number): string =>
  !Number.isFinite(value) ? '–' : value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);

/** Says on which machine, when and under which load of other programs the figures were taken. */
export function printMachine(): void {
  const [cpu] = cpus();
  const system = readFileSync('/etc/os-release', 'utf8').match(/^PRETTY_NAME="(.*)"$/m)?.[1] ?? process.platform;
  console.log(
    `${new Date().toISOString().slice(0, 16).replace('T', ' ')} UTC · ${cpus().length} × ${cpu?.model.trim() ?? 'unknown CPU'} · ` +
      `${Math.round(totalmem() / 2 ** 30)} GiB · ${system} · Node ${process.versions.node} · load ${loadavg()[0]?.toFixed(1)} at the start`,
  );
}

/** Resident memory of a process in MiB; on Linux only. */
export function residentMiB(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kib) / 1024;
}

/** Reads NAME=NUMBER among the arguments, so that a bench can be made smaller for a quick look. */
export function option(name: string, otherwise: number): number {
  const argument = process.argv.find((each) => each.startsWith(`${name}=`));
  return argument ? Number(argument.slice(name.length + 1)) : otherwise;
}
