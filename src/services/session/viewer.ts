import type { Permission } from '../../entities/permission.js';

/** Who is asking: the holder of a live session. */
export interface Viewer {
  readonly sessionId: number;
  readonly login: string;
  readonly name: string;
  /** Set for local accounts. */
  readonly accountId: number | null;
  /** Set for people of the directory: their lasting identity there (rule L7). */
  readonly directoryId: string | null;
  /** When the session ends unless it is used before, ms since 1970 UTC. */
  readonly expiresAtMs: number;
  /** Empty for people without a role. */
  readonly permissions: ReadonlySet<Permission>;
}

/** How the viewer is named in the audit log. */
export function auditActor(viewer: Viewer): string {
  return `${viewer.accountId === null ? 'person' : 'account'}:${viewer.login}`;
}
