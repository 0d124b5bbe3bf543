import { databaseLocation } from '../composition/places.js';
import { Database } from '../entities/database.js';
import type { Command } from './command.js';

/** Brings the database to the form that this version needs. */
export const migrate: Command = {
  usage: 'migrate',
  summary: 'Applies the migrations that the database lacks.',
  async run(_arguments, { config, print }) {
    const database = await Database.open(databaseLocation(config));
    try {
      const applied = await database.migrate();
      for (const name of applied) print(`applied ${name}`);
      print(applied.length === 0 ? 'The database is up to date.' : `${applied.length} migrations applied.`);
    } finally {
      await database.close();
    }
  },
};
