import { logError } from './log-error.js';
import { pino, type Logger as PinoLogger, type LevelWithSilent } from 'pino';

/** The logger that is passed around; there is no global one. */
export type Logger = PinoLogger;

/** Levels that the configuration accepts. */
export type LogLevel = LevelWithSilent;

// Credentials that could reach a log line as part of an object; mail content, subjects and addresses are never logged above debug.
const SECRET_PATHS = [
  'password',
  'bindPassword',
  'relayPassword',
  'token',
  'authorization',
  'cookie',
  'secret',
].flatMap((name) => [name, `*.${name}`, `*.*.${name}`]);

/** Creates the logger: one JSON object a line on standard output (or `destination`), secrets replaced (rule L8). */
export function createLogger(level: LogLevel, destination?: NodeJS.WritableStream): Logger {
  const options = {
    level,
    base: null,
    redact: { paths: SECRET_PATHS, censor: '[redacted]' },
    serializers: { err: (error: unknown) => logError(error) },
  };
  return destination ? pino(options, destination) : pino(options);
}
