import { Arg, Authorized, Ctx, Field, ID, InputType, Mutation, ObjectType, Query, Resolver } from 'type-graphql';
import { ApiToken, ApiTokenScope } from '../../entities/api-token.js';
import { Permission } from '../../entities/permission.js';
import { DateTimeScalar } from '../../entities/scalars.js';
import { BadInputError } from '../../errors.js';
import type { ApiTokens } from '../../services/session/api-tokens.js';
import type { RequestContext } from '../context.js';
import { attempt, UserError } from '../user-error.js';

/** A token without its secret. */
@ObjectType('ApiToken', {
  description: 'A secret for a gateway or for automation; the secret itself is told only when it is made.',
})
export class ApiTokenType {
  constructor(private readonly token: ApiToken) {}

  @Field(() => ID, { description: 'Opaque id.' })
  get id(): string {
    return String(this.token.id);
  }

  @Field({ description: 'What it is for.' })
  get name(): string {
    return this.token.name;
  }

  @Field(() => [ApiTokenScope], { description: 'What it may be used for.' })
  get scopes(): ApiTokenScope[] {
    return this.token.scopes;
  }

  @Field(() => DateTimeScalar, { description: 'When it was made.' })
  get createdAt(): number {
    return this.token.createdAtMs;
  }

  @Field(() => DateTimeScalar, { nullable: true, description: 'When it was used last, to the minute; null: never.' })
  get lastUsedAt(): number | null {
    return this.token.lastUsedAtMs;
  }

  @Field(() => DateTimeScalar, { nullable: true, description: 'When it ends; null: never.' })
  get expiresAt(): number | null {
    return this.token.expiresAtMs;
  }
}

/** What the new token is to be. */
@InputType({ description: 'What the new token is to be.' })
export class CreateApiTokenInput {
  @Field({ description: 'What it is for, 1 to 255 characters.' })
  name!: string;

  @Field(() => [ApiTokenScope], { description: 'What it may be used for.' })
  scopes!: ApiTokenScope[];

  @Field(() => DateTimeScalar, { nullable: true, description: 'When it ends; null: never.' })
  expiresAt?: Date | null;
}

/** The new token. */
@ObjectType({ description: 'The new token with its secret.' })
export class CreateApiTokenPayload {
  @Field(() => ApiTokenType, { nullable: true, description: 'The token; null when it was not made.' })
  apiToken!: ApiTokenType | null;

  @Field(() => String, { nullable: true, description: 'The secret: told here and never again.' })
  secret!: string | null;

  @Field(() => [UserError], { description: 'Why it was not made.' })
  userErrors!: UserError[];
}

/** Which token is to end. */
@InputType({ description: 'Which token is to end.' })
export class RevokeApiTokenInput {
  @Field(() => ID, { description: "The token's id." })
  id!: string;
}

/** The outcome. */
@ObjectType({ description: 'Whether the token was ended.' })
export class RevokeApiTokenPayload {
  @Field(() => ID, { nullable: true, description: 'The id of the token that was ended; null when there was none.' })
  revokedApiTokenId!: string | null;

  @Field(() => [UserError], { description: 'Why it was not ended.' })
  userErrors!: UserError[];
}

/** Tokens of gateways and automation. */
@Resolver()
export class ApiTokenResolver {
  constructor(private readonly tokens: ApiTokens) {}

  @Authorized(Permission.ACCOUNTS_VIEW)
  @Query(() => [ApiTokenType], {
    nullable: true,
    description: 'All API tokens, newest first, without their secrets. Needs ACCOUNTS_VIEW.',
  })
  async apiTokens(): Promise<ApiTokenType[]> {
    return (await this.tokens.list()).map((token) => new ApiTokenType(token));
  }

  @Authorized(Permission.ACCOUNTS_EDIT)
  @Mutation(() => CreateApiTokenPayload, { description: 'Makes a token. Needs ACCOUNTS_EDIT.' })
  createApiToken(
    @Ctx() context: RequestContext,
    @Arg('input', () => CreateApiTokenInput, { description: 'What it is to be.' }) input: CreateApiTokenInput,
  ): Promise<CreateApiTokenPayload> {
    return attempt(
      async () => {
        const { token, secret } = await this.tokens.create(
          input.name,
          input.scopes,
          input.expiresAt?.getTime() ?? null,
          context.author,
        );
        return { apiToken: new ApiTokenType(token), secret, userErrors: [] };
      },
      (userErrors): CreateApiTokenPayload => ({ apiToken: null, secret: null, userErrors }),
    );
  }

  @Authorized(Permission.ACCOUNTS_EDIT)
  @Mutation(() => RevokeApiTokenPayload, { description: 'Ends a token at once. Needs ACCOUNTS_EDIT.' })
  revokeApiToken(
    @Ctx() context: RequestContext,
    @Arg('input', () => RevokeApiTokenInput, { description: 'Which one.' }) input: RevokeApiTokenInput,
  ): Promise<RevokeApiTokenPayload> {
    return attempt(
      async () => {
        const revoked = /^\d{1,15}$/.test(input.id) && (await this.tokens.revoke(Number(input.id), context.author));
        if (!revoked) throw new BadInputError('id', 'There is no API token with this id.');
        return { revokedApiTokenId: input.id, userErrors: [] };
      },
      (userErrors): RevokeApiTokenPayload => ({ revokedApiTokenId: null, userErrors }),
    );
  }
}
