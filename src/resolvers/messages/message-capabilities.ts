import { Field, ObjectType } from 'type-graphql';
import {
  CapabilityReason,
  type Capability,
  type MessageCapabilities,
} from '../../services/access/message-capabilities.js';

/** Whether something is allowed, and if not, why. */
@ObjectType('Capability', { description: 'Whether something is allowed and, when not, why.' })
export class CapabilityType implements Capability {
  @Field({ description: 'Whether it is allowed now.' })
  allowed!: boolean;

  @Field(() => CapabilityReason, { nullable: true, description: 'Why not; null when it is allowed.' })
  reason!: CapabilityReason | null;
}

/** What the viewer may do with a message. */
@ObjectType('MessageCapabilities', { description: 'What the viewer may do with a message at this moment.' })
export class MessageCapabilitiesType implements MessageCapabilities {
  @Field(() => CapabilityType, { description: 'Read it as text (rules P1, P2).' })
  previewText!: CapabilityType;

  @Field(() => CapabilityType, { description: 'Read it as HTML (rules P1, P3).' })
  previewHtml!: CapabilityType;

  @Field(() => CapabilityType, { description: 'Have it sent (rules D1, D2).' })
  send!: CapabilityType;

  @Field(() => CapabilityType, { description: 'Delete it from personal Backup (rule X1).' })
  delete!: CapabilityType;
}
