import { createHash } from 'node:crypto';

/** The domain that everybody in the benches belongs to. */
export const DOMAIN = 'example.com';

/** Made-up digests and ids that are the same in every run. */
export const digest = (text: string): string => createHash('sha256').update(text).digest('hex');

/** Main address of the person with this number. */
export const addressOf = (index: number): string => `person${index}@${DOMAIN}`;

/** Second address of the person with this number. */
export const aliasOf = (index: number): string => `alias${index}@${DOMAIN}`;

/** Address of the group mailbox with this number. */
export const groupAddressOf = (index: number): string => `group${index}@${DOMAIN}`;

/** Bearer token of the person with this number, or of the administrator. */
export const sessionToken = (of: number | 'administrator'): string => digest(`token of ${of}`);

/** How much is put into a database. */
export interface Amount {
  readonly messages: number;
  /** People with a mailbox and an alias each. */
  readonly people: number;
  /** Group mailboxes; each person reads one of them. */
  readonly groupMailboxes: number;
  /** How many people are signed in. */
  readonly sessions: number;
}
