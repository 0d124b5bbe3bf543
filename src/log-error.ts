import { QueryFailedError } from 'typeorm';

/** An error as a log line shows it. */
export interface LoggedError {
  readonly type: string;
  readonly message: string;
  readonly code?: string;
  /** The statement with its placeholders, never with values. */
  readonly query?: string;
  /** Where it was thrown, without the message. */
  readonly stack?: string;
  readonly cause?: LoggedError;
}

const MAX_QUERY_LENGTH = 500;
const MAX_CAUSES = 5;
// Their messages quote what the caller sent, and are told to the caller.
const QUOTING = new Set(['BAD_USER_INPUT', 'HAND_OVER_UNREADABLE', 'CONFLICT']);

function messageOf(error: Error, code: string | undefined): string {
  // JSON.parse quotes the text.
  if (error instanceof SyntaxError || (code !== undefined && QUOTING.has(code)))
    return 'not logged: it quotes what was sent';
  const isOfServer = 'sqlMessage' in error || (error instanceof QueryFailedError && 'sqlMessage' in error.driverError);
  return isOfServer ? error.message.replace(/'(?:[^'\\]|\\.|'')*'?/gs, "'…'") : error.message;
}

/**
 * What of an error may stand in a log: errors of the databases carry the statement with its values, and their messages quote
 * values, among them subjects, addresses and whole messages.
 */
export function logError(error: unknown, depth = 0): LoggedError {
  if (!(error instanceof Error)) return { type: typeof error, message: 'something that is no error was thrown' };
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined;
  const frames = error.stack?.split('\n').filter((line) => /^\s+at /.test(line));
  return {
    type: error.name,
    message: messageOf(error, code),
    ...(code === undefined ? {} : { code }),
    ...(error instanceof QueryFailedError && typeof error.query === 'string'
      ? { query: error.query.slice(0, MAX_QUERY_LENGTH) }
      : {}),
    ...(frames ? { stack: frames.join('\n') } : {}),
    ...(error.cause !== undefined && depth < MAX_CAUSES ? { cause: logError(error.cause, depth + 1) } : {}),
  };
}
