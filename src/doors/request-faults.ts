import type { ErrorRequestHandler, RequestHandler } from 'express';
import { nameFault } from '../entities/database.js';
import { PublicError } from '../errors.js';
import type { Logger } from '../log.js';

// An operation is small; only messages take longer.
const BODY_TIMEOUT_MS = 30_000;

/** A web page of another origin tried to use the API. */
export class ForeignOriginError extends PublicError {
  constructor() {
    super('FOREIGN_ORIGIN', 'This origin is not allowed. An administrator can list it in the setting allowedOrigins.');
  }
}

/** The body is of a type that GraphQL over HTTP does not use; forms and plain texts are what other sites can post without asking. */
class UnsupportedMediaTypeError extends PublicError {
  constructor() {
    super('UNSUPPORTED_MEDIA_TYPE', 'Send the operation as JSON: content-type application/json.');
  }
}

/** Refuses posts of another type than JSON with UNSUPPORTED_MEDIA_TYPE. */
export const requireJson: RequestHandler = (request, _response, next) => {
  const typed = request.headers['content-type'] !== undefined;
  next(
    request.method === 'POST' && !(typed && request.is('json') !== false) ? new UnsupportedMediaTypeError() : undefined,
  );
};

/** Cuts off who sends an operation byte by byte. */
export const boundBody: RequestHandler = (request, _response, next) => {
  const late = setTimeout(() => request.destroy(), BODY_TIMEOUT_MS);
  request.once('end', () => clearTimeout(late)).once('close', () => clearTimeout(late));
  next();
};

/** Whether body-parser blames the request: its errors carry a status (http-errors). */
const isClientError = (error: unknown): boolean =>
  typeof error === 'object' &&
  error !== null &&
  'status' in error &&
  Number(error.status) >= 400 &&
  Number(error.status) < 500;

/** Answers what never reached GraphQL: bodies that are too large or no JSON, and faults. */
export function answerError(log: Logger, bodyLimitBytes: number): ErrorRequestHandler {
  return (thrown: unknown, _request, response, next) => {
    if (response.headersSent) return next(thrown);
    const error = nameFault(thrown);
    const type = typeof error === 'object' && error !== null && 'type' in error ? error.type : undefined;
    const [status, code, message] =
      error instanceof ForeignOriginError
        ? [403, error.code, error.message]
        : error instanceof UnsupportedMediaTypeError
          ? [415, error.code, error.message]
          : error instanceof PublicError
            ? [503, error.code, error.message]
            : type === 'entity.too.large'
              ? [413, 'BODY_TOO_LARGE', `The request is larger than ${bodyLimitBytes} bytes.`]
              : isClientError(error)
                ? [
                    400,
                    'BAD_REQUEST',
                    'The request cannot be read: its body must be JSON in UTF-8, plain or compressed.',
                  ]
                : [500, 'INTERNAL_SERVER_ERROR', 'Something went wrong on our side.'];
    if (status === 500) log.error({ err: error, requestId: response.locals['requestId'] as unknown }, 'internal error');
    response.status(status).json({ errors: [{ message, extensions: { code } }] });
  };
}
