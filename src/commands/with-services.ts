import { createServices, type Services } from '../composition/create-services.js';
import { databaseLocation } from '../composition/places.js';
import { Database } from '../entities/database.js';
import type { CommandSurroundings } from './command.js';

/** Who the audit log names for what an operator does on the command line. */
export const OPERATOR = { actor: 'system:cli', remoteAddress: '' } as const;

/** Opens the migrated database for one command and closes it after; running servers hear of changes by the change feed. */
export async function withServices<Result>(
  { config, log }: CommandSurroundings,
  work: (services: Services, database: Database) => Promise<Result>,
): Promise<Result> {
  const database = await Database.open(databaseLocation(config));
  try {
    await database.migrate();
    return await work(createServices(config, log, database), database);
  } finally {
    await database.close();
  }
}
