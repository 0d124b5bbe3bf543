import type { LdapConnectionSettings } from '../../src/ldap/connection-settings.js';
import type { DirectoryEntry } from '../../src/ldap/directory-entry.js';
import { EmbeddedDirectory, type EmbeddedDirectoryOptions } from '../../src/ldap/embedded/embedded-directory.js';
import { connectionsTo } from '../../src/ldap/embedded/example-connections.js';
import {
  exampleOrganisation,
  type Organisation,
  type OrganisationEntry,
} from '../../src/ldap/embedded/organisation.js';

/** A running embedded directory and the settings that reach it. */
export interface RunningDirectory {
  readonly directory: EmbeddedDirectory;
  readonly port: number;
  /** example.com */
  readonly settings: LdapConnectionSettings;
  /** branch.example */
  readonly branch: LdapConnectionSettings;
}

/** Starts an embedded directory; stop it with `directory.stop()`. */
export async function startDirectory(options: EmbeddedDirectoryOptions = {}): Promise<RunningDirectory> {
  const directory = new EmbeddedDirectory(options);
  const { port } = await directory.start();
  const connections = connectionsTo(options.organisation ?? exampleOrganisation, port);
  const settings = connections[0] as LdapConnectionSettings;
  return { directory, port, settings, branch: connections[1] ?? settings };
}

/** All entries of a reader. */
export async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const each of source) all.push(each);
  return all;
}

/** The entry with an account name. */
export function named(entries: readonly DirectoryEntry[], accountName: string): DirectoryEntry {
  const found = entries.find((entry) => entry.accountName === accountName);
  if (!found) throw new Error(`no ${accountName}`);
  return found;
}

/** A GUID that is fixed for a number. */
export function guidOf(number: number): string {
  return `00000000-0000-4000-8000-${number.toString(16).padStart(12, '0')}`;
}

/** An organisation of one domain with many people, and one group that all of them are in. */
export function largeOrganisation(people: number): Organisation {
  const root = 'DC=large,DC=example';
  const dnOf = (index: number): string => `CN=Person ${index},OU=People,${root}`;
  const entries: OrganisationEntry[] = [{ dn: `OU=People,${root}`, kind: 'organizationalUnit', guid: guidOf(1) }];
  for (let index = 0; index < people; index++) {
    entries.push({
      dn: dnOf(index),
      kind: 'user',
      guid: guidOf(1000 + index),
      attributes: { sAMAccountName: `p${index}`, mail: `p${index}@large.example` },
    });
  }
  entries.push({
    dn: `CN=Everybody,${root}`,
    kind: 'group',
    guid: guidOf(2),
    attributes: { sAMAccountName: 'Everybody', member: Array.from({ length: people }, (_, index) => dnOf(index)) },
  });
  entries.push({
    dn: `CN=Service,${root}`,
    kind: 'user',
    guid: guidOf(3),
    password: 'sync-demo',
    attributes: { sAMAccountName: 'service' },
  });
  return { domains: [{ name: 'large.example', netbiosName: 'LARGE', guid: guidOf(4), entries }] };
}
