import type { ApolloServerPlugin } from '@apollo/server';
import { GraphQLError, type GraphQLSchema, OperationTypeNode } from 'graphql';
import type { RequestContext } from '../resolvers/context.js';
import { checkCost, type OperationLimits } from './limits.js';

/** Refuses operations that cost too much, and subscriptions, which run over the WebSocket. */
export function costPlugin(schema: GraphQLSchema, limits: OperationLimits): ApolloServerPlugin<RequestContext> {
  return {
    requestDidStart: () =>
      Promise.resolve({
        didResolveOperation: ({ document, operation, request }) => {
          // Executed here it would answer once, with nothing, and look like a fault of ours.
          if (operation?.operation === OperationTypeNode.SUBSCRIPTION) {
            throw new GraphQLError('Subscriptions run over the WebSocket at this address (graphql-transport-ws).', {
              extensions: { code: 'BAD_REQUEST', http: { status: 400 } },
            });
          }
          if (operation) asClientError(() => checkCost(schema, limits, document, operation, request.variables ?? {}));
          return Promise.resolve();
        },
      }),
  };
}

/** Gives refusals their status: Apollo Server would answer 500 to what a plugin throws, and clients would try again. */
function asClientError(check: () => void): void {
  try {
    check();
  } catch (error) {
    if (error instanceof GraphQLError) error.extensions['http'] ??= { status: 400 };
    throw error;
  }
}
