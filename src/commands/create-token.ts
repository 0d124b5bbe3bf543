import { parseArgs } from 'node:util';
import { ApiTokenScope } from '../entities/api-token.js';
import { type Command, UsageError } from './command.js';
import { OPERATOR, withServices } from './with-services.js';

const DAY_MS = 24 * 60 * 60_000;

/** Makes an API token for a gateway. */
export const createToken: Command = {
  usage: 'create-token NAME',
  summary: 'Makes an API token for intake and prints its secret, once.',
  options: [
    '--scope SCOPE   what it may be used for; INTAKE (default)',
    '--days N        ends after N days; never unless given',
  ],
  async run(arguments_, surroundings) {
    const { values, positionals } = parseArgs({
      args: [...arguments_],
      allowPositionals: true,
      options: { scope: { type: 'string', multiple: true, default: [ApiTokenScope.INTAKE] }, days: { type: 'string' } },
    });
    const [name] = positionals;
    if (!name) throw new UsageError('create-token needs a name that tells what the token is for.');
    const scopes = values.scope.map((scope) => {
      if (!Object.hasOwn(ApiTokenScope, scope))
        throw new UsageError(`--scope must be one of ${Object.values(ApiTokenScope).join(', ')}.`);
      return scope as ApiTokenScope;
    });
    if (values.days !== undefined && !/^[1-9]\d{0,4}$/.test(values.days))
      throw new UsageError('--days must be a whole number of days.');
    const expiresAtMs = values.days === undefined ? null : Date.now() + Number(values.days) * DAY_MS;
    const { secret } = await withServices(surroundings, (services) =>
      services.tokens.create(name, scopes, expiresAtMs, OPERATOR),
    );
    surroundings.print(secret);
  },
};
