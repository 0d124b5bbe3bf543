import { Field, ObjectType } from 'type-graphql';
import { mailboxKey } from '../../entities/mailbox-key.js';
import { DateTimeScalar, EmailAddressScalar } from '../../entities/scalars.js';
import { Permission } from '../../entities/permission.js';
import type { Viewer as SessionViewer } from '../../services/session/viewer.js';
import type { RequestContext } from '../context.js';

/** Who is asking. */
@ObjectType({ description: 'Who is asking: the holder of the session.' })
export class Viewer {
  constructor(
    private readonly context: RequestContext,
    private readonly viewer: SessionViewer,
  ) {}

  @Field({ description: 'Name for display.' })
  get name(): string {
    return this.viewer.name;
  }

  @Field({ description: 'What was typed to sign in.' })
  get login(): string {
    return this.viewer.login;
  }

  @Field(() => [EmailAddressScalar], {
    description:
      "The viewer's own addresses: the primary one first, as the directory spells it, the others in lower case; empty while personal Backup is not available.",
  })
  get addresses(): Promise<string[]> {
    return this.context.personalAccess().then((access) => {
      if (!access?.own) return [];
      const { address, mailboxKeys } = access.own;
      const primary = mailboxKey(address);
      return [address, ...mailboxKeys.filter((key) => key !== primary)];
    });
  }

  @Field(() => [Permission], { description: 'What the roles allow; empty for people without a role (rule V2).' })
  get permissions(): Permission[] {
    return Object.values(Permission).filter((permission) => this.viewer.permissions.has(permission));
  }

  @Field(() => DateTimeScalar, {
    description:
      'When the session ends unless it is used before; each request moves it, up to the longest life of a session.',
  })
  get sessionExpiresAt(): number {
    return this.viewer.expiresAtMs;
  }
}
