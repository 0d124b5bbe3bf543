import { Arg, Args, Authorized, Ctx, FieldResolver, ID, Int, Resolver, Root } from 'type-graphql';
import { EmailAddressScalar } from '../../entities/scalars.js';
import { mailboxKey } from '../../entities/mailbox-key.js';
import type { ContentLinks } from '../../services/access/content-links.js';
import { messageCapabilities } from '../../services/access/message-capabilities.js';
import { sectionsOf } from '../../services/access/personal-access.js';
import { DEFAULT_ORDER, encodeMessageCursor, readPage } from '../../services/backup/message-order.js';
import { copyIdOf } from '../../services/backup/copy-id.js';
import type { PersonalMessages } from '../../services/backup/personal-messages.js';
import { encodeChangeCursor } from '../../services/changes/change-cursor.js';
import type { ChangeFeed } from '../../services/changes/change-feed.js';
import type { MessageContents } from '../../services/backup/message-contents.js';
import { connection, type Connection, PageArgs } from '../connection.js';
import type { RequestContext } from '../context.js';
import { PreviewMode } from '../enums.js';
import { readCopyId } from '../ids.js';
import { Viewer } from '../people/viewer.js';
import { BackupOrder, PersonalBackupFilterInput } from './message-inputs.js';
import { sortValue } from './sort-value.js';
import { MailboxBackup, PersonalBackup } from './personal-backup.js';
import { PersonalBackupMessage, PersonalBackupMessageConnection } from './personal-backup-message.js';
import { MessagePreview } from './preview.js';

/** Personal Backup, from the viewer down. */
@Resolver(() => Viewer)
export class ViewerBackupResolver {
  constructor(private readonly feed: ChangeFeed) {}

  @FieldResolver(() => PersonalBackup, {
    nullable: true,
    description: 'Null: personal Backup is switched off (rule V3), or the account is local.',
  })
  async personalBackup(@Ctx() context: RequestContext): Promise<PersonalBackup | null> {
    const cursor = encodeChangeCursor(this.feed.position);
    const access = await context.personalAccess();
    return access && new PersonalBackup(access, cursor);
  }
}

/** Sections and messages of personal Backup. */
@Resolver(() => PersonalBackup)
export class PersonalBackupResolver {
  constructor(private readonly messages: PersonalMessages) {}

  @Authorized('GROUP_MAILBOXES')
  @FieldResolver(() => [MailboxBackup], {
    nullable: true,
    description:
      'Sections of the group mailboxes that are delegated to the viewer; null unless `groupMailboxAccess` is GRANTED (rule V9).',
  })
  groupMailboxes(@Root() { access }: PersonalBackup): MailboxBackup[] {
    return access.groupMailboxes.map((section) => new MailboxBackup(section, access));
  }

  @FieldResolver(() => MailboxBackup, {
    nullable: true,
    description:
      "The section of one mailbox, by any of its addresses; null when it is not the viewer's or does not exist (rule V6).",
  })
  mailbox(
    @Root() { access }: PersonalBackup,
    @Arg('address', () => EmailAddressScalar, { description: 'One of its addresses.' }) address: string,
  ): MailboxBackup | null {
    const section = sectionsOf(access).find((each) => each.mailboxKeys.includes(mailboxKey(address)));
    return section ? new MailboxBackup(section, access) : null;
  }

  @FieldResolver(() => PersonalBackupMessage, {
    nullable: true,
    description: 'One message; null when it is foreign, hidden or unknown (rule V6).',
  })
  async message(
    @Ctx() context: RequestContext,
    @Root() { access }: PersonalBackup,
    @Arg('id', () => ID, { description: "The copy's id." }) id: string,
  ): Promise<PersonalBackupMessage | null> {
    const copy = readCopyId(id);
    const [found] = copy ? await this.messages.find(access, [copy]) : [];
    return found ? new PersonalBackupMessage(context, found, access.switches) : null;
  }
}

/** The messages of one section. */
@Resolver(() => MailboxBackup)
export class MailboxBackupResolver {
  constructor(private readonly personalMessages: PersonalMessages) {}

  @FieldResolver(() => PersonalBackupMessageConnection, {
    description: 'Its messages, newest first unless ordered otherwise.',
  })
  async messages(
    @Ctx() context: RequestContext,
    @Root() { section, access }: MailboxBackup,
    @Args(() => PageArgs) page: PageArgs,
    @Arg('filter', () => PersonalBackupFilterInput, { nullable: true, description: 'Narrows the list.' })
    filter: PersonalBackupFilterInput | null,
    @Arg('orderBy', () => BackupOrder, { nullable: true, description: 'Orders the list.' }) orderBy: BackupOrder | null,
    @Arg('deleted', () => Boolean, {
      defaultValue: false,
      description:
        'Those that were deleted from this section and can be restored, instead of those that it shows (rule X5).',
    })
    deleted: boolean,
  ): Promise<Connection<PersonalBackupMessage>> {
    const order = orderBy ?? DEFAULT_ORDER;
    const found = await this.personalMessages.list(
      section,
      filter ?? {},
      readPage(order, page),
      deleted ? 'DELETED' : 'SHOWN',
    );
    const nodes = found.items.map((copy) => new PersonalBackupMessage(context, copy, access.switches));
    return connection(
      nodes,
      ({ copy }) => encodeMessageCursor(order, { value: sortValue(copy, order), messageId: copy.messageId }),
      found,
    );
  }

  @FieldResolver(() => Int, { description: 'How many messages it has; counted only when asked for.' })
  messageCount(@Root() { section }: MailboxBackup): Promise<number> {
    return this.personalMessages.count(section);
  }
}

/** The content of one message. */
@Resolver(() => PersonalBackupMessage)
export class PersonalBackupMessageResolver {
  constructor(
    private readonly contents: MessageContents,
    private readonly links: ContentLinks,
  ) {}

  @FieldResolver(() => MessagePreview, {
    nullable: true,
    description: 'The content; null when it may not be read, `viewerCan` says why (rules P1 to P3).',
  })
  async preview(
    @Ctx() context: RequestContext,
    @Root() message: PersonalBackupMessage,
    @Arg('mode', () => PreviewMode, { description: 'As text or as HTML.' }) mode: PreviewMode,
  ): Promise<MessagePreview | null> {
    if (!mayRead(message, mode)) return null;
    const read = () => this.contents.preview(message.copy.contentId, mode);
    return (await context.reading.read(read, ({ content }) => content.length)) as MessagePreview;
  }

  @FieldResolver(() => String, {
    nullable: true,
    description:
      'Address of the content for the `src` of an <iframe sandbox>, for five minutes and as long as the session lives; null when it may not be read (rules P1 to P3).',
  })
  previewUrl(
    @Ctx() context: RequestContext,
    @Root() message: PersonalBackupMessage,
    @Arg('mode', () => PreviewMode, { description: 'As text or as HTML.' }) mode: PreviewMode,
  ): string | null {
    if (!mayRead(message, mode)) return null;
    return this.links.urlOf({
      kind: 'PERSONAL_PREVIEW',
      sessionId: context.requireViewer().sessionId,
      copy: copyIdOf(message.copy),
      mode,
    });
  }
}

function mayRead({ copy, switches }: PersonalBackupMessage, mode: PreviewMode): boolean {
  const can = messageCapabilities(switches, copy.facts);
  return mode === PreviewMode.HTML ? can.previewHtml.allowed : can.previewText.allowed;
}
