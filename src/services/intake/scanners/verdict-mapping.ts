import { readFileSync } from 'node:fs';
import { type GatewayAction, type Module, type ScanStatus } from '../../../entities/vocabulary.js';
import { glob, type Matcher } from './glob.js';
import { VerdictMappingError } from './hand-over-errors.js';
import defaults from './verdict-mapping.default.json';
import { type AmavisContent, type VerdictMappingData, verdictMappingSchema } from './verdict-mapping-schema.js';

/** What a rule concludes; null when what matches is to be ignored. */
export interface Conclusion {
  readonly module: Module;
  readonly status: ScanStatus;
}

/** A rule over rspamd's symbols; the first one that matches a symbol decides it. */
export interface SymbolRule {
  readonly symbol: Matcher;
  readonly group: Matcher | null;
  readonly option: Matcher | null;
  readonly minimumScore: number;
  readonly threats: 'OPTIONS' | 'SYMBOL' | 'NONE';
  readonly conclusion: Conclusion | null;
}

/** A rule over amavis's contents, alerts and threat names. */
export interface ContentRule {
  readonly contents: ReadonlySet<AmavisContent> | null;
  readonly alert: Matcher | null;
  readonly threat: Matcher | null;
  readonly conclusion: Conclusion | null;
}

type Statuses = Readonly<Partial<Record<Module, ScanStatus>>>;

/** How scanners' words become modules, statuses and actions, ready to use; made by {@link loadVerdictMapping}. */
export interface VerdictMapping {
  readonly rspamd: {
    readonly actions: ReadonlyMap<string, GatewayAction>;
    readonly otherAction: GatewayAction;
    /** Highest first. */
    readonly spamScores: readonly { readonly from: number; readonly status: ScanStatus }[];
    readonly spamActions: ReadonlyMap<string, ScanStatus>;
    readonly rules: readonly SymbolRule[];
    readonly authentication: readonly {
      readonly symbol: Matcher;
      readonly method: AuthenticationMethod;
      readonly result: string;
    }[];
    readonly violations: Readonly<Partial<Record<AuthenticationMethod, readonly string[]>>>;
    readonly withoutFinding: Statuses;
  };
  readonly amavis: {
    readonly alerts: readonly { readonly alert: Matcher; readonly content: AmavisContent }[];
    readonly quarantineAddresses: readonly { readonly address: Matcher; readonly content: AmavisContent }[];
    readonly rules: readonly ContentRule[];
    readonly blocked: Readonly<Partial<Record<AmavisContent, GatewayAction>>>;
    readonly otherBlocked: GatewayAction;
    readonly passed: GatewayAction;
    readonly withoutFinding: Statuses;
  };
  readonly copies: { readonly spamAction: GatewayAction; readonly otherAction: GatewayAction };
}

/** The methods of sender authentication that have results of their own (RFC 8601). */
export type AuthenticationMethod = 'spf' | 'dkim' | 'dmarc';

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

// Rules are asked in order, so those of the administrator stand before ours; score steps would be ambiguous that way.
const REPLACED_LISTS = new Set(['spamScores']);

/** Lays an administrator's mapping over the default one: objects by key, lists of rules in front, anything else instead. */
function overlay(base: unknown, change: unknown, key = ''): unknown {
  if (Array.isArray(base) && Array.isArray(change) && !REPLACED_LISTS.has(key))
    return [...(change as unknown[]), ...(base as unknown[])];
  if (!isRecord(base) || !isRecord(change)) return change;
  const result: Record<string, unknown> = { ...base };
  for (const [name, value] of Object.entries(change)) {
    // The lists inside "violations" are values, not rules.
    result[name] = key === 'violations' || !(name in base) ? value : overlay(base[name], value, name);
  }
  return result;
}

function conclusionOf(rule: { module?: Module | undefined; status?: ScanStatus | undefined }): Conclusion | null {
  return rule.module && rule.status ? { module: rule.module, status: rule.status } : null;
}

const optional = (patterns: readonly string[] | undefined): Matcher | null => (patterns ? glob(patterns) : null);
const lowerKeys = <V>(record: Readonly<Record<string, V>>): Map<string, V> =>
  new Map(Object.entries(record).map(([key, value]) => [key.toLowerCase(), value]));

function compile({ rspamd, amavis, copies }: VerdictMappingData): VerdictMapping {
  return {
    rspamd: {
      actions: lowerKeys(rspamd.actions),
      otherAction: rspamd.otherAction,
      spamScores: [...rspamd.spamScores].sort((a, b) => b.from - a.from),
      spamActions: lowerKeys(rspamd.spamActions),
      rules: rspamd.findings.map((rule) => ({
        symbol: glob(rule.symbol ?? ['*']),
        group: optional(rule.group),
        option: optional(rule.option),
        minimumScore: rule.minimumScore ?? -Infinity,
        threats: rule.threats ?? 'OPTIONS',
        conclusion: conclusionOf(rule),
      })),
      authentication: rspamd.authentication.map((rule) => ({ ...rule, symbol: glob(rule.symbol) })),
      violations: rspamd.violations,
      withoutFinding: rspamd.withoutFinding,
    },
    amavis: {
      alerts: amavis.alerts.map((rule) => ({ ...rule, alert: glob(rule.alert) })),
      quarantineAddresses: amavis.quarantineAddresses.map((rule) => ({ ...rule, address: glob(rule.address) })),
      rules: amavis.findings.map((rule) => ({
        contents: rule.content ? new Set(rule.content) : null,
        alert: optional(rule.alert),
        threat: optional(rule.threat),
        conclusion: conclusionOf(rule),
      })),
      blocked: amavis.blocked,
      otherBlocked: amavis.otherBlocked,
      passed: amavis.passed,
      withoutFinding: amavis.withoutFinding,
    },
    copies,
  };
}

/** "rspamd.findings[3].status", counted from 0 as in the file that `change` came from. */
function place(path: readonly PropertyKey[]): string {
  return (
    path
      .map((step) => (typeof step === 'number' ? `[${step}]` : `.${String(step)}`))
      .join('')
      .replace(/^\./, '') || 'the file'
  );
}

/** Checks a mapping that changes the default one, and makes it ready; throws {@link VerdictMappingError} naming each wrong place. */
export function readVerdictMapping(change: unknown = {}, origin = 'given'): VerdictMapping {
  if (!isRecord(change)) throw new VerdictMappingError(origin, ['the file: must hold a JSON object']);
  const result = verdictMappingSchema.safeParse(overlay(defaults, change));
  if (result.success) return compile(result.data);
  const problems = result.error.issues.map((issue) => `${place(issue.path)}: ${issue.message}`);
  throw new VerdictMappingError(origin, problems, { cause: result.error });
}

/** Reads the mapping from a JSON file that changes the default one; without a file, the default one. */
export function loadVerdictMapping(file?: string): VerdictMapping {
  if (!file) return readVerdictMapping();
  let change: unknown;
  try {
    change = JSON.parse(readFileSync(file, 'utf8'));
  } catch (cause) {
    throw new VerdictMappingError(file, [`the file: ${(cause as Error).message}`], { cause });
  }
  return readVerdictMapping(change, file);
}
