import { createHash } from 'node:crypto';
import type { DeliveryFormat } from '../../entities/delivery-format.js';
import { BadInputError } from '../../errors.js';
import {
  MAX_OPERATION_MESSAGES,
  type OperationKind,
  type OperationOwner,
  type OperationReason,
  type OperationScope,
} from './operation.js';

/** A delivery that an operation asks for. */
export interface NewDelivery {
  readonly address: string;
  /** Mailbox key of the copy that it is for, where that came in by another address of the mailbox; else that of `address`. */
  readonly mailbox?: string;
  readonly format: DeliveryFormat;
  readonly removeMessageId: boolean;
}

/** One message of a new operation: refused at once, or with what is to be done. */
export interface NewItem {
  readonly givenId: string;
  readonly messageId: number | null;
  readonly recipient: number | null;
  readonly refusal: OperationReason | null;
  readonly deliveries?: readonly NewDelivery[];
}

/** A request as it is recognised again (rule D9). */
export interface OperationRequest {
  readonly kind: OperationKind;
  readonly scope: OperationScope;
  readonly owner: OperationOwner;
  /** Null: every request is a new one. */
  readonly idempotencyKey: string | null;
  /** What was asked for; a repeated request asks for the same. */
  readonly input: unknown;
}

/** The ids of a request, each once; throws BadInputError for none and for too many (rule D10). */
export function distinctIds(ids: readonly string[]): string[] {
  const distinct = [...new Set(ids)];
  if (distinct.length === 0) throw new BadInputError('ids', 'ids must name at least one message.');
  refuseTooMany('ids', distinct.length);
  return distinct;
}

/** Refuses operations on more messages than allowed, with their number (rule D10). */
export function refuseTooMany(field: string, count: number): void {
  if (count > MAX_OPERATION_MESSAGES)
    throw new BadInputError(
      field,
      `${field} names ${count} messages; at most ${MAX_OPERATION_MESSAGES} are allowed in one operation.`,
    );
}

/** By what a repeated request is told from another one with the same key (rule D9). */
export function fingerprint({ kind, scope, input }: OperationRequest): string {
  return createHash('sha256')
    .update(JSON.stringify([kind, scope, input]))
    .digest('hex');
}

// Each result of a sending has its address in an entry of its own; the request's entry stays readable.
const AUDITED_ADDRESSES = 1_000;

/** What the audit log keeps of a request: the messages that go ahead, those that were refused by reason, and where to. */
export function requestFacts(items: readonly NewItem[]): Readonly<Record<string, unknown>> {
  const refused = items.filter(({ refusal }) => refusal !== null);
  const reasons = [...new Set(refused.map(({ refusal }) => refusal as OperationReason))];
  const addresses = [...new Set(items.flatMap(({ deliveries }) => (deliveries ?? []).map(({ address }) => address)))];
  return {
    messages: items.flatMap(({ messageId, refusal }) => (refusal === null && messageId !== null ? [messageId] : [])),
    refused: refused.length,
    // Foreign and unknown messages have no number here: only how many were asked for.
    refusals: Object.fromEntries(
      reasons.map((reason) => {
        const ofReason = refused.filter(({ refusal }) => refusal === reason);
        return [reason, { count: ofReason.length, messages: ofReason.flatMap(({ messageId }) => messageId ?? []) }];
      }),
    ),
    addresses: addresses.slice(0, AUDITED_ADDRESSES),
    addressCount: addresses.length,
  };
}
