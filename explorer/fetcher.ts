import { createGraphiQLFetcher, isAsyncIterable, type Fetcher } from '@graphiql/toolkit';
import { endpointUrl, requestHeaders } from './endpoint';
import { liveClient } from './live';
import { sessionChanged } from './session';

const send = createGraphiQLFetcher({
  url: endpointUrl,
  wsClient: liveClient,
  headers: requestHeaders,
  enableIncrementalDelivery: false,
  fetch: (input, init) => fetch(input, { ...init, credentials: 'same-origin' }),
});

/** Field names after which the cookie may name another session. */
const CHANGES_SESSION = /\bsign(?:In|Out)\b/;

/** The toolkit reports a closed socket as a sentence that ends in its code. */
const SOCKET_CLOSED = /^Socket closed with event (\d+)/;

function errorsOf(fault: unknown): { errors: readonly unknown[] } {
  if (Array.isArray(fault)) return { errors: fault as readonly unknown[] };
  const message = fault instanceof Error ? fault.message : String(fault);
  const code = SOCKET_CLOSED.exec(message)?.[1];
  if (!code) return { errors: [{ message }] };
  return {
    errors: [{ message: `The server ended the subscription (${code}). Check who is signed in, then run it again.` }],
  };
}

/**
 * Shows the end of a broken subscription as a GraphQL answer instead of a stack trace. Not an async generator: its
 * return() would wait for the next event before it unsubscribes.
 */
function withReadableEnd(events: AsyncIterable<unknown>): AsyncIterableIterator<unknown> {
  const inner = events[Symbol.asyncIterator]();
  let broken = false;
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    async next() {
      if (broken) return { done: true, value: undefined };
      try {
        return await inner.next();
      } catch (fault) {
        broken = true;
        return { done: false, value: errorsOf(fault) };
      }
    },
    async return() {
      await inner.return?.();
      return { done: true, value: undefined };
    },
  };
}

/** Runs the editor's operations: subscriptions over the WebSocket, everything else over HTTP, both with the session cookie. */
export const fetcher: Fetcher = async (parameters, options) => {
  const answer = await send(parameters, options);
  if (isAsyncIterable(answer)) return withReadableEnd(answer) as typeof answer;
  if (CHANGES_SESSION.test(parameters.query) && parameters.operationName !== 'IntrospectionQuery')
    await sessionChanged();
  return answer;
};
