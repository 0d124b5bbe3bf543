import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Attribute, Change, Client } from 'ldapts';
import { createConnection } from 'mysql2/promise';
import { type MariadbFacts, type SlapdFacts, Services } from '../scripts/services/index.cjs';
import { createServices } from '../src/composition/create-services.js';
import { loadConfig } from '../src/config.js';
import { Database, type SqlRow } from '../src/entities/database.js';
import type { LdapConnectionSettings } from '../src/ldap/connection-settings.js';
import { attributesToRead } from '../src/ldap/directory-entry.js';
import { namesOf } from '../src/ldap/directory-names.js';
import { createLogger } from '../src/log.js';
import { PersonalAccessPolicy } from '../src/services/access/personal-access.js';
import { DirectoryAccounts } from '../src/services/directory/directory-accounts.js';
import type { SynchronisationState } from '../src/services/directory/synchronisation-state.js';
import { directoryLdif, groupDn, mailboxDn, type Organisation, personDn, SUFFIX } from './support/directory-ldif.js';
import { cpuMs } from './support/cpu.js';
import { median, option, percentile, printMachine, printTable, round } from './support/figures.js';

/*
 * The directory: npm run bench -- directory [people=20000] [rounds=3] [accounts=100000] [mailboxes=5000]
 * A whole synchronisation from slapd into MariaDB against a bare read of the same attributes, synchronisation of ten
 * changes, the question who may see what, and autocomplete.
 */

const AUTHOR = { actor: 'system', remoteAddress: '' } as const;
const MIB = 2 ** 20;
const rounds = option('rounds', 3);

function settingsFor(slapd: SlapdFacts): LdapConnectionSettings {
  return {
    domain: 'bench.example',
    servers: [{ host: '127.0.0.1', port: slapd.port }],
    tlsMode: 'LDAPS',
    plainAllowed: false,
    caPem: readFileSync(slapd.caFile, 'utf8'),
    baseDn: SUFFIX,
    bindName: slapd.bindDn,
    bindPassword: slapd.password,
    addressAttributes: 'BOTH',
    contacts: false,
    delegationAttributes: ['msExchDelegateListLink'],
    preset: 'OPENLDAP',
    overrides: {
      personFilter: '(objectClass=user)',
      groupFilter: '(objectClass=group)',
      loginAttribute: 'sAMAccountName',
    },
  };
}

/** Reads the same attributes of the same entries with ldapts alone, and throws them away. */
async function readBare(settings: LdapConnectionSettings, ca: string): Promise<number> {
  const client = new Client({ url: `ldaps://127.0.0.1:${settings.servers[0]?.port}`, tlsOptions: { ca } });
  await client.bind(settings.bindName, settings.bindPassword);
  const { personFilter, groupFilter } = namesOf(settings);
  let entries = 0;
  for (const [kind, filter] of [
    ['PERSON', personFilter],
    ['GROUP', groupFilter],
  ] as const) {
    const pages = client.searchPaginated(SUFFIX, {
      filter,
      attributes: attributesToRead(settings, kind),
      paged: { pageSize: 500 },
    });
    for await (const { searchEntries } of pages) entries += searchEntries.length;
  }
  await client.unbind();
  return entries;
}

/** Time and CPU time of some work, and how much resident memory grew at most while it ran. */
async function measure<Result>(
  work: () => Promise<Result>,
): Promise<{ ms: number; cpuMs: number; grownMiB: number; result: Result }> {
  globalThis.gc?.();
  const before = process.memoryUsage().rss;
  let peak = before;
  const timer = setInterval(() => (peak = Math.max(peak, process.memoryUsage().rss)), 20);
  const cpuBefore = process.cpuUsage();
  const startedAt = performance.now();
  const result = await work();
  const { user, system } = process.cpuUsage(cpuBefore);
  const ms = performance.now() - startedAt;
  clearInterval(timer);
  return {
    ms,
    cpuMs: (user + system) / 1000,
    grownMiB: (Math.max(peak, process.memoryUsage().rss) - before) / MIB,
    result,
  };
}

async function openDatabase(mariadb: MariadbFacts, name: string): Promise<Database> {
  const connection = await createConnection({ uri: mariadb.url });
  await connection.query(`CREATE DATABASE ${name} CHARACTER SET utf8mb4`);
  await connection.end();
  const database = await Database.open({
    kind: 'mysql',
    url: mariadb.url.replace(/\/[^/]*$/, `/${name}`),
    connections: 4,
  });
  await database.migrate();
  return database;
}

function servicesOf(folder: string, database: Database) {
  const config = loadConfig({}, { dataDir: folder, secretKey: 'a key of the benches, of at least 32 characters' });
  return createServices(config, createLogger('warn'), database);
}

