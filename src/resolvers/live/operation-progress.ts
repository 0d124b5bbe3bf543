import { setTimeout as wait } from 'node:timers/promises';
import { OperationState } from '../../services/sending/operation.js';
import type { Operations } from '../../services/sending/operations.js';
import type { GlobalChanges } from '../../services/changes/global-changes.js';
import { topics } from '../../services/changes/topics.js';
import type { RequestContext } from '../context.js';
import { mayFollow } from '../operations/operation-owner.js';
import { BackupOperation } from '../operations/operation-types.js';
import { untilLeft } from './until-left.js';

// At most four events a second for one follower; what happens meanwhile is in the next one, and the last one always comes.
const PAUSE_MS = 250;

/** Tells how operations come along. */
export class OperationProgress {
  constructor(
    private readonly operations: Operations,
    private readonly globalChanges: GlobalChanges,
  ) {}

  /**
   * The operation as it is now, then as it comes along; ends once it has finished. Ends at once, without an event, for
   * operations that the viewer may not see, as for unknown ones (rule V6).
   */
  follow(context: RequestContext, id: string): AsyncGenerator<BackupOperation, void> {
    return untilLeft((left) => this.#follow(context, id, left));
  }

  async *#follow(context: RequestContext, id: string, left: AbortSignal): AsyncGenerator<BackupOperation, void> {
    const follower = {
      sessionId: context.requireViewer().sessionId,
      refresh: async () => Boolean(await context.refresh()),
    };
    // A generator that waits for its next signal hears of nothing else, so its end is told by a signal of its own.
    const ending = new AbortController();
    const signals = this.globalChanges.signals(follower, topics.operation(id), AbortSignal.any([left, ending.signal]));
    try {
      // Followed before the present state is read, so that nothing falls between the two.
      let signal = signals.next();
      for (;;) {
        const operation = await this.operations.find(id);
        if (!operation || !mayFollow(context, operation)) return;
        yield new BackupOperation(operation);
        if (operation.state === OperationState.FINISHED) return;
        await wait(PAUSE_MS, undefined, { signal: left }).catch(() => undefined);
        const { done } = await signal;
        if (done || left.aborted) return;
        signal = signals.next();
      }
    } finally {
      ending.abort();
      await signals.return();
    }
  }
}
