import { dnOfDomain, normaliseDn } from '../distinguished-name.js';
import { guidBytes } from '../object-guid.js';
import type { EntryStore, StoredEntry } from './entry-store.js';
import { backLinkNames, linkAttributes } from './link-index.js';
import type { AttributeValue } from './organisation.js';
import { PAGED_RESULTS } from './response.js';

/** The control that makes tombstones visible (MS-ADTS 3.1.1.3.4.1.14). */
export const SHOW_DELETED = '1.2.840.113556.1.4.417';

/** The control of ordinary removal of entries with all below them is not offered; these are. */
export const SUPPORTED_CONTROLS: readonly string[] = [PAGED_RESULTS, SHOW_DELETED];

const START_TLS = '1.3.6.1.4.1.1466.20037';
const SERVER_GUID = 'd3b0c9a4-52e7-4f0e-9a16-6f2b7c1e8d05';
const CONTAINER_GUID = '0e2f6a17-9c44-4a0d-8b52-3d1c7e5f9a60';
// Attributes that every Active Directory has, used or not.
const STANDARD_ATTRIBUTES = [
  'mail',
  'proxyAddresses',
  'memberOf',
  'member',
  'isDeleted',
  'lastKnownParent',
  'manager',
  'telephoneNumber',
];
const EXCHANGE_ATTRIBUTES = [
  'msExchDelegateListLink',
  'msExchDelegateListBL',
  'msExchRecipientTypeDetails',
  'extensionAttribute1',
  'extensionAttribute2',
];
const BINARY_SYNTAX = '2.5.5.10';
const DN_SYNTAX = '2.5.5.1';
const TEXT_SYNTAX = '2.5.5.12';

/** Whether an attribute exists only where Exchange extended the schema. */
export function isExchangeAttribute(name: string): boolean {
  return /^(msexch|extensionattribute\d)/i.test(name);
}

/** The DN of the configuration naming context of the forest. */
export function configurationDn(store: EntryStore): string {
  return `CN=Configuration,${dnOfDomain(store.forestRoot)}`;
}

/** Answers about the server itself: the root DSE (RFC 4512, 5.1) as a Windows domain controller fills it. */
export function rootDse(store: EntryStore, hasTls: boolean): [string, string[]][] {
  const configuration = configurationDn(store);
  const domains = store.organisation.domains.map(({ name }) => dnOfDomain(name));
  return [
    ['defaultNamingContext', domains.slice(0, 1)],
    ['rootDomainNamingContext', domains.slice(0, 1)],
    ['configurationNamingContext', [configuration]],
    ['schemaNamingContext', [`CN=Schema,${configuration}`]],
    ['subschemaSubentry', [`CN=Aggregate,CN=Schema,${configuration}`]],
    ['namingContexts', [...domains, configuration, `CN=Schema,${configuration}`]],
    ['dsServiceName', [serviceDn(store)]],
    ['serverName', [serviceDn(store).replace('CN=NTDS Settings,', '')]],
    ['dnsHostName', [`dc1.${store.forestRoot}`]],
    ['highestCommittedUSN', [String(store.highestUsn)]],
    ['supportedLDAPVersion', ['3', '2']],
    ['supportedControl', [...SUPPORTED_CONTROLS]],
    ['supportedExtension', hasTls ? [START_TLS] : []],
    ['supportedCapabilities', ['1.2.840.113556.1.4.800', '1.2.840.113556.1.4.1670']],
    ['isSynchronized', ['TRUE']],
  ];
}

/** Entries outside the domains: the server's own object with its invocationId, the schema, and the containers of tombstones. */
export function configurationEntries(
  store: EntryStore,
  options: { invocationId: string; exchangeSchema: boolean },
): StoredEntry[] {
  const configuration = configurationDn(store);
  const schema = `CN=Schema,${configuration}`;
  const attributes = schemaAttributes(store, options.exchangeSchema);
  const entries = [
    makeEntry(configuration, { objectClass: ['top', 'configuration'] }),
    makeEntry(schema, { objectClass: ['top', 'dMD'] }),
    makeEntry(`CN=Aggregate,${schema}`, {
      objectClass: ['top', 'subSchema'],
      attributeTypes: attributes.map(
        (name, index) => `( 1.3.6.1.4.1.55555.1.${index} NAME '${name}' SYNTAX '1.3.6.1.4.1.1466.115.121.1.15' )`,
      ),
    }),
    makeEntry(
      serviceDn(store),
      {
        objectClass: ['top', 'applicationSettings', 'nTDSDSA'],
        invocationId: [guidBytes(options.invocationId)],
      },
      SERVER_GUID,
    ),
    ...attributes.map((name) =>
      makeEntry(`CN=${name},${schema}`, {
        objectClass: ['top', 'attributeSchema'],
        lDAPDisplayName: [name],
        attributeSyntax: [syntaxOf(name)],
      }),
    ),
  ];
  entries.push(makeEntry(`CN=Partitions,${configuration}`, { objectClass: ['top', 'crossRefContainer'] }));
  for (const { name, netbiosName } of store.organisation.domains) {
    entries.push(
      makeEntry(`CN=${netbiosName},CN=Partitions,${configuration}`, {
        objectClass: ['top', 'crossRef'],
        nCName: [dnOfDomain(name)],
        dnsRoot: [name],
        nETBIOSName: [netbiosName],
      }),
    );
    const container = makeEntry(`CN=Deleted Objects,${dnOfDomain(name)}`, {
      objectClass: ['top', 'container'],
      isDeleted: ['TRUE'],
    });
    container.deleted = true;
    entries.push(container);
  }
  return entries;
}

function serviceDn(store: EntryStore): string {
  return `CN=NTDS Settings,CN=DC1,CN=Servers,CN=Default-First-Site-Name,CN=Sites,${configurationDn(store)}`;
}

function schemaAttributes(store: EntryStore, exchangeSchema: boolean): string[] {
  const names = new Map(
    [...STANDARD_ATTRIBUTES, ...backLinkNames, ...EXCHANGE_ATTRIBUTES].map((name) => [name.toLowerCase(), name]),
  );
  for (const entry of store.all()) for (const [lower, { name }] of entry.attributes) names.set(lower, name);
  return [...names.values()].filter((name) => exchangeSchema || !isExchangeAttribute(name)).sort();
}

function syntaxOf(name: string): string {
  const lower = name.toLowerCase();
  if (lower === 'objectguid') return BINARY_SYNTAX;
  const isLink = linkAttributes.has(lower) || [...linkAttributes.values()].includes(lower);
  return isLink ? DN_SYNTAX : TEXT_SYNTAX;
}

function makeEntry(dn: string, attributes: Record<string, AttributeValue[]>, guid = CONTAINER_GUID): StoredEntry {
  const all = { ...attributes, distinguishedName: [dn], objectGUID: [guidBytes(guid)] };
  const map = new Map(Object.entries(all).map(([name, values]) => [name.toLowerCase(), { name, values }] as const));
  return { dn, key: normaliseDn(dn), guid, password: undefined, deleted: false, attributes: map };
}
