import { Module, type ScanResult, ScanStatus } from '../../entities/vocabulary.js';
import type { PersonalSwitches } from './personal-access.js';

/** Why a person may not do something with a message. */
export enum CapabilityReason {
  PREVIEW_SWITCHED_OFF = 'PREVIEW_SWITCHED_OFF',
  NO_HTML_PART = 'NO_HTML_PART',
  ANTI_VIRUS_STATUS = 'ANTI_VIRUS_STATUS',
  SENDING_SWITCHED_OFF = 'SENDING_SWITCHED_OFF',
  THREAT_DETECTED = 'THREAT_DETECTED',
  DELETION_SWITCHED_OFF = 'DELETION_SWITCHED_OFF',
  DELETED = 'DELETED',
}

/** Whether something is allowed and, when not, why. */
export interface Capability {
  readonly allowed: boolean;
  readonly reason: CapabilityReason | null;
}

/** What a person may do with one message. */
export interface MessageCapabilities {
  readonly previewText: Capability;
  readonly previewHtml: Capability;
  readonly send: Capability;
  readonly delete: Capability;
}

/** What the rules need to know of a message and of the verdict for one recipient; null: the module said nothing. */
export interface MessageFacts {
  readonly hasHtml: boolean;
  readonly antiVirus: ScanStatus | null;
  readonly antiPhishing: ScanStatus | null;
  readonly linkScanning: ScanStatus | null;
}

const ALLOWED: Capability = { allowed: true, reason: null };
const refused = (reason: CapabilityReason): Capability => ({ allowed: false, reason });

// A message that Anti-Virus did not scan counts as NOT_SCANNED.
const HTML_STATUSES: ReadonlySet<ScanStatus | null> = new Set([
  null,
  ScanStatus.NOT_DETECTED,
  ScanStatus.ENCRYPTED,
  ScanStatus.NOT_SCANNED,
  ScanStatus.BASES_ERROR,
  ScanStatus.MACROS,
]);
const THREATS: ReadonlySet<ScanStatus | null> = new Set([ScanStatus.DETECTED, ScanStatus.DISINFECTED]);

/** Whether the message's HTML part may be shown (rule P3). */
export function htmlCapability(facts: Pick<MessageFacts, 'hasHtml' | 'antiVirus'>): Capability {
  if (!facts.hasHtml) return refused(CapabilityReason.NO_HTML_PART);
  return HTML_STATUSES.has(facts.antiVirus) ? ALLOWED : refused(CapabilityReason.ANTI_VIRUS_STATUS);
}

/** Whether administrators see HTML: as people do, by the worst of all verdicts (rule P3). */
export function htmlCapabilityForAll(
  hasHtml: boolean,
  verdicts: readonly { readonly scanResults: readonly ScanResult[] }[],
): Capability {
  const capabilities = verdicts.map(({ scanResults }) => {
    const antiVirus = scanResults.find(({ module }) => module === Module.ANTI_VIRUS)?.status ?? null;
    return htmlCapability({ hasHtml, antiVirus });
  });
  return capabilities.find(({ allowed }) => !allowed) ?? htmlCapability({ hasHtml, antiVirus: null });
}

/** What is left to do with a message that was deleted from its section: reading and restoring (rule X5). */
export function deletedCapabilities(capabilities: MessageCapabilities): MessageCapabilities {
  return {
    ...capabilities,
    send: refused(CapabilityReason.DELETED),
    delete: refused(CapabilityReason.DELETED),
  };
}

/** What the switches and the verdicts allow (rules P1 to P3, D1, D2, X1). */
export function messageCapabilities(switches: PersonalSwitches, facts: MessageFacts): MessageCapabilities {
  const threat = [facts.antiVirus, facts.antiPhishing, facts.linkScanning].some((status) => THREATS.has(status));
  return {
    previewText: switches.preview ? ALLOWED : refused(CapabilityReason.PREVIEW_SWITCHED_OFF),
    previewHtml: switches.preview ? htmlCapability(facts) : refused(CapabilityReason.PREVIEW_SWITCHED_OFF),
    send: !switches.sending
      ? refused(CapabilityReason.SENDING_SWITCHED_OFF)
      : threat
        ? refused(CapabilityReason.THREAT_DETECTED)
        : ALLOWED,
    delete: switches.deletion ? ALLOWED : refused(CapabilityReason.DELETION_SWITCHED_OFF),
  };
}