/** Whole and incremental synchronisation of one organisation. */
async function synchronise(
  folder: string,
  mariadb: MariadbFacts,
  organisation: Organisation,
): Promise<Record<'full' | 'cpu' | 'incremental', (string | number)[]>> {
  const { people } = organisation;
  const place = new Services(join(folder, `slapd-${people}`));
  const slapd = await place.start('slapd', { suffix: SUFFIX, ldif: directoryLdif(organisation) });
  const settings = settingsFor(slapd);
  const ca = readFileSync(slapd.caFile, 'utf8');
  let database: Database | undefined;
  try {
    let run: (full: boolean) => Promise<SynchronisationState> = () => Promise.reject(new Error('There is no round.'));
    await readBare(settings, ca);
    const bare: number[] = [];
    const first: number[] = [];
    const again: number[] = [];
    const cpu = { bare: [] as number[], first: [] as number[], again: [] as number[], mariadb: [] as number[] };
    const grown: number[] = [];
    for (let each = 0; each < rounds; each += 1) {
      await database?.close();
      database = await openDatabase(mariadb, `directory_${people}_${each}`);
      const { connections, synchronisation } = servicesOf(folder, database);
      const { id } = await connections.create('bench', settings, AUTHOR);
      run = async (full) => {
        const state = await synchronisation.synchronise(id, { full });
        if (!state || state.error) throw new Error(state?.error?.message ?? 'Somebody else is at it.');
        return state;
      };
      const read = await measure(() => readBare(settings, ca));
      bare.push(read.ms);
      cpu.bare.push(read.cpuMs);
      for (const name of ['first', 'again'] as const) {
        const mariadbBefore = cpuMs(mariadb.pid);
        const { ms, cpuMs: own, grownMiB } = await measure(() => run(true));
        (name === 'first' ? first : again).push(ms);
        cpu[name].push(own);
        if (name === 'first') cpu.mariadb.push(cpuMs(mariadb.pid) - mariadbBefore);
        grown.push(grownMiB);
      }
    }
    const admin = new Client({ url: slapd.url, tlsOptions: { ca } });
    await admin.bind(slapd.adminDn, slapd.password);
    const replace = (dn: string, type: string, values: string[]) =>
      admin.modify(dn, new Change({ operation: 'replace', modification: new Attribute({ type, values }) }));
    const tenChanges = async (change: (index: number, round: number) => Promise<unknown>) => {
      const times: number[] = [];
      for (let each = 0; each < Math.max(rounds, 5); each += 1) {
        for (let index = 0; index < 10; index += 1) await change(index, each);
        const { ms, result } = await measure(() => run(false));
        if (result.kind !== 'INCREMENTAL') throw new Error(`It was ${result.kind}.`);
        times.push(ms);
      }
      return median(times);
    };
    const names = await tenChanges((index, each) =>
      replace(personDn(index * 11), 'displayName', [`Changed ${each} ${index}`]),
    );
    const rights = await tenChanges((index, each) =>
      index < 5
        ? replace(mailboxDn(index), 'msExchDelegateListLink', [personDn((each * 10 + index) % people)])
        : replace(groupDn(index * 10), 'member', [personDn((each * 10 + index) % people)]),
    );
    await admin.unbind();
    return {
      full: [
        people,
        round(median(bare)),
        round(median(first)),
        round(median(first) / median(bare)),
        round(median(again)),
        round(median(again) / median(bare)),
        round(Math.max(...grown)),
      ],
      cpu: [people, ...[cpu.bare, cpu.first, cpu.mariadb, cpu.again].map((times) => round(median(times)))],
      incremental: [people, round(names), round(rights)],
    };
  } finally {
    await database?.close();
    await place.stopAll();
  }
}

/** Fills the cache with many people and group mailboxes, and asks it. */
async function ask(folder: string, mariadb: MariadbFacts): Promise<void> {
  const accounts = option('accounts', 100_000);
  const mailboxes = option('mailboxes', 5_000);
  const database = await openDatabase(mariadb, 'directory_questions');
  try {
    const { connections, personalBackupSettings } = servicesOf(folder, database);
    const settings = {
      ...settingsFor({ port: 1, caFile: '/dev/null' } as SlapdFacts),
      caPem: null,
      bindName: 'cn=bench',
      bindPassword: 'x',
    };
    const { id } = await connections.create('bench', settings, AUTHOR);
    await personalBackupSettings.update(
      (await personalBackupSettings.read()).version,
      { enabled: true, groupMailboxes: true },
      AUTHOR,
    );
    await fillCache(database, id, accounts, mailboxes);
    const policy = new PersonalAccessPolicy(database);
    const lookup = new DirectoryAccounts(database);
    const time = async (title: string, work: (index: number) => Promise<unknown>) => {
      const times: number[] = [];
      for (let index = 0; index < 2_200; index += 1) {
        const startedAt = performance.now();
        await work(index);
        times.push(performance.now() - startedAt);
      }
      // The first ones warm up what comes after them.
      const warm = times.slice(200);
      return [title, round(median(warm)), round(percentile(warm, 0.99))];
    };
    const person = (index: number) => `person-${(index * 7919) % accounts}`;
    printTable(
      `${accounts} people, ${mailboxes} group mailboxes; ms`,
      ['question', 'p50', 'p99'],
      [
        await time('may this person see this mailbox', (index) =>
          database.rows('SELECT 1 AS yes FROM mailbox_access WHERE person_id = ? AND mailbox_id = ?', [
            person(index),
            `mailbox-${(index * 31) % mailboxes}`,
          ]),
        ),
        await time('everything that a person may see', (index) => policy.forPerson(person(index))),
        await time('autocomplete, one letter', (index) => lookup.search('abcdefghijklmnop'[index % 16] ?? 'a', 20)),
        await time('autocomplete, part of a name', (index) => lookup.search(`ann${'aeio'[index % 4]}`, 20)),
        await time('autocomplete, an address', (index) => lookup.search(`person${(index * 7919) % accounts}@`, 20)),
      ],
    );
  } finally {
    await database.close();
  }
}

