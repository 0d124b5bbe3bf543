import { z } from 'zod';
import { GatewayAction, Module, MODULE_STATUSES, ScanStatus } from '../../../entities/vocabulary.js';

const patterns = z.preprocess(
  (value) => (typeof value === 'string' ? [value] : value),
  z.array(z.string().min(1)).min(1),
);
const action = z.enum(GatewayAction);
const status = z.enum(ScanStatus);

/** The letters under which amavis files a message: virus, banned, unchecked, spam, header, oversized, bad MIME, spammy, clean. */
export const amavisContent = z.enum(['V', 'B', 'U', 'S', 'H', 'O', 'M', 'Y', 'C']);

/** One of the letters of {@link amavisContent}. */
export type AmavisContent = z.infer<typeof amavisContent>;

const finding = {
  module: z.enum(Module).optional(),
  status: status.optional(),
  ignore: z.literal(true).optional().describe('What matches says nothing; later rules are not asked.'),
};

type Finding = { module?: Module | undefined; status?: ScanStatus | undefined; ignore?: true | undefined };

function statusProblem(module: Module, value: ScanStatus): string | undefined {
  const possible = MODULE_STATUSES[module];
  return possible.includes(value)
    ? undefined
    : `${value} is no status of ${module}; possible are ${possible.join(', ')}`;
}

function checkFinding(rule: Finding, context: z.RefinementCtx): void {
  const report = (message: string, path: string[] = []) => context.addIssue({ code: 'custom', path, message });
  if (rule.ignore && (rule.module || rule.status))
    report('has "ignore", so it must have neither "module" nor "status"');
  if (rule.ignore) return;
  if (!rule.module) report('is missing; give a module, or "ignore": true', ['module']);
  if (!rule.status) report('is missing; give a status, or "ignore": true', ['status']);
  const problem = rule.module && rule.status && statusProblem(rule.module, rule.status);
  if (problem) report(problem, ['status']);
}

function checkStatuses(statuses: Partial<Record<Module, ScanStatus>>, context: z.RefinementCtx): void {
  for (const [module, value] of Object.entries(statuses) as [Module, ScanStatus][]) {
    const message = statusProblem(module, value);
    if (message) context.addIssue({ code: 'custom', path: [module], message });
  }
}

const spamStatus = status.refine((value) => MODULE_STATUSES[Module.ANTI_SPAM].includes(value), {
  message: 'is no status of ANTI_SPAM',
});
const withoutFinding = z.partialRecord(z.enum(Module), status).superRefine(checkStatuses);

const rspamdFinding = z
  .strictObject({
    symbol: patterns.optional(),
    group: patterns.optional(),
    option: patterns.optional(),
    minimumScore: z.number().optional(),
    threats: z.enum(['OPTIONS', 'SYMBOL', 'NONE']).optional(),
    ...finding,
  })
  .superRefine((rule, context) => {
    if (!rule.symbol && !rule.group) context.addIssue({ code: 'custom', message: 'needs "symbol" or "group"' });
    checkFinding(rule, context);
  });

const amavisFinding = z
  .strictObject({
    content: z.array(amavisContent).min(1).optional(),
    alert: patterns.optional(),
    threat: patterns.optional(),
    ...finding,
  })
  .superRefine((rule, context) => {
    if (!rule.content && !rule.alert && !rule.threat)
      context.addIssue({ code: 'custom', message: 'needs "content", "alert" or "threat"' });
    checkFinding(rule, context);
  });

const method = z.enum(['spf', 'dkim', 'dmarc']);

/** The whole mapping as data: the default file has every place, a file of the administrator only those it changes. */
export const verdictMappingSchema = z.strictObject({
  comment: z.unknown().optional(),
  rspamd: z.strictObject({
    actions: z.record(z.string(), action),
    otherAction: action,
    spamScores: z.array(z.strictObject({ from: z.number(), status: spamStatus })),
    spamActions: z.record(z.string(), spamStatus),
    findings: z.array(rspamdFinding),
    authentication: z.array(z.strictObject({ symbol: patterns, method, result: z.string().regex(/^[a-z]+$/) })),
    violations: z.partialRecord(method, z.array(z.string())),
    withoutFinding,
  }),
  amavis: z.strictObject({
    alerts: z.array(z.strictObject({ alert: patterns, content: amavisContent })),
    quarantineAddresses: z.array(z.strictObject({ address: patterns, content: amavisContent })),
    findings: z.array(amavisFinding),
    blocked: z.partialRecord(amavisContent, action),
    otherBlocked: action,
    passed: action,
    withoutFinding,
  }),
  copies: z.strictObject({ spamAction: action, otherAction: action }),
});

/** The mapping as data, complete and checked. */
export type VerdictMappingData = z.infer<typeof verdictMappingSchema>;
