import { QueryFailedError } from 'typeorm';
import { UnavailableError } from '../errors.js';

/** Errors after which a transaction is worth repeating. */
export const RETRYABLE: ReadonlySet<string> = new Set([
  'ER_LOCK_DEADLOCK',
  'ER_LOCK_WAIT_TIMEOUT',
  'ER_CHECKREAD',
  'SQLITE_BUSY',
  'SQLITE_BUSY_SNAPSHOT',
]);
const UNIQUE_VIOLATIONS = new Set(['ER_DUP_ENTRY', 'SQLITE_CONSTRAINT_UNIQUE', 'SQLITE_CONSTRAINT_PRIMARYKEY']);
// No connection, one that broke, or one that the server does not give: all may be better in a moment.
const CONNECTION_LOST = new Set([
  'EAI_AGAIN',
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EPIPE',
  'ER_ACCESS_DENIED_ERROR',
  'ER_BAD_DB_ERROR',
  // A replica, or a server that is about to be replaced by another one.
  'ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION',
  'ER_CONNECTION_KILLED',
  'ER_CON_COUNT_ERROR',
  'ER_DBACCESS_DENIED_ERROR',
  'ER_OPTION_PREVENTS_STATEMENT',
  'ER_QUERY_INTERRUPTED',
  'ER_READ_ONLY_MODE',
  'ER_SERVER_SHUTDOWN',
  'ER_TOO_MANY_USER_CONNECTIONS',
  'ETIMEDOUT',
  'PROTOCOL_CONNECTION_LOST',
]);
const STORAGE_FULL = new Set(['SQLITE_FULL', 'ER_RECORD_FILE_FULL', 'ER_DISK_FULL', 'ENOSPC']);

/** What everybody hears while the database is away. */
export const AWAY = 'The database does not answer. Try again later.';

const driverErrorOf = (error: unknown): unknown => (error instanceof QueryFailedError ? error.driverError : error);

/** The driver's word for an error; '' for one that is not the driver's. */
export const errorCode = (error: unknown): string => {
  const driverError = driverErrorOf(error);
  return typeof driverError === 'object' && driverError !== null && 'code' in driverError
    ? String(driverError.code)
    : '';
};

/** Whether a statement failed because a unique key exists already. */
export const isUniqueViolation = (error: unknown): boolean => UNIQUE_VIOLATIONS.has(errorCode(error));

/** The MySQL driver marks what ends a connection, without a code where it is a statement on one that had ended. */
const endedConnection = (error: unknown): boolean => {
  const driverError = driverErrorOf(error);
  return driverError instanceof Error && 'fatal' in driverError && driverError.fatal === true;
};

/**
 * Gives errors of the driver that tell of the surroundings their codes, DATABASE_UNAVAILABLE and STORAGE_FULL; others stay as
 * they are. For the doors: reads through the database's manager come with the driver's own errors.
 */
export function nameFault(error: unknown): unknown {
  if (error instanceof UnavailableError) return error;
  const code = errorCode(error);
  if (CONNECTION_LOST.has(code) || endedConnection(error))
    return new UnavailableError('DATABASE_UNAVAILABLE', AWAY, { cause: error });
  if (STORAGE_FULL.has(code))
    return new UnavailableError(
      'STORAGE_FULL',
      'The disk of the database is full. Nothing was changed; make room and try again.',
      { cause: error },
    );
  return error;
}
