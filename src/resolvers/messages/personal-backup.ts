import { Field, ObjectType } from 'type-graphql';
import { ChangeCursorScalar, EmailAddressScalar } from '../../entities/scalars.js';
import { DeliveryFormat } from '../../entities/delivery-format.js';
import {
  GroupMailboxAccess,
  MailboxKind,
  type MailboxSection,
  type PersonalAccess,
  PersonalBackupAvailability,
} from '../../services/access/personal-access.js';

/** What the switches allow at all. */
@ObjectType({
  description: 'What the administrator allows in personal Backup at all; a single message may allow less.',
})
export class PersonalBackupCapabilities {
  @Field({ description: 'Reading content (rule P1).' })
  preview!: boolean;

  @Field({ description: 'Deleting (rule X1).' })
  delete!: boolean;

  @Field({ description: 'Having messages sent (rule D1).' })
  send!: boolean;

  @Field(() => DeliveryFormat, { description: 'The form in which messages are sent (rule D3).' })
  deliveryFormat!: DeliveryFormat;
}

/** One section of personal Backup. */
@ObjectType({
  description:
    'One section of personal Backup: the messages to one mailbox, never mixed with those of another (rule V10).',
})
export class MailboxBackup {
  constructor(
    readonly section: MailboxSection,
    readonly access: PersonalAccess,
  ) {}

  @Field(() => EmailAddressScalar, { description: "The mailbox's main address." })
  get address(): string {
    return this.section.address;
  }

  @Field({ description: "The mailbox's name in the directory." })
  get name(): string {
    return this.section.name;
  }

  @Field(() => MailboxKind, { description: 'Whose messages it shows.' })
  get kind(): MailboxKind {
    return this.section.kind;
  }
}

/** The viewer's personal Backup at this moment. */
@ObjectType({
  description: "One person's view over Backup: the messages to the own addresses and to delegated group mailboxes.",
})
export class PersonalBackup {
  constructor(
    readonly access: PersonalAccess,
    /** Taken before any list is read, so that nothing falls between the lists and a subscription behind it. */
    private readonly cursor: string,
  ) {}

  @Field(() => PersonalBackupAvailability, { description: 'Whether it is there, and if not, why.' })
  get availability(): PersonalBackupAvailability {
    return this.access.availability;
  }

  @Field(() => PersonalBackupCapabilities, { description: 'What is allowed in it at all.' })
  get can(): PersonalBackupCapabilities {
    const { preview, deletion, sending, deliveryFormat } = this.access.switches;
    return { preview, delete: deletion, send: sending, deliveryFormat };
  }

  @Field(() => ChangeCursorScalar, {
    description:
      "The feed's place as of this answer: read lists, then subscribe behind it, and nothing is missed between.",
  })
  get changeCursor(): string {
    return this.cursor;
  }

  @Field(() => MailboxBackup, {
    nullable: true,
    description: "The person's own section; null unless AVAILABLE, and for people without a mail address.",
  })
  get own(): MailboxBackup | null {
    return this.access.own && new MailboxBackup(this.access.own, this.access);
  }

  @Field(() => GroupMailboxAccess, {
    description: 'Whether group mailboxes are shown, and if not, which condition is missing (rule V9).',
  })
  get groupMailboxAccess(): GroupMailboxAccess {
    return this.access.groupMailboxAccess;
  }
}
