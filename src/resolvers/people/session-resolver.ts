import { Arg, Ctx, Field, InputType, Mutation, ObjectType, Query, Resolver } from 'type-graphql';
import { DateTimeScalar } from '../../entities/scalars.js';
import type { Database } from '../../entities/database.js';
import { recordAudit } from '../../services/audit/audit-log.js';
import type { SessionStore } from '../../services/session/session-store.js';
import type { SignIn } from '../../services/session/sign-in.js';
import type { RequestContext } from '../context.js';
import { attempt, UserError } from '../user-error.js';
import { Viewer } from './viewer.js';

/** Credentials. */
@InputType({ description: 'Credentials of a local account, or of a person of the directory.' })
export class SignInInput {
  @Field({
    description:
      'Login of a local account; or user principal name, DOMAIN\\name, account name or mail address of a person.',
  })
  login!: string;

  @Field({ description: 'The password; never stored and never logged (rule L8).' })
  password!: string;
}

/** The outcome of a sign-in. */
@ObjectType({
  description: 'The outcome of a sign-in. Browsers get the session as an HttpOnly cookie; other clients use the token.',
})
export class SignInPayload {
  @Field(() => Viewer, { nullable: true, description: 'Who is signed in now; null when it failed.' })
  viewer!: Viewer | null;

  @Field(() => String, {
    nullable: true,
    description:
      'The session as a bearer token: "Authorization: Bearer …", or connection parameter "authorization" on the WebSocket.',
  })
  token!: string | null;

  @Field(() => DateTimeScalar, { nullable: true, description: 'When the session ends unless it is used before.' })
  sessionExpiresAt!: number | null;

  @Field(() => [UserError], {
    description:
      'Why it failed: CREDENTIALS_REFUSED whatever is wrong with the account, TOO_MANY_REQUESTS, DIRECTORY_UNAVAILABLE, BAD_USER_INPUT.',
  })
  userErrors!: UserError[];
}

/** The outcome of a sign-out. */
@ObjectType({ description: 'The outcome of a sign-out, which always succeeds.' })
export class SignOutPayload {
  @Field({ description: 'Whether a session was ended.' })
  signedOut!: boolean;

  @Field(() => [UserError], { description: 'Always empty.' })
  userErrors!: UserError[];
}

/** Coming in and going out. */
@Resolver()
export class SessionResolver {
  constructor(
    private readonly database: Database,
    private readonly sessions: SessionStore,
    private readonly signIns: SignIn,
  ) {}

  @Query(() => Viewer, { nullable: true, description: 'Who is asking; null without a session.' })
  viewer(@Ctx() context: RequestContext): Viewer | null {
    return context.viewer ? new Viewer(context, context.viewer) : null;
  }

  @Mutation(() => SignInPayload, { description: 'Opens a session: sets a cookie and returns a token.' })
  signIn(
    @Ctx() context: RequestContext,
    @Arg('input', () => SignInInput, { description: 'The credentials.' }) input: SignInInput,
  ): Promise<SignInPayload> {
    return attempt(
      async () => {
        const { token, viewer } = await this.signIns.signIn(input.login, input.password, context.remoteAddress);
        context.become(viewer);
        context.cookie?.set(token, viewer.expiresAtMs);
        return { viewer: new Viewer(context, viewer), token, sessionExpiresAt: viewer.expiresAtMs, userErrors: [] };
      },
      (userErrors): SignInPayload => ({ viewer: null, token: null, sessionExpiresAt: null, userErrors }),
    );
  }

  @Mutation(() => SignOutPayload, { description: 'Ends the session, everywhere at once: open WebSockets are closed.' })
  async signOut(@Ctx() context: RequestContext): Promise<SignOutPayload> {
    const { viewer } = context;
    context.cookie?.clear();
    if (!viewer) return { signedOut: false, userErrors: [] };
    await this.database.transaction(async (transaction) => {
      await recordAudit(transaction, { ...context.author, event: 'SIGN_OUT', outcome: 'DONE' });
      await this.sessions.end(transaction, viewer.sessionId);
    });
    context.become(undefined);
    return { signedOut: true, userErrors: [] };
  }
}
