import { type GatewayAction, Module, type ScanResult, ScanStatus, type Verdict } from '../../../entities/vocabulary.js';
import { mailboxKey } from '../../../entities/mailbox-key.js';
import { type AmavisBlock, type SpamFields } from './amavis-block.js';
import { MAX_VERDICT_LENGTH, oneLine, shorten, threatList } from './scanner-text.js';
import { stricter } from './strictness.js';
import { type VerdictMapping } from './verdict-mapping.js';
import { type AmavisContent } from './verdict-mapping-schema.js';

interface Found {
  status: ScanStatus;
  words: string[];
  threats: string[];
}

/** amavis's own order: the first content that holds decides what becomes of the message. */
const CONTENT_ORDER: readonly AmavisContent[] = ['V', 'B', 'U', 'S', 'Y', 'M', 'H', 'O', 'C'];

/** The names in an alert: "INFECTED, message contains virus: A, B", "BANNED, message contains .exe,invoice.exe"; none elsewhere. */
function alertNames(content: AmavisContent, alert: string): string[] {
  const [, named = ''] = /^[^:]*?\bcontains\s+(?:(?:virus|part):)?\s*(.*)$/s.exec(alert) ?? [];
  // Viruses come as a list; what is banned is one name, which may hold commas.
  const names = content === 'V' ? named.split(/,\s+/) : content === 'B' ? [named] : [];
  return names.map(oneLine).filter(Boolean);
}

/** Reads the score and the tests out of the X-Spam-* fields; score null when not checked ("score=x"). */
export function spamVerdict(fields: SpamFields): {
  isSpam: boolean;
  isTagged: boolean;
  score: number | null;
  words: string | null;
} {
  const status = fields.status ?? '';
  const number = (text: string | undefined) => {
    const parsed = text === undefined ? NaN : Number.parseFloat(text);
    return Number.isFinite(parsed) ? parsed : null;
  };
  // "score=x": not checked, whatever X-Spam-Score says; "score=1..20": from the lowest to the highest over the recipients.
  const told = /(?:score|hits)=(?:[-+\d.]+?\.\.)?([-+\d.]+|x)/.exec(status)?.[1];
  const score = told === undefined ? number(fields.score) : number(told);
  const tagLevel = number(/(?:tag2|required)=([-+\d.]+)/.exec(status)?.[1]);
  const killLevel = number(/kill=([-+\d.]+)/.exec(status)?.[1]);
  const flagged = /^yes/i.test(fields.flag ?? '') || /^yes\b/i.test(status);
  const isSpam = killLevel !== null && score !== null ? score >= killLevel : flagged;
  const isTagged = flagged || (score !== null && tagLevel !== null && score >= tagLevel);
  const words = status ? shorten(oneLine(status), MAX_VERDICT_LENGTH) : score === null ? null : `score=${score}`;
  return { isSpam, isTagged, score, words };
}

/** The contents of a quarantined message in amavis's order, told by its alerts, spam fields and quarantine address. */
export function amavisContents(
  block: AmavisBlock,
  quarantineAddresses: readonly string[],
  mapping: VerdictMapping,
): AmavisContent[] {
  const contents = new Set<AmavisContent>();
  for (const alert of block.alerts) {
    const rule = mapping.amavis.alerts.find((candidate) => candidate.alert(alert));
    if (rule) contents.add(rule.content);
  }
  for (const address of quarantineAddresses) {
    const rule = mapping.amavis.quarantineAddresses.find((candidate) => candidate.address(address));
    if (rule) contents.add(rule.content);
  }
  const spam = spamVerdict(block.spam);
  if (spam.isSpam) contents.add('S');
  else if (spam.isTagged) contents.add('Y');
  return CONTENT_ORDER.filter((content) => contents.has(content));
}

