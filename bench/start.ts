import 'reflect-metadata';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { cpuMs } from './support/cpu.js';
import { median, option, percentile, printMachine, printTable, residentMiB, round } from './support/figures.js';
import { run, type Workplace } from './support/workplace.js';

/*
 * Start and memory: npm run bench -- start [rounds=15]
 * From the start of the process to the line that says it listens, as an operator or a supervisor sees it.
 */

const ROUNDS = option('rounds', 15);
// Memory is read again when what runs once at the start is over.
const REST_MS = 1_000;

interface Figures {
  readonly listening: number[];
  readonly cpu: number[];
  readonly resident: number[];
  readonly rested: number[];
}

async function measure(workplace: Workplace, figures: Figures, environment?: Record<string, string>): Promise<void> {
  const server = environment ? await workplace.product(environment) : await workplace.script('bare-start.cjs');
  figures.listening.push(server.startMs);
  figures.cpu.push(cpuMs(server.pid));
  figures.resident.push(residentMiB(server.pid));
  await new Promise((wake) => setTimeout(wake, REST_MS));
  figures.rested.push(residentMiB(server.pid));
  await server.stop();
}

run(async (workplace) => {
  printMachine();
  const mariadb = await workplace.mariadb();
  const common = {
    MAILKEEP_HTTP_PORT: '0',
    MAILKEEP_SECRET_KEY: 'a key of the benches, of at least 32 characters',
    MAILKEEP_ADMIN_PASSWORD: 'bench-bench',
  };
  const dataDir = (name: string) => {
    const folder = join(workplace.folder, name);
    mkdirSync(folder, { recursive: true });
    return folder;
  };
  const places: Record<string, (turn: number) => Record<string, string> | undefined> = {
    'SQLite, new database': (turn) => ({ ...common, MAILKEEP_DATA_DIR: dataDir(`sqlite-${turn}`) }),
    'SQLite, as every day': () => ({ ...common, MAILKEEP_DATA_DIR: dataDir('sqlite') }),
    'MariaDB, as every day': () => ({
      ...common,
      MAILKEEP_DATA_DIR: dataDir('mariadb'),
      MAILKEEP_DATABASE_URL: mariadb.url,
    }),
    'bare node:http': () => undefined,
  };
  const figures = Object.keys(places).map((): Figures => ({ listening: [], cpu: [], resident: [], rested: [] }));
  for (let turn = 0; turn <= ROUNDS; turn += 1) {
    for (const [index, environment] of Object.values(places).entries()) {
      // The first turn makes the databases and fills the file cache; it is not counted.
      const into = turn === 0 ? { listening: [], cpu: [], resident: [], rested: [] } : (figures[index] as Figures);
      await measure(workplace, into, environment(turn));
    }
  }
  printTable(
    `From the start of the process until it listens; medians of ${ROUNDS} starts`,
    ['', 'listens after ms', 'fastest ms', 'CPU ms', 'resident MiB', `after ${REST_MS / 1000} s MiB`],
    Object.keys(places).map((name, index) => {
      const { listening, cpu, resident, rested } = figures[index] as Figures;
      return [
        name,
        round(median(listening)),
        round(percentile(listening, 0)),
        round(median(cpu)),
        round(median(resident)),
        round(median(rested)),
      ];
    }),
  );
});
