import { addressOf } from './seed-names.js';

// A small generator with a fixed seed (xorshift32): every run hands over the same mail.
const SEED = 88675123;
const MAILBOXES = 200;
/** Width of the number that tells one message from the next; it is written into the bytes in place. */
const DIGITS = 12;
const PLACE = '#'.repeat(DIGITS);

const WORDS =
  'dear customer your invoice parcel account offer meeting report delivery payment order notice reminder security update price list winter summer team contract tender question answer photo video ticket travel bank tax result project minutes plan schedule review draft final urgent confirmation please kindly regards Grüße möchten können'.split(
    ' ',
  );

/** What rspamd tells of a message that has a usual number of symbols. */
const SYMBOLS = [
  ['R_SPF_ALLOW', -0.2, 'policies', '+ip4:192.0.2.0/24'],
  ['R_DKIM_REJECT', 1, 'policies', 'example.net:s=k1'],
  ['DMARC_POLICY_SOFTFAIL', 0.1, 'policies', 'example.net : No valid SPF, DKIM not aligned (relaxed)'],
  ['BAYES_SPAM', 5.1, 'statistics', '100.00%'],
  ['FUZZY_DENIED', 12, 'fuzzy', '1:2f2f6e1b:1.00:bin'],
  ['RBL_SPAMHAUS_XBL', 4, 'rbl', '192.0.2.25:from'],
  ['DBL_SPAM', 6.5, 'surbl', 'example.net:url'],
  ['MIME_GOOD', -0.1, 'headers', 'multipart/alternative'],
  ['FROM_HAS_DN', 0, 'headers', ''],
  ['TO_DN_NONE', 0, 'headers', ''],
  ['RCVD_COUNT_TWO', 0, 'headers', '2'],
  ['MID_RHS_MATCH_FROM', 0, 'headers', ''],
].map(([name, score, group, option]) => ({
  name,
  score,
  group,
  groups: [group],
  ...(option ? { options: [option] } : {}),
}));

/** A way of handing over. */
export type Form = 'RSPAMD_HEADERS' | 'RSPAMD_MULTIPART' | 'METADATA' | 'LMTP';

/** Bytes with places at which the message's number stands. */
export class Numbered {
  readonly #places: number[] = [];

  constructor(readonly bytes: Buffer) {
    for (let at = bytes.indexOf(PLACE); at >= 0; at = bytes.indexOf(PLACE, at + DIGITS)) this.#places.push(at);
  }

  /** The bytes of the message with this number, written in place: valid until the next call. */
  number(value: number): Buffer {
    const digits = String(value).padStart(DIGITS, '0');
    for (const place of this.#places) this.bytes.write(digits, place, 'latin1');
    return this.bytes;
  }
}

/** Makes messages of 8 to 10 KB, multipart/alternative, for 200 mailboxes; the same ones in every run. */
export class IntakeMail {
  #state = SEED;

  #random(below: number): number {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    return (this.#state >>> 0) % below;
  }

