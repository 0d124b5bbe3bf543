import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createConnection } from 'mysql2/promise';
import {
  absence,
  hasEnded,
  type MariadbFacts,
  type ServiceName,
  Services,
  type ServiceTypes,
} from '../../scripts/services/index.cjs';

type Facts<Name extends ServiceName> = ServiceTypes[Name]['facts'];
type Options<Name extends ServiceName> = ServiceTypes[Name]['options'];

// The first start may wait for another worker's, and amavis compiles its rules.
const START_TIMEOUT_MS = 120_000;

/** Absence of a service is a failure instead of a skip. */
export const servicesAreRequired = process.env['REQUIRE_SERVICES'] === '1';

const runFolder = (): string => {
  const folder = process.env['MAILKEEP_TEST_RUN'];
  if (!folder) throw new Error('MAILKEEP_TEST_RUN is not set: run the tests through jest.config.js.');
  if (hasEnded(folder)) throw new Error('The test run was interrupted.');
  return folder;
};

/** Why a test of these services cannot run here; undefined when it can. */
export const serviceAbsence = (...names: readonly ServiceName[]): string | undefined =>
  names.map((name) => absence(name)).find((reason) => reason !== undefined);

/** The run's shared instance of a service, started at the first call; undefined when its programs are absent. */
export async function service<Name extends ServiceName>(name: Name): Promise<Facts<Name> | undefined> {
  const reason = absence(name);
  if (reason === undefined) return new Services(runFolder()).start(name);
  if (servicesAreRequired) throw new Error(reason);
  return undefined;
}

/** An instance for one test alone, with options, that can be stopped, killed and started again on the same port. */
export class PrivateService<Name extends ServiceName> {
  readonly #services: Services;

  constructor(
    private readonly name: Name,
    private readonly options?: Options<Name>,
  ) {
    const root = join(runFolder(), 'private', `${name}-${randomBytes(4).toString('hex')}`);
    mkdirSync(root, { recursive: true });
    this.#services = new Services(root);
  }

  /** Starts it, and first what it uses; later calls use the same folder and ports. */
  async start(): Promise<Facts<Name>> {
    runFolder();
    return this.#services.start(this.name, this.options);
  }

  /** Ends it in an orderly way; its data stay. */
  async stop(): Promise<void> {
    await this.#services.stop(this.name);
  }

  /** Ends it as a crash does; its data stay. */
  kill(): Promise<void> {
    return this.#services.kill(this.name);
  }

  /** Stops it and what it used, and removes all their data. */
  async remove(): Promise<void> {
    await this.#services.stopAll();
    this.#services.remove();
  }
}

/** A block of tests that is skipped with the reason in its title where a service is absent, or fails if services are required. */
export function describeWith<Name extends ServiceName>(
  name: Name,
  title: string,
  tests: (facts: () => Facts<Name>) => void,
): void {
  describeWhenPresent([name], title, () => {
    let facts: Facts<Name> | undefined;
    beforeAll(async () => {
      facts = await service(name);
    }, START_TIMEOUT_MS);
    tests(() => {
      if (!facts) throw new Error(`${name} is known from the first test or hook on, not while tests are declared.`);
      return facts;
    });
  });
}

/** The same without starting anything, for tests that start {@link PrivateService} instances. */
export function describeWhenPresent(names: readonly ServiceName[], title: string, tests: () => void): void {
  skipWhenAbsent(serviceAbsence(...names), title, tests);
}

/** A block of tests that needs something else of the machine, such as a browser; `reason` says what is absent. */
export function skipWhenAbsent(reason: string | undefined, title: string, tests: () => void): void {
  if (reason === undefined) {
    describe(title, tests);
  } else if (servicesAreRequired) {
    describe(title, () => {
      it('has what it needs', () => {
        throw new Error(reason);
      });
    });
  } else {
    describe.skip(`${title} [skipped: ${reason}]`, tests);
  }
}

/** An empty database of MariaDB's for one test file. */
export interface TestDatabase {
  readonly name: string;
  /** mysql://user:password@host:port/name */
  readonly url: string;
  drop(): Promise<void>;
}

/** Creates an empty database; an unstated server is the run's shared one. */
export async function createDatabase(server?: MariadbFacts): Promise<TestDatabase> {
  const facts = server ?? (await service('mariadb'));
  if (!facts) throw new Error('There is no MariaDB here: wrap the tests in describeWith.');
  const name = `test_${randomBytes(6).toString('hex')}`;
  const execute = async (sql: string) => {
    const connection = await createConnection({
      host: facts.host,
      port: facts.port,
      user: facts.user,
      password: facts.password,
    });
    try {
      await connection.query(sql);
    } finally {
      await connection.end();
    }
  };
  await execute(`CREATE DATABASE ${name} CHARACTER SET utf8mb4`);
  return {
    name,
    url: `mysql://${facts.user}:${facts.password}@${facts.host}:${facts.port}/${name}`,
    drop: () => execute(`DROP DATABASE IF EXISTS ${name}`),
  };
}
