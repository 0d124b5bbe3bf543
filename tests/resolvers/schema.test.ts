import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createSchema, schemaText } from '../../src/resolvers/schema.js';

const FILE = join(__dirname, '../../schema.graphql');

describe('The schema', () => {
  it('is the one that schema.graphql holds', async () => {
    const printed = schemaText(await createSchema());
    if (process.env['UPDATE_SCHEMA']) writeFileSync(FILE, printed);
    expect(printed).toBe(readFileSync(FILE, 'utf8'));
  });
});
