import { Field, ObjectType } from 'type-graphql';
import { nameFault } from '../entities/database.js';
import { PublicError } from '../errors.js';

/** Why a mutation changed nothing, for the person who asked. */
@ObjectType({ description: 'Why a mutation changed nothing, and what to do about it.' })
export class UserError {
  @Field({ description: 'Stable word for programs, such as BAD_USER_INPUT, CONFLICT or CREDENTIALS_REFUSED.' })
  readonly code: string;

  @Field({ description: 'What is wrong and what to do, in English.' })
  readonly message: string;

  @Field(() => String, {
    nullable: true,
    description: 'The input field that is wrong; null when it is none in particular.',
  })
  readonly field: string | null;

  constructor(error: PublicError) {
    this.code = error.code;
    this.message = error.message;
    this.field = typeof error.details['field'] === 'string' ? error.details['field'] : null;
  }
}

// A missing session or permission is not for the form that a person fills in.
const NOT_FOR_USERS = new Set(['UNAUTHENTICATED', 'FORBIDDEN']);

/** Runs a mutation's work; a refusal that the person can do something about becomes a user error, everything else is thrown on. */
export async function attempt<Payload>(
  work: () => Promise<Payload>,
  refused: (errors: UserError[], error: PublicError) => Payload | Promise<Payload>,
): Promise<Payload> {
  try {
    return await work();
  } catch (thrown) {
    // Reads through the manager of entities come with the driver's own errors.
    const error = nameFault(thrown);
    if (!(error instanceof PublicError) || NOT_FOR_USERS.has(error.code)) throw error;
    return refused([new UserError(error)], error);
  }
}
