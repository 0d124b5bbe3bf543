import { Database, type DatabaseLocation } from '../../src/entities/database.js';
import { describeOnBothDatabases } from '../support/databases.js';

describeOnBothDatabases('A bundled transaction', (location: () => DatabaseLocation) => {
  let database: Database;
  beforeAll(async () => {
    database = await Database.open(location());
    await database.migrate();
  });
  afterAll(() => database.close());

  const pruned = 'SELECT pruned_place AS place FROM change_feed WHERE id = 1';
  const prune = 'UPDATE change_feed SET pruned_place = ? WHERE id = 1';

  it('gives the rows of each SELECT, behind the writes that waited for them', async () => {
    const found = await database.transaction(
      async (transaction) => {
        await transaction.later(prune, [3]);
        await transaction.later(prune, [4]);
        return transaction.rowsOfEach<[{ place: number }, { one: number; two: string }, { none: number }]>(
          [pruned, []],
          ['SELECT ? AS one, ? AS two', [1, 'two']],
          ['SELECT id AS none FROM change_feed WHERE id = ?', [9]],
        );
      },
      { bundled: true },
    );
    expect(found).toEqual([[{ place: 4 }], [{ one: 1, two: 'two' }], []]);
    expect(await database.rows(pruned)).toEqual([{ place: 4 }]);
  });

  it('writes nothing when one of its statements fails, whichever it is', async () => {
    await expect(
      database.transaction(
        async (transaction) => {
          await transaction.later(prune, [5]);
          await transaction.later('INSERT INTO change_feed (id, epoch, last_place, pruned_place) VALUES (1, ?, 0, 0)', [
            'again',
          ]);
          await transaction.later(prune, [6]);
        },
        { bundled: true },
      ),
    ).rejects.toThrow();
    expect(await database.rows(pruned)).toEqual([{ place: 4 }]);
  });
});
