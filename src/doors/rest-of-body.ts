import type { IncomingMessage } from 'node:http';

// A sender that goes on for longer than this is cut off; what is read here is work for nothing.
const MOST_BYTES = 256 * 1024 * 1024;
const LONGEST_MS = 20_000;
// A sender that waits for the answer before it sends its body must get it.
const QUIET_MS = 500;

/**
 * Reads what is left of a refused request and forgets it. Most senders look for an answer only when they have sent
 * everything; a connection that is closed before that shows them a broken line instead of the reason (RFC 9112, 9.6).
 */
export async function discardRestOfBody(request: IncomingMessage): Promise<void> {
  if (request.complete || request.destroyed) return;
  await new Promise<void>((resolve) => {
    let bytes = 0;
    const done = () => {
      clearTimeout(quiet);
      clearTimeout(longest);
      request.off('data', forget).pause();
      resolve();
    };
    const forget = (chunk: Buffer) => {
      bytes += chunk.length;
      quiet.refresh();
      if (bytes > MOST_BYTES) done();
    };
    const quiet = setTimeout(done, QUIET_MS);
    const longest = setTimeout(done, LONGEST_MS);
    request.on('data', forget).once('end', done).once('close', done).once('error', done);
    request.resume();
  });
}