async function fillCache(database: Database, connection: number, accounts: number, mailboxes: number): Promise<void> {
  const owned = { connection_id: connection, generation: 1 };
  const names = 'anna anne anni anno boris clara dmitri elena frida gustav hanako ivo lars mona nils olga paul'.split(
    ' ',
  );
  const insert = async (table: string, total: number, rowsOf: (index: number) => SqlRow[]) => {
    for (let start = 0; start < total; start += 5_000) {
      const rows = Array.from({ length: Math.min(5_000, total - start) }, (_, index) => rowsOf(start + index)).flat();
      await database.transaction((transaction) => transaction.insert(table, rows));
    }
  };
  const all = accounts + mailboxes;
  const idOf = (index: number) => (index < accounts ? `person-${index}` : `mailbox-${index - accounts}`);
  const addressOf = (index: number) => `${idOf(index).replace('-', '')}@bench.example`;
  const nameOf = (index: number) => `${names[index % names.length]} surname${index % 5_003}`;
  const wordsOf = (index: number) => [nameOf(index), ...nameOf(index).split(' ').slice(1)];
  await insert('directory_entry', all, (index) => [
    {
      ...owned,
      directory_id: idOf(index),
      kind: 'PERSON',
      dn: `cn=${index}`,
      dn_hash: index.toString(16).padStart(40, '0'),
      content_hash: '',
      account_name: idOf(index),
      user_principal_name: null,
      display_name: nameOf(index),
      primary_address: addressOf(index),
      disabled: index >= accounts,
      expires_at: null,
      address_keys: JSON.stringify([addressOf(index), `alias.${addressOf(index)}`]),
      name_keys: JSON.stringify([idOf(index)]),
      words: JSON.stringify(wordsOf(index)),
    },
  ]);
  const identified = (index: number, value: string, kind: string) => ({
    ...owned,
    value,
    kind,
    directory_id: idOf(index),
    owner_kind: 'PERSON',
  });
  await insert('directory_identifier', all, (index) => [
    identified(index, addressOf(index), 'ADDRESS'),
    identified(index, `alias.${addressOf(index)}`, 'ADDRESS'),
    identified(index, idOf(index), 'NAME'),
  ]);
  await insert('directory_word', all, (index) =>
    wordsOf(index).map((word) => ({
      ...owned,
      word,
      directory_id: idOf(index),
    })),
  );
  await insert('mailbox_access', mailboxes, (index) =>
    Array.from({ length: 20 }, (_, member) => ({
      domain: 'bench.example',
      person_id: `person-${(index * 20 + member) % accounts}`,
      mailbox_id: `mailbox-${index}`,
    })),
  );
  await database.transaction((transaction) =>
    transaction.run('UPDATE ldap_connection SET generation = 1, delegation_loaded = 1 WHERE id = ?', [connection]),
  );
  await database.transaction((transaction) =>
    transaction.rows('ANALYZE TABLE directory_entry, directory_identifier, directory_word, mailbox_access'),
  );
}

async function main(): Promise<void> {
  printMachine();
  const folder = mkdtempSync(join(tmpdir(), 'mailkeep-bench-'));
  const services = new Services(join(folder, 'services'));
  try {
    const mariadb = await services.start('mariadb', { bufferPoolMiB: 512 });
    const people = option('people', 20_000);
    const small = await synchronise(folder, mariadb, { people: Math.trunc(people / 10), groups: 500, mailboxes: 200 });
    const large = await synchronise(folder, mariadb, { people, groups: 500, mailboxes: 200 });
    printTable(
      'Full synchronisation from slapd into MariaDB, 500 groups, 200 group mailboxes',
      ['people', 'bare read, ms', 'first, ms', 'times', 'again, ms', 'times', 'memory growth, MiB'],
      [small.full, large.full],
    );
    printTable(
      'CPU time of the same, which other work on the machine changes less',
      ['people', 'bare read, ms', 'first, ms', 'MariaDB then, ms', 'again, ms'],
      [small.cpu, large.cpu],
    );
    printTable(
      'Ten changes by incremental synchronisation',
      ['people', 'names of people, ms', 'members and delegates, ms'],
      [small.incremental, large.incremental],
    );
    await ask(folder, mariadb);
  } finally {
    await services.stopAll();
    rmSync(folder, { recursive: true, force: true });
  }
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
