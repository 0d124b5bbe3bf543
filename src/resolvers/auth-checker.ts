import type { AuthCheckerFn } from 'type-graphql';
import { GroupMailboxAccess, PersonalBackupAvailability } from '../services/access/personal-access.js';
import { Permission } from '../entities/permission.js';
import type { RequestContext } from './context.js';

/**
 * What a field can demand: any session, a permission (rule V2), one of the permissions that need to look people up or
 * that send, or the right to group mailboxes (rule V9).
 */
export type Demand = 'SESSION' | 'DIRECTORY_SEARCH' | 'BACKUP_SEND' | 'GROUP_MAILBOXES' | Permission;

/**
 * The one place where fields are authorised, for HTTP and WebSocket alike. A missing session or permission is an error
 * with its code; group mailboxes are simply null, because `groupMailboxAccess` beside them tells the reason (rule V9).
 */
export const authChecker: AuthCheckerFn<RequestContext, Demand> = async ({ context }, demands) => {
  for (const demand of demands) {
    if (demand === 'SESSION') context.requireViewer();
    else if (demand === 'DIRECTORY_SEARCH') {
      if (!context.viewer?.permissions.has(Permission.SETTINGS_VIEW))
        context.requirePermission(Permission.ACCOUNTS_VIEW);
    } else if (demand === 'BACKUP_SEND') {
      // Which of the two a request needs depends on where it is to be sent; the resolver looks.
      if (!context.viewer?.permissions.has(Permission.BACKUP_SEND_TO_ANYONE))
        context.requirePermission(Permission.BACKUP_SEND_TO_RECIPIENTS);
    } else if (demand === 'GROUP_MAILBOXES') {
      const access = await context.personalAccess();
      // Not judged by the own section: people without an address have none and may have mailboxes delegated all the same.
      if (access?.availability !== PersonalBackupAvailability.AVAILABLE) return false;
      if (access.groupMailboxAccess !== GroupMailboxAccess.GRANTED) return false;
    } else context.requirePermission(demand);
  }
  return true;
};
