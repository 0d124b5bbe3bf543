import { type RecipientOutcome, type SmtpReply, type SmtpStage, isPositive, judgeReply } from './smtp-reply.js';

/** What became of a sending to one recipient, with the relay's answer (rule D7). */
export interface RecipientResult {
  readonly address: string;
  /** DELIVERED: the relay took it over. UNKNOWN: it may have; sending again may deliver twice. */
  readonly outcome: RecipientOutcome;
  /** The answer that decided, on one line; null when the relay gave none. */
  readonly smtpReply: string | null;
  /** RFC 3463, from the answer or, with our own reasons, as a relay would have put it. */
  readonly enhancedCode: string | null;
  /** A sentence of ours where the answer alone does not tell; holds no address. */
  readonly reason: string | null;
}

/** One SMTP or LMTP transaction as it went. */
export interface TransactionRecord {
  /** Replies in the order of the commands: MAIL, one per RCPT, DATA, then one (LMTP: one per accepted recipient). */
  readonly replies: readonly SmtpReply[];
  /** Whether everything including the final dot was handed to the connection. */
  readonly messageComplete: boolean;
  /** Why the transaction ended early, for people; null when it went through. */
  readonly failure: string | null;
}

/** A result with the relay's answer. */
export function answered(
  address: string,
  outcome: RecipientOutcome,
  reply: SmtpReply,
  reason: string | null = null,
): RecipientResult {
  return { address, outcome, smtpReply: reply.text, enhancedCode: reply.enhancedCode, reason };
}

/** A result without an answer. */
export function unanswered(
  address: string,
  outcome: RecipientOutcome,
  reason: string,
  enhancedCode: string | null = null,
): RecipientResult {
  return { address, outcome, smtpReply: null, enhancedCode, reason };
}

const LOST_BEFORE = 'The connection ended before the message was handed over; nothing was delivered.';
const LOST_AFTER =
  'The connection ended after the message was handed over and before the relay answered: it may have been delivered, and sending again may deliver it twice.';
const NOT_ALL_TAKEN = 'The relay answered before it had the whole message.';

/**
 * The result for each recipient. A recipient refused at RCPT has that answer; else the answer to the message decides. Without
 * an answer it is TEMPORARY while the final dot was not sent, and UNKNOWN after it.
 */
export function transactionResults(
  recipients: readonly string[],
  record: TransactionRecord,
  lmtp: boolean,
): RecipientResult[] {
  const { replies, messageComplete } = record;
  const [mail] = replies;
  // Service closing (RFC 5321 3.8): the answer for everybody who has none of their own.
  const closing = replies.find((reply) => reply.code === 421);
  const lost = (address: string): RecipientResult => {
    if (closing) return answered(address, 'TEMPORARY', closing);
    return messageComplete
      ? unanswered(address, 'UNKNOWN', LOST_AFTER)
      : unanswered(address, 'TEMPORARY', record.failure ?? LOST_BEFORE);
  };
  const judged = (address: string, reply: SmtpReply, stage: SmtpStage) =>
    answered(address, judgeReply(reply, stage), reply);
  if (mail && !isPositive(mail, 'MAIL')) return recipients.map((address) => judged(address, mail, 'MAIL'));

  const data = replies[1 + recipients.length];
  const answers = replies.slice(2 + recipients.length);
  let accepted = 0;
  return recipients.map((address, index) => {
    const rcpt = replies[1 + index];
    if (!rcpt) return lost(address);
    if (!isPositive(rcpt, 'RCPT')) return judged(address, rcpt, 'RCPT');
    const answer = answers[lmtp ? accepted : 0];
    accepted += 1;
    if (data && !isPositive(data, 'DATA')) return judged(address, data, 'DATA');
    if (!answer) return lost(address);
    // A "yes" to half a message is none; the rest of the message was not sent.
    if (!messageComplete && isPositive(answer, 'MESSAGE')) return answered(address, 'TEMPORARY', answer, NOT_ALL_TAKEN);
    return judged(address, answer, 'MESSAGE');
  });
}
