/**
 * A stream that ends at once when its subscriber leaves. A generator that waits for its next event hears of `return` only
 * behind that event, which may never come; so what it waits for is told by a signal.
 */
export function untilLeft<Event>(
  start: (left: AbortSignal) => AsyncGenerator<Event, void>,
): AsyncGenerator<Event, void> {
  const leaving = new AbortController();
  const events = start(leaving.signal);
  const stream: Pick<AsyncGenerator<Event, void>, 'next' | 'return' | 'throw' | typeof Symbol.asyncIterator> = {
    next: () => events.next(),
    return: (value) => {
      leaving.abort();
      return events.return(value);
    },
    throw: (error) => {
      leaving.abort();
      return events.throw(error);
    },
    [Symbol.asyncIterator]: () => stream as AsyncGenerator<Event, void>,
  };
  return stream as AsyncGenerator<Event, void>;
}
