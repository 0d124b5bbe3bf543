import { withoutControls } from './header-field.js';

/** What became of a sending to one recipient. */
export type RecipientOutcome = 'DELIVERED' | 'TEMPORARY' | 'PERMANENT' | 'UNKNOWN';

/** The command that a reply answers; MESSAGE is the reply after the final dot. */
export type SmtpStage = 'MAIL' | 'RCPT' | 'DATA' | 'MESSAGE';

/** A reply taken apart. */
export interface SmtpReply {
  /** Three digits; 0 when the reply does not begin with any. */
  readonly code: number;
  /** Such as 5.1.1 (RFC 3463), when the relay gives one whose class fits the code. */
  readonly enhancedCode: string | null;
  /** The whole reply on one line. */
  readonly text: string;
}

// A reply is kept and shown to people; a relay could answer up to 1 MiB.
const MAX_REPLY_CHARACTERS = 1_000;

/** Takes a reply apart; continuation lines (250-…) are joined (RFC 5321 4.2.1). */
export function parseReply(raw: string): SmtpReply {
  const [, code] = /^([2-5]\d\d)(?:[ -]|$)/.exec(raw) ?? [];
  const [, enhancedCode] = /^\d{3}[ -]([245]\.\d{1,3}\.\d{1,3})(?:\s|$)/.exec(raw) ?? [];
  // Further lines repeat the code, and most relays the enhanced one.
  const joined = raw
    .split(/\r?\n/)
    .map((line, index) => {
      if (!code || !line.startsWith(code)) return line;
      if (index === 0) return `${code} ${line.slice(4)}`;
      const rest = line.slice(4);
      return enhancedCode && rest.startsWith(`${enhancedCode} `) ? rest.slice(enhancedCode.length) : rest;
    })
    .join(' ');
  const text = withoutControls(joined).replace(/ {2,}/g, ' ').trim();
  return {
    code: Number(code ?? 0),
    enhancedCode: enhancedCode && enhancedCode[0] === code?.[0] ? enhancedCode : null,
    text: Array.from(text).slice(0, MAX_REPLY_CHARACTERS).join(''),
  };
}

// The relay does not like us, not the message: an administrator can put that right, so the message waits.
// 530 authentication or STARTTLS required, 534, 535, 538 authentication (RFC 4954 6), 503 bad sequence of commands.
const OUR_FAULT = new Set([503, 530, 534, 535, 538]);

// Full mailbox and size (RFC 3463 3.3, 3.4): with these, 552 after RCPT means what it says.
const REALLY_FULL = /^5\.(?:2\.[23]|3\.4)$/;

/**
 * Whether a reply is final for its recipients (rule D7): 2xx delivered, 4xx temporary, 5xx permanent, except 552 after RCPT,
 * which may mean "too many recipients" (RFC 5321 4.5.3.1.10), and replies about our session. Anything else is temporary.
 */
export function judgeReply(reply: SmtpReply, stage: SmtpStage): Exclude<RecipientOutcome, 'UNKNOWN'> {
  const kind = Math.floor(reply.code / 100);
  if (kind === 2) return stage === 'MESSAGE' ? 'DELIVERED' : 'TEMPORARY';
  if (kind !== 5 || OUR_FAULT.has(reply.code)) return 'TEMPORARY';
  if (reply.code === 552 && stage === 'RCPT' && !REALLY_FULL.test(reply.enhancedCode ?? '')) return 'TEMPORARY';
  return 'PERMANENT';
}

/** Whether a reply lets its command go on: 2xx, and for DATA also 3xx. */
export function isPositive(reply: SmtpReply, stage: SmtpStage): boolean {
  const kind = Math.floor(reply.code / 100);
  return kind === 2 || (stage === 'DATA' && kind === 3);
}
