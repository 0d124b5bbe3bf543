import { setTimeout as wait } from 'node:timers/promises';
import { BadInputError, PublicError, UnavailableError } from '../../errors.js';
import type { Logger } from '../../log.js';
import type { RightOfWay } from '../right-of-way.js';
import { GroupCommit } from './group-commit.js';
import { MessageGoneError, type MessageDelivery } from './message-delivery.js';
import { OperationReason, SendingState } from './operation.js';
import type { Relay } from './relay.js';
import { nextAttemptAtMs } from './retry-schedule.js';
import type { QueuedSending, SendingQueue, SendingResult, TakenSending } from './sending-queue.js';
import type { RecipientResult } from './transaction-results.js';

/** How the worker works. */
export interface SendingWorkerSettings {
  /** Deliveries under way at once. */
  readonly capacity: number;
  readonly leaseMs: number;
  readonly retryLimitMs: number;
}

// How often due deliveries of other processes, retries and lapsed leases are looked for.
const TICK_MS = 1_000;
// How long a result that the database does not take is kept and offered again between two tries.
const SETTLE_AGAIN_MS = 1_000;
const GRACE_MS = 10_000;
/**
 * How long the last check of a delivery holds, ms. It is made before the wait for a connection, so that the connection does not
 * wait for it; where a slow relay makes that wait long, it is made again (rule V11).
 */
export const CHECK_HOLDS_MS = 250;

/** The delivery is another process's by now, or cancelled. */
class LeaseLostError extends Error {}

/** The delivery may not be made any more. */
class RefusedError extends Error {
  constructor(readonly reason: OperationReason) {
    super('The sending is not allowed any more.');
  }
}

/**
 * Judges, just before a delivery, whether it may still be made; null when it may. `again`: the message was read meanwhile and may
 * be gone.
 */
export type LastCheck = (sending: QueuedSending, again: boolean) => Promise<OperationReason | null>;

/**
 * Works the queue off: takes what is due, delivers it and writes down what became of it (rule D7). Each of these steps gives
 * way to people's requests.
 */
export class SendingWorker {
  readonly #inFlight = new Map<TakenSending, Promise<void>>();
  readonly #dropped = new WeakSet<TakenSending>();
  readonly #marks: GroupCommit<TakenSending, boolean>;
  readonly #results: GroupCommit<SendingResult, void>;
  #filling: Promise<void> | undefined;
  #fillAgain = false;
  #recoverFirst = true;
  #stopping = false;
  #timers: NodeJS.Timeout[] = [];

