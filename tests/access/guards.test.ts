import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { buildSchema, isInterfaceType, isObjectType } from 'graphql';
import { createSchema, schemaText } from '../../src/resolvers/schema.js';
import { FREE_FIELDS, GROUP_MAILBOX_FIELDS, POLICY } from './policy.js';

const ROOT = join(__dirname, '../..');
const SOURCE = join(ROOT, 'src');

const sources = (readdirSync(SOURCE, { recursive: true }) as string[])
  .filter((file) => file.endsWith('.ts'))
  .map((file) => ({ file: file.split(sep).join('/'), text: readFileSync(join(SOURCE, file), 'utf8') }));

async function fieldsOfTheSchema(): Promise<string[]> {
  const schema = buildSchema(schemaText(await createSchema()));
  return Object.values(schema.getTypeMap())
    .filter((type) => !type.name.startsWith('__') && (isObjectType(type) || isInterfaceType(type)))
    .flatMap((type) =>
      isObjectType(type) || isInterfaceType(type)
        ? Object.keys(type.getFields()).map((field) => `${type.name}.${field}`)
        : [],
    );
}

describe('The policy', () => {
  const free = Object.entries(FREE_FIELDS).flatMap(([type, fields]) =>
    fields.split(' ').map((name) => `${type}.${name}`),
  );
  const decided = [...Object.keys(POLICY), ...GROUP_MAILBOX_FIELDS, ...free];

  it('V1, V2: decides about every field of the schema', async () => {
    const undecided = (await fieldsOfTheSchema()).filter((field) => !decided.includes(field));
    expect(undecided).toEqual([]);
  });

  it('decides about no field twice, and about none that does not exist', async () => {
    const fields = new Set(await fieldsOfTheSchema());
    expect(decided.filter((field, index) => decided.indexOf(field) !== index)).toEqual([]);
    expect(decided.filter((field) => !fields.has(field))).toEqual([]);
  });

  it('leaves no operation to the list of free fields', () => {
    expect(free.filter((field) => /^(Query|Mutation|Subscription)\./.test(field))).toEqual([]);
  });

  it('names every field that the resolvers guard, and no other', async () => {
    await createSchema();
    const storage = (globalThis as unknown as { TypeGraphQLMetadataStorage: { authorizedFields: Guarded[] } })
      .TypeGraphQLMetadataStorage;
    const guarded = new Set(storage.authorizedFields.map(({ fieldName }) => fieldName));
    const demanding = Object.entries(POLICY).filter(([, { demand }]) => demand !== 'PUBLIC');
    const named = [...demanding.map(([field]) => field), ...GROUP_MAILBOX_FIELDS].map((field) => field.split('.')[1]);
    expect([...guarded].sort()).toEqual([...new Set(named)].sort());
  });
});

interface Guarded {
  readonly fieldName: string;
}

describe('The sources', () => {
  it('never use simple resolvers, which switch authorisation off without a word', () => {
    const offending = sources.filter(({ text }) => /\bsimple(Resolvers)?\s*:\s*true/.test(text));
    expect(offending.map(({ file }) => file)).toEqual([]);
  });

  it('never let the ORM invent tables', () => {
    expect(sources.filter(({ text }) => /synchronize\s*:\s*true/.test(text)).map(({ file }) => file)).toEqual([]);
  });

  // Which top-level parts a part may import; plain files of src/ that belong to nobody (errors, log, secret-box) are free.
  const ARROWS: Readonly<Record<string, readonly string[]>> = {
    entities: ['entities'],
    // How addresses are compared is one pure function for all (rule V5), and no table.
    ldap: ['ldap', 'entities/mailbox-key.ts'],
    services: ['services', 'entities', 'ldap'],
    resolvers: ['resolvers', 'services', 'entities', 'ldap'],
    commands: ['commands', 'resolvers', 'services', 'entities', 'ldap', 'app.ts', 'config.ts', 'composition'],
  };
  const FREE = ['errors.ts', 'log.ts', 'secret-box.ts'];

  function imports(file: string, text: string): string[] {
    const specifiers = [...text.matchAll(/(?:from|import|require\()\s*'(\.[^']+)'/g)].map(
      ([, specifier]) => specifier ?? '',
    );
    return specifiers.map((specifier) =>
      relative(SOURCE, resolve(SOURCE, dirname(file), specifier))
        .split(sep)
        .join('/')
        .replace(/\.js$/, '.ts'),
    );
  }

  it.each(Object.keys(ARROWS))('import only along the arrows: %s', (part) => {
    const wrong = sources
      .filter(({ file }) => file.startsWith(`${part}/`))
      .flatMap(({ file, text }) =>
        imports(file, text)
          .filter((target) => {
            const top = target.split('/')[0] ?? '';
            return ![top, target].some((name) => ARROWS[part]?.includes(name) || FREE.includes(name));
          })
          .map((target) => `${file} → ${target}`),
      );
    expect(wrong).toEqual([]);
  });

  it('import the composition root from main, cli and commands only', () => {
    const wrong = sources.filter(
      ({ file, text }) => imports(file, text).includes('app.ts') && !/^(main\.ts|cli\.ts|commands\/)/.test(file),
    );
    expect(wrong.map(({ file }) => file)).toEqual([]);
  });

  it('read the environment in config.ts only', () => {
    const wrong = sources.filter(({ file, text }) => text.includes('process.env') && file !== 'config.ts');
    expect(wrong.map(({ file }) => file)).toEqual([]);
  });
});
