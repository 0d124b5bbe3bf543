import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { simpleParser } from 'mailparser';
import { PreviewRenderer } from '../src/services/preview/preview-renderer.js';

/*
 * Speed of reading messages: node --require <a TypeScript loader> bench/preview.ts [rounds]
 * Reads ../shared/mail when it is there, otherwise a generated set. All figures come from one run on one set.
 */

const FOLDER = resolve(__dirname, '../../shared/mail');
const MAX_MESSAGE_BYTES = 1024 * 1024;
const rounds = Number(process.argv.find((argument) => /^\d+$/.test(argument)) ?? 3);

const base64 = (text: string | Buffer) =>
  Buffer.from(text as string)
    .toString('base64')
    .replace(/.{76}/g, '$&\r\n');

function composeNewsletter(rows: number): Buffer {
  const row = (at: number) =>
    `<tr><td style="padding:8px 16px;font-family:Arial,sans-serif;color:#333333" bgcolor="#ffffff"><a href="https://news.example.net/${at}" style="color:#0066cc">Item ${at}</a><br>` +
    `<img src="https://images.example.net/${at}.png" width="120" alt="Picture ${at}"> Some words about item ${at}.</td></tr>`;
  const html = `<html><body><table width="600">${Array.from({ length: rows }, (_, at) => row(at)).join('')}</table></body></html>`;
  return Buffer.from(
    `Subject: News\r\nMIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n${'News and more news.\r\n'.repeat(rows)}` +
      `--b\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n${base64(html)}\r\n--b--\r\n`,
  );
}

function loadMessages(): Buffer[] {
  if (!existsSync(FOLDER))
    return Array.from({ length: 300 }, (_, at) => composeNewsletter(at < 270 ? 5 + (at % 40) : 400));
  return readdirSync(FOLDER, { recursive: true, encoding: 'utf8' })
    .map((file) => join(FOLDER, file))
    .filter((file) => statSync(file).isFile() && statSync(file).size <= MAX_MESSAGE_BYTES && !file.endsWith('.md'))
    .map((file) => readFileSync(file));
}

const percentile = (times: readonly number[], share: number) =>
  times.toSorted((a, b) => a - b)[Math.floor(times.length * share)] ?? 0;

async function measure(
  name: string,
  messages: readonly Buffer[],
  work: (message: Buffer) => Promise<unknown>,
): Promise<number> {
  const times: number[] = [];
  // The first round warms the compiler and is not counted.
  for (let round = 0; round <= rounds; round++) {
    for (const message of messages) {
      const startedAt = performance.now();
      await work(message);
      if (round > 0) times.push(performance.now() - startedAt);
    }
  }
  const total = times.reduce((sum, time) => sum + time, 0);
  console.log(
    `${name.padEnd(26)} p50 ${percentile(times, 0.5).toFixed(2)} ms   p99 ${percentile(times, 0.99).toFixed(2)} ms   ${Math.round((times.length / total) * 1000)} messages/s on one core`,
  );
  return total;
}

/** As much as a preview may hold: 1.5 MiB of images and half a MiB of text. */
function composeLargest(): Buffer {
  const png = Buffer.from(
    'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
    'base64',
  );
  const image = base64(Buffer.concat([png, Buffer.alloc(768 * 1024 - 200, 'x')]));
  const html = `<p>${'Some words. '.repeat(40_000)}</p><img src="cid:1"><img src="cid:2">`;
  return Buffer.from(
    `Content-Type: multipart/related; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n${html}\r\n` +
      [1, 2]
        .map(
          (id) =>
            `--b\r\nContent-Type: image/png\r\nContent-ID: <${id}>\r\nContent-Transfer-Encoding: base64\r\n\r\n${image}\r\n`,
        )
        .join('') +
      '--b--\r\n',
  );
}

