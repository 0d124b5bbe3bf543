import { Field, Int, ObjectType } from 'type-graphql';
import { ByteCountScalar } from '../../entities/scalars.js';
import { PreviewMode } from '../enums.js';

/** A message's content, made safe. */
@ObjectType({ description: "A message's content, made safe to show (rule P4)." })
export class MessagePreview {
  @Field(() => PreviewMode, {
    description: 'What the content is: TEXT also when HTML was asked for and cannot be shown.',
  })
  mode!: PreviewMode;

  @Field({ description: 'Text, or a complete inert HTML document for a sandboxed frame.' })
  content!: string;

  @Field(() => Int, {
    description: 'Remote resources that the message wanted to load and that were replaced (rule P4).',
  })
  blockedRemoteResources!: number;

  @Field({ description: 'Whether something was left out because of its size.' })
  truncated!: boolean;

  @Field(() => String, {
    nullable: true,
    description:
      'Why the message is shown otherwise than asked for, such as TIME_LIMIT or TOO_MANY_PARTS; null when it is not.',
  })
  reason!: string | null;
}

/** A header field. */
@ObjectType('MessageHeader', {
  description: 'A header field as it stands in the message, unfolded and decoded (RFC 5322, RFC 2047).',
})
export class MessageHeaderType {
  @Field({ description: 'Its name, as written.' })
  name!: string;

  @Field({ description: 'Its value.' })
  value!: string;
}

/** An attachment that can be downloaded. */
@ObjectType({ description: 'An attachment that can be downloaded; those within attached messages name that message.' })
export class DownloadableAttachment {
  @Field({ description: 'Path of the part, such as "1.2" (RFC 3501, 6.4.5).' })
  partId!: string;

  @Field({ description: 'File name, decoded.' })
  name!: string;

  @Field({ description: 'Media type as the sender declared it.' })
  type!: string;

  @Field(() => String, {
    nullable: true,
    description: 'Media type told by the first bytes; null when they tell nothing.',
  })
  detectedType!: string | null;

  @Field(() => ByteCountScalar, { name: 'size', description: 'Size after decoding, in bytes.' })
  sizeBytes!: number;

  @Field(() => String, {
    nullable: true,
    description: 'Path of the attached message that it is in; null for the message itself.',
  })
  messagePartId!: string | null;

  @Field({ description: 'Address to download it, for five minutes and as long as the session lives.' })
  url!: string;
}
