import { writeFileSync } from 'node:fs';
import { createSchema, schemaText } from '../resolvers/schema.js';
import type { Command } from './command.js';

/** Prints the API's schema. */
export const schema: Command = {
  usage: 'schema [--write]',
  summary: 'Prints the GraphQL schema as SDL, or writes it to schema.graphql.',
  async run(arguments_, { print }) {
    const text = schemaText(await createSchema());
    if (!arguments_.includes('--write')) return print(text);
    writeFileSync('schema.graphql', text);
    print('schema.graphql written.');
  },
};