/** What each module found, from amavis's contents, alerts and spam fields (pure). */
export function amavisScanResults(
  block: AmavisBlock,
  contents: readonly AmavisContent[],
  mapping: VerdictMapping,
): ScanResult[] {
  const found = new Map<Module, Found>();
  const note = (content: AmavisContent, alert: string | null, threat: string | null) => {
    const rule = mapping.amavis.rules.find(
      (candidate) =>
        (!candidate.contents || candidate.contents.has(content)) &&
        (!candidate.alert || (alert !== null && candidate.alert(alert))) &&
        (!candidate.threat || (threat !== null && candidate.threat(threat))),
    );
    if (!rule?.conclusion) return;
    const { module, status } = rule.conclusion;
    const entry = found.get(module) ?? { status, words: [], threats: [] };
    entry.status = stricter(entry.status, status);
    if (alert !== null && !entry.words.includes(alert)) entry.words.push(alert);
    if (threat !== null) entry.threats.push(threat);
    found.set(module, entry);
  };
  for (const content of contents) {
    const alerts = block.alerts.filter(
      (alert) => mapping.amavis.alerts.find((rule) => rule.alert(alert))?.content === content,
    );
    if (alerts.length === 0) note(content, null, null);
    for (const alert of alerts) {
      const names = alertNames(content, alert);
      if (names.length === 0) note(content, alert, null);
      for (const name of names) note(content, alert, name);
    }
  }
  return scanResults(found, block.spam, mapping);
}

function scanResults(found: ReadonlyMap<Module, Found>, spam: SpamFields, mapping: VerdictMapping): ScanResult[] {
  const { score, words } = spamVerdict(spam);
  // amavis's own lists of senders, which it tells beside the score.
  const listed = /\bBLACKLISTED\b/.test(spam.status ?? '')
    ? ScanStatus.DENYLISTED
    : /\bWHITELISTED\b/.test(spam.status ?? '')
      ? ScanStatus.TRUSTED
      : undefined;
  return Object.values(Module).flatMap((module) => {
    const entry = found.get(module);
    const isSpamModule = module === Module.ANTI_SPAM;
    const checked = isSpamModule && score !== null ? ScanStatus.NOT_DETECTED : undefined;
    const status =
      (isSpamModule ? listed : undefined) ?? entry?.status ?? checked ?? mapping.amavis.withoutFinding[module];
    if (!status) return [];
    const said = [...(isSpamModule && words ? [words] : []), ...(entry?.words.map(oneLine) ?? [])].join('; ');
    return [
      {
        module,
        status,
        scannerVerdict: said ? shorten(said, MAX_VERDICT_LENGTH) : null,
        threatNames: threatList(entry?.threats ?? []),
      },
    ];
  });
}

/** The verdicts of a quarantined message: those who did not get it, and those who did (rule S4). */
export function amavisVerdicts(
  block: AmavisBlock,
  quarantineAddresses: readonly string[],
  mapping: VerdictMapping,
): Verdict[] {
  const contents = amavisContents(block, quarantineAddresses, mapping);
  const results = amavisScanResults(block, contents, mapping);
  const spam = spamVerdict(block.spam);
  const reason = block.alerts.map(oneLine).join('; ') || (spam.isTagged ? spam.words : null);
  const [first] = contents;
  const blockedAction = (first && mapping.amavis.blocked[first]) ?? mapping.amavis.otherBlocked;
  // Versions that do not tell who was blocked quarantine only what nobody got.
  const blocked = block.blocked ?? block.recipients;
  const blockedKeys = new Set(blocked.map(mailboxKey));
  const passed = block.recipients.filter((address) => !blockedKeys.has(mailboxKey(address)));
  const verdict = (action: GatewayAction, recipients: readonly string[]): Verdict => ({
    ruleName: '',
    action,
    scanResults: results,
    reason: reason === null ? null : shorten(reason, MAX_VERDICT_LENGTH),
    recipients,
  });
  const verdicts = [
    ...(blocked.length > 0 ? [verdict(blockedAction, blocked)] : []),
    ...(passed.length > 0 ? [verdict(mapping.amavis.passed, passed)] : []),
  ];
  return verdicts.length > 0 ? verdicts : [verdict(blockedAction, [])];
}

/** The verdict of a plain copy; without trusted spam fields nothing is known of it. */
export function copyVerdict(
  fields: SpamFields | null,
  recipients: readonly string[],
  mapping: VerdictMapping,
): Verdict {
  const spam = fields && spamVerdict(fields);
  const isSpam = spam !== null && (spam.isSpam || spam.isTagged);
  const checked = spam !== null && (spam.score !== null || fields?.flag !== undefined);
  const status = isSpam ? ScanStatus.SPAM : checked ? ScanStatus.NOT_DETECTED : ScanStatus.NOT_SCANNED;
  return {
    ruleName: '',
    action: isSpam ? mapping.copies.spamAction : mapping.copies.otherAction,
    scanResults: [{ module: Module.ANTI_SPAM, status, scannerVerdict: spam?.words ?? null, threatNames: [] }],
    reason: isSpam ? (spam?.words ?? null) : null,
    recipients,
  };
}
