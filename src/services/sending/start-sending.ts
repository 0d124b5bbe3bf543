import type { Database } from '../../entities/database.js';
import type { Logger } from '../../log.js';
import type { PersonalAccessPolicy } from '../access/personal-access.js';
import type { ContentStore } from '../backup/content-store.js';
import type { PersonalMessages } from '../backup/personal-messages.js';
import type { ChangeFeed } from '../changes/change-feed.js';
import type { RightOfWay } from '../right-of-way.js';
import { MessageDelivery } from './message-delivery.js';
import { OperationKind, OperationReason } from './operation.js';
import type { Operations } from './operations.js';
import type { Relay } from './relay.js';
import { RemovalWorker } from './removal-worker.js';
import { RetainedRights } from './retained-rights.js';
import { SendingQueue } from './sending-queue.js';
import { type LastCheck, SendingWorker } from './sending-worker.js';

/** What the workers stand on. */
export interface SendingParts {
  readonly database: Database;
  readonly feed: ChangeFeed;
  readonly contents: ContentStore;
  readonly operations: Operations;
  readonly personalMessages: PersonalMessages;
  readonly access: PersonalAccessPolicy;
  readonly relay: Relay;
  readonly rightOfWay: RightOfWay;
  readonly loopMarkKey: Buffer;
  readonly senderName: string;
  readonly connections: number;
  readonly leaseMs: number;
  readonly retryLimitMs: number;
  readonly log: Logger;
}

// A delivery for each connection, and others that are prepared or written down meanwhile, so that no connection waits for the
// database and a commit is shared by several.
const PREPARED = 6;

/** Starts the workers of this process: those that send, delete and restore. Gives their stop. */
export function startSending(parts: SendingParts): { stop(): Promise<void> } {
  const { database, feed, operations, relay, log } = parts;
  const rights = new RetainedRights(database, parts.access, parts.personalMessages);
  const lastCheck: LastCheck = async (sending, again) => {
    const { owner, messageId, recipient, mailbox, address } = sending;
    let reason: OperationReason | null;
    if (recipient !== null) {
      reason = await rights.againstPersonalSending(owner, messageId, recipient, address);
      if (reason !== OperationReason.ACCESS_GONE) return reason;
    } else {
      reason = (await rights.allowsSending(owner, messageId, mailbox)) ? null : OperationReason.ACCESS_GONE;
      // The delivery reads the message and notices by itself that there is none.
      if (reason === null && !again) return null;
    }
    const [present] = await database.rows('SELECT id FROM message WHERE id = ?', [messageId]);
    return present ? reason : OperationReason.MESSAGE_GONE;
  };
  const sending = new SendingWorker(
    new SendingQueue(database, feed, parts.leaseMs),
    new MessageDelivery(database, parts.contents, relay, parts.loopMarkKey, parts.senderName),
    lastCheck,
    relay,
    { capacity: parts.connections * PREPARED, leaseMs: parts.leaseMs, retryLimitMs: parts.retryLimitMs },
    parts.rightOfWay,
    log,
  );
  const removal = new RemovalWorker(database, feed, parts.personalMessages, rights, parts.leaseMs, log);
  operations.onBegun((kind) => (kind === OperationKind.SEND ? sending : removal).wake());
  operations.onCancelled((operationId) => sending.dropOperation(operationId));
  sending.start();
  removal.start();
  return {
    stop: async () => {
      await Promise.all([sending.stop(), removal.stop()]);
    },
  };
}
