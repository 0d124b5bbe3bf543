import type { Database } from '../../entities/database.js';
import { DeliveryFormat } from '../../entities/delivery-format.js';
import { mailboxKey } from '../../entities/mailbox-key.js';
import { ACTION_CODES, GatewayAction } from '../../entities/vocabulary.js';
import { marksFor } from '../../entities/marks-for.js';
import { BadInputError } from '../../errors.js';
import { type BackupFilter, globalFilterSql } from '../backup/message-filter.js';
import type { BackupSettingsService } from '../settings/backup-settings-service.js';
import { checkAddress } from './envelope-address.js';
import {
  MAX_ADDRESSES,
  MAX_OPERATION_DELIVERIES,
  MAX_OPERATION_MESSAGES,
  type Operation,
  OperationKind,
  type OperationOwner,
  OperationReason,
} from './operation.js';
import {
  distinctIds,
  type NewDelivery,
  type NewItem,
  type OperationRequest,
  refuseTooMany,
} from './operation-request.js';
import type { Operations } from './operations.js';
import type { Relay } from './relay.js';
import { RelayNotConfiguredError } from './relay-settings.js';

/** Which messages an administrator means: by their ids, or all that a filter lets through. */
export interface BackupSelection {
  readonly ids: readonly string[] | null;
  readonly filter: BackupFilter | null;
  /** How the API names a message. */
  idOf(messageId: number): string;
  /** Reads an id of the API. */
  readId(id: string): number | undefined;
}

/** To whom and how messages are sent (rule D6). */
export interface BackupSending {
  readonly toOriginalRecipients: boolean;
  readonly addresses: readonly string[];
  /** Null: as the settings of Backup preset it. */
  readonly deliveryFormat: DeliveryFormat | null;
  readonly removeMessageId: boolean | null;
}

// Ids in one statement; plans for huge IN lists get slow.
const IN_LIST = 500;

interface Named {
  readonly givenId: string;
  readonly messageId: number | null;
}

/** What administrators do with the messages of Backup; permissions are the caller's matter (rules D6, X4). */
export class BackupOperations {
  constructor(
    private readonly database: Database,
    private readonly operations: Operations,
    private readonly settings: BackupSettingsService,
    private readonly relay: Relay,
  ) {}

  /** Sends messages to their original recipients, to other addresses, or both (rule D6). */
  async send(
    owner: OperationOwner,
    selection: BackupSelection,
    sending: BackupSending,
    idempotencyKey: string | null,
  ): Promise<Operation> {
    const addresses = [
      ...new Map(sending.addresses.map((each) => [mailboxKey(checkAddress('addresses', each)), each])).values(),
    ];
    if (addresses.length > MAX_ADDRESSES)
      throw new BadInputError(
        'addresses',
        `addresses names ${addresses.length} addresses; at most ${MAX_ADDRESSES} are allowed.`,
      );
    if (addresses.length === 0 && !sending.toOriginalRecipients)
      throw new BadInputError('addresses', 'Say to whom: toOriginalRecipients, addresses, or both.');
    const ids = selectedIds(selection);
    const request: OperationRequest = {
      kind: OperationKind.SEND,
      scope: 'GLOBAL',
      owner,
      idempotencyKey,
      input: { ids: ids && [...ids].sort(), filter: selection.filter, ...sending, addresses: [...addresses].sort() },
    };
    const repeated = await this.operations.repeated(request);
    if (repeated) return repeated;
    if (!this.relay.configured) throw new RelayNotConfiguredError();
    const form = await this.#form(sending);
    const messages = await this.#messages(selection, ids);
    const originals = sending.toOriginalRecipients
      ? await this.#originalRecipients(messages)
      : new Map<number, string[]>();
    let deliveries = 0;
    const items = messages.map(({ givenId, messageId }): NewItem => {
      if (messageId === null) return { givenId, messageId, recipient: null, refusal: OperationReason.NOT_FOUND };
      const to = new Map([...(originals.get(messageId) ?? []), ...addresses].map((each) => [mailboxKey(each), each]));
      deliveries += to.size;
      if (to.size === 0) return { givenId, messageId, recipient: null, refusal: OperationReason.NO_RECIPIENT };
      const wanted = [...to.values()].map((address): NewDelivery => ({ address, ...form }));
      return { givenId, messageId, recipient: null, refusal: null, deliveries: wanted };
    });
    if (deliveries > MAX_OPERATION_DELIVERIES)
      throw new BadInputError(
        'ids',
        `This would make ${deliveries} deliveries; at most ${MAX_OPERATION_DELIVERIES} are allowed in one operation. Name fewer messages or addresses.`,
      );
    return this.operations.begin(request, items);
  }

