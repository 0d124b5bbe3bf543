import { AndFilter, PresenceFilter } from 'ldapts';
import { PublicError } from '../errors.js';
import { readServerFacts, type ServerFacts } from './change-mark.js';
import type { LdapConnectionSettings } from './connection-settings.js';
import { DirectoryClient, type ConnectOptions } from './directory-client.js';
import { namesOf } from './directory-names.js';
import { filterOf } from './entry-reader.js';
import { LdapError, type LdapErrorKind, type LdapPhase } from './ldap-error.js';
import { explainMissingBase } from './missing-base.js';
import { isAttributeKnown } from './schema-lookup.js';
import { validateSettings } from './validate-settings.js';

/** The steps of a connection test, in their order. */
export const CONNECTION_TEST_STEPS = [
  'SETTINGS',
  'RESOLVE',
  'CONNECT',
  'TLS',
  'BIND',
  'BASE_DN',
  'PEOPLE',
  'DELEGATION_ATTRIBUTE',
] as const;

/** One step of a connection test. */
export type ConnectionTestStepName = (typeof CONNECTION_TEST_STEPS)[number];

/** How a step went, and what to do when it did not go well. */
export interface ConnectionTestStep {
  readonly step: ConnectionTestStepName;
  readonly status: 'OK' | 'WARNING' | 'FAILED' | 'SKIPPED';
  readonly message: string;
  readonly advice: string | null;
}

const ADVICE: Readonly<Record<LdapErrorKind, string>> = {
  UNREACHABLE: 'Check host, port and firewall; from this machine the server must be reachable.',
  TLS_REFUSED:
    'Check the CA certificate, the host name in the certificate of the server, and that the port fits the TLS mode (636 LDAPS, 389 StartTLS).',
  TLS_REQUIRED: 'Choose LDAPS or STARTTLS.',
  BIND_REFUSED: 'Check name and password of the bind account, and that it is neither locked nor expired.',
  ACCESS_DENIED: 'Give the bind account the right to read people, groups and their attributes.',
  BASE_DN_NOT_FOUND: 'Check the spelling of the base DN, and that the bind account may see it.',
  SIZE_LIMIT: 'Set a smaller page size, or raise the size limit for the bind account.',
  TIMEOUT: 'Check the load of the server and the line; raise the time-outs if needed.',
  BUSY: 'Try again later, or list another server.',
  CONNECTION_LOST: 'Check firewalls between here and the server that cut connections.',
  PROTOCOL: 'Check that host and port belong to a directory server.',
};
// Counting goes on up to here; the exact number of people of a huge directory does not matter for a test.
const MOST_COUNTED = 100_000;
const PHASES: Readonly<Record<Exclude<LdapPhase, 'SEARCH'>, string>> = {
  RESOLVE: 'Servers: ',
  CONNECT: 'Connected to ',
  TLS: 'The certificate is trusted and is for ',
  BIND: 'The bind account was accepted by ',
};

/** Walks through everything that a synchronisation needs, and tells for each step how it went and what to do. */
export async function* testConnection(
  given: LdapConnectionSettings,
  options: ConnectOptions = {},
): AsyncGenerator<ConnectionTestStep> {
  const passed: ConnectionTestStep[] = [];
  const done = new Set<ConnectionTestStepName>();
  const report = (step: ConnectionTestStep): ConnectionTestStep => {
    done.add(step.step);
    return step;
  };
  let client: DirectoryClient | undefined;
  try {
    const settings = validateSettings(given);
    yield report(ok('SETTINGS', 'The settings are well-formed.'));
    const onPhase = (phase: LdapPhase, server: string): void => {
      if (phase !== 'SEARCH') passed.push(ok(phase, `${PHASES[phase]}${server}.`));
      options.onPhase?.(phase, server);
    };
    try {
      client = await DirectoryClient.bind(settings, { ...options, onPhase });
    } finally {
      // Servers that were tried in vain have passed some phases too; what counts is the last one.
      yield* withPlainWarning(latestOfEach(passed), settings).map(report);
    }
    const facts = await readServerFacts(client);
    yield report(await testBase(client, settings));
    yield report(await testPeople(client, settings));
    for (const step of await testDelegation(client, settings, facts)) yield report(step);
  } catch (error) {
    if (!(error instanceof PublicError)) throw error;
    const failing = CONNECTION_TEST_STEPS.find((step) => !done.has(step)) ?? 'SETTINGS';
    yield report({
      step: failing,
      status: 'FAILED',
      message: error.message,
      advice: error instanceof LdapError ? ADVICE[error.kind] : 'Correct this setting and test again.',
    });
    for (const step of CONNECTION_TEST_STEPS) {
      if (!done.has(step))
        yield { step, status: 'SKIPPED', message: 'Not tried, because a step before failed.', advice: null };
    }
  } finally {
    client?.close();
  }
}

