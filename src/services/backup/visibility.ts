import { GatewayAction } from '../../entities/vocabulary.js';

/** Whether a recipient's copy is listed in personal Backup; the stored code. */
export enum Visibility {
  /** In the lists of everybody with access to the mailbox. */
  LISTED = 0,
  /** Deleted by the mailbox's owner from the own section (rule X2); still in the group section of others. */
  HIDDEN_FROM_OWNER = 1,
  /** Deleted from a group section: hidden for everybody with access (rule X3). */
  HIDDEN = 2,
  /** Never in personal Backup, because of the gateway's action (rule V4). */
  GLOBAL_ONLY = 3,
}

const PERSONAL_ACTIONS: ReadonlySet<GatewayAction> = new Set([
  GatewayAction.DISINFECT,
  GatewayAction.DELETE_ATTACHMENT,
  GatewayAction.DELETE_MESSAGE,
]);

/** Where a recipient's copy starts, by what the gateway did for that recipient (rule V4). */
export function initialVisibility(action: GatewayAction): Visibility {
  return PERSONAL_ACTIONS.has(action) ? Visibility.LISTED : Visibility.GLOBAL_ONLY;
}
