import {
  type DocumentNode,
  GraphQLError,
  type GraphQLSchema,
  getOperationAST,
  OperationTypeNode,
  parse,
  specifiedRules,
  validate,
} from 'graphql';
import { checkCost, extentRule, type OperationLimits } from './limits.js';

/** What a client asks for over the WebSocket. */
export interface SubscriptionRequest {
  readonly query: string;
  readonly operationName?: string | null | undefined;
  readonly variables?: Record<string, unknown> | null | undefined;
}

// Parsed documents that are kept; with the largest frame it bounds the memory that ever new texts could take.
const MAX_DOCUMENTS = 100;

/** A refusal with its code. */
export const refusal = (code: string, message: string) => new GraphQLError(message, { extensions: { code } });

/** The error with a code, as Apollo Server gives them behind the HTTP door, unless one of our rules gave one already. */
function withCode(error: GraphQLError, code: string): GraphQLError {
  error.extensions['code'] ??= code;
  return error;
}

function parseDocument(query: string, maxTokens: number): DocumentNode {
  try {
    return parse(query, { maxTokens });
  } catch (error) {
    throw error instanceof GraphQLError ? withCode(error, 'GRAPHQL_PARSE_FAILED') : error;
  }
}

/** Checks operations as the HTTP door does, by the same limits, and lets only subscriptions through. */
export class SubscriptionGate {
  // All clients of one application send the same few texts; sharing the parsed form saves each time and memory.
  readonly #documents = new Map<string, DocumentNode>();

  constructor(
    private readonly schema: GraphQLSchema,
    private readonly limits: OperationLimits,
  ) {}

  /** What is to be executed, or why it is not. */
  admit({ query, operationName, variables }: SubscriptionRequest) {
    const { schema, limits } = this;
    try {
      const document = this.#documents.get(query) ?? parseDocument(query, limits.maxTokens);
      const errors = this.#documents.has(query)
        ? []
        : validate(schema, document, [...specifiedRules, extentRule(limits)]);
      if (errors.length > 0) return errors.map((error) => withCode(error, 'GRAPHQL_VALIDATION_FAILED'));
      this.#keep(query, document);
      const operation = getOperationAST(document, operationName);
      if (!operation) {
        return [refusal('OPERATION_RESOLUTION_FAILURE', 'operationName names none of the operations of the document.')];
      }
      if (operation.operation !== OperationTypeNode.SUBSCRIPTION) {
        return [
          refusal('BAD_REQUEST', 'Only subscriptions run over the WebSocket. Send queries and mutations by HTTP POST.'),
        ];
      }
      checkCost(schema, limits, document, operation, variables ?? {});
      // Given the whole, graphql-ws neither parses nor validates a second time.
      return { schema, document, operationName, variableValues: variables };
    } catch (error) {
      if (error instanceof GraphQLError) return [error];
      throw error;
    }
  }

  /** Keeps a valid document for the next client of the same application, and forgets the one that was not sent for longest. */
  #keep(query: string, document: DocumentNode): void {
    this.#documents.delete(query);
    this.#documents.set(query, document);
    if (this.#documents.size <= MAX_DOCUMENTS) return;
    for (const oldest of this.#documents.keys()) {
      this.#documents.delete(oldest);
      return;
    }
  }
}
