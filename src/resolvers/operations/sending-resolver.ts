import { Arg, Ctx, FieldResolver, Int, Resolver, Root } from 'type-graphql';
import { DEFAULT_ORDER, encodeMessageCursor, pageOf, readPage } from '../../services/backup/message-order.js';
import { connection, type Connection } from '../connection.js';
import type { RequestContext } from '../context.js';
import { BackupMessage } from '../messages/backup-message.js';
import type { GlobalBackupMessage } from '../messages/global-backup-message.js';
import { PersonalBackupMessage } from '../messages/personal-backup-message.js';
import { ownerOf } from './operation-owner.js';
import { Sending, SendingConnection } from './sending-types.js';

/** The history of a message, for people and for administrators alike. */
@Resolver(() => BackupMessage)
export class SendingResolver {
  @FieldResolver(() => SendingConnection, {
    description:
      'How it was sent from Backup, newest first; in personal Backup only what was sent to the mailbox that the section belongs to (rule D8).',
  })
  async sendings(
    @Ctx() context: RequestContext,
    @Root() message: GlobalBackupMessage | PersonalBackupMessage,
    @Arg('first', () => Int, { defaultValue: 10, description: 'How many, 0 to 200.' }) first: number,
    @Arg('after', () => String, { nullable: true, description: 'Start behind this cursor.' }) after: string | null,
  ): Promise<Connection<Sending>> {
    const page = readPage(DEFAULT_ORDER, { first, after });
    const personal = message instanceof PersonalBackupMessage;
    const rows = await context.sendings.load({
      messageId: personal ? message.copy.messageId : message.message.messageId,
      mailboxes: personal ? message.copy.section.mailboxKeys : null,
      before: page.from?.messageId ?? null,
      limit: page.size + 1,
    });
    const found = pageOf(page, rows);
    const viewer = ownerOf(context.requireViewer());
    return connection(
      found.items.map((sending) => new Sending(sending, viewer, !personal)),
      ({ sending }) => encodeMessageCursor(DEFAULT_ORDER, { value: sending.requestedAtMs, messageId: sending.id }),
      found,
    );
  }
}