async function testBase(client: DirectoryClient, settings: LdapConnectionSettings): Promise<ConnectionTestStep> {
  const filter = new PresenceFilter({ attribute: 'objectClass' });
  const [base] = await client
    .find(settings.baseDn, { scope: 'base', filter, attributes: ['1.1'] })
    .catch(async (error: unknown) => {
      throw await explainMissingBase(client, settings.baseDn, error);
    });
  if (base) return ok('BASE_DN', 'The base DN exists.');
  throw new LdapError(
    'BASE_DN_NOT_FOUND',
    'The base DN does not exist in this directory, or the bind account may not see it.',
  );
}

async function testPeople(client: DirectoryClient, settings: LdapConnectionSettings): Promise<ConnectionTestStep> {
  const { idAttribute } = namesOf(settings);
  let people = 0;
  let withoutId = 0;
  for await (const raw of client.search(settings.baseDn, {
    filter: filterOf(settings, 'PERSON'),
    attributes: [idAttribute],
  })) {
    people += 1;
    if (raw.text(idAttribute) === '') withoutId += 1;
    if (people >= MOST_COUNTED) break;
  }
  if (people === 0) {
    return warn(
      'PEOPLE',
      'No people were found below the base DN.',
      'Check the base DN, the filter for people, and the rights of the bind account.',
    );
  }
  if (withoutId > 0) {
    return warn(
      'PEOPLE',
      `${withoutId} of ${people} people have no ${idAttribute}.`,
      'Choose an attribute for the identity that everybody has and that never changes.',
    );
  }
  return ok('PEOPLE', `${people}${people >= MOST_COUNTED ? ' or more' : ''} people were found.`);
}

async function testDelegation(
  client: DirectoryClient,
  settings: LdapConnectionSettings,
  facts: ServerFacts,
): Promise<ConnectionTestStep[]> {
  const step = 'DELEGATION_ATTRIBUTE';
  if (settings.delegationAttributes.length === 0) {
    return [
      {
        step,
        status: 'SKIPPED',
        message: 'No delegation attribute is configured.',
        advice: 'Group mailboxes need one, such as msExchDelegateListLink.',
      },
    ];
  }
  const steps: ConnectionTestStep[] = [];
  for (const attribute of settings.delegationAttributes) {
    const known = await isAttributeKnown(client, facts, attribute);
    const filled = known === false ? 0 : await countFilled(client, settings, attribute);
    if (known === false) {
      steps.push(
        warn(
          step,
          `The schema of this directory has no attribute ${attribute}.`,
          'Check the spelling; msExch and extension attributes exist only where Exchange extended the schema.',
        ),
      );
    } else if (filled === 0) {
      steps.push(
        warn(
          step,
          `${attribute} is filled on no mailbox that the bind account can see.`,
          'Delegate a mailbox, or give the bind account the right to read the attribute.',
        ),
      );
    } else {
      const hidden = known === null ? ' The schema could not be read.' : '';
      steps.push(ok(step, `${attribute} is filled on ${filled} mailboxes.${hidden}`));
    }
  }
  return steps;
}

async function countFilled(
  client: DirectoryClient,
  settings: LdapConnectionSettings,
  attribute: string,
): Promise<number> {
  const filter = new AndFilter({ filters: [filterOf(settings, 'PERSON'), new PresenceFilter({ attribute })] });
  const found = client.search(settings.baseDn, { filter, attributes: ['1.1'] });
  let count = 0;
  while (count < MOST_COUNTED && !(await found.next()).done) count += 1;
  return count;
}

function latestOfEach(steps: readonly ConnectionTestStep[]): ConnectionTestStep[] {
  const latest = new Map(steps.map((step) => [step.step, step]));
  return CONNECTION_TEST_STEPS.map((name) => latest.get(name)).filter((step) => step !== undefined);
}

function withPlainWarning(steps: ConnectionTestStep[], settings: LdapConnectionSettings): ConnectionTestStep[] {
  if (settings.tlsMode !== 'PLAIN' || !steps.some(({ step }) => step === 'CONNECT')) return steps;
  const plain = warn('TLS', 'Passwords are sent readably: this connection does not use TLS.', ADVICE.TLS_REQUIRED);
  return [...steps.filter(({ step }) => step !== 'BIND'), plain, ...steps.filter(({ step }) => step === 'BIND')];
}

function ok(step: ConnectionTestStepName, message: string): ConnectionTestStep {
  return { step, status: 'OK', message, advice: null };
}

function warn(step: ConnectionTestStepName, message: string, advice: string): ConnectionTestStep {
  return { step, status: 'WARNING', message, advice };
}
