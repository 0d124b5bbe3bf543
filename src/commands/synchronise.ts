import { SynchronisationStatus } from '../services/directory/synchronisation-state.js';
import { type Command, UsageError } from './command.js';
import { withServices } from './with-services.js';

/** Synchronises directory connections now. */
export const synchronise: Command = {
  usage: 'sync-directory [NAME…]',
  summary: 'Synchronises the named directory connections now, or all of them.',
  async run(names, surroundings) {
    return withServices(surroundings, async (services) => {
      const all = await services.connections.list();
      const unknown = names.find((name) => !all.some((connection) => connection.name === name));
      if (unknown)
        throw new UsageError(
          `There is no connection "${unknown}". There are: ${all.map(({ name }) => name).join(', ') || 'none'}.`,
        );
      let failures = 0;
      for (const { id, name } of all.filter((connection) => names.length === 0 || names.includes(connection.name))) {
        const state = await services.synchronisation.synchronise(id);
        if (state && state.status !== SynchronisationStatus.SUCCEEDED) failures += 1;
        surroundings.print(
          `${name}: ${state ? [state.status, state.error?.message, state.counts && JSON.stringify(state.counts)].filter(Boolean).join(' ') : 'is being synchronised by another process'}`,
        );
      }
      return failures === 0 ? 0 : 1;
    });
  },
};
