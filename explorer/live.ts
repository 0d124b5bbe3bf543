import { createClient } from 'graphql-ws';
import { liveUrl } from './endpoint';
import { Observable } from './observable';

/** What the page shows about the WebSocket: it is only open while a subscription runs. */
export type LiveState = 'idle' | 'connecting' | 'connected' | 'reconnecting';

/** Pings keep idle subscriptions alive through proxies, whose time-outs usually start at 60 seconds, and notice dead ones. */
const KEEP_ALIVE_MS = 25_000;
const LONGEST_RETRY_MS = 30_000;
/** The server refuses this session; asking again with the same one would change nothing. */
const CLOSE_FORBIDDEN = 4403;

const isRefusal = (reason: unknown) =>
  typeof reason === 'object' && reason !== null && 'code' in reason && reason.code === CLOSE_FORBIDDEN;

/** State of the WebSocket, for the status bar. */
export const liveState = new Observable<LiveState>('idle');

/** The one WebSocket of the page; opens with the first subscription, closes with the last, resumes after interruptions. */
export const liveClient = createClient({
  url: liveUrl,
  lazy: true,
  keepAlive: KEEP_ALIVE_MS,
  retryAttempts: Number.POSITIVE_INFINITY,
  shouldRetry: (reason) => !isRefusal(reason),
  // At once the first time, because a change of the session closes the socket on purpose; then slower, spread by chance.
  retryWait: async (retries) => {
    if (retries === 0) return;
    const pauseMs = Math.min(LONGEST_RETRY_MS, 1000 * 2 ** (retries - 1)) * (0.5 + Math.random());
    await new Promise((resume) => setTimeout(resume, pauseMs));
  },
  on: {
    connecting: (isRetry) => liveState.set(isRetry ? 'reconnecting' : 'connecting'),
    connected: () => liveState.set('connected'),
    closed: (event) => {
      const code = (event as { code?: number }).code;
      liveState.set(code === 1000 || code === CLOSE_FORBIDDEN ? 'idle' : 'reconnecting');
    },
  },
});

/** Drops the socket so that running subscriptions start again under the session that the cookie names now. */
export function reconnectLive(): void {
  liveClient.terminate();
}
