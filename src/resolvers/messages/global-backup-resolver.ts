import { Arg, Args, Authorized, Ctx, Field, FieldResolver, ID, ObjectType, Query, Resolver, Root } from 'type-graphql';
import type { Database } from '../../entities/database.js';
import { Permission } from '../../entities/permission.js';
import { ChangeCursorScalar } from '../../entities/scalars.js';
import { recordAudit } from '../../services/audit/audit-log.js';
import type { ContentLinks } from '../../services/access/content-links.js';
import type { GlobalMessages } from '../../services/backup/global-messages.js';
import type { MessageContents } from '../../services/backup/message-contents.js';
import { DEFAULT_ORDER, encodeMessageCursor, readPage } from '../../services/backup/message-order.js';
import { encodeChangeCursor } from '../../services/changes/change-cursor.js';
import type { ChangeFeed } from '../../services/changes/change-feed.js';
import { connection, type Connection, PageArgs } from '../connection.js';
import type { RequestContext } from '../context.js';
import { PreviewMode } from '../enums.js';
import { readMessageId } from '../ids.js';
import { BackupFilterInput, BackupOrder } from './message-inputs.js';
import { GlobalBackupMessage, GlobalBackupMessageConnection } from './global-backup-message.js';
import { DownloadableAttachment, MessageHeaderType, MessagePreview } from './preview.js';
import { sortValue } from './sort-value.js';

/** Backup as a whole. */
@ObjectType({ description: 'Backup as a whole, for administrators.' })
export class GlobalBackup {
  @Field(() => ChangeCursorScalar, {
    description:
      "The feed's place as of this answer: read lists, then subscribe behind it, and nothing is missed between.",
  })
  changeCursor!: string;
}

/** All messages, for administrators. */
@Resolver(() => GlobalBackup)
export class GlobalBackupResolver {
  constructor(
    private readonly feed: ChangeFeed,
    private readonly globalMessages: GlobalMessages,
  ) {}

  @Authorized(Permission.BACKUP_VIEW)
  @Query(() => GlobalBackup, { nullable: true, description: 'Backup as a whole. Needs BACKUP_VIEW.' })
  backup(): GlobalBackup {
    return { changeCursor: encodeChangeCursor(this.feed.position) };
  }

  @FieldResolver(() => GlobalBackupMessageConnection, {
    description: 'All messages, newest first unless ordered otherwise.',
  })
  async messages(
    @Ctx() context: RequestContext,
    @Args(() => PageArgs) page: PageArgs,
    @Arg('filter', () => BackupFilterInput, { nullable: true, description: 'Narrows the list.' })
    filter: BackupFilterInput | null,
    @Arg('orderBy', () => BackupOrder, { nullable: true, description: 'Orders the list.' }) orderBy: BackupOrder | null,
  ): Promise<Connection<GlobalBackupMessage>> {
    const order = orderBy ?? DEFAULT_ORDER;
    const found = await this.globalMessages.list(filter ?? {}, readPage(order, page));
    const nodes = found.items.map((message) => new GlobalBackupMessage(context, message));
    return connection(
      nodes,
      ({ message }) => encodeMessageCursor(order, { value: sortValue(message, order), messageId: message.messageId }),
      found,
    );
  }

  @FieldResolver(() => GlobalBackupMessage, {
    nullable: true,
    description: 'One message; null when there is none with this id.',
  })
  async message(
    @Ctx() context: RequestContext,
    @Arg('id', () => ID, { description: "The message's id." }) id: string,
  ): Promise<GlobalBackupMessage | null> {
    const wanted = readMessageId(id);
    const [found] = wanted === undefined ? [] : await this.globalMessages.find([wanted]);
    return found ? new GlobalBackupMessage(context, found) : null;
  }
}

/** The content of any message. */
@Resolver(() => GlobalBackupMessage)
export class GlobalBackupMessageResolver {
  constructor(
    private readonly database: Database,
    private readonly contents: MessageContents,
    private readonly links: ContentLinks,
  ) {}

