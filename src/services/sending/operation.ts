import { PublicError } from '../../errors.js';

/** What is done with several messages at once. */
export enum OperationKind {
  SEND = 'SEND',
  DELETE = 'DELETE',
  RESTORE = 'RESTORE',
}

/** How far an operation has come. */
export enum OperationState {
  QUEUED = 'QUEUED',
  RUNNING = 'RUNNING',
  FINISHED = 'FINISHED',
}

/** What became of one message in an operation. */
export enum OperationOutcome {
  PENDING = 'PENDING',
  DONE = 'DONE',
  DEFERRED = 'DEFERRED',
  REFUSED = 'REFUSED',
  FAILED = 'FAILED',
  UNKNOWN = 'UNKNOWN',
  CANCELLED = 'CANCELLED',
}

/** Why a message did not meet what was asked for. */
export enum OperationReason {
  NOT_FOUND = 'NOT_FOUND',
  SENDING_SWITCHED_OFF = 'SENDING_SWITCHED_OFF',
  THREAT_DETECTED = 'THREAT_DETECTED',
  DELETION_SWITCHED_OFF = 'DELETION_SWITCHED_OFF',
  NO_OWN_ADDRESS = 'NO_OWN_ADDRESS',
  NO_RECIPIENT = 'NO_RECIPIENT',
  UNUSABLE_ADDRESS = 'UNUSABLE_ADDRESS',
  ALREADY_BEING_SENT = 'ALREADY_BEING_SENT',
  MESSAGE_GONE = 'MESSAGE_GONE',
  ACCESS_GONE = 'ACCESS_GONE',
  RELAY_REFUSED = 'RELAY_REFUSED',
  MAY_ARRIVE_TWICE = 'MAY_ARRIVE_TWICE',
  CANCELLED = 'CANCELLED',
}

/** What became of one attempt to deliver a message to one address. */
export enum SendingState {
  QUEUED = 'QUEUED',
  SENDING = 'SENDING',
  DELIVERED = 'DELIVERED',
  FAILED = 'FAILED',
  UNKNOWN = 'UNKNOWN',
  CANCELLED = 'CANCELLED',
}

/** Whose messages an operation is about: a person's sections, or all of Backup. */
export type OperationScope = 'PERSONAL' | 'GLOBAL';

/** Most messages of one operation (rule D10); bounds the transaction of the request. */
export const MAX_OPERATION_MESSAGES = 5_000;

/** Most deliveries of one operation, messages times addresses; stops one request from filling the queue. */
export const MAX_OPERATION_DELIVERIES = 50_000;

/** Most other addresses in one request; stops Backup from being used for mailings. */
export const MAX_ADDRESSES = 100;

/** Who asked, lasting over renames and sessions. */
export interface OperationOwner {
  /** "account:<id>" or "person:<lasting identity in the directory>". */
  readonly owner: string;
  /** As the audit log names them. */
  readonly actor: string;
  readonly remoteAddress: string;
}

/** One operation as it is now. */
export interface Operation {
  readonly id: number;
  readonly publicId: string;
  readonly kind: OperationKind;
  readonly scope: OperationScope;
  readonly state: OperationState;
  readonly owner: string;
  readonly actor: string;
  readonly remoteAddress: string;
  readonly cancelled: boolean;
  readonly total: number;
  /** Messages with an outcome, whichever it is. */
  readonly done: number;
  /** Of these, the messages that did not meet what was asked for. */
  readonly failed: number;
  readonly createdAtMs: number;
  readonly startedAtMs: number | null;
  readonly finishedAtMs: number | null;
}

/** What became of one message of an operation. */
export interface OperationItem {
  readonly position: number;
  /** The id as the request gave it. */
  readonly givenId: string;
  readonly outcome: OperationOutcome;
  readonly reason: OperationReason | null;
  /** What the relay answered; the least favourable of several recipients. */
  readonly smtpAnswer: string | null;
}

/** Another operation of the same person runs (rule D10). */
export class OperationRunningError extends PublicError {
  constructor() {
    super('OPERATION_RUNNING', 'Another of your operations still runs. Wait for its end, or cancel it.', 'info');
  }
}

/** The key belongs to another request of the same person (rule D9). */
export class IdempotencyKeyReusedError extends PublicError {
  constructor() {
    super(
      'IDEMPOTENCY_KEY_REUSED',
      'This idempotency key belongs to another request. Give each new request a new key.',
      'info',
      { field: 'idempotencyKey' },
    );
  }
}

const FAILURES: ReadonlySet<OperationOutcome> = new Set([
  OperationOutcome.REFUSED,
  OperationOutcome.FAILED,
  OperationOutcome.UNKNOWN,
  OperationOutcome.CANCELLED,
]);

/** Whether an outcome is not what was asked for. */
export const isFailure = (outcome: OperationOutcome): boolean => FAILURES.has(outcome);

/** One delivery of a message, as far as its outcome depends on it. */
export interface DeliveryFacts {
  readonly state: SendingState;
  readonly attempts: number;
  readonly smtpReply: string | null;
  readonly reason: string | null;
}

// What a person has to know first comes first.
const GRAVEST: readonly SendingState[] = [
  SendingState.UNKNOWN,
  SendingState.FAILED,
  SendingState.CANCELLED,
  SendingState.QUEUED,
  SendingState.SENDING,
  SendingState.DELIVERED,
];

/** A message's outcome from its deliveries; PENDING as long as one of them has not been tried. */
export function outcomeOf(
  deliveries: readonly DeliveryFacts[],
): Pick<OperationItem, 'outcome' | 'reason' | 'smtpAnswer'> {
  const untried = deliveries.some(
    ({ state, attempts }) => attempts === 0 && (state === SendingState.SENDING || state === SendingState.QUEUED),
  );
  if (untried) return { outcome: OperationOutcome.PENDING, reason: null, smtpAnswer: null };
  const gravest = GRAVEST.map((state) => deliveries.find((delivery) => delivery.state === state)).find(Boolean);
  const smtpAnswer = gravest?.smtpReply ?? (gravest?.reason && !isReason(gravest.reason) ? gravest.reason : null);
  switch (gravest?.state) {
    case SendingState.UNKNOWN:
      return { outcome: OperationOutcome.UNKNOWN, reason: OperationReason.MAY_ARRIVE_TWICE, smtpAnswer };
    case SendingState.FAILED:
      return {
        outcome: OperationOutcome.FAILED,
        reason: gravest.reason && isReason(gravest.reason) ? gravest.reason : OperationReason.RELAY_REFUSED,
        smtpAnswer,
      };
    case SendingState.CANCELLED:
      return { outcome: OperationOutcome.CANCELLED, reason: OperationReason.CANCELLED, smtpAnswer };
    case SendingState.QUEUED:
    case SendingState.SENDING:
      return { outcome: OperationOutcome.DEFERRED, reason: null, smtpAnswer };
    default:
      return { outcome: OperationOutcome.DONE, reason: null, smtpAnswer };
  }
}

/** Whether a stored reason is one of ours, and not the relay's or the connection's words. */
export const isReason = (text: string): text is OperationReason => text in OperationReason;
