import { type Request, type RequestHandler, type Response, Router } from 'express';
import { ApiTokenScope } from '../entities/api-token.js';
import { nameFault } from '../entities/database.js';
import { BadInputError, PublicError } from '../errors.js';
import { receiveForm } from './intake-form.js';
import type { Logger } from '../log.js';
import { discardRestOfBody } from './rest-of-body.js';
import { readHandOverMetadata } from '../services/intake/hand-over-metadata.js';
import type { Acceptance, Intake } from '../services/intake/intake.js';
import type { PeerRate } from '../services/intake/peer-rate.js';
import { isTemporary } from '../services/intake/scanners/hand-over-errors.js';
import { rspamdHandOver } from '../services/intake/scanners/rspamd-hand-over.js';
import { readRspamdRequest, type RspamdRequestLimits } from '../services/intake/scanners/rspamd-request.js';
import type { VerdictMapping } from '../services/intake/scanners/verdict-mapping.js';
import { IntakeBusyError } from '../services/intake/intake-gate.js';
import type { IntakeTokens } from '../services/intake/intake-tokens.js';

/** Header that carries the metadata beside a raw message. */
export const METADATA_HEADER = 'x-mailkeep-metadata';

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
      'Send the message as message/rfc822, or as multipart/form-data with the parts metadata and message; without a Content-Encoding.',
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

/** What became of a hand-over at a door; for metrics. */
export type IntakeOutcome = 'stored' | 'repeated' | 'spooled' | 'refused_temporarily' | 'refused';

/** What the routes of intake stand on. */
export interface IntakeRouterOptions {
  readonly intake: Intake;
  readonly tokens: Pick<IntakeTokens, 'find'>;
  readonly mapping: VerdictMapping;
  readonly limits: RspamdRequestLimits;
  /** How many messages each peer may hand over. */
  readonly rate: Pick<PeerRate, 'take'>;
  readonly log: Logger;
  readonly onOutcome?: (source: string, outcome: IntakeOutcome) => void;
}

/** Whether the operating system refused to keep the bytes, as a full disk does. */
const isDiskFault = (error: unknown): boolean => error instanceof Error && 'syscall' in error;

/** The word of metrics for an acceptance. */
export const outcomeOf = ({ created, spooled }: Acceptance): IntakeOutcome =>
  spooled ? 'spooled' : created ? 'stored' : 'repeated';

/** HTTP intake for gateways: POST /intake/message (docs/intake.md) and /intake/rspamd (docs/gateways.md). */
export function intakeRouter({ intake, tokens, mapping, limits, rate, log, onOutcome }: IntakeRouterOptions): Router {
  const router = Router();
  const take =
    (source: string, receiveFrom: (request: Request) => Promise<Acceptance>): RequestHandler =>
    (request, response, next) => {
      response.locals['intakeSource'] = source;
      if (!rate.take(request.ip ?? '')) return next(new IntakeBusyError());
      receiveFrom(request)
        .then((acceptance) => {
          onOutcome?.(source, outcomeOf(acceptance));
          const { messageId, created, spooled } = acceptance;
          const requestId = response.locals['requestId'] as unknown;
          log.debug({ requestId, source, messageId, created, spooled }, 'message taken');
          // 200 in every case: some versions of rspamd take nothing else for a success.
          const body = JSON.stringify(
            spooled ? { stored: false, spooled } : { stored: true, created, id: String(messageId) },
          );
          response
            .writeHead(200, { 'Content-Type': 'application/json; charset=utf-8', 'Content-Length': body.length })
            .end(body);
        })
        .catch(next);
    };
  router.post(
    '/message',
    requireIntakeToken(tokens),
    take('http', (request) => receive(intake, request)),
  );
  router.post(
    '/rspamd',
    requireIntakeToken(tokens),
    take('rspamd', async (request) => {
      const handed = await readRspamdRequest(request, limits);
      try {
        const handOver = rspamdHandOver(handed.metadata, mapping, Date.now());
        return await intake.receive(handOver, handed.message, 'rspamd');
      } finally {
        await handed.discard();
      }
    }),
  );
  router.use((thrown: unknown, request: Request, response: Response, next: (error: unknown) => void) => {
    if (response.headersSent) return next(thrown);
    void discardRestOfBody(request).then(() => refuse(thrown, request, response));
  });
  const refuse = (thrown: unknown, request: Request, response: Response) => {
    const error = nameFault(thrown);
    // The gateway went away; nobody is left to answer, and nothing was stored.
    if (request.destroyed && !request.complete) {
      log.info('a gateway ended its hand-over early');
      return;
    }
    const known = error instanceof PublicError;
    // A fault of the moment: the gateway keeps the message and comes back.
    const status = isTemporary(error)
      ? known || isDiskFault(error)
        ? 503
        : 500
      : known
        ? (STATUS[error.code] ?? 400)
        : 500;
    const source = response.locals['intakeSource'] as string | undefined;
    if (source) onOutcome?.(source, status >= 500 ? 'refused_temporarily' : 'refused');
    log[known ? error.logLevel : 'error'](
      { err: error, requestId: response.locals['requestId'] as unknown },
      'intake refused a message',
    );
    if (status === 503) response.set('Retry-After', '10');
    if (status === 401) response.set('WWW-Authenticate', 'Bearer realm="intake", Basic realm="intake"');
    // What is left of the body is not read any more: the connection cannot be used again.
    if (!request.complete) response.set('Connection', 'close');
    response.status(status).json({
      error: known
        ? {
            code: error.code,
            message: error.message,
            ...((error.details['field'] ?? error.details['part'])
              ? { field: error.details['field'] ?? error.details['part'] }
              : {}),
          }
        : { code: 'INTERNAL_SERVER_ERROR', message: 'Something went wrong on our side. Hand the message over again.' },
    });
  };
  return router;
}

function requireIntakeToken(tokens: Pick<IntakeTokens, 'find'>): RequestHandler {
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

async function receive(intake: Intake, request: Request): Promise<Acceptance> {
  const now = Date.now();
  // Unpacking is not offered, and packed bytes must not pass for the message.
  if (!['', 'identity'].includes(request.get('content-encoding') ?? '')) throw new UnsupportedMediaTypeError();
  if (request.is('multipart/form-data')) return receiveForm(intake, request, now);
  if (!request.is('message/rfc822') && !request.is('application/octet-stream')) throw new UnsupportedMediaTypeError();
  const header = request.get(METADATA_HEADER);
  if (header === undefined)
    throw new BadInputError(
      METADATA_HEADER,
      `The header ${METADATA_HEADER} is missing. It carries the envelope and the verdicts as JSON.`,
    );
  const handOver = readHandOverMetadata(textOfHeader(header), now);
  // Ending the loop over the bytes early must not end the connection: the refusal goes back on it.
  return intake.receive(handOver, request.iterator({ destroyOnReturn: false }), 'http');
}

/** Node gives header bytes as latin1; JSON is UTF-8. */
function textOfHeader(header: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(header, 'latin1'));
  } catch {
    throw new BadInputError(
      METADATA_HEADER,
      `The header ${METADATA_HEADER} is not in UTF-8. Write other characters than ASCII as JSON escapes such as \\u00e4.`,
    );
  }
}
