/**
 * Joins look-ups that are asked for in the same turn of the event loop: one `load` for all their keys, at most `limit`,
 * and everybody picks from its result. Nothing is kept, so an answer is never older than its question (rule V11). Without
 * it one change that concerns 10,000 open subscriptions would cost each of them statements of its own. With `inTurn` one
 * load follows the other, and what is asked for meanwhile goes into the next: for writes, whose commits are dear.
 */
export function gather<Key, Result>(
  limit: number,
  load: (keys: readonly Key[]) => Promise<Result>,
  { inTurn = false } = {},
): (key: Key) => Promise<Result> {
  let open: { readonly keys: Key[]; readonly result: Promise<Result> } | undefined;
  let last: Promise<unknown> = Promise.resolve();
  return (key) => {
    if (open && open.keys.length < limit) {
      open.keys.push(key);
      return open.result;
    }
    const keys = [key];
    // Behind the I/O of this turn: requests and answers that arrived together are then all there.
    const turn = new Promise<void>((ends) => setImmediate(ends));
    const batch = {
      keys,
      result: Promise.all([turn, inTurn && last]).then(() => {
        if (open === batch) open = undefined;
        return load(keys);
      }),
    };
    open = batch;
    last = batch.result.catch(() => undefined);
    return batch.result;
  };
}
