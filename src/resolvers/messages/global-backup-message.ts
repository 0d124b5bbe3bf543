import { Field, ObjectType } from 'type-graphql';
import { DateTimeScalar, EmailAddressScalar } from '../../entities/scalars.js';
import { GatewayAction, RecipientKind } from '../../entities/vocabulary.js';
import type { StoredMessage, StoredRecipient, StoredVerdict } from '../../services/backup/global-messages.js';
import { modulesOf } from '../../services/backup/message-rows.js';
import { connectionTypes } from '../connection.js';
import type { RequestContext } from '../context.js';
import { messageId } from '../ids.js';
import { BackupMessage } from './backup-message.js';
import { ScanResultType } from './scan-result.js';

/** What one group of recipients met. */
@ObjectType({ description: "What one of the gateway's rules did, and for whom (rule S4)." })
export class RuleResult {
  constructor(
    private readonly verdict: StoredVerdict,
    private readonly recipients: readonly StoredRecipient[],
  ) {}

  @Field({ description: 'Name of the rule; empty when the gateway named none.' })
  get name(): string {
    return this.verdict.ruleName;
  }

  @Field(() => [EmailAddressScalar], { description: 'Its recipients that stand in the To field (rule S3).' })
  get to(): string[] {
    return this.#addresses(RecipientKind.TO);
  }

  @Field(() => [EmailAddressScalar], { description: 'Its recipients that stand in the Cc field (rule S3).' })
  get cc(): string[] {
    return this.#addresses(RecipientKind.CC);
  }

  @Field(() => [EmailAddressScalar], { description: 'Its recipients that stand in neither (rule S3).' })
  get bcc(): string[] {
    return this.#addresses(RecipientKind.BCC);
  }

  @Field(() => GatewayAction, { description: 'What the gateway did for these recipients.' })
  get action(): GatewayAction {
    return this.verdict.action;
  }

  @Field(() => [ScanResultType], { description: 'What each module said for these recipients.' })
  get scanResults(): ScanResultType[] {
    return this.verdict.scanResults as ScanResultType[];
  }

  @Field(() => String, {
    nullable: true,
    description: "Why the message went to Backup, in the gateway's words; null when it gave no reason.",
  })
  get reason(): string | null {
    return this.verdict.reason;
  }

  #addresses(kind: RecipientKind): string[] {
    return this.recipients.filter((recipient) => recipient.kind === kind).map((recipient) => recipient.address);
  }
}

/** An envelope recipient of a message. */
@ObjectType({ description: 'An envelope recipient, and what became of the copy.' })
export class RecipientState {
  @Field(() => EmailAddressScalar, { description: 'The address as the gateway gave it.' })
  address!: string;

  @Field(() => RecipientKind, { description: 'Where it stands in the header fields (rule S3).' })
  kind!: RecipientKind;

  @Field(() => GatewayAction, { description: 'What the gateway did for this recipient.' })
  action!: GatewayAction;

  @Field({
    description:
      'Whether personal Backup does not show the copy: because of the action (rule V4), or deleted there (rules X2, X3).',
  })
  hidden!: boolean;

  @Field({ description: 'Whether the message was sent from Backup to this recipient.' })
  sent!: boolean;
}

/** A message as administrators see it. */
@ObjectType({ implements: BackupMessage, description: 'A message of Backup, whole, for administrators.' })
export class GlobalBackupMessage implements BackupMessage {
  constructor(
    private readonly context: RequestContext,
    readonly message: StoredMessage,
  ) {}

  get id() {
    return messageId(this.message.messageId);
  }
  get receivedAt() {
    return this.message.receivedAtMs;
  }
  get sender() {
    return this.message.sender;
  }
  get senderIp() {
    return this.message.senderIp;
  }
  get subject() {
    return this.message.subject;
  }
  get size() {
    return this.message.sizeBytes;
  }
  get gatewayMessageId() {
    return this.message.gatewayMessageId;
  }
  get smtpMessageId() {
    return this.message.smtpMessageId;
  }
  get detectedBy() {
    return modulesOf(this.message.detectedBits);
  }
  get action() {
    return this.message.action;
  }
  get attachments() {
    return this.message.attachments();
  }
  get sentFromBackup() {
    return this.message.sent;
  }
  get scanResults(): Promise<ScanResultType[]> {
    return this.context.verdicts.load(this.message.messageId).then((verdicts) => {
      const different = new Map(
        verdicts.flatMap((verdict) => verdict.scanResults).map((result) => [JSON.stringify(result), result]),
      );
      return [...different.values()] as ScanResultType[];
    });
  }

  @Field(() => String, { nullable: true, description: 'Name of the gateway node; null when not told.' })
  get node(): string | null {
    return this.message.node;
  }

  @Field(() => DateTimeScalar, {
    nullable: true,
    description:
      'When Backup itself sent this message, by the valid loop mark on it: the gateway put aside what came from Backup (rule D4). Null for all others. Whoever received a message from Backup can copy its mark for four weeks.',
  })
  get loopSentAt(): number | null {
    return this.message.loopSentAtMs;
  }

  @Field(() => [RuleResult], { description: 'What each rule of the gateway did, and for whom (rule S4).' })
  get rules(): Promise<RuleResult[]> {
    const id = this.message.messageId;
    return Promise.all([this.context.verdicts.load(id), this.context.recipients.load(id)]).then(
      ([verdicts, recipients]) =>
        verdicts.map(
          (verdict) =>
            new RuleResult(
              verdict,
              recipients.filter((recipient) => recipient.verdict === verdict.position),
            ),
        ),
    );
  }

  @Field(() => [RecipientState], { description: 'Every envelope recipient.' })
  get recipients(): Promise<RecipientState[]> {
    return this.context.recipients.load(this.message.messageId);
  }
}

/** A page of all messages. */
export const { ConnectionType: GlobalBackupMessageConnection } = connectionTypes(
  'GlobalBackupMessage',
  GlobalBackupMessage as never,
  'messages of Backup',
);
