import { Permission } from '../../entities/permission.js';
import type { Operation, OperationOwner } from '../../services/sending/operation.js';
import type { Viewer } from '../../services/session/viewer.js';
import type { RequestContext } from '../context.js';

/** The lasting name under which a viewer's operations are kept. */
export function ownerOf({ accountId, directoryId }: Viewer): string {
  return accountId === null ? `person:${directoryId ?? ''}` : `account:${accountId}`;
}

/** The viewer as the owner of a new operation. */
export function operationOwner(context: RequestContext): OperationOwner {
  return { owner: ownerOf(context.requireViewer()), ...context.author };
}

/** Whether the viewer may see the operation at this moment. */
export function mayFollow({ viewer }: RequestContext, { owner }: Operation): boolean {
  return viewer !== undefined && (owner === ownerOf(viewer) || viewer.permissions.has(Permission.BACKUP_VIEW));
}
