import { Module, ScanStatus, type ScanResult } from '../../../entities/vocabulary.js';
import { type RspamdMetadata, type RspamdSymbol } from './rspamd-metadata.js';
import { MAX_VERDICT_LENGTH, shorten, threatList } from './scanner-text.js';
import { stricter } from './strictness.js';
import { type AuthenticationMethod, type SymbolRule, type VerdictMapping } from './verdict-mapping.js';

interface Found {
  status: ScanStatus;
  threats: string[];
  words: string[];
}

// Names of symbols repeat from message to message; the bound stops a map that grows with invented names.
const MAX_REMEMBERED_SYMBOLS = 5_000;

/** What the mapping has to say of a symbol; looked up some thirty times for each message, so it is remembered. */
interface SymbolKnowledge {
  readonly rules: readonly SymbolRule[];
  /** Place of the first rule of sender authentication that matches; -1 when none does. */
  readonly authentication: number;
}

const knowledge = new WeakMap<VerdictMapping, Map<string, SymbolKnowledge>>();

function knownOf(mapping: VerdictMapping, symbol: RspamdSymbol): SymbolKnowledge {
  let remembered = knowledge.get(mapping);
  if (!remembered) knowledge.set(mapping, (remembered = new Map()));
  const key = symbol.groups.length === 0 ? symbol.name : `${symbol.name}\n${symbol.groups.join('\n')}`;
  let known = remembered.get(key);
  if (!known) {
    const { rules, authentication } = mapping.rspamd;
    known = {
      rules: rules.filter((rule) => rule.symbol(symbol.name) && (!rule.group || symbol.groups.some(rule.group))),
      authentication: authentication.findIndex((rule) => rule.symbol(symbol.name)),
    };
    if (remembered.size >= MAX_REMEMBERED_SYMBOLS) remembered.clear();
    remembered.set(key, known);
  }
  return known;
}

function words(symbol: RspamdSymbol): string {
  const options = symbol.options.slice(0, 5).join(', ');
  return options ? `${symbol.name} (${options})` : symbol.name;
}

function note(found: Map<Module, Found>, symbol: RspamdSymbol, rule: SymbolRule): void {
  if (!rule.conclusion) return;
  const { module, status } = rule.conclusion;
  const entry = found.get(module) ?? { status, threats: [], words: [] };
  entry.status = stricter(entry.status, status);
  const named = rule.option ? symbol.options.filter(rule.option) : symbol.options;
  if (rule.threats === 'SYMBOL' || (rule.threats === 'OPTIONS' && named.length === 0)) entry.threats.push(symbol.name);
  // With show_attachments the file's name follows the threat's after a bar.
  else if (rule.threats === 'OPTIONS') entry.threats.push(...named.map((option) => option.replace(/\|.*$/s, '')));
  entry.words.push(words(symbol));
  found.set(module, entry);
}

function spamWords({ action, score }: RspamdMetadata): string {
  return [action ?? '', score === null ? '' : `score ${Number(score.toFixed(2))}`].filter(Boolean).join(', ');
}

/** Spam by score; by action only when nothing else that was found explains the action. */
function spamStatus(metadata: RspamdMetadata, mapping: VerdictMapping, explained: boolean): ScanStatus | undefined {
  const { score, action } = metadata;
  const byScore = score === null ? undefined : mapping.rspamd.spamScores.find((step) => score >= step.from)?.status;
  if (byScore || explained || action === null) return byScore;
  return mapping.rspamd.spamActions.get(action.toLowerCase());
}

function authentication(symbols: readonly RspamdSymbol[], mapping: VerdictMapping): ScanResult | undefined {
  const results: Partial<Record<AuthenticationMethod, string>> = {};
  // Rules earlier in the mapping win over later ones, whatever order the symbols come in.
  const places = symbols.map((symbol) => knownOf(mapping, symbol).authentication).filter((place) => place >= 0);
  for (const place of places.sort((a, b) => a - b)) {
    const rule = mapping.rspamd.authentication[place];
    if (rule) results[rule.method] ??= rule.result;
  }
  const methods = Object.keys(results) as AuthenticationMethod[];
  if (methods.length === 0) return undefined;
  const violates = (method: AuthenticationMethod) =>
    mapping.rspamd.violations[method]?.includes(results[method] ?? '') ?? false;
  // DMARC already weighs SPF and DKIM (RFC 7489, 3.1.1): where it speaks, it decides.
  const decisive = results.dmarc === 'pass' || violates('dmarc') ? (['dmarc'] as const) : methods;
  const status = decisive.some(violates) ? ScanStatus.VIOLATION : ScanStatus.NO_VIOLATION;
  const scannerVerdict = methods.map((method) => `${method}=${results[method]}`).join(' ');
  return { module: Module.SENDER_AUTHENTICATION, status, scannerVerdict, threatNames: [], authentication: results };
}

/** What each module found, from rspamd's symbols, score and action (pure; unknown symbols say nothing). */
export function rspamdScanResults(metadata: RspamdMetadata, mapping: VerdictMapping): ScanResult[] {
  const found = new Map<Module, Found>();
  for (const symbol of metadata.symbols) {
    const rule = knownOf(mapping, symbol).rules.find(
      (candidate) =>
        symbol.score >= candidate.minimumScore && (!candidate.option || symbol.options.some(candidate.option)),
    );
    if (rule) note(found, symbol, rule);
  }
  const explained = [...found].some(
    ([module, entry]) => module !== Module.ANTI_SPAM && entry.status === ScanStatus.DETECTED,
  );
  const spam = spamStatus(metadata, mapping, explained);
  if (spam) {
    const entry = found.get(Module.ANTI_SPAM) ?? { status: spam, threats: [], words: [] };
    found.set(Module.ANTI_SPAM, { ...entry, status: stricter(entry.status, spam) });
  }
  const sender = authentication(metadata.symbols, mapping);
  const results: ScanResult[] = [];
  for (const module of Object.values(Module)) {
    const entry = found.get(module);
    const status = entry?.status ?? mapping.rspamd.withoutFinding[module];
    if (module === Module.SENDER_AUTHENTICATION && sender && !entry) results.push(sender);
    else if (status) {
      const said = [...(module === Module.ANTI_SPAM ? [spamWords(metadata)] : []), ...(entry?.words ?? [])]
        .filter(Boolean)
        .join('; ');
      results.push({
        module,
        status,
        scannerVerdict: said ? shorten(said, MAX_VERDICT_LENGTH) : null,
        threatNames: threatList(entry?.threats ?? []),
      });
    }
  }
  return results;
}

/** Why the message was put aside, in rspamd's words: action, score and the symbols that weighed most. */
export function rspamdReason(metadata: RspamdMetadata): string | null {
  const weighty = metadata.symbols
    .filter((symbol) => symbol.score > 0)
    .sort((a, b) => b.score - a.score)
    .slice(0, 10)
    .map((symbol) => symbol.name);
  const text = [spamWords(metadata), weighty.join(', ')].filter(Boolean).join(': ');
  return text ? shorten(text, MAX_VERDICT_LENGTH) : null;
}
