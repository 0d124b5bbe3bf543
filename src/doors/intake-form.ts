import type { Readable } from 'node:stream';
import busboy from 'busboy';
import type { Request } from 'express';
import { BadInputError } from '../errors.js';
import { readHandOverMetadata } from '../services/intake/hand-over-metadata.js';
import type { Acceptance, Intake } from '../services/intake/intake.js';

// A list of 50,000 recipients fits; more is no metadata.
const METADATA_LIMIT_BYTES = 8 * 1024 * 1024;

const refusal = (field: string, message: string) => new BadInputError(field, message);
const tooMuchMetadata = () => refusal('metadata', `metadata is larger than ${METADATA_LIMIT_BYTES} bytes.`);

/** Opens the form; throws {@link BadInputError} when its Content-Type cannot be used. */
function parserFor(request: Request): busboy.Busboy {
  try {
    return busboy({
      headers: request.headers,
      // One part more than there may be, because the parser tells of a limit when it is reached, not when it is passed.
      limits: { parts: 3, fieldSize: METADATA_LIMIT_BYTES },
      defParamCharset: 'utf8',
    });
  } catch {
    throw refusal('content-type', 'The Content-Type multipart/form-data must name the boundary between the parts.');
  }
}

async function readText(stream: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > METADATA_LIMIT_BYTES) throw tooMuchMetadata();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** The parts of one form while they arrive. */
class FormParts {
  metadata: Promise<string> | undefined;
  message: ReturnType<Intake['take']> | undefined;

  constructor(private readonly intake: Intake) {}

  /** Takes a part; `stream` for one that counts as a file. Throws {@link BadInputError} for parts that do not belong here. */
  take(name: string, content: string | Readable): Promise<unknown> {
    if (name === 'metadata' && !this.metadata) {
      // Some clients give the JSON a file name or a type, which makes it a file to the parser.
      this.metadata = typeof content === 'string' ? Promise.resolve(content) : readText(content);
      return this.metadata;
    }
    if (name === 'message' && !this.message && typeof content !== 'string') {
      this.message = this.intake.take(content as AsyncIterable<Buffer>);
      return this.message;
    }
    if (typeof content !== 'string') content.resume();
    return Promise.reject(
      name === 'message' && typeof content === 'string'
        ? refusal('message', 'The part message needs a file name or the type message/rfc822.')
        : refusal(name, 'The form has the parts metadata and message only, each once.'),
    );
  }
}

/**
 * Receives a message with its metadata as multipart/form-data, parts in either order: a message that comes before its
 * metadata is received first, with bounded memory. Throws what intake throws, and {@link BadInputError} naming the part.
 */
export async function receiveForm(intake: Intake, request: Request, receivedAtMs: number): Promise<Acceptance> {
  const parser = parserFor(request);
  const parts = new FormParts(intake);
  try {
    await new Promise<void>((resolve, reject) => {
      const take = (name: string, content: string | Readable) => void parts.take(name, content).catch(reject);
      parser.on('field', (name, value, info) => (info.valueTruncated ? reject(tooMuchMetadata()) : take(name, value)));
      parser.on('file', (name, stream) => take(name, stream));
      parser.on('error', () => reject(refusal('body', 'The multipart body cannot be read.')));
      parser.on('close', resolve);
      request.on('aborted', () => reject(refusal('body', 'The request ended before its body was complete.')));
      request.pipe(parser);
    });
    if (!parts.message) throw refusal('message', 'The part message is missing.');
    if (parts.metadata === undefined) throw refusal('metadata', 'The part metadata is missing.');
    const handOver = readHandOverMetadata(await parts.metadata, receivedAtMs);
    const { content, summary } = await parts.message;
    return await intake.storeTaken(handOver, content, summary, 'http');
  } finally {
    request.unpipe(parser);
    // A message that is still arriving would wait for its end forever.
    parser.destroy();
    await parts.message?.then(({ content }) => content.discard()).catch(() => undefined);
  }
}
