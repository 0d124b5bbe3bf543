import type { Transaction } from '../../entities/database.js';
import { marksFor } from '../../entities/marks-for.js';
import { recordAudit } from '../audit/audit-log.js';
import { type Operation, OperationState } from './operation.js';
import { OPERATION_COLUMNS, operationOf, type OperationRow } from './operation-rows.js';

/** Ends those operations whose messages all have an outcome, with their audit entries; gives the operations as they are then. */
export async function finishOperations(transaction: Transaction, ids: readonly number[]): Promise<Operation[]> {
  if (ids.length === 0) return [];
  const marks = marksFor(ids);
  const read = async () =>
    (
      await transaction.rows<OperationRow>(`SELECT ${OPERATION_COLUMNS} FROM operation WHERE id IN (${marks})`, ids)
    ).map(operationOf);
  const present = await read();
  const complete = present.filter(({ state, done, total }) => state !== OperationState.FINISHED && done >= total);
  if (complete.length === 0) return present;
  for (const operation of complete) {
    await transaction.run(
      `UPDATE operation SET state = 'FINISHED', running_owner = NULL, finished_at = ?, started_at = COALESCE(started_at, ?) WHERE id = ?`,
      [Date.now(), Date.now(), operation.id],
    );
    await recordAudit(transaction, {
      actor: operation.actor,
      remoteAddress: operation.remoteAddress,
      event: `${operation.kind}_FINISH`,
      outcome: operation.failed === 0 ? 'DONE' : 'FAILED',
      subject: `operation:${operation.publicId}`,
      details: { total: operation.total, failed: operation.failed, cancelled: operation.cancelled },
    });
  }
  return read();
}
