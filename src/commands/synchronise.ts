import { parseArgs } from 'node:util';
import { SynchronisationStatus } from '../services/directory/synchronisation-state.js';
import { type Command, UsageError } from './command.js';
import { OPERATOR, withServices } from './with-services.js';

/** Synchronises directory connections now. */
export const synchronise: Command = {
  usage: 'sync-directory [NAME…] [--full] [--accept-loss]',
  summary: 'Synchronises the named directory connections now, or all of them.',
  options: [
    '--full         reads everything even where changes alone would do',
    '--accept-loss  takes over what was held back because more than half of the people were gone; needs a NAME',
  ],
  async run(arguments_, surroundings) {
    const { values, positionals: names } = parseArgs({
      args: [...arguments_],
      allowPositionals: true,
      options: { full: { type: 'boolean', default: false }, 'accept-loss': { type: 'boolean', default: false } },
    });
    const acceptLoss = values['accept-loss'];
    if (acceptLoss && names.length === 0)
      throw new UsageError('--accept-loss needs the names of the connections that it is meant for.');
    return withServices(surroundings, async (services) => {
      const all = await services.connections.list();
      const unknown = names.find((name) => !all.some((connection) => connection.name === name));
      if (unknown)
        throw new UsageError(
          `There is no connection "${unknown}". There are: ${all.map(({ name }) => name).join(', ') || 'none'}.`,
        );
      let failures = 0;
      for (const { id, name } of all.filter((connection) => names.length === 0 || names.includes(connection.name))) {
        const state = await services.synchronisation.synchronise(id, { full: values.full, acceptLoss }, OPERATOR);
        if (state && state.status !== SynchronisationStatus.SUCCEEDED) failures += 1;
        surroundings.print(
          `${name}: ${state ? [state.status, state.error?.message, state.counts && JSON.stringify(state.counts)].filter(Boolean).join(' ') : 'is being synchronised by another process'}`,
        );
        if (state?.status === SynchronisationStatus.HELD_BACK)
          surroundings.print(
            `${' '.repeat(name.length + 2)}If the loss is meant: sync-directory --accept-loss ${JSON.stringify(name)}`,
          );
      }
      return failures === 0 ? 0 : 1;
    });
  },
};
