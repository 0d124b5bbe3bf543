import 'reflect-metadata';
import { createServices } from '../../src/composition/create-services.js';
import { databaseLocation } from '../../src/composition/places.js';
import { loadConfig } from '../../src/config.js';
import { Database } from '../../src/entities/database.js';
import { createLogger } from '../../src/log.js';
import { handOverOf, received } from '../support/hand-overs.js';

/** Run as a process of its own, beside a server on the same database: stores so many messages, several at a time. */
async function main([recipient = '', prefix = '', count = '0']: readonly string[]): Promise<void> {
  const config = loadConfig();
  const database = await Database.open(databaseLocation(config));
  const { store } = createServices(config, createLogger('silent'), database);
  const numbers = Array.from({ length: Number(count) }, (_, index) => index);
  const outcomes = await Promise.all(
    [0, 1, 2].map(async (lane) => {
      const ids: number[] = [];
      for (const number of numbers.filter((each) => each % 3 === lane)) {
        const { messageId } = await store.store(received(`${prefix} ${number}`, handOverOf([recipient])));
        ids.push(messageId);
      }
      return ids;
    }),
  );
  process.stdout.write(JSON.stringify(outcomes.flat()));
  await database.close();
}

void main(process.argv.slice(2));
