import type { Client } from '../support/client.js';
import { until } from '../support/until.js';

/** An operation as these tests look at it. */
export interface SeenOperation {
  readonly id: string;
  readonly kind: string;
  readonly state: string;
  readonly total: number;
  readonly done: number;
  readonly failed: number;
  readonly cancelled: boolean;
  readonly results: {
    readonly nodes: readonly {
      readonly messageId: string;
      readonly outcome: string;
      readonly reason: string | null;
      readonly smtpAnswer: string | null;
    }[];
  };
}

/** The answer to a request. */
export interface SeenPayload {
  readonly operation: SeenOperation | null;
  readonly userErrors: readonly { readonly code: string; readonly message: string; readonly field: string | null }[];
}

/** The fields that these tests look at. */
export const OPERATION =
  'id kind state total done failed cancelled results(first: 200) { nodes { messageId outcome reason smtpAnswer } }';

/** Sends one of the requests by its name, such as sendPersonalMessages. */
export async function request(client: Client, name: string, input: Record<string, unknown>): Promise<SeenPayload> {
  const type = `${name.charAt(0).toUpperCase()}${name.slice(1)}Input`;
  const data = await client.ask<Record<string, SeenPayload>>(
    `mutation ($input: ${type}!) { ${name}(input: $input) { operation { ${OPERATION} } userErrors { code message field } } }`,
    { input },
  );
  return data[name] as SeenPayload;
}

/** Waits for the end of an operation. */
export function finished(client: Client, id: string | undefined, limitMs = 15_000): Promise<SeenOperation> {
  return until(
    'the operation has finished',
    async () =>
      (
        await client.ask<{ operation: SeenOperation }>(`query ($id: ID!) { operation(id: $id) { ${OPERATION} } }`, {
          id,
        })
      ).operation,
    (operation) => operation?.state === 'FINISHED',
    limitMs,
  );
}

/** Sends a request that must be taken, and waits for its end. */
export async function perform(client: Client, name: string, input: Record<string, unknown>): Promise<SeenOperation> {
  const { operation, userErrors } = await request(client, name, input);
  expect(userErrors).toEqual([]);
  return finished(client, operation?.id);
}

/** A message of a section, as a person sees it. */
export interface SeenMessage {
  readonly id: string;
  readonly subject: string;
  readonly sentFromBackup: boolean;
  readonly viewerCan: { readonly send: { readonly reason: string | null } };
  readonly sendings: {
    readonly nodes: readonly {
      readonly to: string;
      readonly by: string;
      readonly byName: string | null;
      readonly state: string;
      readonly attempts: number;
      readonly smtpAnswer: string | null;
      readonly deliveryFormat: string;
    }[];
  };
}

const MESSAGE =
  'id subject sentFromBackup viewerCan { send { reason } } sendings(first: 5) { nodes { to by byName state attempts smtpAnswer deliveryFormat } }';

/** The messages of a section, or those that were deleted from it. */
export async function messagesOf(client: Client, address: string, deleted = false): Promise<readonly SeenMessage[]> {
  const { viewer } = await client.ask<{
    viewer: { personalBackup: { mailbox: { messages: { nodes: SeenMessage[] } } } };
  }>(
    `query ($address: EmailAddress!, $deleted: Boolean!) { viewer { personalBackup { mailbox(address: $address) {
       messages(first: 100, deleted: $deleted) { nodes { ${MESSAGE} } } } } } }`,
    { address, deleted },
  );
  return viewer.personalBackup.mailbox.messages.nodes;
}

/** The message with this subject in a section. */
export async function messageOf(client: Client, address: string, subject: string): Promise<SeenMessage> {
  const found = (await messagesOf(client, address)).find((message) => message.subject === subject);
  if (!found) throw new Error(`${address} has no message "${subject}".`);
  return found;
}

/** Ids of all messages of Backup with a subject that contains this. */
export async function idsIn(client: Client, subject: string): Promise<string[]> {
  const { backup } = await client.ask<{ backup: { messages: { nodes: { id: string }[] } } }>(
    'query ($subject: String!) { backup { messages(first: 200, filter: { subject: $subject }) { nodes { id } } } }',
    { subject },
  );
  return backup.messages.nodes.map(({ id }) => id);
}

let keys = 0;

/** A new idempotency key. */
export const newKey = (): string => `key-${(keys += 1)}`;
