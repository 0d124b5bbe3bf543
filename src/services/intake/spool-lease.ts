import { randomBytes } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { readFile, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';

/** Name of the file in an owner's folder that says who owns it and, by its time, that the owner lives. */
export const LEASE_FILE = 'lease.json';

/** Who owns a spool folder: enough to tell on the same machine whether that process still runs. */
interface Lease {
  readonly host: string;
  readonly bootId: string;
  /** Process ids mean something only within their namespace: containers that share a folder have different ones. */
  readonly pidNamespace: string;
  readonly pid: number;
  /** Tells a process from a later one with the same id. */
  readonly startTicks: string;
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    // Not Linux, or no such process: then only the age of the lease counts.
    return '';
  }
}

/** When a process started, in ticks since the boot; '' when it is gone, or not Linux. */
function startTicksOf(pid: number): string {
  // The name of the program, in parentheses, may hold blanks; the state follows it, and 19 words on the start time (proc(5)).
  const words = readText(`/proc/${pid}/stat`)
    .replace(/^.*\) /s, '')
    .split(' ');
  // A killed process that nobody has waited for yet is in the table still, but writes nothing any more.
  return words[0] === 'Z' || words[0] === 'X' ? '' : (words[19] ?? '');
}

function ownLease(): Lease {
  let pidNamespace = '';
  try {
    pidNamespace = readlinkSync('/proc/self/ns/pid');
  } catch {
    // As above.
  }
  return {
    host: hostname(),
    bootId: readText('/proc/sys/kernel/random/boot_id'),
    pidNamespace,
    pid: process.pid,
    startTicks: startTicksOf(process.pid),
  };
}

/** A name for an owner's folder that no other owner has. */
export function ownerName(): string {
  return `owner-${process.pid}-${randomBytes(8).toString('hex')}`;
}

/** Writes the lease of this process into its folder. */
export async function writeLease(folder: string): Promise<void> {
  await writeFile(join(folder, LEASE_FILE), JSON.stringify(ownLease()), { mode: 0o600 });
}

/** Renews the lease; throws ENOENT when the folder was taken over. */
export async function renewLease(folder: string): Promise<void> {
  const now = new Date();
  await utimes(join(folder, LEASE_FILE), now, now);
}

/**
 * Whether the owner of a folder is gone. On this machine the process table knows; elsewhere the lease is too old. Ages are
 * compared on the clock of the file system, through our own lease, so that machines may disagree about the time.
 */
export async function isAbandoned(folder: string, ownFolder: string, leaseMs: number): Promise<boolean> {
  let renewedAtMs: number;
  let text: string;
  try {
    renewedAtMs = (await stat(join(folder, LEASE_FILE))).mtimeMs;
    text = await readFile(join(folder, LEASE_FILE), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    // Given up in good order: a folder gets its name only when its lease is in it.
    return true;
  }
  const age = (await stat(join(ownFolder, LEASE_FILE))).mtimeMs - renewedAtMs;
  if (age > leaseMs) return true;
  const lease = parseLease(text);
  const self = ownLease();
  if (!lease || !self.bootId || lease.host !== self.host || lease.pidNamespace !== self.pidNamespace) return false;
  return lease.bootId !== self.bootId || startTicksOf(lease.pid) !== lease.startTicks;
}

function parseLease(text: string): Lease | undefined {
  try {
    return JSON.parse(text) as Lease;
  } catch {
    // Being written at this moment, or damaged: its age decides.
    return undefined;
  }
}
