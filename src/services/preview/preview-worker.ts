import { parentPort } from 'node:worker_threads';
import { describeMessage } from './describe-message.js';
import { MessageTreeBuilder } from './message-tree.js';
import { type PreviewLimits } from './limits.js';
import { type PreviewTask, type WorkerReply, type WorkerRequest } from './preview-protocol.js';
import { renderHtml } from './render-html.js';
import { renderText } from './render-text.js';
import { giveWay } from './thread-share.js';

// Below this size sanitising takes a few milliseconds, and making a text first would double them for nothing.
const FALLBACK_FROM_BYTES = 16 * 1024;

/** Where it happened, without the message of the error, which may quote the mail. */
function describeFault(error: unknown): string {
  if (!(error instanceof Error)) return typeof error;
  const frames = (error.stack ?? '').split('\n').filter((line) => line.startsWith('    at '));
  return [error.name, ...frames].join('\n');
}

/** Entry of a preview worker: reads one message after the other, keeps nothing between them. */
function serve(port: NonNullable<typeof parentPort>): void {
  const reply = (message: WorkerReply) => port.postMessage(message);
  let task: PreviewTask = 'TEXT';
  let limits: PreviewLimits | null = null;
  let builder: MessageTreeBuilder | null = null;

  const answer = (): WorkerReply => {
    if (!builder || !limits) throw new Error('A message was continued that was never started.');
    const { tree } = builder;
    if (task === 'DESCRIPTION') return { kind: 'described', description: describeMessage(tree, limits) };
    if (task === 'TEXT') return { kind: 'rendered', rendering: renderText(tree, limits) };
    if (builder.htmlSourceBytes > FALLBACK_FROM_BYTES) reply({ kind: 'fallback', rendering: renderText(tree, limits) });
    return { kind: 'rendered', rendering: renderHtml(tree, limits) };
  };

  port.on('message', ({ start, bytes, isLast }: WorkerRequest) => {
    try {
      if (start) {
        task = start.task;
        limits = start.limits;
        builder = new MessageTreeBuilder(task, limits);
      }
      builder?.write(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
      if (!isLast && !builder?.full) {
        reply({ kind: 'more' });
        return;
      }
      builder?.end();
      const result = answer();
      builder = null;
      reply(result);
    } catch (error) {
      builder = null;
      reply({ kind: 'failed', stack: describeFault(error) });
    }
  });
  reply({ kind: 'ready', thread: giveWay() });
}

if (!parentPort) throw new Error('preview-worker runs only as a worker thread.');
serve(parentPort);
