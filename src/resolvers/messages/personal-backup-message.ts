import { Field, ObjectType } from 'type-graphql';
import { EmailAddressScalar } from '../../entities/scalars.js';
import { RecipientKind } from '../../entities/vocabulary.js';
import { deletedCapabilities, messageCapabilities } from '../../services/access/message-capabilities.js';
import type { PersonalSwitches } from '../../services/access/personal-access.js';
import { modulesOf } from '../../services/backup/message-rows.js';
import type { PersonalCopy } from '../../services/backup/personal-messages.js';
import { connectionTypes } from '../connection.js';
import type { RequestContext } from '../context.js';
import { copyId } from '../ids.js';
import { BackupMessage } from './backup-message.js';
import { MessageCapabilitiesType } from './message-capabilities.js';

/** One recipient's copy of a message as that mailbox's people see it; nothing else of the message is reachable from here (rule V6). */
@ObjectType({
  implements: BackupMessage,
  description: "A message in personal Backup: one recipient's copy, without anything of other recipients (rule V6).",
})
export class PersonalBackupMessage implements BackupMessage {
  constructor(
    private readonly context: RequestContext,
    readonly copy: PersonalCopy,
    readonly switches: PersonalSwitches,
  ) {}

  get id() {
    return copyId(this.copy);
  }
  get receivedAt() {
    return this.copy.receivedAtMs;
  }
  get sender() {
    return this.copy.sender;
  }
  get senderIp() {
    return this.copy.senderIp;
  }
  get subject() {
    return this.copy.subject;
  }
  get size() {
    return this.copy.sizeBytes;
  }
  get gatewayMessageId() {
    return this.copy.gatewayMessageId;
  }
  get smtpMessageId() {
    return this.copy.smtpMessageId;
  }
  get detectedBy() {
    return modulesOf(this.copy.detectedBits);
  }
  get action() {
    return this.copy.action;
  }
  get scanResults() {
    return this.copy.scanResults() as BackupMessage['scanResults'];
  }
  get attachments() {
    return this.copy.attachments();
  }
  get sentFromBackup() {
    return this.copy.sent;
  }

  @Field(() => EmailAddressScalar, { description: 'The mailbox whose section the message is in (rule V10).' })
  get mailbox(): string {
    return this.copy.section.address;
  }

  @Field(() => [EmailAddressScalar], { description: 'Envelope recipients that stand in the To field (rule S3).' })
  get to(): Promise<string[]> {
    return this.#recipients(RecipientKind.TO);
  }

  @Field(() => [EmailAddressScalar], { description: 'Envelope recipients that stand in the Cc field (rule S3).' })
  get cc(): Promise<string[]> {
    return this.#recipients(RecipientKind.CC);
  }

  @Field(() => MessageCapabilitiesType, { description: 'What the viewer may do with it.' })
  get viewerCan(): MessageCapabilitiesType {
    const capabilities = messageCapabilities(this.switches, this.copy.facts);
    return this.copy.deleted ? deletedCapabilities(capabilities) : capabilities;
  }

  async #recipients(kind: RecipientKind): Promise<string[]> {
    const recipients = await this.context.recipients.load(this.copy.messageId);
    return recipients.filter((recipient) => recipient.kind === kind).map((recipient) => recipient.address);
  }
}

/** A page of a section. */
export const { ConnectionType: PersonalBackupMessageConnection } = connectionTypes(
  'PersonalBackupMessage',
  PersonalBackupMessage as never,
  'messages of a section',
);