  constructor(
    private readonly queue: SendingQueue,
    private readonly delivery: MessageDelivery,
    private readonly lastCheck: LastCheck,
    private readonly relay: Relay,
    private readonly settings: SendingWorkerSettings,
    private readonly rightOfWay: RightOfWay,
    private readonly log: Logger,
  ) {
    this.#marks = new GroupCommit((sendings) => queue.markCompleting(sendings), settings.capacity);
    this.#results = new GroupCommit(async (results) => {
      await rightOfWay.giveWay();
      await queue.settle(results);
      return results.map(() => undefined);
    }, settings.capacity);
  }

  /** Begins to work. */
  start(): void {
    const renewal = () =>
      void this.queue
        .renew(this.#leases())
        .catch((error: unknown) => this.log.warn({ err: error }, 'leases of sendings could not be renewed'));
    const tick = () => {
      this.#recoverFirst = true;
      this.wake();
    };
    this.#timers = [
      setInterval(tick, TICK_MS),
      setInterval(renewal, Math.max(100, Math.floor(this.settings.leaseMs / 3))),
    ];
    this.wake();
  }

  /** Takes nothing new, lets what runs end, and gives back what has not begun. */
  async stop(): Promise<void> {
    this.#stopping = true;
    for (const timer of this.#timers) clearInterval(timer);
    await this.#filling;
    const running = [...this.#inFlight.values()];
    await Promise.all([this.relay.close(GRACE_MS), ...running]);
  }

  /** Does not begin what was taken of a cancelled operation and waits for a connection. */
  dropOperation(operationId: number): void {
    for (const sending of this.#inFlight.keys()) if (sending.operationId === operationId) this.#dropped.add(sending);
  }

  /** Looks for due deliveries now. */
  wake(): void {
    if (this.#stopping) return;
    if (this.#filling) {
      this.#fillAgain = true;
      return;
    }
    this.#filling = this.#fill()
      .catch((error: unknown) => this.log.warn({ err: error }, 'due sendings could not be looked for'))
      .finally(() => {
        this.#filling = undefined;
        if (!this.#fillAgain) return;
        this.#fillAgain = false;
        this.wake();
      });
  }

  #leases(): string[] {
    return [...new Set([...this.#inFlight.keys()].map(({ lease }) => lease))];
  }

  async #fill(): Promise<void> {
    if (this.#recoverFirst) {
      this.#recoverFirst = false;
      const recovered = await this.queue.recover(this.#leases());
      if (recovered > 0) this.log.warn({ recovered }, 'took up sendings of a process that ended');
    }
    // In portions of half the capacity, so that one commit takes several and the connections never run dry.
    while (!this.#stopping && this.#inFlight.size <= this.settings.capacity / 2) {
      await this.rightOfWay.giveWay();
      const taken = await this.queue.claim(this.settings.capacity - this.#inFlight.size);
      if (taken.length === 0) return;
      for (const sending of taken) {
        const attempt = this.#attempt(sending).finally(() => {
          this.#inFlight.delete(sending);
          if (this.#inFlight.size <= this.settings.capacity / 2) this.wake();
        });
        this.#inFlight.set(sending, attempt);
      }
    }
  }

  async #attempt(sending: TakenSending): Promise<void> {
    const result = await this.#deliver(sending);
    if (!result) return;
    for (;;) {
      try {
        await this.#results.add(result);
        return;
      } catch (error) {
        this.log.error({ err: error, sending: sending.id }, 'the result of a sending could not be written');
        // After a stop the lease lapses, and the outcome is told as unknown if it is.
        if (this.#stopping) return;
        await wait(SETTLE_AGAIN_MS);
      }
    }
  }

  /** Undefined when the delivery was given back, is another process's, or was cancelled. */
  async #deliver(sending: TakenSending): Promise<SendingResult | undefined> {
    try {
      if (this.#stopping) {
        await this.queue.release(sending);
        return undefined;
      }
      await this.rightOfWay.giveWay();
      const refusal = await this.lastCheck(sending, false);
      if (refusal) return ended(sending, SendingState.FAILED, refusal);
      const checkedAtMs = performance.now();
      let mark: Promise<boolean> | undefined;
      const result = await this.delivery.deliver(sending, {
        begin: async (small) => {
          await this.rightOfWay.giveWay();
          if (performance.now() - checkedAtMs > CHECK_HOLDS_MS) {
            const reason = await this.lastCheck(sending, true);
            if (reason) throw new RefusedError(reason);
          }
          if (this.#dropped.has(sending)) throw new LeaseLostError('The sending was cancelled.');
          if (!small) return;
          // Written down while the relay looks at the envelope, so that the last bytes, which are also the first, need not wait.
          mark ??= this.#marks.add(sending);
          mark.catch(() => undefined);
        },
        complete: async () => {
          mark ??= this.#marks.add(sending);
          if (!(await mark)) throw new LeaseLostError('The lease of the sending was lost.');
        },
      });
      return this.#resultOf(sending, result);
    } catch (error) {
      if (error instanceof LeaseLostError) return undefined;
      if (error instanceof RefusedError) return ended(sending, SendingState.FAILED, error.reason);
      if (error instanceof MessageGoneError) return ended(sending, SendingState.FAILED, OperationReason.MESSAGE_GONE);
      if (error instanceof BadInputError) return ended(sending, SendingState.FAILED, OperationReason.UNUSABLE_ADDRESS);
      if (error instanceof UnavailableError && error.code === 'STOPPING') {
        await this.queue
          .release(sending)
          .catch((cause: unknown) => this.log.warn({ err: cause }, 'a sending could not be given back'));
        return undefined;
      }
      this.log.warn({ err: error, sending: sending.id }, 'a sending met a fault and is tried again');
      return this.#later(sending, null, error instanceof PublicError ? error.message : 'A fault of Backup itself.');
    }
  }

  #resultOf(sending: TakenSending, { outcome, smtpReply, reason }: RecipientResult): SendingResult {
    if (outcome === 'TEMPORARY') return this.#later(sending, smtpReply, reason);
    const state =
      outcome === 'DELIVERED'
        ? SendingState.DELIVERED
        : outcome === 'UNKNOWN'
          ? SendingState.UNKNOWN
          : SendingState.FAILED;
    return { ...ended(sending, state, reason), smtpReply };
  }

  #later(sending: TakenSending, smtpReply: string | null, reason: string | null): SendingResult {
    const next = nextAttemptAtMs(
      {
        attempts: sending.attempts + 1,
        requestedAtMs: sending.requestedAtMs,
        nowMs: Date.now(),
        random: Math.random(),
      },
      this.settings.retryLimitMs,
    );
    return next === null
      ? { ...ended(sending, SendingState.FAILED, reason), smtpReply }
      : { sending, state: SendingState.QUEUED, smtpReply, reason, nextAttemptAtMs: next };
  }
}

function ended(
  sending: TakenSending,
  state: SendingState.DELIVERED | SendingState.FAILED | SendingState.UNKNOWN,
  reason: string | null,
): SendingResult {
  return { sending, state, smtpReply: null, reason, nextAttemptAtMs: null };
}
