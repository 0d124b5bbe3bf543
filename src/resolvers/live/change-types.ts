import { Field, ID, ObjectType } from 'type-graphql';
import { ChangeCursorScalar, EmailAddressScalar } from '../../entities/scalars.js';
import { ChangeKind } from '../enums.js';
import { GlobalBackupMessage } from '../messages/global-backup-message.js';
import { PersonalBackupMessage } from '../messages/personal-backup-message.js';

/** Something that changed in what the viewer may see. */
@ObjectType({
  description: 'Something that changed in what the viewer may see, decided at the moment of the event (rule V11).',
})
export class PersonalBackupChange {
  @Field(() => ChangeCursorScalar, { description: 'Continue behind it after a break.' })
  cursor!: string;

  @Field(() => ChangeKind, { description: 'What happened.' })
  kind!: ChangeKind;

  @Field(() => EmailAddressScalar, {
    nullable: true,
    description: 'Main address of the section concerned; null for ACCESS and RESET.',
  })
  mailbox!: string | null;

  @Field(() => ID, { nullable: true, description: 'Id of the message concerned; null for ACCESS and RESET.' })
  messageId!: string | null;

  @Field(() => PersonalBackupMessage, {
    nullable: true,
    description: 'The message as it is now; null when it is gone.',
  })
  message!: PersonalBackupMessage | null;
}

/** Something that changed in Backup. */
@ObjectType({ description: 'Something that changed in Backup.' })
export class GlobalBackupChange {
  @Field(() => ChangeCursorScalar, { description: 'Continue behind it after a break.' })
  cursor!: string;

  @Field(() => ChangeKind, { description: 'What happened.' })
  kind!: ChangeKind;

  @Field(() => ID, { nullable: true, description: 'Id of the message concerned; null for ACCESS and RESET.' })
  messageId!: string | null;

  @Field(() => GlobalBackupMessage, { nullable: true, description: 'The message as it is now; null when it is gone.' })
  message!: GlobalBackupMessage | null;
}
