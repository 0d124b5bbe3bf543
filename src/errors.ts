/** How loudly an error is logged: expected refusals stay at info, faults of ours or of the surroundings do not. */
export type ErrorLogLevel = 'debug' | 'info' | 'warn' | 'error';

/** An error whose code and message are safe to show to the caller; anything else is a bug and is masked. */
export class PublicError extends Error {
  constructor(
    /** Stable, machine-readable word that ends up in `extensions.code`. */
    readonly code: string,
    message: string,
    readonly logLevel: ErrorLogLevel = 'info',
    /** Further safe facts for the caller, such as the field's name. */
    readonly details: Readonly<Record<string, unknown>> = {},
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** The caller has no live session (rule V1). */
export class UnauthenticatedError extends PublicError {
  constructor(message = 'Sign in first: this needs a session.') {
    super('UNAUTHENTICATED', message);
  }
}

/** The caller's session lacks a permission (rule V2). */
export class ForbiddenError extends PublicError {
  constructor(permission: string) {
    super('FORBIDDEN', `This needs the permission ${permission}.`, 'info', { permission });
  }
}

/** The input cannot be accepted; names the field and says what would be. */
export class BadInputError extends PublicError {
  constructor(field: string, message: string) {
    super('BAD_USER_INPUT', message, 'info', { field });
  }
}

/** The change was based on an older version of what it changes (rule C3). */
export class ConflictError extends PublicError {
  constructor(message: string, details: Readonly<Record<string, unknown>> = {}) {
    super('CONFLICT', message, 'info', details);
  }
}

/** Too many attempts or requests; `retryAfterSeconds` tells when to come back. */
export class TooManyRequestsError extends PublicError {
  constructor(message: string, retryAfterSeconds: number) {
    super('TOO_MANY_REQUESTS', message, 'warn', { retryAfterSeconds });
  }
}

/** Something that this depends on (database, directory, relay) does not answer; trying again later may succeed. */
export class UnavailableError extends PublicError {
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(code, message, 'warn', {}, options);
  }
}