  #text(bytes: number, end: string): string {
    let text = '';
    let line = '';
    while (text.length < bytes) {
      line += `${WORDS[this.#random(WORDS.length)]} `;
      if (line.length > 66) {
        text += `${line}${this.#random(1_000_000)}${end}`;
        line = '';
      }
    }
    return text;
  }

  /** A message and who gets it: mostly one, sometimes two. */
  message(): { bytes: Buffer; recipients: string[] } {
    const size = 8_000 + this.#random(2_000);
    const recipients = [addressOf(this.#random(MAILBOXES))];
    if (this.#random(5) === 0) recipients.push(addressOf(this.#random(MAILBOXES)));
    const head = [
      'Received: from mx.example.net (mx.example.net [192.0.2.25]) by gateway.example.com; Mon, 23 Nov 2026 09:15:00 +0000',
      `From: Some Sender <sender${this.#random(5_000)}@example.net>`,
      `To: ${recipients.join(', ')}`,
      `Subject: =?UTF-8?Q?Rechnung_f=C3=BCr?= order ${PLACE}`,
      'Date: Mon, 23 Nov 2026 09:15:00 +0000',
      `Message-ID: <${PLACE}@example.net>`,
      'MIME-Version: 1.0',
      'Content-Type: multipart/alternative; boundary="frontier"',
    ].join('\r\n');
    const plain = `Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n${this.#text(size / 3, '\r\n')}`;
    const html = `Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n<html><body>${this.#text(size / 2, '<br>\r\n')}</body></html>`;
    const bytes = Buffer.from(`${head}\r\n\r\n--frontier\r\n${plain}\r\n--frontier\r\n${html}\r\n--frontier--\r\n`);
    return { bytes, recipients };
  }

  /** A hand-over as it goes over the wire; over LMTP only what follows the 354. */
  handOver(form: Form, port: number, secret: string): Numbered {
    const { bytes, recipients } = this.message();
    const envelope = { qid: PLACE, from: 'bounce@example.net', ip: '192.0.2.25', rcpt: recipients };
    const post = (path: string, headers: Readonly<Record<string, string>>, ...body: (string | Buffer)[]) => {
      const content = Buffer.concat(body.map((piece) => Buffer.from(piece as string)));
      const lines = {
        Host: `127.0.0.1:${port}`,
        Authorization: `Bearer ${secret}`,
        ...headers,
        'Content-Length': content.length,
      };
      const text = Object.entries(lines).map(([name, value]) => `${name}: ${value}\r\n`);
      return new Numbered(Buffer.concat([Buffer.from(`POST ${path} HTTP/1.1\r\n${text.join('')}\r\n`), content]));
    };
    if (form === 'LMTP') {
      const block = [
        'X-Envelope-From: <bounce@example.net>',
        `X-Envelope-To: ${recipients.map((address) => `<${address}>`).join(', ')}`,
        `X-Envelope-To-Blocked: ${recipients.map((address) => `<${address}>`).join(', ')}`,
        `X-Quarantine-ID: <${PLACE}>`,
        'X-Spam-Flag: YES',
        'X-Spam-Score: 18.2',
        'X-Spam-Level: ******************',
        'X-Spam-Status: Yes, score=18.2 tag=-999 tag2=6.2 kill=6.9 tests=[BAYES_99=3.5,\r\n\tURIBL_BLACK=1.7] autolearn=no',
      ].join('\r\n');
      return new Numbered(Buffer.concat([Buffer.from(`${block}\r\n`), bytes, Buffer.from('.\r\n')]));
    }
    if (form === 'METADATA') {
      const metadata = {
        sender: envelope.from,
        senderIp: envelope.ip,
        gatewayMessageId: PLACE,
        recipients,
        scanResults: [{ module: 'ANTI_SPAM', status: 'SPAM', scannerVerdict: 'score 18.2' }],
      };
      return post(
        '/intake/message',
        { 'Content-Type': 'message/rfc822', 'X-Mailkeep-Metadata': JSON.stringify(metadata) },
        bytes,
      );
    }
    const said = {
      ...envelope,
      user: 'unknown',
      subject: `order ${PLACE}`,
      action: 'reject',
      score: 28.4,
      symbols: SYMBOLS,
      fuzzy: [],
      rspamd_server: 'gateway-1',
      scan_time: 123.5,
    };
    if (form === 'RSPAMD_HEADERS') {
      const headers = Object.entries(said).map(([name, value]) => [
        `X-Rspamd-${name}`,
        typeof value === 'object' ? JSON.stringify(value) : String(value),
      ]);
      return post(
        '/intake/rspamd',
        { 'Content-Type': 'message/rfc822', ...(Object.fromEntries(headers) as Record<string, string>) },
        bytes,
      );
    }
    const boundary = '0123456789abcdef0123456789abcdef';
    const part = (name: string, file: string, type: string) =>
      `--${boundary}\r\nContent-Disposition: form-data; name="${name}"${file}\r\nContent-Type: ${type}\r\nContent-Transfer-Encoding: binary\r\n\r\n`;
    return post(
      '/intake/rspamd',
      { 'Content-Type': `multipart/form-data; boundary=${boundary}` },
      part('metadata', '', 'application/json'),
      `${JSON.stringify({ ...said, message_id: `${PLACE}@example.net`, size: bytes.length })}\r\n`,
      part('message', '; filename="message.eml"', 'message/rfc822'),
      bytes,
      `\r\n--${boundary}--\r\n`,
    );
  }
}
