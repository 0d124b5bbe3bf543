import { randomBytes } from 'node:crypto';
import { checkAddress, headerAddress } from './envelope-address.js';
import { addressTokens, headerDate, headerField, mailboxTokens, textTokens, withoutControls } from './header-field.js';
import { LOOP_MARK_FIELD } from './loop-mark.js';
import { inspectForSmtp, survivesSmtp } from './smtp-form.js';

/** The mail around the original (rule D5). */
export interface CoveringMail {
  /** The configured sender. */
  readonly from: string;
  readonly fromName?: string;
  /** Only addresses that every recipient may see (rule V6); empty: "undisclosed-recipients:;". */
  readonly to: readonly string[];
  readonly sentAt: Date;
  /** With angle brackets, see `newMessageId`. */
  readonly messageId: string;
  /** See `createLoopMark`. */
  readonly loopMark: string;
  /** What is said about the original; decoded text. */
  readonly original: { readonly subject: string; readonly sender: string | null; readonly receivedAt: Date };
}

/** A mail ready to be sent. */
export interface ComposedMail {
  readonly sizeBytes: number;
  /** Whether it holds octets above 127. */
  readonly eightBit: boolean;
  readonly attachedAs: 'message/rfc822' | 'application/octet-stream';
  /** The same bytes each time, streamed in constant memory. */
  open(): AsyncGenerator<Buffer>;
}

/** How the original may be carried. */
export interface CarryOptions {
  /** False for a relay without 8BITMIME: an original with octets above 127 is then encoded. Default true. */
  readonly eightBitAllowed?: boolean;
}

// The subject and sender are somebody else's text; longer would let them fill the page.
const MAX_QUOTED_CHARACTERS = 200;
const FILE_NAME = 'original-message.eml';
// 57 octets make one line of 76 characters (RFC 2045 6.8).
const BASE64_GROUP_BYTES = 57;
const BASE64_LINE_BYTES = 78;

// By code points: a cut surrogate pair would not be text any more.
const quoted = (text: string) => Array.from(withoutControls(text).trim()).slice(0, MAX_QUOTED_CHARACTERS).join('');

function explanation(mail: CoveringMail, encoded: boolean): string {
  return [
    'The mail gateway put aside a message for this mailbox. It has now been sent',
    'to you from Backup and is attached to this mail, unchanged.',
    '',
    `Subject: ${quoted(mail.original.subject) || '(none)'}`,
    `Sender: ${quoted(mail.original.sender ?? '') || '(none)'}`,
    `Received: ${headerDate(mail.original.receivedAt)}`,
    '',
    'There was a reason for putting it aside: be careful with its links and',
    'attachments.',
    ...(encoded
      ? [
          '',
          'It is attached as a file, because mail transport would have altered some',
          'of its bytes. Save or open the file to read it.',
        ]
      : []),
    '',
  ].join('\r\n');
}

function textPart(text: string): string {
  const ascii = /^[\x20-\x7e\r\n]*$/.test(text);
  const body = ascii ? text : Buffer.from(text).toString('base64').replace(/.{76}/g, '$&\r\n');
  return (
    `Content-Type: text/plain; charset=${ascii ? 'us-ascii' : 'utf-8'}\r\n` +
    `Content-Transfer-Encoding: ${ascii ? '7bit' : 'base64'}\r\n\r\n${body}`
  );
}

function base64Bytes(sizeBytes: number): number {
  const rest = sizeBytes % BASE64_GROUP_BYTES;
  return Math.floor(sizeBytes / BASE64_GROUP_BYTES) * BASE64_LINE_BYTES + (rest > 0 ? Math.ceil(rest / 3) * 4 + 2 : 0);
}

async function* encodeBase64(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const lines = (bytes: Buffer) => {
    const text = bytes.toString('base64');
    return Buffer.from(text.replace(/.{1,76}/g, '$&\r\n'), 'latin1');
  };
  let rest = Buffer.alloc(0);
  for await (const piece of source) {
    const bytes = rest.length > 0 ? Buffer.concat([rest, piece]) : piece;
    const whole = bytes.length - (bytes.length % BASE64_GROUP_BYTES);
    if (whole > 0) yield lines(bytes.subarray(0, whole));
    rest = Buffer.from(bytes.subarray(whole));
  }
  if (rest.length > 0) yield lines(rest);
}

/**
 * A new mail from the configured sender with the original attached byte for byte (rule D5). The original is read twice: once
 * to see whether SMTP carries it unchanged, once to send it. It is attached as message/rfc822, which may not be encoded
 * (RFC 2046 5.2.1); one that SMTP would alter (NUL, bare CR, mixed line ends, lines over 998 octets) is attached as an encoded
 * .eml file instead. Throws BadInputError for addresses that could not stand in a header.
 */
export async function composeInAttachment(
  open: () => AsyncIterable<Buffer>,
  mail: CoveringMail,
  options: CarryOptions = {},
): Promise<ComposedMail> {
  const form = await inspectForSmtp(open());
  const encoded = !survivesSmtp(form) || (form.eightBit && options.eightBitAllowed === false);
  const attachedAs = encoded ? 'application/octet-stream' : 'message/rfc822';
  const eightBitOriginal = !encoded && form.eightBit;
  // 128 random bits: nobody can have put it into the original.
  const boundary = `=_${randomBytes(16).toString('hex')}`;
  const from = headerAddress(checkAddress('from', mail.from));
  const to = mail.to.map((address) => headerAddress(checkAddress('to', address)));
  const subject = quoted(mail.original.subject);
  const head = Buffer.from(
    headerField('Date', [headerDate(mail.sentAt)]) +
      headerField('From', mailboxTokens(from, mail.fromName)) +
      headerField('To', to.length > 0 ? addressTokens(to) : ['undisclosed-recipients:;']) +
      headerField('Subject', textTokens(subject ? `Message from Backup: ${subject}` : 'Message from Backup')) +
      headerField('Message-ID', [mail.messageId]) +
      // Keeps vacation responders quiet (RFC 3834 5).
      headerField('Auto-Submitted', ['auto-generated']) +
      headerField(LOOP_MARK_FIELD, mail.loopMark.split(' ')) +
      headerField('MIME-Version', ['1.0']) +
      headerField('Content-Type', ['multipart/mixed;', `boundary="${boundary}"`]) +
      `Content-Transfer-Encoding: ${eightBitOriginal ? '8bit' : '7bit'}\r\n` +
      `\r\n--${boundary}\r\n${textPart(explanation(mail, encoded))}\r\n--${boundary}\r\n` +
      headerField(
        'Content-Type',
        encoded ? ['application/octet-stream;', `name="${FILE_NAME}"`] : ['message/rfc822;', `name="${FILE_NAME}"`],
      ) +
      headerField('Content-Disposition', ['attachment;', `filename="${FILE_NAME}"`]) +
      `Content-Transfer-Encoding: ${encoded ? 'base64' : eightBitOriginal ? '8bit' : '7bit'}\r\n\r\n`,
  );
  // The line end before the boundary belongs to the boundary (RFC 2046 5.1.1): an original without a last one keeps it so.
  const tail = Buffer.from(`\r\n--${boundary}--\r\n`);
  const bodyBytes = encoded ? base64Bytes(form.sizeBytes) : form.sizeBytes;
  return {
    sizeBytes: head.length + bodyBytes + tail.length,
    // The header has some where an address does (RFC 6532).
    eightBit: eightBitOriginal || head.some((byte) => byte > 0x7f),
    attachedAs,
    async *open() {
      yield head;
      yield* encoded ? encodeBase64(open()) : open();
      yield tail;
    },
  };
}
