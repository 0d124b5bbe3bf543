import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EmbeddedDirectory } from '../../src/ldap/embedded/embedded-directory.js';
import { makeCertificates, type TestCertificates } from '../support/certificates.js';
import { type Ended, runCommand, settingsFor } from '../support/processes.js';
import { largeOrganisation } from '../ldap/example.js';

const PASSWORD = 'sync-demo';
const ORGANISATION = largeOrganisation(3);

describe('The command ldap-connections', () => {
  let folder: string;
  let directory: EmbeddedDirectory;
  let certificates: TestCertificates;
  let reached: string[];
  const texts: string[] = [];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'mailkeep-command-'));
    certificates = await makeCertificates();
    await writeFile(join(folder, 'ca.pem'), certificates.ca);
    directory = new EmbeddedDirectory({ organisation: ORGANISATION, tls: certificates.good });
    const { port } = await directory.start();
    reached = [
      ...['--domain', 'large.example', '--server', `127.0.0.1:${port}`, '--ca-file', join(folder, 'ca.pem')],
      ...['--base-dn', 'DC=large,DC=example', '--bind-name', 'CN=Service,DC=large,DC=example'],
      ...['--delegation', 'extensionAttribute1', '--password-env', 'LDAP_PASSWORD'],
    ];
  }, 30_000);
  afterAll(async () => {
    await directory?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const run = async (args: readonly string[], environment: Record<string, string> = {}): Promise<Ended> => {
    const location = { kind: 'sqlite', file: join(folder, 'mailkeep.db') } as const;
    const ended = await runCommand(['ldap-connections', ...args], {
      ...settingsFor(location, folder),
      LDAP_PASSWORD: PASSWORD,
      ...environment,
    });
    texts.push(ended.stdout, ended.stderr);
    return ended;
  };

  it('makes, shows, tests, changes and deletes a connection, and never shows its password', async () => {
    expect(await run(['test', ...reached])).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/OK +BIND[^]*OK +PEOPLE +4 people/),
    });
    expect(await run(['create', 'large', ...reached, '--schedule', 'WEEKLY 1 03:30 Europe/Berlin'])).toMatchObject({
      code: 0,
      stderr: '',
      stdout: expect.stringContaining('large was created'),
    });
    expect((await run(['list'])).stdout).toMatch(
      /^large\n {2}directory +large.example[^]*WEEKLY 1 03:30 Europe\/Berlin/,
    );
    // The stored password is used where none is given.
    expect(await run(['update', 'large', '--rename', 'big', '--delegation', ''])).toMatchObject({
      code: 0,
      stderr: '',
    });
    expect((await run(['list'])).stdout).toMatch(/^big\n[^]*delegation +none/);
    expect(await run(['test', 'big'])).toMatchObject({ code: 0 });
    expect(await run(['test', 'big', '--base-dn', 'OU=No,DC=large,DC=example'])).toMatchObject({
      code: 1,
      stdout: expect.stringMatching(/FAILED +BASE_DN/),
    });
    expect(await run(['update', 'big', '--bind-name', 'CN=Other,DC=large,DC=example'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('Give the password'),
    });
    expect(await run(['delete', 'big'])).toMatchObject({ code: 0 });
    expect((await run(['list'])).stdout).toBe('There are no directory connections.\n');
    expect(texts.join('\n')).not.toContain(PASSWORD);
  }, 120_000);

  it.each<[string, string[], RegExp]>([
    ['a verb that it has not', ['destroy'], /does list, create/],
    ['a password among the arguments', ['create', 'x', '--password', 'secret'], /Unknown option '--password'/],
    [
      'a variable that is not there',
      ['create', 'x', '--password-env', 'NOWHERE'],
      /NOWHERE of --password-env is empty/,
    ],
    ['an empty input', ['create', 'x', '--password-stdin'], /Standard input/],
    ['two sources of a password', ['create', 'x', '--password-stdin', '--password-env', 'LDAP_PASSWORD'], /not both/],
    ['an unknown connection', ['delete', 'x'], /no connection "x"/],
    ['a mode that is none', ['create', 'x', '--tls', 'SSL'], /--tls must be one of/],
    ['a file that is not there', ['create', 'x', '--ca-file', '/nowhere'], /\/nowhere of --ca-file/],
    ['an override that is none', ['create', 'x', '--override', 'a=b'], /--override must be/],
  ])(
    'refuses %s with code 2 and says what would be right',
    async (_title, args, message) => {
      expect(await run(args)).toMatchObject({ code: 2, stderr: expect.stringMatching(message) });
    },
    30_000,
  );

  it('refuses what the API refuses, naming the field', async () => {
    expect(
      await run([
        'create',
        'x',
        '--password-env',
        'LDAP_PASSWORD',
        '--domain',
        'x.example',
        '--base-dn',
        'nonsense',
        '--bind-name',
        'a@b',
      ]),
    ).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('baseDn'),
    });
    expect(await run(['create', 'x', ...reached, '--schedule', 'DAILY 25:00'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('schedule.time'),
    });
  }, 30_000);
});
