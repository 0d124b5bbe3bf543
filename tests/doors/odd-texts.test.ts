import {
  buildSchema,
  getNamedType,
  getNullableType,
  type GraphQLInputType,
  isEnumType,
  isInputObjectType,
  isListType,
  isNonNullType,
  isObjectType,
} from 'graphql';
import { createSchema, schemaText } from '../../src/resolvers/schema.js';
import { startTestApp, type TestApp } from '../support/app.js';
import type { Client } from '../support/client.js';
import { describeOnBothDatabases } from '../support/databases.js';
import { ALL_ON, asAccount, setSwitches } from '../support/people.js';

// Few: each is sent to every argument.
const TEXTS = ['\0\ud800é😀', '\u202e\r\n%_!\\\'"', 'x'.repeat(66), 'x'.repeat(5_000)];
const ADDRESSES = ['\ud800é@ü.example', `😀@${'😀'.repeat(90)}`];

// What takes long or ends the session of the test; and connections to directories, which have tests of their own.
const LEFT_OUT = /^(signIn|signOut|changePassword|.*LdapConnection|deleteAccount|updateAccount)$/;

const SAMPLES: Readonly<Record<string, unknown>> = {
  String: 'abc',
  ID: '1',
  Int: 1,
  Boolean: true,
  DateTime: '2030-01-01T00:00:00Z',
  EmailAddress: 'a@b.example',
  ByteCount: 1,
  ChangeCursor: 'x',
};

/** A value that the type takes, with `put` at the end of the path. */
function sample(type: GraphQLInputType, path: readonly string[], put: unknown): unknown {
  if (isNonNullType(type)) return sample(type.ofType, path, put);
  if (isListType(type)) return [sample(type.ofType, path, put)];
  if (isEnumType(type)) return type.getValues()[0]?.name;
  if (!isInputObjectType(type)) return path.length === 0 && put !== undefined ? put : SAMPLES[type.name];
  const given = Object.values(type.getFields()).filter(({ name, type: of }) => name === path[0] || isNonNullType(of));
  return Object.fromEntries(
    given.map((field) => [
      field.name,
      field.name === path[0] ? sample(field.type, path.slice(1), put) : sample(field.type, ['-'], undefined),
    ]),
  );
}

/** The paths to the texts within a type. */
function textsIn(type: GraphQLInputType): { path: string[]; texts: readonly string[] }[] {
  const named = getNamedType(type);
  if (isInputObjectType(named))
    return Object.values(named.getFields()).flatMap((field) =>
      textsIn(field.type).map(({ path, texts }) => ({ path: [field.name, ...path], texts })),
    );
  if (named.name === 'EmailAddress') return [{ path: [], texts: ADDRESSES }];
  return ['String', 'ID', 'ChangeCursor'].includes(named.name) ? [{ path: [], texts: TEXTS }] : [];
}

describeOnBothDatabases('Texts that no client of ours would send', (location) => {
  let test: TestApp;
  let admin: Client;
  beforeAll(async () => {
    test = await startTestApp(location());
    await setSwitches(test.app.database, ALL_ON);
    admin = await asAccount(test, 'root', ['Administrator']);
  }, 60_000);
  afterAll(() => test?.stop());

  it('are refused or find nothing, in every argument of every operation, and are no fault of ours', async () => {
    const schema = buildSchema(schemaText(await createSchema()));
    const faults: unknown[] = [];
    let asked = 0;
    for (const kind of ['query', 'mutation'] as const) {
      const root = kind === 'query' ? schema.getQueryType() : schema.getMutationType();
      for (const field of Object.values(root?.getFields() ?? {})) {
        if (LEFT_OUT.test(field.name)) continue;
        const below = isObjectType(getNamedType(getNullableType(field.type))) ? ' { __typename }' : '';
        for (const argument of field.args) {
          const needed = field.args.filter((each) => each === argument || isNonNullType(each.type));
          const document = `${kind} (${needed.map(({ name, type }) => `$${name}: ${String(type)}`).join(' ')}) { ${field.name}(${needed.map(({ name }) => `${name}: $${name}`).join(' ')})${below} }`;
          for (const { path, texts } of textsIn(argument.type)) {
            for (const text of texts) {
              const variables = Object.fromEntries(
                needed.map((each) => [each.name, sample(each.type, path, each === argument ? text : undefined)]),
              );
              const { status, errors } = await admin.query(document, variables);
              asked += 1;
              const code = errors[0]?.extensions?.['code'];
              if (status >= 500 || code === 'INTERNAL_SERVER_ERROR' || code === 'GRAPHQL_VALIDATION_FAILED')
                faults.push([field.name, argument.name, ...path, text.slice(0, 20), status, errors]);
            }
          }
        }
      }
    }
    expect(faults).toEqual([]);
    expect(asked).toBeGreaterThan(180);
    expect((await admin.ask('{ viewer { login } }'))['viewer']).toEqual({ login: 'root' });
  }, 120_000);
});
