import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildSchema, parse, validate, type OperationDefinitionNode } from 'graphql';
import { examples } from '../../explorer/examples.js';

const SCHEMA = join(__dirname, '../../schema.graphql');

describe('the example operations', () => {
  it.each(examples.map((example) => [example.title, example] as const))(
    '%s is named, so that its tab is',
    (_title, example) => {
      const operations = parse(example.query).definitions.filter(
        (definition): definition is OperationDefinitionNode => definition.kind === 'OperationDefinition',
      );
      expect(operations.length).toBeGreaterThan(0);
      for (const { name } of operations) expect(name?.value).toMatch(/^[A-Z]/);
      expect(() => JSON.parse(example.variables ?? '{}') as unknown).not.toThrow();
    },
  );

  (existsSync(SCHEMA) ? it : it.skip).each(examples.map((example) => [example.title, example] as const))(
    '%s fits the schema',
    (_title, { query }) => {
      expect(validate(buildSchema(readFileSync(SCHEMA, 'utf8')), parse(query))).toEqual([]);
    },
  );
});
