import busboy from 'busboy';
import { type Request, type RequestHandler, type Response, Router } from 'express';
import { ApiTokenScope } from './entities/api-token.js';
import { nameFault } from './entities/database.js';
import { BadInputError, PublicError, UnavailableError } from './errors.js';
import type { Logger } from './log.js';
import type { StoreOutcome } from './services/backup/message-store.js';
import { readHandOverMetadata } from './services/intake/hand-over-metadata.js';
import type { Intake } from './services/intake/intake.js';
import type { ApiTokens } from './services/session/api-tokens.js';

/** Header that carries the metadata beside a raw message. */
export const METADATA_HEADER = 'x-mailkeep-metadata';

// A list of 50,000 recipients fits; more is no metadata.
const METADATA_LIMIT_BYTES = 8 * 1024 * 1024;

const STATUS: Readonly<Record<string, number>> = {
  UNAUTHENTICATED: 401,
  FORBIDDEN: 403,
  BAD_USER_INPUT: 400,
  HAND_OVER_UNREADABLE: 400,
  HAND_OVER_CUT: 400,
  UNSUPPORTED_MEDIA_TYPE: 415,
  MESSAGE_TOO_LARGE: 413,
};

/** The request's body is of a type that intake does not take. */
class UnsupportedMediaTypeError extends PublicError {
  constructor() {
    super(
      'UNSUPPORTED_MEDIA_TYPE',
      'Send the message as message/rfc822, or as multipart/form-data with the parts metadata and message.',
    );
  }
}

/** The secret of an API token: a bearer token, or the password of basic authentication for gateways that know only that. */
function secretOf(request: Request): string | undefined {
  const [scheme = '', value = ''] = (request.get('authorization') ?? '').split(/ +/, 2);
  if (scheme.toLowerCase() === 'bearer') return value;
  if (scheme.toLowerCase() === 'basic')
    return Buffer.from(value, 'base64')
      .toString('utf8')
      .replace(/^[^:]*:/, '');
  return undefined;
}

/** HTTP intake for gateways: POST /intake/message (docs/intake.md). */
export function intakeRouter(intake: Intake, tokens: ApiTokens, log: Logger): Router {
  const router = Router();
  router.post('/message', requireIntakeToken(tokens), (request, response, next) => {
    receive(intake, request)
      .then(({ messageId, created }) => response.status(200).json({ stored: true, created, id: String(messageId) }))
      .catch(next);
  });
  router.use((thrown: unknown, request: Request, response: Response, next: (error: unknown) => void) => {
    if (response.headersSent) return next(thrown);
    const error = nameFault(thrown);
    // The gateway went away; nobody is left to answer, and nothing was stored.
    if (request.destroyed && !request.complete) {
      log.info('a gateway ended its hand-over early');
      return;
    }
    const known = error instanceof PublicError;
    const status = known ? (error instanceof UnavailableError ? 503 : (STATUS[error.code] ?? 400)) : 500;
    log[known ? error.logLevel : 'error'](
      { err: error, requestId: response.locals['requestId'] as unknown },
      'intake refused a message',
    );
    if (status === 503) response.set('Retry-After', '10');
    if (status === 401) response.set('WWW-Authenticate', 'Bearer realm="intake", Basic realm="intake"');
    // What is left of the body is not read: the connection cannot be used again.
    if (!request.complete) response.set('Connection', 'close');
    response.status(status).json({
      error: known
        ? {
            code: error.code,
            message: error.message,
            ...(error.details['field'] ? { field: error.details['field'] } : {}),
          }
        : { code: 'INTERNAL_SERVER_ERROR', message: 'Something went wrong on our side. Hand the message over again.' },
    });
  });
  return router;
}

function requireIntakeToken(tokens: ApiTokens): RequestHandler {
  return (request, _response, next) => {
    const secret = secretOf(request);
    const check = async () => {
      const token = secret ? await tokens.find(secret) : undefined;
      if (!token)
        throw new PublicError(
          'UNAUTHENTICATED',
          'Intake needs an API token: "Authorization: Bearer …", or as the password of basic authentication.',
        );
      if (!token.scopes.includes(ApiTokenScope.INTAKE))
        throw new PublicError('FORBIDDEN', 'This API token lacks the scope INTAKE.');
    };
    check().then(() => next(), next);
  };
}

async function receive(intake: Intake, request: Request): Promise<StoreOutcome> {
  const now = Date.now();
  if (request.is('multipart/form-data')) return receiveMultipart(intake, request, now);
  if (!request.is('message/rfc822') && !request.is('application/octet-stream')) throw new UnsupportedMediaTypeError();
  const header = request.get(METADATA_HEADER);
  if (header === undefined)
    throw new BadInputError(
      METADATA_HEADER,
      `The header ${METADATA_HEADER} is missing. It carries the envelope and the verdicts as JSON.`,
    );
  // Node gives header bytes as latin1; JSON is UTF-8.
  return intake.receive(readHandOverMetadata(Buffer.from(header, 'latin1').toString('utf8'), now), request, 'http');
}

/** Parts in either order: a message that comes before its metadata is received first, with bounded memory. */
async function receiveMultipart(intake: Intake, request: Request, now: number): Promise<StoreOutcome> {
  const parser = busboy({
    headers: request.headers,
    limits: { files: 2, fields: 1, parts: 2, fieldSize: METADATA_LIMIT_BYTES },
    defParamCharset: 'utf8',
  });
  let metadata: string | Promise<string> | undefined;
  let taken: ReturnType<Intake['take']> | undefined;
  const done = new Promise<void>((resolve, reject) => {
    parser.on('field', (name, value, info) => {
      if (name !== 'metadata') reject(new BadInputError(name, 'The form has the parts metadata and message only.'));
      else if (info.valueTruncated)
        reject(new BadInputError('metadata', `metadata is larger than ${METADATA_LIMIT_BYTES} bytes.`));
      else metadata = value;
    });
    parser.on('file', (name, stream, info) => {
      if (name === 'metadata') {
        // Some clients give the JSON a file name or a type, which makes it a file to the parser.
        metadata = readText(stream);
        metadata.catch(reject);
      } else if (name === 'message') {
        taken = intake.take(stream as AsyncIterable<Buffer>);
        taken.catch(reject);
      } else {
        stream.resume();
        reject(new BadInputError(info.filename || name, 'The form has the parts metadata and message only.'));
      }
    });
    parser.on('partsLimit', () =>
      reject(new BadInputError('message', 'The form has more than the parts metadata and message.')),
    );
    parser.on('filesLimit', () => reject(new BadInputError('message', 'The form has more than one message.')));
    parser.on('error', () => reject(new BadInputError('body', 'The multipart body cannot be read.')));
    parser.on('close', resolve);
    request.on('aborted', () => reject(new BadInputError('body', 'The request ended before its body was complete.')));
  });
  request.pipe(parser);
  try {
    await done;
    if (!taken) throw new BadInputError('message', 'The part message is missing.');
    if (metadata === undefined) throw new BadInputError('metadata', 'The part metadata is missing.');
    const handOver = readHandOverMetadata(await metadata, now);
    const { content, summary } = await taken;
    return await intake.storeTaken(handOver, content, summary, 'http');
  } finally {
    request.unpipe(parser);
    await taken?.then(({ content }) => content.discard()).catch(() => undefined);
  }
}

async function readText(stream: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stream) {
    bytes += chunk.length;
    if (bytes > METADATA_LIMIT_BYTES)
      throw new BadInputError('metadata', `metadata is larger than ${METADATA_LIMIT_BYTES} bytes.`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
