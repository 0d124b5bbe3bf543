import { isUsableAddress } from './envelope-address.js';
import { messageCapabilities } from '../access/message-capabilities.js';
import type { PersonalAccess } from '../access/personal-access.js';
import { type CopyId, copyIdKey, copyIdOf } from '../backup/copy-id.js';
import type { CopyState, PersonalCopy, PersonalMessages } from '../backup/personal-messages.js';
import { type Operation, OperationKind, type OperationOwner, OperationReason } from './operation.js';
import { distinctIds, type NewItem, type OperationRequest } from './operation-request.js';
import type { Operations } from './operations.js';
import type { Relay } from './relay.js';
import { RelayNotConfiguredError } from './relay-settings.js';

/** Where a person has messages sent (rule D3). */
export enum SendDestination {
  MAILBOX = 'MAILBOX',
  OWN_ADDRESS = 'OWN_ADDRESS',
}

/** A message as a request names it: the id as given, and what it stands for, if anything. */
export interface NamedCopy {
  readonly givenId: string;
  readonly copy: CopyId | undefined;
}

/** What a person asks for. */
export interface PersonalRequest {
  readonly owner: OperationOwner;
  readonly access: PersonalAccess | null;
  readonly ids: readonly string[];
  readonly idempotencyKey: string | null;
  /** Reads an id of the API. */
  readIds(ids: readonly string[]): NamedCopy[];
}

const refusedItem = (givenId: string, refusal: OperationReason): NewItem => ({
  givenId,
  messageId: null,
  recipient: null,
  refusal,
});

/** What people do with the messages in their personal Backup (rules D1 to D3, X1 to X5). */
export class PersonalOperations {
  constructor(
    private readonly operations: Operations,
    private readonly messages: PersonalMessages,
    private readonly relay: Relay,
  ) {}

  /** Has messages sent; refusals are per message. Throws RELAY_NOT_CONFIGURED, OPERATION_RUNNING, BAD_USER_INPUT. */
  send(request: PersonalRequest, destination: SendDestination): Promise<Operation> {
    return this.#begin(OperationKind.SEND, request, { destination }, 'SHOWN', (access, copy) => {
      const { reason } = messageCapabilities(access.switches, copy.facts).send;
      if (reason !== null) return OperationReason[reason as keyof typeof OperationReason];
      const address = destination === SendDestination.MAILBOX ? copy.section.address : access.own?.address;
      if (address === undefined) return OperationReason.NO_OWN_ADDRESS;
      if (!isUsableAddress(address)) return OperationReason.UNUSABLE_ADDRESS;
      return [
        {
          address,
          ...(destination === SendDestination.MAILBOX ? { mailbox: copy.mailbox } : {}),
          format: access.switches.deliveryFormat,
          removeMessageId: access.switches.removeMessageId,
        },
      ];
    });
  }

  /** Deletes messages from the sections that they are in (rules X1 to X3). */
  delete(request: PersonalRequest): Promise<Operation> {
    return this.#begin(OperationKind.DELETE, request, {}, 'SHOWN', (access) =>
      access.switches.deletion ? [] : OperationReason.DELETION_SWITCHED_OFF,
    );
  }

  /** Takes deletions back (rule X5); allowed while deleting is switched off, too. */
  restore(request: PersonalRequest): Promise<Operation> {
    return this.#begin(OperationKind.RESTORE, request, {}, 'DELETED', () => []);
  }

  async #begin(
    kind: OperationKind,
    { owner, access, ids, idempotencyKey, readIds }: PersonalRequest,
    further: Readonly<Record<string, unknown>>,
    state: CopyState,
    judge: (access: PersonalAccess, copy: PersonalCopy) => OperationReason | NonNullable<NewItem['deliveries']>,
  ): Promise<Operation> {
    const distinct = distinctIds(ids);
    const request: OperationRequest = {
      kind,
      scope: 'PERSONAL',
      owner,
      idempotencyKey,
      input: { ids: [...distinct].sort(), ...further },
    };
    const repeated = await this.operations.repeated(request);
    if (repeated) return repeated;
    if (kind === OperationKind.SEND && !this.relay.configured) throw new RelayNotConfiguredError();
    const named = readIds(distinct);
    const messageIds = [...new Set(named.flatMap(({ copy }) => (copy ? [copy.messageId] : [])))];
    const copies = new Map<string, PersonalCopy>();
    // The first copy of a message in a section stands for the others there, as it does in the list (rule V4).
    const first = new Map<string, PersonalCopy>();
    for (const copy of await this.messages.copiesOf(access, messageIds, state)) {
      copies.set(copyIdKey(copyIdOf(copy)), copy);
      const place = `${copy.messageId} ${copy.section.kind} ${copy.section.address}`;
      if (!first.has(place)) first.set(place, copy);
    }
    const taken = new Set<PersonalCopy>();
    const items = named.flatMap(({ givenId, copy: wanted }): NewItem[] => {
      const found = wanted && copies.get(copyIdKey(wanted));
      // Foreign, hidden and unknown ones are answered alike (rule V6).
      if (!access || !found) return [refusedItem(givenId, OperationReason.NOT_FOUND)];
      const copy = first.get(`${found.messageId} ${found.section.kind} ${found.section.address}`) ?? found;
      if (taken.has(copy)) return [];
      taken.add(copy);
      const judged = judge(access, copy);
      const { messageId, recipient } = copy;
      return [
        Array.isArray(judged)
          ? { givenId, messageId, recipient, refusal: null, deliveries: judged }
          : { givenId, messageId, recipient, refusal: judged as OperationReason },
      ];
    });
    return this.operations.begin(request, items);
  }
}
