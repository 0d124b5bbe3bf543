import type { Database } from '../../entities/database.js';
import { DeliveryFormat } from '../../entities/delivery-format.js';
import { marksFor } from '../../entities/marks-for.js';
import { type ContentStore, unpack } from '../backup/content-store.js';
import { gather } from '../gather.js';
import { renderTrace, sendAsIs } from './as-is.js';
import { composeInAttachment, type CoveringMail } from './in-attachment.js';
import { createLoopMark } from './loop-mark.js';
import type { Relay } from './relay.js';
import type { QueuedSending } from './sending-queue.js';
import type { RecipientResult } from './transaction-results.js';

/** What the message of a delivery is, as stored. */
interface StoredOriginal {
  readonly contentId: number;
  readonly sizeBytes: number;
  readonly subject: string;
  readonly sender: string | null;
  readonly receivedAt: number;
  /** The only piece of a small content. */
  readonly deflated: number | null;
  readonly bytes: Buffer | null;
}

// Contents up to this size, as most are, come with their message. Larger ones are read while they are sent.
const SMALL_BYTES = 64 * 1024;
const GATHERED = 16;

/** The bytes ended before the size that was stored: the message was deleted while it was read. */
export class MessageGoneError extends Error {}

// The enhanced status code with which the relay part refuses 8-bit content for a relay without 8BITMIME (RFC 3463 3.6).
const NO_EIGHT_BIT = '5.6.3';

/** Throws at the end, before the last piece is used, when not all the bytes came: half a message must never be sent. */
async function* whole(source: AsyncIterable<Buffer>, sizeBytes: number): AsyncGenerator<Buffer> {
  let read = 0;
  for await (const piece of source) {
    read += piece.length;
    yield piece;
  }
  if (read !== sizeBytes) throw new MessageGoneError('The message was deleted while it was sent.');
}

/** What has to be done on the way; when one of them throws, nothing is delivered. */
export interface DeliverySteps {
  /** Called once there is a connection; `small`: the whole message is at hand and goes out as soon as its envelope is taken. */
  begin(small: boolean): Promise<void>;
  /** Called before the last bytes go out. */
  complete(): Promise<void>;
}

/** Holds the last piece back until `complete` has been written down; a small message is all in one piece, which is one write. */
async function* completing(
  source: AsyncIterable<Buffer>,
  complete: () => Promise<void>,
  small: boolean,
): AsyncGenerator<Buffer> {
  if (small) {
    const pieces: Buffer[] = [];
    for await (const piece of source) pieces.push(piece);
    await complete();
    yield Buffer.concat(pieces);
    return;
  }
  let last: Buffer | undefined;
  for await (const piece of source) {
    if (last) yield last;
    last = piece;
  }
  await complete();
  if (last) yield last;
}

/** Makes one delivery: reads the message, gives it its form (rules D4, D5) and hands it to the relay. */
export class MessageDelivery {
  readonly #originals = gather(GATHERED, async (ids: readonly number[]) => {
    const distinct = [...new Set(ids)];
    const rows = await this.database.rows<StoredOriginal & { id: number }>(
      `SELECT m.id, m.content_id AS contentId, m.size_bytes AS sizeBytes, m.subject, m.sender, m.received_at AS receivedAt,
              c.deflated, c.bytes
         FROM message m
         LEFT JOIN content_chunk c ON m.size_bytes <= ${SMALL_BYTES} AND c.content_id = m.content_id AND c.position = 0
        WHERE m.id IN (${marksFor(distinct)})`,
      distinct,
    );
    return new Map(rows.map((row) => [row.id, row]));
  });

  constructor(
    private readonly database: Database,
    private readonly contents: ContentStore,
    private readonly relay: Relay,
    private readonly loopMarkKey: Buffer,
    private readonly senderName: string,
  ) {}

  /**
   * Delivers, or throws {@link MessageGoneError} and what the steps throw. One recipient in each transaction: nobody sees who else has it (rule V6), and each has an answer of its own (rule D7).
   */
  async deliver(sending: QueuedSending, steps: DeliverySteps): Promise<RecipientResult> {
    const original = (await this.#originals(sending.messageId)).get(sending.messageId);
    if (!original) throw new MessageGoneError('The message was deleted before it was sent.');
    const open = () => whole(this.#bytes(original), original.sizeBytes);
    if (sending.format === DeliveryFormat.AS_IS) return this.#asIs(sending, original, open, steps);
    const result = await this.#inAttachment(sending, original, open, steps, true);
    const relayTakesSevenBitOnly =
      result.outcome === 'PERMANENT' && result.enhancedCode === NO_EIGHT_BIT && !result.smtpReply;
    return relayTakesSevenBitOnly ? this.#inAttachment(sending, original, open, steps, false) : result;
  }

  #bytes({ contentId, sizeBytes, deflated, bytes }: StoredOriginal): AsyncIterable<Buffer> {
    if (bytes === null) return this.contents.open(contentId);
    return (async function* () {
      yield await unpack({ deflated: deflated ?? 0, bytes }, sizeBytes);
    })();
  }

  async #asIs(
    sending: QueuedSending,
    original: StoredOriginal,
    open: () => AsyncIterable<Buffer>,
    steps: DeliverySteps,
  ): Promise<RecipientResult> {
    const trace = { ...this.#marks(sending), from: sending.envelopeFrom, to: [sending.address] };
    return this.#send(sending, renderTrace(trace).length + original.sizeBytes, undefined, steps, () =>
      sendAsIs(open(), { removeMessageId: sending.removeMessageId, trace }),
    );
  }

  async #inAttachment(
    sending: QueuedSending,
    original: StoredOriginal,
    open: () => AsyncIterable<Buffer>,
    steps: DeliverySteps,
    eightBitAllowed: boolean,
  ): Promise<RecipientResult> {
    const covering: CoveringMail = {
      ...this.#marks(sending),
      from: sending.envelopeFrom,
      ...(this.senderName ? { fromName: this.senderName } : {}),
      to: [sending.address],
      original: {
        subject: original.subject,
        sender: original.sender,
        receivedAt: new Date(original.receivedAt),
      },
    };
    const mail = await composeInAttachment(open, covering, { eightBitAllowed });
    return this.#send(sending, mail.sizeBytes, mail.eightBit, steps, () => mail.open());
  }

  #marks(sending: QueuedSending) {
    const sentAt = new Date();
    return {
      sentAt,
      messageId: sending.smtpMessageId,
      loopMark: createLoopMark(this.loopMarkKey, String(sending.id), sentAt.getTime()),
    };
  }

  async #send(
    sending: QueuedSending,
    size: number,
    eightBit: boolean | undefined,
    { begin, complete }: DeliverySteps,
    open: () => AsyncIterable<Buffer>,
  ): Promise<RecipientResult> {
    const small = size <= SMALL_BYTES;
    const [result] = await this.relay.send({
      envelope: { from: sending.envelopeFrom, to: [sending.address] },
      size,
      ...(eightBit === undefined ? {} : { eightBit }),
      begin: () => begin(small),
      open: () => completing(open(), complete, small),
    });
    if (!result) throw new Error('The relay part gave no result.');
    return result;
  }
}
