import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { z } from 'zod';
import { GatewayAction, type HandOver, Module, MODULE_STATUSES, ScanStatus } from '../../entities/vocabulary.js';

/** One message of the example organisation, with what its gateway said of it. */
export interface ExampleMessage {
  /** Name of the file under demo/mail. */
  readonly file: string;
  readonly handOver: HandOver;
  /** The bytes of the message, from the start at each call. */
  open(): AsyncIterable<Buffer>;
}

// The same distance from src/services/intake and from dist/services/intake.
const PACKAGE_ROOT = resolve(__dirname, '../../..');

/** The folder of the example messages and of their index.json. */
export const EXAMPLE_FOLDER = join(PACKAGE_ROOT, 'demo/mail');

const MINUTE_MS = 60_000;

const SCAN_RESULT = z
  .strictObject({
    module: z.enum(Module),
    status: z.enum(ScanStatus),
    scannerVerdict: z.string().nullable().default(null),
    threatNames: z.array(z.string()).default([]),
    authentication: z.strictObject({ spf: z.string(), dkim: z.string(), dmarc: z.string() }).partial().optional(),
  })
  .refine(({ module, status }) => MODULE_STATUSES[module].includes(status), 'The module does not report this status.');

const EXAMPLE = z.strictObject({
  file: z.string().refine((file) => file === basename(file) && file.endsWith('.eml'), 'Name a file of this folder.'),
  sender: z.string().nullable(),
  senderIp: z.string().nullable(),
  gatewayMessageId: z.string().nullable(),
  node: z.string().nullable(),
  receivedAgoMinutes: z.number().int().nonnegative(),
  verdicts: z
    .array(
      z.strictObject({
        ruleName: z.string(),
        action: z.enum(GatewayAction),
        scanResults: z.array(SCAN_RESULT),
        reason: z.string().nullable().default(null),
        recipients: z.array(z.string()).min(1),
      }),
    )
    .min(1),
});

/**
 * The messages of the example organisation, oldest first, as a gateway would have handed them over up to `nowMs`. Fails when
 * the package was installed without its demo folder or the index is wrong.
 */
export async function* readExampleMessages(
  nowMs: number = Date.now(),
  folder: string = EXAMPLE_FOLDER,
): AsyncGenerator<ExampleMessage> {
  const index: unknown = JSON.parse(await readFile(join(folder, 'index.json'), 'utf8'));
  const examples = z.array(EXAMPLE).parse(index);
  examples.sort((a, b) => b.receivedAgoMinutes - a.receivedAgoMinutes);
  for (const { file, receivedAgoMinutes, ...handOver } of examples) {
    yield {
      file,
      handOver: { ...handOver, receivedAtMs: nowMs - receivedAgoMinutes * MINUTE_MS },
      open: () => createReadStream(join(folder, file)) as AsyncIterable<Buffer>,
    };
  }
}
