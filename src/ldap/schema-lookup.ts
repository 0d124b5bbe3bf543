import { AndFilter, EqualityFilter, PresenceFilter } from 'ldapts';
import type { ServerFacts } from './change-mark.js';
import type { DirectoryClient } from './directory-client.js';
import { LdapError } from './ldap-error.js';

const ANY = new PresenceFilter({ attribute: 'objectClass' });

/**
 * Whether the schema of a directory knows an attribute; null when the schema cannot be read. A search for an unknown
 * attribute is no error, so only the schema tells a wrong name from an empty attribute.
 */
export async function isAttributeKnown(
  client: DirectoryClient,
  facts: ServerFacts,
  attribute: string,
): Promise<boolean | null> {
  try {
    if (facts.schemaNamingContext) return await isInActiveDirectory(client, facts.schemaNamingContext, attribute);
    return await isInSubschema(client, facts.subschemaSubentry ?? 'cn=Subschema', attribute);
  } catch (error) {
    if (error instanceof LdapError && ['BASE_DN_NOT_FOUND', 'ACCESS_DENIED', 'PROTOCOL'].includes(error.kind))
      return null;
    throw error;
  }
}

async function isInActiveDirectory(client: DirectoryClient, schema: string, attribute: string): Promise<boolean> {
  const filter = new AndFilter({
    filters: [
      new EqualityFilter({ attribute: 'objectClass', value: 'attributeSchema' }),
      new EqualityFilter({ attribute: 'lDAPDisplayName', value: attribute }),
    ],
  });
  const found = await client.find(schema, { scope: 'one', filter, attributes: ['lDAPDisplayName'] });
  return found.length > 0;
}

async function isInSubschema(client: DirectoryClient, subschema: string, attribute: string): Promise<boolean | null> {
  const [entry] = await client.find(subschema, { scope: 'base', filter: ANY, attributes: ['attributeTypes'] });
  const definitions = entry?.texts('attributeTypes') ?? [];
  if (definitions.length === 0) return null;
  const wanted = attribute.toLowerCase();
  return definitions.some((definition) => namesIn(definition).includes(wanted));
}

/** The object identifier and the names of an attribute type description (RFC 4512, 4.1.2). */
function namesIn(definition: string): string[] {
  const match = /^\(\s*(?<oid>\S+)\s+(?:NAME\s+(?:'(?<name>[^']+)'|\((?<list>[^)]*)\)))?/i.exec(definition)?.groups;
  const listed = match?.list?.match(/'[^']+'/g)?.map((quoted) => quoted.slice(1, -1)) ?? [];
  return [match?.oid, match?.name, ...listed].filter((name) => name !== undefined).map((name) => name.toLowerCase());
}
