import { dnOfDomain, escapeDnValue } from '../distinguished-name.js';
import example from './organisation.json';

/** One value of an attribute: text, or octets such as those of objectGUID. */
export type AttributeValue = string | Buffer;

/** What an entry is; decides its object classes and its category. */
export type EntryKind = 'user' | 'group' | 'contact' | 'organizationalUnit' | 'container' | 'domain';

/** One entry of an organisation given as data; what is left out is filled in as Active Directory would. */
export interface OrganisationEntry {
  readonly dn: string;
  readonly kind: EntryKind;
  /** The objectGUID in its text form; fixed, because it is the identity (rule L7). */
  readonly guid: string;
  /** For simple binds; entries without one cannot bind. */
  readonly password?: string;
  readonly attributes?: Readonly<Record<string, string | readonly string[]>>;
}

/** One domain of an organisation. */
export interface OrganisationDomain {
  /** DNS name, lower case. */
  readonly name: string;
  /** The short name in front of a backslash, as in `EXAMPLE\anna`. */
  readonly netbiosName: string;
  readonly guid: string;
  readonly entries: readonly OrganisationEntry[];
}

/** An organisation as the embedded directory serves it. */
export interface Organisation {
  readonly domains: readonly OrganisationDomain[];
}

/** The organisation of the demo: two domains, everybody's password is `demo`. */
export const exampleOrganisation: Organisation = example as unknown as Organisation;

/** The bit of userAccountControl that marks a disabled account (MS-ADTS 2.2.16). */
export const ACCOUNT_DISABLED = 0x2;

const CLASSES: Readonly<Record<EntryKind, { objectClass: readonly string[]; category: string }>> = {
  user: { objectClass: ['top', 'person', 'organizationalPerson', 'user'], category: 'Person' },
  group: { objectClass: ['top', 'group'], category: 'Group' },
  contact: { objectClass: ['top', 'person', 'organizationalPerson', 'contact'], category: 'Person' },
  organizationalUnit: { objectClass: ['top', 'organizationalUnit'], category: 'Organizational-Unit' },
  container: { objectClass: ['top', 'container'], category: 'Container' },
  domain: { objectClass: ['top', 'domain', 'domainDNS'], category: 'Domain-DNS' },
};

/** The attributes that Active Directory adds to every entry of a kind, before those of the data. */
export function defaultAttributes(kind: EntryKind, dn: string, forestRoot: string): Record<string, string[]> {
  const { objectClass, category } = CLASSES[kind];
  const name = firstValue(dn);
  const attributes: Record<string, string[]> = {
    objectClass: [...objectClass],
    objectCategory: [`CN=${category},CN=Schema,CN=Configuration,${dnOfDomain(forestRoot)}`],
    name: [name],
  };
  if (kind === 'organizationalUnit') attributes.ou = [name];
  else if (kind !== 'domain') attributes.cn = [name];
  if (kind === 'user') {
    Object.assign(attributes, {
      userAccountControl: ['512'],
      accountExpires: ['9223372036854775807'],
      pwdLastSet: ['133500000000000000'],
      lockoutTime: ['0'],
      sAMAccountType: ['805306368'],
    });
  }
  if (kind === 'group') Object.assign(attributes, { groupType: ['-2147483646'], sAMAccountType: ['268435456'] });
  return attributes;
}

/** The DN of an entry with the given name below a parent, escaped as needed. */
export function childDn(name: string, parent: string): string {
  return `CN=${escapeDnValue(name)},${parent}`;
}

function firstValue(dn: string): string {
  const match = /^[^=]*=((?:\\.|[^,\\])*)/.exec(dn);
  return (match?.[1] ?? '').replace(/\\([ "#+,;<=>\\])/g, '$1');
}
