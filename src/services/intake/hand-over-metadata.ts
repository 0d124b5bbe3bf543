import { z } from 'zod';
import { mailboxKey } from '../../entities/mailbox-key.js';
import {
  GatewayAction,
  type HandOver,
  Module,
  MODULE_STATUSES,
  type ScanResult,
  ScanStatus,
  type Verdict,
} from '../../entities/vocabulary.js';
import { BadInputError } from '../../errors.js';

// Most recipients of one hand-over; stops a single request from writing millions of rows.
const MAX_RECIPIENTS = 50_000;
const MAX_VERDICTS = 1_000;

const address = z.string().max(320);
const text = (length: number) => z.string().max(length);

const scanResult = z.strictObject({
  module: text(64),
  status: text(64),
  scannerVerdict: text(1000).nullish(),
  threatNames: z.array(text(255)).max(100).default([]),
  authentication: z
    .strictObject({ spf: text(32).optional(), dkim: text(32).optional(), dmarc: text(32).optional() })
    .optional(),
});

const verdictFields = {
  ruleName: text(255).default(''),
  action: text(64).default(GatewayAction.DELETE_MESSAGE),
  scanResults: z.array(scanResult).max(64).default([]),
  reason: text(1000).nullish(),
};

const metadata = z.strictObject({
  sender: address.nullish(),
  senderIp: text(64).nullish(),
  gatewayMessageId: text(255).nullish(),
  node: text(255).nullish(),
  receivedAt: z.iso.datetime({ offset: true }).optional(),
  recipients: z.array(address).max(MAX_RECIPIENTS).default([]),
  ...verdictFields,
  verdicts: z
    .array(z.strictObject({ ...verdictFields, recipients: z.array(address).max(MAX_RECIPIENTS) }))
    .max(MAX_VERDICTS)
    .default([]),
});

type VerdictInput = z.infer<(typeof metadata)['shape']['verdicts']>[number];

// Not "in": every object knows "constructor" and "toString".
const isModule = (value: string): value is Module => Object.hasOwn(Module, value);
const isStatus = (value: string): value is ScanStatus => Object.hasOwn(ScanStatus, value);
const isAction = (value: string): value is GatewayAction => Object.hasOwn(GatewayAction, value);

/** What is not understood is kept as text and judged carefully: unknown findings count as found (rules, section 1). */
function readScanResult(input: z.infer<typeof scanResult>): ScanResult {
  const module = isModule(input.module) ? input.module : Module.CONTENT_FILTERING;
  const known = isStatus(input.status) && MODULE_STATUSES[module].includes(input.status) && isModule(input.module);
  const own = input.scannerVerdict ?? null;
  const fallback =
    module === Module.SENDER_AUTHENTICATION
      ? ScanStatus.VIOLATION
      : module === Module.ANTI_SPAM
        ? ScanStatus.SPAM
        : ScanStatus.DETECTED;
  return {
    module,
    status: known ? (input.status as ScanStatus) : fallback,
    scannerVerdict: known ? own : [`${input.module}: ${input.status}`, own].filter(Boolean).join('; '),
    threatNames: input.threatNames,
    ...(input.authentication ? { authentication: definedOnly(input.authentication) } : {}),
  };
}

function definedOnly(input: {
  spf?: string | undefined;
  dkim?: string | undefined;
  dmarc?: string | undefined;
}): NonNullable<ScanResult['authentication']> {
  return Object.fromEntries(Object.entries(input).filter(([, value]) => value !== undefined));
}

function readVerdict(input: VerdictInput): Verdict {
  const known = isAction(input.action);
  return {
    ruleName: input.ruleName,
    // An action nobody knows shows the message to administrators only (rule V4).
    action: isAction(input.action) ? input.action : GatewayAction.SKIP,
    scanResults: input.scanResults.map(readScanResult),
    reason: known
      ? (input.reason ?? null)
      : [`unknown action ${input.action}`, input.reason].filter(Boolean).join('; '),
    recipients: input.recipients,
  };
}

/**
 * Reads what a gateway says of a message in our own form (docs/intake.md): either one verdict for all `recipients`, or
 * `verdicts` with recipients each. Throws {@link BadInputError} that names the place.
 */
export function readHandOverMetadata(json: string, receivedAtMs: number): HandOver {
  let parsed: unknown;
  try {
    parsed = JSON.parse(json);
  } catch {
    throw new BadInputError(
      'metadata',
      'metadata is no JSON. Give an object such as {"sender":"a@example.net","recipients":["b@example.com"]}.',
    );
  }
  const result = metadata.safeParse(parsed);
  if (!result.success) {
    const issue = result.error.issues[0];
    const place = ['metadata', ...(issue?.path ?? [])].join('.');
    throw new BadInputError(place, `${place}: ${issue?.message ?? 'not valid'}.`);
  }
  const { recipients, verdicts, ruleName, action, scanResults, reason, ...facts } = result.data;
  const covered = new Set(verdicts.flatMap((verdict) => verdict.recipients.map(mailboxKey)));
  const rest = recipients.filter((recipient) => !covered.has(mailboxKey(recipient)));
  const common =
    rest.length > 0 || verdicts.length === 0 ? [{ ruleName, action, scanResults, reason, recipients: rest }] : [];
  return {
    sender: facts.sender || null,
    senderIp: facts.senderIp ?? null,
    gatewayMessageId: facts.gatewayMessageId ?? null,
    node: facts.node ?? null,
    receivedAtMs: facts.receivedAt ? Date.parse(facts.receivedAt) : receivedAtMs,
    verdicts: [...verdicts, ...common].map(readVerdict),
  };
}
