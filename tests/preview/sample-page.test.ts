import { existsSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { chromium, type Browser, type Page } from 'playwright-core';
import { startTestApp, type TestApp } from '../support/app.js';
import type { Client } from '../support/client.js';
import { switchTo } from '../support/mail.js';
import { until } from '../support/until.js';
import { htmlParts } from './compose-message.js';
import { VECTORS } from './vectors/index.js';

const CHROMIUM = '/usr/bin/chromium';
const FOLDER = join(__dirname, '../../docs/examples/reader');
const TYPES: Readonly<Record<string, string>> = {
  'index.html': 'text/html; charset=utf-8',
  'reader.css': 'text/css',
  'reader.js': 'text/javascript',
};
const VECTORS_PER_MESSAGE = 80;

const isThere = existsSync(CHROMIUM);
const suite = isThere || process.env['REQUIRE_SERVICES'] ? describe : describe.skip;

suite('The sample page of the documentation, in a browser, against a whole server', () => {
  /** Another origin than the server's, as a client of its own has; whatever else is asked of it was asked by a mail. */
  let site: Server;
  let test: TestApp;
  let admin: Client;
  let browser: Browser;
  let page: Page;
  const asked: string[] = [];
  const events: string[] = [];

  const origin = () => `http://127.0.0.1:${(site.address() as AddressInfo).port}`;
  let stored = 0;
  const store = async (mail: Buffer | string) => {
    const { status } = await test
      .client()
      .handOver(await test.intakeToken(), mail, { sender: null, recipients: ['anna@example.com'] });
    expect(status).toBe(200);
    stored++;
  };

  beforeAll(async () => {
    site = createServer((request, response) => {
      const file = (request.url ?? '').replace(/^\/|\?.*$/g, '') || 'index.html';
      const type = TYPES[file];
      if (!type) asked.push(`${request.method} ${request.url}`);
      response.setHeader('Content-Type', type ?? 'text/plain');
      response.end(type ? readFileSync(join(FOLDER, file)) : 'x');
    });
    await new Promise<void>((resolve) => site.listen(0, '127.0.0.1', resolve));
    test = await startTestApp({ kind: 'sqlite', file: '' }, { allowedOrigins: [origin()] });
    admin = await test.signedIn('admin');
    await switchTo(admin, { enabled: true });

    const beacon = `${origin()}/beacon`;
    const hostile = VECTORS.filter(({ message }) => !message).map(({ html }) => html.replaceAll('%BEACON%', beacon));
    for (let at = 0; at < hostile.length; at += VECTORS_PER_MESSAGE)
      await store(htmlParts(hostile.slice(at, at + VECTORS_PER_MESSAGE)));
    for (const { message } of VECTORS) if (message) await store(message(beacon));
    await store('Subject: Only text\r\n\r\nHello <b>Anna</b>');

    browser = await chromium.launch({
      executablePath: CHROMIUM,
      headless: true,
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1',
        // With a process for each sandboxed frame, playwright now and then loses a frame that is replaced while it attaches.
        '--disable-features=IsolateSandboxedIframes',
      ],
    });
    page = await browser.newPage();
    const isExpected = (url: string) =>
      url.startsWith('data:') ||
      url.startsWith(`${test.url}/preview/`) ||
      url === `${test.url}/graphql` ||
      TYPES[url.replace(`${origin()}/`, '').replace(/\?.*$/, '')] !== undefined;
    page.on('request', (request) => {
      if (!isExpected(request.url())) events.push(`request ${request.url()}`);
    });
    page.on('dialog', (dialog) => {
      events.push(`dialog ${dialog.message()}`);
      dialog.dismiss().catch(() => undefined);
    });
    page.on('popup', (popup) => events.push(`popup ${popup.url()}`));
    page.on('download', (download) => events.push(`download ${download.url()}`));
    page.on('console', (message) => events.push(`console ${message.text()}`));
    page.on('pageerror', (error) => events.push(`error ${error.message}`));
  }, 120_000);

  afterAll(async () => {
    await browser?.close();
    await test?.stop();
    site?.closeAllConnections();
    await new Promise((resolve) => site?.close(resolve));
  }, 60_000);

  const text = (selector: string) => page.locator(selector).innerText();
  const open = async (button: ReturnType<Page['locator']>) => {
    const frame = page.waitForResponse((response) => response.url().startsWith(`${test.url}/preview/`));
    await button.click();
    const response = await frame;
    await response.finished();
    return response;
  };

  it('P2, P4: signs in, lists and shows; hostile messages neither run, load, ask nor leave', async () => {
    await page.goto(`${origin()}/index.html?api=${encodeURIComponent(test.url)}`);
    await page.fill('[name=login]', 'anna');
    await page.fill('[name=password]', 'wrong');
    await page.click('button');
    await until('the refusal is shown', () => text('#notice'));
    await page.fill('[name=password]', 'demo');
    await page.click('button');
    await page.locator('#messages button').first().waitFor();
    const buttons = page.locator('#messages button');
    const count = await buttons.count();
    expect(count).toBe(stored);

    expect((await open(buttons.first())).headers()['content-type']).toContain('text/plain');
    expect(await page.frameLocator('#content').locator('body').innerText()).toBe('Hello <b>Anna</b>');
    expect(await text('#remarks')).toBe('The message is plain text.');
    let shownAsHtml = 0;
    for (let at = 1; at < count; at++) {
      const response = await open(buttons.nth(at));
      expect(response.status()).toBe(200);
      if (response.headers()['content-type']?.includes('html')) shownAsHtml++;
    }
    expect(shownAsHtml).toBeGreaterThan(30);
    expect([...events, ...asked]).toEqual([]);
  }, 120_000);

  it('P1: says why nothing is shown once reading is switched off', async () => {
    await switchTo(admin, { preview: false });
    await page.locator('#messages button').first().click();
    await until('the reason is shown', async () => (await text('#remarks')).includes('switched reading off'));
    expect(await page.locator('#content').isVisible()).toBe(false);
  });
});
