import { Arg, Authorized, Ctx, FieldResolver, ID, Int, Mutation, Query, Resolver, Root } from 'type-graphql';
import { Permission } from '../../entities/permission.js';
import { BadInputError } from '../../errors.js';
import type { BackupOperations, BackupSelection } from '../../services/sending/backup-operations.js';
import type { Operation } from '../../services/sending/operation.js';
import type { Operations } from '../../services/sending/operations.js';
import type { PersonalOperations, PersonalRequest } from '../../services/sending/personal-operations.js';
import { DEFAULT_ORDER, encodeMessageCursor, readPage } from '../../services/backup/message-order.js';
import { connection, type Connection } from '../connection.js';
import type { RequestContext } from '../context.js';
import { messageId, readCopyId, readMessageId } from '../ids.js';
import type { BackupFilterInput } from '../messages/message-inputs.js';
import { attempt } from '../user-error.js';
import {
  CancelOperationInput,
  DeleteBackupMessagesInput,
  DeletePersonalMessagesInput,
  RestorePersonalMessagesInput,
  SendBackupMessagesInput,
  SendPersonalMessagesInput,
} from './operation-inputs.js';
import { mayFollow, operationOwner } from './operation-owner.js';
import {
  BackupOperation,
  BackupOperationPayload,
  OperationResult,
  OperationResultConnection,
} from './operation-types.js';

const begun = (work: () => Promise<Operation>) =>
  attempt(
    async (): Promise<BackupOperationPayload> => ({ operation: new BackupOperation(await work()), userErrors: [] }),
    (userErrors) => ({ operation: null, userErrors }),
  );

async function personalRequest(
  context: RequestContext,
  ids: readonly string[],
  idempotencyKey: string | null | undefined,
): Promise<PersonalRequest> {
  return {
    owner: operationOwner(context),
    access: await context.personalAccess(),
    ids,
    idempotencyKey: idempotencyKey ?? null,
    readIds: (given) => given.map((givenId) => ({ givenId, copy: readCopyId(givenId) })),
  };
}

function selection(
  context: RequestContext,
  { ids, filter }: { ids?: string[] | null; filter?: BackupFilterInput | null },
): BackupSelection {
  // Whoever may not see the list must not learn from a filter what is in it.
  if (filter) context.requirePermission(Permission.BACKUP_VIEW);
  return { ids: ids ?? null, filter: filter ?? null, idOf: messageId, readId: readMessageId };
}

/** Everything that is done with messages: sending, deleting, restoring. */
@Resolver(() => BackupOperation)
export class OperationResolver {
  constructor(
    private readonly operations: Operations,
    private readonly personal: PersonalOperations,
    private readonly backup: BackupOperations,
  ) {}

  @Authorized('SESSION')
  @Query(() => BackupOperation, {
    nullable: true,
    description: "One operation: one's own, or with BACKUP_VIEW anybody's; null for others and unknown ones.",
  })
  async operation(
    @Ctx() context: RequestContext,
    @Arg('id', () => ID, { description: "The operation's id." }) id: string,
  ): Promise<BackupOperation | null> {
    const found = await this.operations.find(id);
    return found && mayFollow(context, found) ? new BackupOperation(found) : null;
  }

  @FieldResolver(() => OperationResultConnection, {
    description: 'What became of each message, in the order of the request.',
  })
  async results(
    @Root() { operation }: BackupOperation,
    @Arg('first', () => Int, { defaultValue: 50, description: 'How many, 0 to 200.' }) first: number,
    @Arg('after', () => String, { nullable: true, description: 'Start behind this cursor.' }) after: string | null,
  ): Promise<Connection<OperationResult>> {
    const page = readPage(DEFAULT_ORDER, { first, after });
    const found = await this.operations.items(operation.id, page);
    return connection(
      found.items.map((item) => new OperationResult(item)),
      ({ item }) => encodeMessageCursor(DEFAULT_ORDER, { value: item.position, messageId: 0 }),
      found,
    );
  }

