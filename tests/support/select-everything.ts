import {
  type GraphQLOutputType,
  type GraphQLSchema,
  getNamedType,
  isInterfaceType,
  isObjectType,
  isRequiredArgument,
} from 'graphql';

/**
 * A selection of every field that can be reached below a type, `except` those named as Type.field; required arguments
 * take their literal from `literals`, by argument name. A type is not entered again below itself.
 */
export function selectEverything(
  schema: GraphQLSchema,
  typeName: string,
  literals: Readonly<Record<string, string>>,
  except: readonly string[] = [],
  above: readonly string[] = [],
): string {
  const type = schema.getType(typeName);
  if (!isObjectType(type) && !isInterfaceType(type)) throw new Error(`${typeName} has no fields.`);
  const fields = Object.values(type.getFields()).flatMap((field) => {
    if (except.includes(`${typeName}.${field.name}`)) return [];
    const below = selectionOf(field.type, schema, literals, except, [...above, typeName]);
    if (below === undefined) return [];
    const needed = field.args.filter(
      (argument) => isRequiredArgument(argument) || literals[argument.name] !== undefined,
    );
    const given = needed.map(({ name }) => {
      const literal = literals[name];
      if (literal === undefined) throw new Error(`${typeName}.${field.name} needs a literal for ${name}.`);
      return `${name}: ${literal}`;
    });
    return [`${field.name}${given.length > 0 ? `(${given.join(', ')})` : ''}${below}`];
  });
  return `{ ${fields.join(' ')} }`;
}

function selectionOf(
  type: GraphQLOutputType,
  schema: GraphQLSchema,
  literals: Readonly<Record<string, string>>,
  except: readonly string[],
  above: readonly string[],
): string | undefined {
  const named = getNamedType(type);
  if (!isObjectType(named) && !isInterfaceType(named)) return '';
  if (above.includes(named.name)) return undefined;
  return ` ${selectEverything(schema, named.name, literals, except, above)}`;
}
