import {
  type ASTVisitor,
  type DocumentNode,
  type FragmentDefinitionNode,
  getVariableValues,
  GraphQLError,
  type GraphQLSchema,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
  type ValidationContext,
  type ValidationRule,
} from 'graphql';
import { getComplexity, type ComplexityEstimator } from 'graphql-query-complexity';

/** What one operation may ask for; the same behind HTTP and WebSocket. */
export interface OperationLimits {
  readonly maxDepth: number;
  readonly maxAliases: number;
  readonly maxCost: number;
  readonly maxTokens: number;
}

// Apollo Server replaces the code of whatever a validation rule reports; `limit` keeps ours.
const refusal = (code: string, message: string) => new GraphQLError(message, { extensions: { code, limit: code } });

// How many fields and spreads a document may name after its fragments are spread; stops documents that are small and unfold hugely.
const MAX_SPREAD_FIELDS = 5_000;

interface Extent {
  depth: number;
  aliases: number;
  fields: number;
}

/** Measures a selection with its fragments; introspection counts no depth, because explorers need 15 levels and graphql-js bounds it by a rule of its own. */
function measure(
  selections: SelectionSetNode,
  fragments: ReadonlyMap<string, FragmentDefinitionNode>,
  path: readonly string[],
  total: Extent,
): number {
  let deepest = 0;
  for (const selection of selections.selections) {
    if (total.fields > MAX_SPREAD_FIELDS) return deepest;
    // Spreads count, too: fragments that only lead to each other would be walked on all ways through them.
    total.fields += 1;
    if (selection.kind === Kind.FIELD) {
      if (selection.alias) total.aliases += 1;
      const below = selection.selectionSet ? measure(selection.selectionSet, fragments, path, total) : 0;
      deepest = Math.max(deepest, selection.name.value.startsWith('__') ? 1 : 1 + below);
    } else if (selection.kind === Kind.INLINE_FRAGMENT) {
      deepest = Math.max(deepest, measure(selection.selectionSet, fragments, path, total));
    } else {
      const fragment = fragments.get(selection.name.value);
      // A cycle is refused by a rule of graphql-js; here it must only not run forever.
      if (fragment && !path.includes(selection.name.value)) {
        deepest = Math.max(deepest, measure(fragment.selectionSet, fragments, [...path, selection.name.value], total));
      }
    }
  }
  return deepest;
}

/** Refuses documents that are nested too deep or repeat work under many aliases: DEPTH_LIMIT, ALIAS_LIMIT, FIELD_LIMIT. */
export function extentRule(limits: OperationLimits): ValidationRule {
  return (context: ValidationContext): ASTVisitor => ({
    Document(document) {
      const fragments = new Map(
        document.definitions.flatMap((node) =>
          node.kind === Kind.FRAGMENT_DEFINITION ? [[node.name.value, node] as const] : [],
        ),
      );
      for (const node of document.definitions) {
        if (node.kind !== Kind.OPERATION_DEFINITION) continue;
        const total: Extent = { depth: 0, aliases: 0, fields: 0 };
        const depth = measure(node.selectionSet, fragments, [], total);
        if (total.fields > MAX_SPREAD_FIELDS)
          context.reportError(
            refusal('FIELD_LIMIT', `The operation names more than ${MAX_SPREAD_FIELDS} fields. Ask for less at once.`),
          );
        if (depth > limits.maxDepth)
          context.reportError(
            refusal('DEPTH_LIMIT', `The operation is nested ${depth} deep; at most ${limits.maxDepth} are allowed.`),
          );
        if (total.aliases > limits.maxAliases)
          context.reportError(
            refusal(
              'ALIAS_LIMIT',
              `The operation has ${total.aliases} aliases; at most ${limits.maxAliases} are allowed.`,
            ),
          );
      }
    },
  });
}

const DEFAULT_LIST = 50;

/** A field costs 1 and what lies below; a list costs that for every element it may have. */
const estimator: ComplexityEstimator = ({ args, childComplexity, field }) => {
  const arguments_ = args as { first?: number | null; last?: number | null };
  const paged = field.args.some((argument) => argument.name === 'first');
  if (!paged) return 1 + childComplexity;
  const asked = arguments_.first ?? arguments_.last ?? DEFAULT_LIST;
  return 1 + Math.max(1, Math.min(asked, 1_000)) * Math.max(1, childComplexity);
};

/** The estimated number of values in an operation's answer. */
export function operationCost(
  schema: GraphQLSchema,
  query: DocumentNode,
  variables: Record<string, unknown>,
  operationName?: string,
): number {
  return getComplexity({
    schema,
    query,
    variables,
    estimators: [estimator],
    ...(operationName ? { operationName } : {}),
  });
}

/** Refuses operations that ask for more values than the limit: COST_LIMIT. */
export function checkCost(
  schema: GraphQLSchema,
  limits: OperationLimits,
  query: DocumentNode,
  operation: OperationDefinitionNode,
  variables: Record<string, unknown>,
): void {
  // Checked first, and only up to the first error: the cost would be computed with all of them collected, each with what
  // was perhaps meant, which thousands of wrong values make a work of seconds.
  const { errors } = getVariableValues(schema, operation.variableDefinitions ?? [], variables, { maxErrors: 1 });
  if (errors?.[0]) throw errors[0];
  const cost = operationCost(schema, query, variables, operation.name?.value);
  if (cost > limits.maxCost) {
    throw refusal(
      'COST_LIMIT',
      `The operation may answer about ${cost} values; at most ${limits.maxCost} are allowed. Ask for smaller pages or fewer fields.`,
    );
  }
}