  @Authorized('SESSION')
  @Mutation(() => BackupOperationPayload, {
    description:
      'Has messages of personal Backup sent to their mailbox or to oneself (rules D1 to D3). What may not be sent is refused in its result; the rest goes ahead.',
  })
  async sendPersonalMessages(
    @Ctx() context: RequestContext,
    @Arg('input', () => SendPersonalMessagesInput, { description: 'What and where to.' })
    input: SendPersonalMessagesInput,
  ): Promise<BackupOperationPayload> {
    return begun(async () =>
      this.personal.send(await personalRequest(context, input.ids, input.idempotencyKey), input.destination),
    );
  }

  @Authorized('SESSION')
  @Mutation(() => BackupOperationPayload, {
    description:
      "Deletes messages from personal Backup: from the own section for oneself, from a group mailbox's section for everybody who sees it (rules X1 to X3).",
  })
  async deletePersonalMessages(
    @Ctx() context: RequestContext,
    @Arg('input', () => DeletePersonalMessagesInput, { description: 'Which.' }) input: DeletePersonalMessagesInput,
  ): Promise<BackupOperationPayload> {
    return begun(async () => this.personal.delete(await personalRequest(context, input.ids, input.idempotencyKey)));
  }

  @Authorized('SESSION')
  @Mutation(() => BackupOperationPayload, {
    description: 'Takes deletions from personal Backup back while the messages are still in Backup (rule X5).',
  })
  async restorePersonalMessages(
    @Ctx() context: RequestContext,
    @Arg('input', () => RestorePersonalMessagesInput, { description: 'Which.' }) input: RestorePersonalMessagesInput,
  ): Promise<BackupOperationPayload> {
    return begun(async () => this.personal.restore(await personalRequest(context, input.ids, input.idempotencyKey)));
  }

  @Authorized('BACKUP_SEND')
  @Mutation(() => BackupOperationPayload, {
    nullable: true,
    description:
      'Sends messages of Backup to their recipients or to any address. Needs BACKUP_SEND_TO_RECIPIENTS, BACKUP_SEND_TO_ANYONE, or both (rule D6).',
  })
  async sendBackupMessages(
    @Ctx() context: RequestContext,
    @Arg('input', () => SendBackupMessagesInput, { description: 'What, to whom and how.' })
    input: SendBackupMessagesInput,
  ): Promise<BackupOperationPayload> {
    if (input.toOriginalRecipients) context.requirePermission(Permission.BACKUP_SEND_TO_RECIPIENTS);
    if (input.addresses.length > 0) context.requirePermission(Permission.BACKUP_SEND_TO_ANYONE);
    return begun(() =>
      this.backup.send(
        operationOwner(context),
        selection(context, input),
        {
          toOriginalRecipients: input.toOriginalRecipients,
          addresses: input.addresses,
          deliveryFormat: input.deliveryFormat ?? null,
          removeMessageId: input.removeMessageId ?? null,
        },
        input.idempotencyKey,
      ),
    );
  }

  @Authorized(Permission.BACKUP_DELETE)
  @Mutation(() => BackupOperationPayload, {
    nullable: true,
    description: 'Deletes messages for everybody, bytes included (rule X4). Needs BACKUP_DELETE.',
  })
  deleteBackupMessages(
    @Ctx() context: RequestContext,
    @Arg('input', () => DeleteBackupMessagesInput, { description: 'Which.' }) input: DeleteBackupMessagesInput,
  ): Promise<BackupOperationPayload> {
    return begun(() =>
      this.backup.delete(operationOwner(context), selection(context, input), input.idempotencyKey ?? null),
    );
  }

  @Authorized('SESSION')
  @Mutation(() => BackupOperationPayload, {
    description: 'Cancels what one of the own operations has not started, and what of it waits for another attempt.',
  })
  async cancelOperation(
    @Ctx() context: RequestContext,
    @Arg('input', () => CancelOperationInput, { description: 'Which.' }) input: CancelOperationInput,
  ): Promise<BackupOperationPayload> {
    return begun(async () => {
      const found = await this.operations.find(input.id);
      if (!found || found.owner !== operationOwner(context).owner)
        throw new BadInputError('id', 'There is no operation of yours with this id.');
      return this.operations.cancel(found, context.author);
    });
  }
}
