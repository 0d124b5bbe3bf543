import { randomUUID } from 'node:crypto';
import { GraphQLError, type GraphQLFormattedError } from 'graphql';
import { nameFault } from '../entities/database.js';
import { PublicError } from '../errors.js';
import type { Logger } from '../log.js';

// Codes that graphql-js, Apollo and our limits give to what a client did wrong; their messages speak of the document only.
const CLIENT_CODES = new Set([
  'GRAPHQL_PARSE_FAILED',
  'GRAPHQL_VALIDATION_FAILED',
  'BAD_USER_INPUT',
  'BAD_REQUEST',
  'OPERATION_RESOLUTION_FAILURE',
  'PERSISTED_QUERY_NOT_FOUND',
  'PERSISTED_QUERY_NOT_SUPPORTED',
  'DEPTH_LIMIT',
  'ALIAS_LIMIT',
  'FIELD_LIMIT',
  'COST_LIMIT',
  'SUBSCRIPTION_LIMIT',
  'UNAUTHENTICATED',
]);

function originOf(error: unknown): unknown {
  let current = error;
  while (current instanceof GraphQLError && current.originalError) current = current.originalError;
  return current;
}

/** The way out where graphql-js tells none: thousands of ids written into the document. */
function withWayOut(message: string): string {
  return message.includes('Document contains more that') ? `${message} Pass long lists as variables.` : message;
}

/**
 * What a client may see of an error: the code and message of our own refusals, the messages of graphql-js about the
 * document; everything else is a bug, logged whole under a reference that is all the client gets.
 */
export function maskError(
  log: Logger,
  formatted: GraphQLFormattedError,
  error: unknown,
  requestId?: string,
): GraphQLFormattedError {
  const place = {
    ...(formatted.locations ? { locations: formatted.locations } : {}),
    ...(formatted.path ? { path: formatted.path } : {}),
  };
  const origin = nameFault(originOf(error));
  if (origin instanceof PublicError) {
    log[origin.logLevel](
      { requestId, code: origin.code, ...(origin.cause ? { err: origin.cause } : {}) },
      'operation refused',
    );
    return { message: origin.message, ...place, extensions: { code: origin.code, ...origin.details } };
  }
  const code = formatted.extensions?.['limit'] ?? formatted.extensions?.['code'];
  // An error of graphql-js that happened at no place of the answer is about the document or a variable; at a place it is
  // about a value of ours, such as one that its type cannot represent.
  if (
    origin instanceof GraphQLError &&
    (typeof code !== 'string' || code === 'INTERNAL_SERVER_ERROR'
      ? formatted.path === undefined
      : CLIENT_CODES.has(code))
  ) {
    return {
      message: withWayOut(formatted.message),
      ...place,
      extensions: { code: typeof code === 'string' && CLIENT_CODES.has(code) ? code : 'BAD_USER_INPUT' },
    };
  }
  const reference = randomUUID();
  log.error({ requestId, err: origin, reference }, 'internal error');
  return {
    message: `Something went wrong on our side. Reference: ${reference}`,
    ...place,
    extensions: { code: 'INTERNAL_SERVER_ERROR', reference },
  };
}
