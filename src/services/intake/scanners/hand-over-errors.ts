import { PublicError, TooManyRequestsError, UnavailableError } from '../../../errors.js';

/** The message passes the size limit; the gateway must not try again (HTTP 413, SMTP 552 5.3.4). */
export class MessageTooLargeError extends PublicError {
  constructor(limitBytes: number) {
    super('MESSAGE_TOO_LARGE', `The message is larger than the limit of ${limitBytes} bytes.`, 'warn', { limitBytes });
  }
}

/** The hand-over cannot be read in any of the known forms; says which part is wrong (HTTP 400, SMTP 554). */
export class HandOverUnreadableError extends PublicError {
  constructor(part: string, message: string, options?: ErrorOptions) {
    super('HAND_OVER_UNREADABLE', message, 'warn', { part }, options);
  }
}

/** The gateway stopped in the middle of a hand-over; nothing of it is kept. */
export class HandOverCutError extends PublicError {
  constructor(options?: ErrorOptions) {
    super('HAND_OVER_CUT', 'The hand-over ended before it was complete.', 'warn', {}, options);
  }
}

/** The verdict mapping cannot be used; the message names each wrong place. */
export class VerdictMappingError extends PublicError {
  constructor(origin: string, problems: readonly string[], options?: ErrorOptions) {
    const lines = problems.map((problem) => `\n  ${problem}`).join('');
    super('VERDICT_MAPPING_INVALID', `The verdict mapping ${origin} is wrong.${lines}`, 'error', {}, options);
  }
}

/** Whether the gateway should hand the same message over again later, as opposed to never. */
export function isTemporary(error: unknown): boolean {
  if (error instanceof UnavailableError || error instanceof TooManyRequestsError) return true;
  // What is not one of ours is a fault of the moment: the gateway keeps the message and comes back.
  return !(error instanceof PublicError) || error instanceof HandOverCutError || error.logLevel === 'error';
}
