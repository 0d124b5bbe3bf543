import { Field, Int, ObjectType } from 'type-graphql';
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
