import { createHash } from 'node:crypto';
import { GatewayAction, type HandOver } from '../../src/entities/vocabulary.js';
import type { ReceivedMessage } from '../../src/services/backup/prepare-message.js';
import type { MessageSummary } from '../../src/services/intake/summarise-message.js';

/** A hand-over as intake makes it: spam that was deleted, without anything remarkable. */
export function handOverOf(recipients: readonly string[], facts: Partial<HandOver> = {}): HandOver {
  return {
    sender: 'some@example.net',
    senderIp: null,
    gatewayMessageId: null,
    node: null,
    receivedAtMs: Date.now(),
    verdicts: [{ ruleName: '', action: GatewayAction.DELETE_MESSAGE, scanResults: [], reason: null, recipients }],
    ...facts,
  };
}

/** A message with a subject as the store takes it, without the way through intake. */
export function received(
  subject: string,
  handOver: HandOver,
  bytes = Buffer.from(`Subject: ${subject}\r\n\r\nHello\r\n`),
): ReceivedMessage {
  const summary: MessageSummary = {
    subject,
    smtpMessageId: null,
    headerTo: [],
    headerCc: [],
    hasHtml: false,
    hasText: true,
    attachments: [],
    attachmentCount: 0,
    loopMark: null,
    complete: true,
    fault: null,
  };
  async function* open(): AsyncGenerator<Buffer> {
    yield bytes;
  }
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return { handOver, content: { sha256, sizeBytes: bytes.length, open }, summary, source: 'http' };
}