  @Authorized(Permission.BACKUP_READ)
  @FieldResolver(() => MessagePreview, {
    nullable: true,
    description:
      'The content. Needs BACKUP_READ; each reading is audited (rule P5). Text instead of HTML where rule P3 says so, with the reason.',
  })
  async preview(
    @Ctx() context: RequestContext,
    @Root() { message }: GlobalBackupMessage,
    @Arg('mode', () => PreviewMode, { description: 'As text or as HTML.' }) mode: PreviewMode,
  ): Promise<MessagePreview> {
    const verdicts = await context.verdicts.load(message.messageId);
    const read = async () => {
      await this.#auditReading(context, message.messageId, { mode });
      return this.contents.previewForAll(message, verdicts, mode);
    };
    return (await context.reading.read(read, ({ content }) => content.length)) as MessagePreview;
  }

  @Authorized(Permission.BACKUP_READ)
  @FieldResolver(() => String, {
    nullable: true,
    description:
      'Address of the content for the `src` of an <iframe sandbox>, for five minutes and as long as the session lives. Needs BACKUP_READ; its use is audited.',
  })
  previewUrl(
    @Ctx() context: RequestContext,
    @Root() { message }: GlobalBackupMessage,
    @Arg('mode', () => PreviewMode, { description: 'As text or as HTML.' }) mode: PreviewMode,
  ): string {
    return this.links.urlOf({
      kind: 'PREVIEW',
      sessionId: context.requireViewer().sessionId,
      messageId: message.messageId,
      mode,
    });
  }

  @Authorized(Permission.BACKUP_READ)
  @FieldResolver(() => [MessageHeaderType], {
    nullable: true,
    description: 'The header fields in their order, decoded; at most 256 KiB of them. Needs BACKUP_READ; audited.',
  })
  async headers(
    @Ctx() context: RequestContext,
    @Root() { message }: GlobalBackupMessage,
  ): Promise<readonly MessageHeaderType[]> {
    const read = async () => {
      await this.#auditReading(context, message.messageId, { headers: true });
      return this.contents.headers(message.contentId);
    };
    return context.reading.read(read, (headers) => headers.reduce((sum, { value }) => sum + value.length, 0));
  }

  @Authorized(Permission.BACKUP_DOWNLOAD)
  @FieldResolver(() => String, {
    nullable: true,
    description:
      'Address of the message as received (message/rfc822), for five minutes and as long as the session lives. Needs BACKUP_DOWNLOAD; its use is audited.',
  })
  sourceUrl(@Ctx() context: RequestContext, @Root() { message }: GlobalBackupMessage): string {
    return this.links.urlOf({
      kind: 'SOURCE',
      sessionId: context.requireViewer().sessionId,
      messageId: message.messageId,
    });
  }

  @Authorized(Permission.BACKUP_DOWNLOAD)
  @FieldResolver(() => [DownloadableAttachment], {
    nullable: true,
    description:
      'Attachments, those within attached messages among them, with addresses to download them. Needs BACKUP_DOWNLOAD; each download is audited.',
  })
  async downloadableAttachments(
    @Ctx() context: RequestContext,
    @Root() { message }: GlobalBackupMessage,
  ): Promise<DownloadableAttachment[]> {
    const { sessionId } = context.requireViewer();
    const { attachments } = await context.reading.read(() => this.contents.describe(message.contentId));
    return attachments.map((attachment) => ({
      ...attachment,
      url: this.links.urlOf({ kind: 'ATTACHMENT', sessionId, messageId: message.messageId, partId: attachment.partId }),
    }));
  }

  /** Written before the content is read: who may have seen it must stand there even if the answer got lost. */
  async #auditReading(context: RequestContext, messageId: number, details: Record<string, unknown>): Promise<void> {
    await this.database.transaction((transaction) =>
      recordAudit(transaction, {
        ...context.author,
        event: 'MESSAGE_READ',
        outcome: 'DONE',
        subject: `message:${messageId}`,
        details,
      }),
    );
  }
}