async function measureDelay(name: string, queue: Buffer[]): Promise<void> {
  const renderer = new PreviewRenderer({ workers: 2, timeMs: 10_000 });
  await renderer.warmUp();
  const delay = monitorEventLoopDelay({ resolution: 1 });
  const count = queue.length;
  // The histogram counts the timer's own interval of 1 ms as delay.
  const format = (nanoseconds: number) => Math.max(0, nanoseconds / 1e6 - 1).toFixed(2);
  const describe = () =>
    `p50 ${format(delay.percentile(50))} ms, p99 ${format(delay.percentile(99))} ms, max ${format(delay.max)} ms`;
  delay.enable();
  // What the machine itself delays, with nothing to do here.
  await new Promise((resolveIdle) => setTimeout(resolveIdle, 2000));
  console.log(`event-loop delay at rest: ${describe()}`);
  delay.reset();
  const startedAt = performance.now();
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      for (let message = queue.pop(); message; message = queue.pop()) {
        // The answer is made as the API makes it: as JSON.
        JSON.stringify(await renderer.render(message, 'HTML'));
      }
    }),
  );
  delay.disable();
  const seconds = (performance.now() - startedAt) / 1000;
  console.log(
    `${name}, 8 at once, 2 workers: ${Math.round(count / seconds)} messages/s, event-loop delay ${describe()}`,
  );
  await renderer.stop();
}

async function measureAttacks(renderer: PreviewRenderer): Promise<void> {
  const html = (body: string) => Buffer.from(`Content-Type: text/html\r\n\r\n${body}`);
  const attacks: [string, Buffer][] = [
    [
      '50,000 parts',
      Buffer.from(
        `Content-Type: multipart/mixed; boundary=b\r\n\r\n${'--b\r\nContent-Type: text/plain\r\n\r\nx\r\n'.repeat(50_000)}`,
      ),
    ],
    ['20,000 nested tags', html(`${'<div>'.repeat(20_000)}Text`)],
    ['10 MiB of style', html(`<style>${'p{color:red}'.repeat(875_000)}</style><p>Text</p>`)],
    ['100,000 elements', html('<b>x</b>'.repeat(100_000))],
    ['600 KiB of header', Buffer.from(`Subject: ${'x'.repeat(600_000)}\r\n\r\nText`)],
    [
      '100 MiB attachment',
      Buffer.concat([
        Buffer.from(
          'Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nText\r\n--b\r\nContent-Type: application/zip\r\nContent-Transfer-Encoding: base64\r\n\r\n',
        ),
        Buffer.from(`${'A'.repeat(76)}\r\n`.repeat(1_344_000)),
        Buffer.from('--b--'),
      ]),
    ],
  ];
  for (const [name, message] of attacks) {
    for (const mode of ['TEXT', 'HTML'] as const) {
      const startedAt = performance.now();
      const preview = await renderer.render(message, mode);
      console.log(
        `${name.padEnd(20)} asked ${mode}: ${(performance.now() - startedAt).toFixed(0).padStart(5)} ms, ${preview.mode}, ${preview.reason ?? 'whole'}`,
      );
    }
  }
}

async function run(): Promise<void> {
  const messages = loadMessages();
  const bytes = messages.reduce((sum, message) => sum + message.length, 0);
  console.log(
    `${messages.length} messages, ${(bytes / 1024 / 1024).toFixed(1)} MiB, ${rounds} rounds, Node ${process.version}`,
  );
  const renderer = new PreviewRenderer({ workers: 1, timeMs: 10_000 });
  await renderer.warmUp();
  const text = await measure('text preview', messages, (message) => renderer.render(message, 'TEXT'));
  const html = await measure('HTML preview', messages, (message) => renderer.render(message, 'HTML'));
  const withHtml: Buffer[] = [];
  for (const message of messages) if ((await renderer.render(message, 'HTML')).mode === 'HTML') withHtml.push(message);
  console.log(`${withHtml.length} of them have an HTML part`);
  const htmlOnly = await measure('HTML preview of these', withHtml, (message) => renderer.render(message, 'HTML'));
  const htmlParsed = await measure('simpleParser of these', withHtml, (message) => simpleParser(message));
  const parsed = await measure('mailparser simpleParser', messages, (message) => simpleParser(message));
  console.log(
    `times simpleParser's time: text ${(text / parsed).toFixed(2)}, HTML ${(html / parsed).toFixed(2)}, HTML of those that have it ${(htmlOnly / htmlParsed).toFixed(2)}`,
  );
  await measureDelay('all messages', [...messages, ...messages, ...messages]);
  await measureDelay('the largest previews', Array.from({ length: 100 }, composeLargest));
  await measureAttacks(renderer);
  await renderer.stop();
}

run().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
