import { readServerFacts } from './change-mark.js';
import type { DirectoryClient } from './directory-client.js';
import { isWithin, normaliseDn } from './distinguished-name.js';
import { LdapError } from './ldap-error.js';

// Domain controllers name a handful; more would fill the screen.
const MAX_NAMED = 8;

/**
 * Says more of a base DN that was not found: whether it is misspelt within this directory, or lies in none of the naming contexts
 * that the server holds (RFC 4512, 5.1). Gives other errors back as they are.
 */
export async function explainMissingBase(client: DirectoryClient, baseDn: string, error: unknown): Promise<unknown> {
  if (!(error instanceof LdapError) || error.kind !== 'BASE_DN_NOT_FOUND') return error;
  const contexts = await readServerFacts(client).then(
    ({ namingContexts }) => namingContexts,
    () => [],
  );
  const base = normaliseDn(baseDn);
  if (contexts.length === 0 || contexts.some((context) => isWithin(base, normaliseDn(context)))) return error;
  const named = contexts.slice(0, MAX_NAMED).join('; ');
  return new LdapError(
    'BASE_DN_NOT_FOUND',
    `The base DN belongs to another directory: ${client.server} holds ${named}. Referrals are not followed.`,
    null,
    { cause: error },
  );
}
