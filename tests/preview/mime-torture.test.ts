import { renderHere, readTree, lines } from './compose-message.js';
import { TORTURE } from './torture/index.js';
import { describeMessage } from '../../src/services/preview/describe-message.js';
import { readAttachment } from '../../src/services/preview/read-attachment.js';
import { DEFAULT_LIMITS } from '../../src/services/preview/limits.js';

describe('MIME torture', () => {
  it('has at least 60 messages with names of their own', () => {
    expect(new Set(TORTURE.map(({ name }) => name)).size).toBe(TORTURE.length);
    expect(TORTURE.length).toBeGreaterThanOrEqual(60);
  });

  it.each(TORTURE.map((message) => [message.name, message] as const))('P2: %s is read', (_name, message) => {
    const { content } = renderHere(message.source, 'TEXT');
    for (const text of message.texts) expect(content).toContain(text);
    for (const text of message.without ?? []) expect(content).not.toContain(text);
    if (message.attachments) {
      const description = describeMessage(readTree(message.source, 'DESCRIPTION'), DEFAULT_LIMITS);
      expect(description.attachments.map(({ name, type, sizeBytes }) => [name, type, sizeBytes])).toEqual(
        message.attachments,
      );
    }
  });

  it.each(TORTURE.map((message) => [message.name, message] as const))(
    '%s reads the same however its bytes arrive',
    (_name, message) => {
      if (message.source.length > 100_000) return;
      const whole = renderHere(message.source, 'TEXT');
      for (const pieceBytes of [1, 7, 64]) expect(renderHere(message.source, 'TEXT', pieceBytes)).toEqual(whole);
    },
  );

  it.each(TORTURE.map((message) => [message.name, message] as const))(
    'P3: %s has an HTML preview or a reason',
    (_name, message) => {
      const preview = renderHere(message.source, 'HTML');
      expect(preview.mode === 'HTML' ? preview.content.startsWith('<!DOCTYPE html>') : preview.reason !== null).toBe(
        true,
      );
    },
  );

  it.each([
    [
      'parts',
      lines('Content-Type: multipart/mixed; boundary=b', '', ...Array.from({ length: 50_000 }, () => '--b\r\n\r\nx')),
      'TOO_MANY_PARTS',
    ],
    [
      'empty parts',
      `Content-Type: multipart/mixed; boundary=b\r\n\r\nHello\r\n${'--b\r\n'.repeat(50_000)}`,
      'TOO_MANY_PARTS',
    ],
    [
      'nested multiparts',
      Array.from({ length: 200 }, (_, at) => `Content-Type: multipart/mixed; boundary=b${at}\r\n\r\n--b${at}\r\n`).join(
        '',
      ),
      'TOO_DEEP',
    ],
    ['nested messages', `${'Content-Type: message/rfc822\r\n\r\n'.repeat(200)}Hello`, 'TOO_DEEP'],
    ['header fields', `${'X-A: 1\r\n'.repeat(100_000)}\r\nHello`, 'HEADERS_TOO_LARGE'],
    ['one header field', `Subject: ${'x'.repeat(2_000_000)}\r\n\r\nHello`, 'HEADERS_TOO_LARGE'],
    ['text', `Content-Type: text/plain\r\n\r\n${'word '.repeat(2_000_000)}`, 'CONTENT_TOO_LARGE'],
  ])('a flood of %s is answered with its reason', (_name, source, reason) => {
    const preview = renderHere(Buffer.from(source), 'TEXT');
    expect(preview).toMatchObject({ reason, truncated: true });
    expect(preview.content.length).toBeLessThanOrEqual(DEFAULT_LIMITS.maxTextCharacters);
    expect(preview.content).not.toBe('');
  });

  it.each([
    [
      'an attachment behind a lost delimiter',
      lines(
        'Content-Type: multipart/mixed; boundary=declared',
        '',
        '--other',
        'Content-Type: application/pdf',
        '',
        '%PDF',
        '--other--',
      ),
    ],
    [
      'an attachment of an attached message',
      lines('Content-Type: message/rfc822', '', 'Content-Type: application/pdf', '', '%PDF'),
    ],
  ])('%s is listed and can be read by the same name', async (_name, text) => {
    const source = Buffer.from(text);
    const { attachments } = describeMessage(readTree(source, 'DESCRIPTION'), DEFAULT_LIMITS);
    const pdf = attachments.find(({ type }) => type === 'application/pdf');
    const found = await readAttachment(
      (async function* () {
        yield source;
      })(),
      pdf?.partId ?? '',
    );
    const chunks: Buffer[] = [];
    for await (const chunk of found?.bytes ?? []) chunks.push(chunk);
    expect(Buffer.concat(chunks).toString()).toBe('%PDF');
  });
});
