import type { Operation } from './operation.js';

/** An operation as its row holds it. */
export interface OperationRow extends Omit<Operation, 'cancelled'> {
  readonly cancelled: number;
  readonly fingerprint: string;
}

/** The columns of {@link OperationRow}. */
export const OPERATION_COLUMNS = `id, public_id AS publicId, kind, scope, state, owner, actor, remote_address AS remoteAddress, cancelled,
  total, done, failed, created_at AS createdAtMs, started_at AS startedAtMs, finished_at AS finishedAtMs, fingerprint`;

/** The operation of a row. */
export function operationOf({ fingerprint: _fingerprint, cancelled, ...row }: OperationRow): Operation {
  return { ...row, cancelled: Boolean(cancelled) };
}