  /** Deletes messages for everybody, bytes included (rule X4). */
  async delete(owner: OperationOwner, selection: BackupSelection, idempotencyKey: string | null): Promise<Operation> {
    const ids = selectedIds(selection);
    const request: OperationRequest = {
      kind: OperationKind.DELETE,
      scope: 'GLOBAL',
      owner,
      idempotencyKey,
      input: { ids: ids && [...ids].sort(), filter: selection.filter },
    };
    const repeated = await this.operations.repeated(request);
    if (repeated) return repeated;
    const items = (await this.#messages(selection, ids)).map(({ givenId, messageId }): NewItem => ({
      givenId,
      messageId,
      recipient: null,
      refusal: messageId === null ? OperationReason.NOT_FOUND : null,
    }));
    return this.operations.begin(request, items);
  }

  async #form(sending: BackupSending): Promise<Pick<NewDelivery, 'format' | 'removeMessageId'>> {
    const preset = await this.settings.read();
    const format = sending.deliveryFormat ?? preset.deliveryFormat;
    const asIs = format === DeliveryFormat.AS_IS;
    if (sending.removeMessageId && !asIs)
      throw new BadInputError(
        'removeMessageId',
        'removeMessageId needs the delivery format AS_IS: a message in an attachment keeps its Message-ID.',
      );
    return { format, removeMessageId: asIs && (sending.removeMessageId ?? preset.removeMessageId) };
  }

  async #messages({ filter, idOf, readId }: BackupSelection, ids: readonly string[] | null): Promise<Named[]> {
    if (ids) {
      const named = ids.map((givenId) => ({ givenId, messageId: readId(givenId) ?? null }));
      const present = new Set<number>();
      for (const part of parts(named.flatMap(({ messageId }) => (messageId === null ? [] : [messageId])))) {
        const rows = await this.database.rows<{ id: number }>(
          `SELECT id FROM message WHERE id IN (${marksFor(part)})`,
          part,
        );
        for (const { id } of rows) present.add(id);
      }
      return named.map(({ givenId, messageId }) => ({
        givenId,
        messageId: messageId !== null && present.has(messageId) ? messageId : null,
      }));
    }
    const { condition, parameters } = globalFilterSql(filter ?? {});
    const rows = await this.database.rows<{ id: number }>(
      `SELECT m.id FROM message m WHERE 1 = 1${condition} ORDER BY m.id LIMIT ${MAX_OPERATION_MESSAGES + 1}`,
      parameters,
    );
    if (rows.length > MAX_OPERATION_MESSAGES) {
      const [row] = await this.database.rows<{ count: number }>(
        `SELECT count(*) AS count FROM message m WHERE 1 = 1${condition}`,
        parameters,
      );
      refuseTooMany('filter', Math.max(row?.count ?? 0, rows.length));
    }
    return rows.map(({ id }) => ({ givenId: idOf(id), messageId: id }));
  }

  /** Those whose copy was put aside: everybody but those who were given the message as it was (rule D6). */
  async #originalRecipients(messages: readonly Named[]): Promise<Map<number, string[]>> {
    const found = new Map<number, string[]>();
    let count = 0;
    for (const part of parts(messages.flatMap(({ messageId }) => (messageId === null ? [] : [messageId])))) {
      const rows = await this.database.rows<{ messageId: number; address: string }>(
        `SELECT message_id AS messageId, address FROM recipient
          WHERE message_id IN (${marksFor(part)}) AND action <> ${ACTION_CODES.indexOf(GatewayAction.SKIP)}
          ORDER BY message_id, position LIMIT ${MAX_OPERATION_DELIVERIES + 1}`,
        part,
      );
      count += rows.length;
      for (const { messageId, address } of rows) found.set(messageId, [...(found.get(messageId) ?? []), address]);
      if (count > MAX_OPERATION_DELIVERIES) return found;
    }
    return found;
  }
}

function selectedIds({ ids, filter }: BackupSelection): string[] | null {
  if (ids !== null && filter !== null) throw new BadInputError('filter', 'Give either ids or filter, not both.');
  if (ids !== null) return distinctIds(ids);
  // Without either everything would be meant, which nobody should ask for by leaving something out.
  if (filter === null) throw new BadInputError('ids', 'Say which messages: ids or filter.');
  return null;
}

function parts<Value>(values: readonly Value[]): Value[][] {
  return Array.from({ length: Math.ceil(values.length / IN_LIST) }, (_, index) =>
    values.slice(index * IN_LIST, (index + 1) * IN_LIST),
  );
}
