import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GatewayAction, Module, RecipientKind } from '../../src/entities/vocabulary.js';
import {
  EXAMPLE_FOLDER,
  type ExampleMessage,
  readExampleMessages,
} from '../../src/services/intake/example-messages.js';
import { envelopeFromHeaders, readHeaderFields } from '../../src/services/intake/import/envelope-from-headers.js';
import { recipientKinds } from '../../src/services/intake/recipient-kind.js';
import { type MessageSummary, summariseMessage } from '../../src/services/intake/summarise-message.js';

const NOW = Date.UTC(2026, 10, 23, 12);

describe('the example messages', () => {
  const examples: { example: ExampleMessage; summary: MessageSummary; bytes: Buffer }[] = [];

  beforeAll(async () => {
    for await (const example of readExampleMessages(NOW)) {
      const chunks: Buffer[] = [];
      for await (const chunk of example.open()) chunks.push(chunk);
      examples.push({ example, summary: await summariseMessage(chunks), bytes: Buffer.concat(chunks) });
    }
  });

  const named = (name: string): (typeof examples)[number] => {
    const found = examples.find(({ example }) => example.file.includes(name));
    if (!found) throw new Error(`No example named ${name}`);
    return found;
  };

  it('are all of those in the folder, each once, oldest first', () => {
    const files = readdirSync(EXAMPLE_FOLDER).filter((file) => file.endsWith('.eml'));
    expect(examples.map(({ example }) => example.file).sort()).toEqual(files.sort());
    const times = examples.map(({ example }) => example.handOver.receivedAtMs);
    expect(times).toEqual([...times].sort((a, b) => a - b));
    expect(Math.max(...times)).toBeLessThanOrEqual(NOW);
  });

  it('show every module, every action and a null sender', () => {
    const verdicts = examples.flatMap(({ example }) => example.handOver.verdicts);
    const found = verdicts.flatMap((verdict) => verdict.scanResults).filter((result) => result.threatNames.length > 0);
    expect(new Set(verdicts.map((verdict) => verdict.action))).toEqual(new Set(Object.values(GatewayAction)));
    expect(new Set(verdicts.flatMap((verdict) => verdict.scanResults.map((result) => result.module)))).toEqual(
      new Set(Object.values(Module)),
    );
    expect(found.length).toBeGreaterThan(5);
    expect(examples.some(({ example }) => example.handOver.sender === null)).toBe(true);
  });

  it('name each recipient of a message once', () => {
    for (const { example } of examples) {
      const recipients = example.handOver.verdicts.flatMap((verdict) => verdict.recipients);
      expect(new Set(recipients).size).toBe(recipients.length);
    }
  });

  it('are read without a fault, and hold nothing that a scanner would raise an alarm about', () => {
    for (const { summary, bytes } of examples) {
      expect(summary).toMatchObject({ complete: true, fault: null });
      // In two pieces, so that this file itself stays clear of it.
      expect(bytes.includes(['EICAR', 'STANDARD'].join('-'))).toBe(false);
      expect(bytes.includes(['XJS*C4JDBQADN1', 'NSBN3'].join('.'))).toBe(false);
    }
  });

  it('come only from names and addresses that are reserved for examples (RFC 2606, RFC 5737)', () => {
    for (const { example, bytes } of examples) {
      const { sender, senderIp } = example.handOver;
      if (sender) expect(sender).toMatch(/@([\w-]+\.)*(example\.(net|org)|example|invalid)$/);
      if (senderIp) expect(senderIp).toMatch(/^(192\.0\.2|198\.51\.100|203\.0\.113)\.\d+$/);
      for (const host of bytes
        .toString('latin1')
        .replace(/=\r\n/g, '')
        .match(/(?<=https?:\/\/)[\w.-]+/g) ?? []) {
        expect(host).toMatch(
          /(^|\.)(example|invalid|example\.(com|net|org))$|^schemas\.openxmlformats\.org$|^(192\.0\.2|203\.0\.113)\./,
        );
      }
    }
  });

  it.each([
    ['newsletter-remote-images', 'Der Garten im November – was jetzt zu tun ist'],
    ['spam-russian', 'Скидки до 70% на складские остатки мебели'],
    ['spam-japanese', '【本日限定】ポイント10倍キャンペーン'],
    ['question-arabic', 'استفسار عن تسجيل الدخول إلى الحساب'],
    ['offer-french', 'Proposition commerciale : étiquettes « sur mesure »'],
    ['spam-denylisted', '🎈 Balloons, balloons, balloons 🎈'],
    ['eight-bit-without-mime', 'Grüße vom alten Rechner, ungekürzt'],
    ['no-headers-to-speak-of', ''],
  ])('have a readable subject: %s', (name, subject) => {
    expect(named(name).summary.subject).toBe(subject);
  });

  it.each<[string, [string, string | null][]]>([
    ['invoice-pdf', [['Invoice 2026-4471.pdf', 'application/pdf']]],
    ['report-russian', [['Отчёт за третий квартал.pdf', 'application/pdf']]],
    [
      'bases-outdated',
      [['Grundriss Erdgeschoß (Stand Oktober, mit allen Änderungen des Bauherrn).pdf', 'application/pdf']],
    ],
    ['renamed-program', [['setup.ex_', 'application/vnd.microsoft.portable-executable']]],
    ['winmail', [['winmail.dat', 'application/ms-tnef']]],
    ['macro-document', [['schedule.docm', 'application/vnd.openxmlformats-officedocument.wordprocessingml.document']]],
    ['encrypted-archive', [['contract.zip', 'application/zip']]],
    ['forwarded-message', [['You have won.eml', null]]],
    ['calendar-invitation', [['invite.ics', 'text/calendar']]],
    ['inline-image', [['logo.png', 'image/png']]],
    ['newsletter-plain', []],
  ])('have the attachments that people would see: %s', (name, attachments) => {
    const { summary } = named(name);
    expect(summary.attachments.map((attachment) => [attachment.name, attachment.detectedType])).toEqual(attachments);
  });

  it('S3: tell To, Cc and Bcc apart', () => {
    const kinds = (name: string): RecipientKind[] => {
      const { example, summary } = named(name);
      const recipients = example.handOver.verdicts.flatMap((verdict) => verdict.recipients);
      return recipientKinds(recipients, summary.headerTo, summary.headerCc);
    };
    expect(kinds('phishing-bank-login')).toEqual([RecipientKind.TO, RecipientKind.CC]);
    expect(kinds('spam-pharmacy')).toEqual([RecipientKind.TO, RecipientKind.BCC]);
    expect(kinds('board-minutes-bcc')).toEqual([RecipientKind.BCC, RecipientKind.BCC, RecipientKind.BCC]);
    expect(kinds('alias-and-clash')).toEqual([RecipientKind.TO, RecipientKind.TO]);
  });

  it('come with a file to drop in, whose envelope its header tells', async () => {
    const path = join(EXAMPLE_FOLDER, '../drop/invitation.eml');
    expect(existsSync(path)).toBe(true);
    expect(envelopeFromHeaders(await readHeaderFields([readFileSync(path)]))).toEqual({
      sender: 'mara@events.example.org',
      senderFrom: 'Return-Path',
      recipients: ['anna@example.com'],
      recipientsFrom: 'Delivered-To',
    });
  });

  it('are refused when the index is wrong, with the place', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'examples-'));
    try {
      writeFileSync(join(folder, 'index.json'), JSON.stringify([{ file: '../secret.eml', verdicts: [] }]));
      await expect(readExampleMessages(NOW, folder).next()).rejects.toThrow(/file[^]*verdicts/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
