import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { DatabaseLocation } from '../../src/entities/database.js';

const ROOT = join(__dirname, '../..');
const FROM_SOURCES = ['--require', join(ROOT, 'scripts/register-typescript.cjs')];

/** Settings for a process of our own, as environment variables. */
export type Settings = Readonly<Record<string, string>>;

/** How a process ended. */
export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The settings that lead to a database; `dataDir` holds the rest. */
export function settingsFor(location: DatabaseLocation, dataDir: string): Settings {
  return {
    MAILKEEP_DATA_DIR: dataDir,
    MAILKEEP_ADMIN_PASSWORD: 'admin-demo',
    ...(location.kind === 'mysql' ? { MAILKEEP_DATABASE_URL: location.url } : {}),
  };
}

function launch(program: string, args: readonly string[], settings: Settings, uid?: number): ChildProcess {
  const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('MAILKEEP_')));
  const sources = program.endsWith('.ts') ? FROM_SOURCES : [];
  return spawn(process.execPath, [...sources, join(ROOT, program), ...args], {
    cwd: ROOT,
    env: { ...inherited, ...settings },
    ...(uid === undefined ? {} : { uid, gid: uid }),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

function gather(child: ChildProcess): Promise<Ended> {
  const texts = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const)
    child[name]?.setEncoding('utf8').on('data', (text: string) => (texts[name] += text));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, ...texts }));
  });
}

/** Runs a program of the repository's, compiled on the way, to its end. */
export const runProgram = (program: string, args: readonly string[], settings: Settings): Promise<Ended> =>
  gather(launch(program, args, settings));

/** Runs one of the operator's commands to its end. */
export const runCommand = (args: readonly string[], settings: Settings): Promise<Ended> =>
  runProgram('src/cli.ts', args, settings);

/** Starts one of the operator's commands; it is ended with `kill`, or by itself. */
export function startCommand(
  args: readonly string[],
  settings: Settings,
): { readonly ended: Promise<Ended>; kill(signal: NodeJS.Signals): Promise<Ended> } {
  const child = launch('src/cli.ts', args, settings);
  const ended = gather(child);
  return {
    ended,
    kill: (signal) => {
      child.kill(signal);
      return ended;
    },
  };
}

/** A server in a process of its own. */
export interface ServerProcess {
  readonly url: string;
  readonly pid: number;
  /** Whether it came up without its database. */
  readonly waiting: boolean;
  /** Resolves with the end of the process. */
  readonly ended: Promise<Ended>;
  /** Most memory that the process has had in RAM so far, bytes. */
  peakBytes(): number;
  /** Lets the peak begin anew. */
  forgetPeak(): void;
  kill(signal: NodeJS.Signals): Promise<Ended>;
}

/** Starts a server on a free port, from the sources or as it was built, and waits until it listens, if only for hand-overs. */
export async function startServer(
  settings: Settings,
  program: 'src/main.ts' | 'dist/main.js' = 'src/main.ts',
  /** User to run it as, where that is not the one who tests. */
  uid?: number,
): Promise<ServerProcess> {
  const child = launch(program, [], { MAILKEEP_HTTP_PORT: '0', MAILKEEP_EXPLORER: 'false', ...settings }, uid);
  const ended = gather(child);
  const { port, waiting } = await new Promise<{ port: number; waiting: boolean }>((resolve, reject) => {
    void ended.then(({ code, stderr }) => reject(new Error(`The server ended with ${code}: ${stderr}`)), reject);
    createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
      const entry = JSON.parse(line) as { msg?: string; port?: number; waitingFor?: string };
      if (entry.port) resolve({ port: entry.port, waiting: entry.waitingFor !== undefined });
    });
  });
  const pid = child.pid as number;
  return {
    url: `http://127.0.0.1:${port}`,
    pid,
    waiting,
    ended,
    peakBytes: () => Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024,
    // proc_pid_clear_refs(5): 5 resets the peak resident set size.
    forgetPeak: () => writeFileSync(`/proc/${pid}/clear_refs`, '5'),
    kill: (signal) => {
      child.kill(signal);
      return ended;
    },
  };
}
