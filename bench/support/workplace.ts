import { type ChildProcess, fork } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createConnection } from 'mysql2/promise';
import { type MariadbFacts, type MariadbOptions, type PostfixFacts, Services } from '../../scripts/services/index.cjs';

const ROOT = resolve(__dirname, '../..');
const TYPESCRIPT = join(ROOT, 'scripts', 'register-typescript.cjs');
const STOP_MS = 15_000;

/** A server in a process of its own. */
export interface ServerProcess {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly port: number;
  /** From the start of the process to the moment it listened. */
  readonly startMs: number;
  /** Sends a question to the process and waits for what it answers. */
  ask<Answer>(question: string): Promise<Answer>;
  /** Sends something that is not answered. */
  tell(order: object): void;
  stop(): Promise<void>;
}

/**
 * A temporary folder with the private servers of one bench; everything is stopped, by its process id, and removed at the
 * end. With data=FOLDER among the arguments the databases stay there, filled, for further runs.
 */
export class Workplace {
  readonly folder = mkdtempSync(join(tmpdir(), 'mailkeep-bench-'));
  readonly #kept = process.argv.find((argument) => argument.startsWith('data='))?.slice('data='.length);
  readonly #services = new Services(this.#kept ?? join(this.folder, 'services'));
  readonly #servers = new Set<ServerProcess>();

  /** Starts a private MariaDB; data that are read often fit into its buffer pool, as on a real server. */
  mariadb(options: MariadbOptions = {}): Promise<MariadbFacts> {
    return this.#services.start('mariadb', options);
  }

  /** Starts a private Postfix that takes mail for every domain and discards it. */
  postfix(): Promise<PostfixFacts> {
    return this.#services.start('postfix', { settings: { virtual_transport: 'discard:' } });
  }

  /** Gives what `fill` made of a database, made before in a folder that is kept or made now. */
  async database<Facts>(
    server: MariadbFacts,
    name: string,
    fill: (url: string) => Promise<Facts>,
  ): Promise<Facts & { url: string }> {
    const url = server.url.replace(/[^/]*$/, name);
    const record = join(server.folder, `${name}.json`);
    if (existsSync(record)) return { ...(JSON.parse(readFileSync(record, 'utf8')) as Facts), url };
    const startedAt = performance.now();
    const connection = await createConnection({ uri: server.url });
    await connection.query(`DROP DATABASE IF EXISTS ${name}`);
    await connection.query(`CREATE DATABASE ${name} CHARACTER SET utf8mb4`);
    await connection.end();
    const facts = await fill(url);
    writeFileSync(record, JSON.stringify(facts));
    console.log(`${name} filled in ${((performance.now() - startedAt) / 1000).toFixed(0)} s`);
    return { ...facts, url };
  }

  /** Starts the built product as `npm start` does; `require` names files of this folder that watch it from inside. */
  product(environment: Readonly<Record<string, string>>, require: readonly string[] = []): Promise<ServerProcess> {
    return this.#start(join(ROOT, 'dist', 'main.js'), environment, [
      ...require.flatMap((file) => ['--require', join(__dirname, file)]),
      ...(require.length > 0 ? ['--expose-gc'] : []),
    ]);
  }

  /** Starts a file of this folder that says on which port it listens. */
  script(name: string, environment: Readonly<Record<string, string>> = {}): Promise<ServerProcess> {
    return this.#start(
      join(__dirname, name),
      environment,
      name.endsWith('.ts') ? ['--expose-gc', '--require', TYPESCRIPT] : [],
    );
  }

  async #start(
    file: string,
    environment: Readonly<Record<string, string>>,
    execArgv: readonly string[],
  ): Promise<ServerProcess> {
    const startedAt = performance.now();
    const profile = process.env['BENCH_PROFILE']
      ? ['--cpu-prof', `--cpu-prof-dir=${process.env['BENCH_PROFILE']}`]
      : [];
    const child = fork(file, {
      cwd: ROOT,
      execArgv: [...profile, ...execArgv],
      env: { PATH: process.env['PATH'], NODE_ENV: 'production', ...environment },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      serialization: 'advanced',
    });
    let output = '';
    const ended = new Promise<never>((_, reject) => {
      child.once('exit', (code, signal) => reject(new Error(`${file} ended (${signal ?? code}).\n${output}`)));
    });
    ended.catch(() => undefined);
    const listening = new Promise<number>((found) => {
      const read = (bytes: Buffer) => {
        output = (output + bytes.toString()).slice(-10_000);
        const port = /"port":(\d+)[^\n]*"msg":"listening"/.exec(output)?.[1];
        if (port) found(Number(port));
      };
      child.stdout?.on('data', read);
      child.stderr?.on('data', read);
    });
    const port = await Promise.race([listening, ended]);
    const server: ServerProcess = {
      child,
      pid: child.pid as number,
      port,
      startMs: performance.now() - startedAt,
      ask: (question) =>
        Promise.race([
          new Promise<never>((answer) => {
            child.once('message', answer);
            child.send(question);
          }),
          ended,
        ]),
      tell: (order) => void child.send(order),
      stop: () =>
        new Promise((stopped) => {
          this.#servers.delete(server);
          if (child.exitCode !== null || child.signalCode !== null) return stopped();
          const kill = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
          child.once('exit', () => {
            clearTimeout(kill);
            stopped();
          });
          child.kill('SIGTERM');
        }),
    };
    this.#servers.add(server);
    return server;
  }

  /** Stops every server and removes every file. */
  async clear(): Promise<void> {
    for (const server of [...this.#servers]) await server.stop();
    await this.#services.stopAll();
    if (this.#kept === undefined) this.#services.remove();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Runs a bench in a workplace that is cleared whatever happens, Ctrl-C included. */
export function run(bench: (workplace: Workplace) => Promise<void>): void {
  const workplace = new Workplace();
  let clearing: Promise<void> | undefined;
  const end = (code: number) => {
    clearing ??= workplace.clear();
    void clearing.finally(() => process.exit(code));
  };
  process.once('SIGINT', () => end(130));
  process.once('SIGTERM', () => end(143));
  process.once('SIGHUP', () => end(129));
  bench(workplace).then(
    () => end(0),
    (error: unknown) => {
      console.error(error);
      end(1);
    },
  );
}
