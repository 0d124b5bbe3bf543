/** What scanned a message; the value is the API's word, {@link MODULE_BITS} is how a set of them is stored. */
export enum Module {
  ANTI_VIRUS = 'ANTI_VIRUS',
  ANTI_SPAM = 'ANTI_SPAM',
  ANTI_PHISHING = 'ANTI_PHISHING',
  LINK_SCANNING = 'LINK_SCANNING',
  CONTENT_FILTERING = 'CONTENT_FILTERING',
  SENDER_AUTHENTICATION = 'SENDER_AUTHENTICATION',
  PERSONAL_DENYLIST = 'PERSONAL_DENYLIST',
  SANDBOX = 'SANDBOX',
}

/** One bit for each module, so that "detected by all of these" is one integer comparison on both databases. */
export const MODULE_BITS: Readonly<Record<Module, number>> = {
  [Module.ANTI_VIRUS]: 1,
  [Module.ANTI_SPAM]: 2,
  [Module.ANTI_PHISHING]: 4,
  [Module.LINK_SCANNING]: 8,
  [Module.CONTENT_FILTERING]: 16,
  [Module.SENDER_AUTHENTICATION]: 32,
  [Module.PERSONAL_DENYLIST]: 64,
  [Module.SANDBOX]: 128,
};

/** What the gateway did for one recipient, mildest first; the strictest one stands for the whole message (rule S4). */
export enum GatewayAction {
  SKIP = 'SKIP',
  DISINFECT = 'DISINFECT',
  DELETE_ATTACHMENT = 'DELETE_ATTACHMENT',
  REJECT = 'REJECT',
  DELETE_MESSAGE = 'DELETE_MESSAGE',
}

/** Stored codes of {@link GatewayAction}: a greater one is stricter (rule S4). */
export const ACTION_CODES: readonly GatewayAction[] = [
  GatewayAction.SKIP,
  GatewayAction.DISINFECT,
  GatewayAction.DELETE_ATTACHMENT,
  GatewayAction.REJECT,
  GatewayAction.DELETE_MESSAGE,
];

/** What a module found, over all modules; which values a module can have stands in {@link MODULE_STATUSES}. */
export enum ScanStatus {
  NOT_DETECTED = 'NOT_DETECTED',
  DETECTED = 'DETECTED',
  NOT_SCANNED = 'NOT_SCANNED',
  BASES_ERROR = 'BASES_ERROR',
  SCAN_ERROR = 'SCAN_ERROR',
  MACROS = 'MACROS',
  ENCRYPTED = 'ENCRYPTED',
  DISINFECTED = 'DISINFECTED',
  TRUSTED = 'TRUSTED',
  FORMAL = 'FORMAL',
  MASS_MAIL = 'MASS_MAIL',
  PROBABLE_SPAM = 'PROBABLE_SPAM',
  SPAM = 'SPAM',
  DENYLISTED = 'DENYLISTED',
  NO_VIOLATION = 'NO_VIOLATION',
  VIOLATION = 'VIOLATION',
}

/** Stored codes of {@link ScanStatus}: the position in this list, so new values go to its end. */
export const STATUS_CODES: readonly ScanStatus[] = Object.values(ScanStatus);

const OUTCOMES = [
  ScanStatus.NOT_DETECTED,
  ScanStatus.NOT_SCANNED,
  ScanStatus.BASES_ERROR,
  ScanStatus.SCAN_ERROR,
  ScanStatus.DETECTED,
] as const;

/** The statuses that each module can report (rules, section 1). */
export const MODULE_STATUSES: Readonly<Record<Module, readonly ScanStatus[]>> = {
  [Module.ANTI_VIRUS]: [...OUTCOMES, ScanStatus.MACROS, ScanStatus.ENCRYPTED, ScanStatus.DISINFECTED],
  [Module.ANTI_SPAM]: [
    ScanStatus.NOT_DETECTED,
    ScanStatus.TRUSTED,
    ScanStatus.FORMAL,
    ScanStatus.MASS_MAIL,
    ScanStatus.PROBABLE_SPAM,
    ScanStatus.SPAM,
    ScanStatus.DENYLISTED,
    ScanStatus.NOT_SCANNED,
    ScanStatus.BASES_ERROR,
    ScanStatus.SCAN_ERROR,
  ],
  [Module.ANTI_PHISHING]: OUTCOMES,
  [Module.LINK_SCANNING]: OUTCOMES,
  [Module.CONTENT_FILTERING]: OUTCOMES,
  [Module.SENDER_AUTHENTICATION]: [ScanStatus.NO_VIOLATION, ScanStatus.VIOLATION, ScanStatus.NOT_SCANNED],
  [Module.PERSONAL_DENYLIST]: OUTCOMES,
  [Module.SANDBOX]: OUTCOMES,
};

/** What one module said of a message for one group of recipients. */
export interface ScanResult {
  readonly module: Module;
  readonly status: ScanStatus;
  /** The scanner's own words, kept beside the status they were mapped to; null when it gave none. */
  readonly scannerVerdict: string | null;
  /** Names of threats, as the scanner spells them. */
  readonly threatNames: readonly string[];
  /** SPF, DKIM and DMARC results as RFC 8601 names them; only for SENDER_AUTHENTICATION. */
  readonly authentication?: { readonly spf?: string; readonly dkim?: string; readonly dmarc?: string };
}

/** Where an envelope recipient stands in the header fields (rule S3). */
export enum RecipientKind {
  TO = 'TO',
  CC = 'CC',
  BCC = 'BCC',
}

/** A part of a message that people would call an attachment. */
export interface AttachmentSummary {
  /** Decoded file name (RFC 2231, RFC 2047); a made-up one such as "message.eml" when the part has none. */
  readonly name: string;
  /** Declared media type, lower case, such as "application/pdf". */
  readonly type: string;
  /** Decoded size in bytes. */
  readonly sizeBytes: number;
  /** Media type told by the first bytes; null when they tell nothing. */
  readonly detectedType: string | null;
}

/** What one group of recipients met: rule, action and verdicts (rule S4). */
export interface Verdict {
  /** Name of the gateway's rule; empty when it has none. */
  readonly ruleName: string;
  readonly action: GatewayAction;
  readonly scanResults: readonly ScanResult[];
  /** Why the message went to Backup, in the scanner's words; null when it gave none. */
  readonly reason: string | null;
  /** Envelope recipients (RFC 5321 addresses, as given) that this verdict holds for. */
  readonly recipients: readonly string[];
}

/** What a gateway says of a message when it hands it over, whatever protocol it used. */
export interface HandOver {
  /** Envelope sender (RFC 5321 MAIL FROM); null is the empty reverse-path. */
  readonly sender: string | null;
  /** Client address that the gateway took the message from; null when not told. */
  readonly senderIp: string | null;
  /** The gateway's queue id or mail id; null when not told. */
  readonly gatewayMessageId: string | null;
  /** Name of the gateway node; null when not told. */
  readonly node: string | null;
  /** When the gateway took the message, ms since 1970 UTC. */
  readonly receivedAtMs: number;
  /** At least one; together they name every recipient. */
  readonly verdicts: readonly Verdict[];
}
