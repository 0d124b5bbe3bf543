import { existsSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { type AddressInfo } from 'node:net';
import { chromium, type Browser, type Page } from 'playwright-core';
import { PREVIEW_CONTENT_SECURITY_POLICY } from '../../src/services/preview/html-document.js';
import { escapeHtml } from '../../src/services/preview/show-link-targets.js';
import { htmlParts, renderHere } from './compose-message.js';
import { VECTORS } from './vectors/index.js';

const CHROMIUM = '/usr/bin/chromium';
const isThere = existsSync(CHROMIUM);
// Sandboxed frames would get a process each, which only costs time here.
const FLAGS = [
  '--disable-features=IsolateSandboxedIframes',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1',
];
// Frames on one page: few enough to be laid out at once, many enough to be quick.
const FRAMES_PER_PAGE = 100;

// Unsanitised, other vectors open programs or end the browser; these are enough to see that the record works.
const CONTROLS = VECTORS.filter(({ name }) => /^(remote: an? |style: url|style sheet: |a handler )/.test(name));

type Delivery = 'sandboxed' | 'bare' | 'raw';

// Vectors that share a message: nothing of one may reach the next, and fewer frames are quicker.
const VECTORS_PER_MESSAGE = { sandboxed: 8, bare: 3 };

interface Shown {
  readonly source: Buffer;
  /** Ordinary vectors must not be answered as text; a whole message may turn out to be one. */
  readonly mode: 'HTML' | 'ANY';
}

function composeAll(kind: Delivery, beacon: string): Shown[] {
  if (kind === 'raw')
    return CONTROLS.map(({ html }) => ({ source: Buffer.from(withBeacon(html, beacon)), mode: 'ANY' }));
  const size = VECTORS_PER_MESSAGE[kind];
  const plain = VECTORS.filter(({ message }) => !message).map(({ html }) => withBeacon(html, beacon));
  const groups = Array.from({ length: Math.ceil(plain.length / size) }, (_, at) =>
    plain.slice(at * size, (at + 1) * size),
  );
  return [
    ...groups.map((group): Shown => ({ source: htmlParts(group), mode: 'HTML' })),
    ...VECTORS.flatMap(({ message }): Shown[] => (message ? [{ source: message(beacon), mode: 'ANY' }] : [])),
  ];
}

const withBeacon = (html: string, beacon: string) => html.replaceAll('%BEACON%', beacon);

/** Serves each vector as a client would (sandboxed), without any protection around it (bare), and unsanitised (raw). */
class PreviewSite {
  private readonly server: Server;
  readonly asked: string[] = [];
  private readonly messages = new Map<Delivery, readonly Shown[]>();

  constructor() {
    this.server = createServer((request, response) => {
      const path = new URL(request.url ?? '/', 'http://localhost').pathname;
      const [, kind = '', index = ''] = path.split('/');
      response.setHeader('Content-Type', 'text/html; charset=utf-8');
      if (kind === 'list') return void response.end(this.list(index as Delivery, Number(path.split('/')[3])));
      if ((kind === 'sandboxed' || kind === 'bare' || kind === 'raw') && /^\d+$/.test(index)) {
        if (kind === 'sandboxed') response.setHeader('Content-Security-Policy', PREVIEW_CONTENT_SECURITY_POLICY);
        return void response.end(this.document(kind, Number(index)));
      }
      this.asked.push(path);
      response.end('x');
    });
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  start = () => new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
  stop = () => {
    this.server.closeAllConnections();
    return new Promise((resolve) => this.server.close(resolve));
  };

  messagesOf(kind: Delivery): readonly Shown[] {
    const known = this.messages.get(kind) ?? composeAll(kind, `${this.origin}/beacon`);
    this.messages.set(kind, known);
    return known;
  }

  private list(kind: Delivery, page: number): string {
    const sandbox = kind === 'sandboxed' ? ' sandbox' : '';
    const frames = this.messagesOf(kind)
      .map((_message, at) => `<iframe${sandbox} width=300 height=200 src="/${kind}/${at}"></iframe>`)
      .slice(page * FRAMES_PER_PAGE, (page + 1) * FRAMES_PER_PAGE);
    return `<!DOCTYPE html><title>list</title><link rel=icon href="data:,">${frames.join('')}`;
  }

  private document(kind: Delivery, index: number): string {
    const message = this.messagesOf(kind)[index];
    if (!message) throw new Error(`There is no message ${index}.`);
    if (kind === 'raw') return message.source.toString();
    const { content, mode } = renderHere(message.source, 'HTML');
    if (message.mode === 'HTML' && mode !== 'HTML') throw new Error(`Message ${index} was not rendered as HTML.`);
    if (mode !== 'HTML') return `<!DOCTYPE html><pre>${escapeHtml(content)}</pre>`;
    return kind === 'bare' ? content.replace(/<meta http-equiv="Content-Security-Policy"[^>]*>/, '') : content;
  }
}

/** Writes down everything that a page does besides being shown. */
function record(page: Page, origin: string): string[] {
  const events: string[] = [];
  const isOurs = (url: string) => /^\/(list|sandboxed|bare|raw)\//.test(url.replace(origin, ''));
  page.on('request', (request) => {
    const url = request.url();
    if (!isOurs(url) && !url.startsWith('data:')) events.push(`request ${url}`);
  });
  page.on('dialog', (dialog) => {
    events.push(`dialog ${dialog.message()}`);
    dialog.dismiss().catch(() => undefined);
  });
  page.on('framenavigated', (frame) => {
    if (!isOurs(frame.url()) && frame.url() !== 'about:blank') events.push(`navigation ${frame.url()}`);
  });
  page.on('popup', (popup) => events.push(`popup ${popup.url()}`));
  page.on('download', (download) => events.push(`download ${download.url()}`));
  page.on('console', (message) => {
    // A refused load means that something had tried.
    if (/Refused|blocked|violates|not allowed/i.test(message.text())) events.push(`refusal ${message.text()}`);
  });
  page.on('pageerror', (error) => events.push(`script ${error.message}`));
  return events;
}

/** Does to every element what a curious reader does. */
const TOUCH = `for (const element of document.querySelectorAll('body *')) {
  for (const type of ['pointerenter', 'mouseover', 'wheel', 'scroll', 'copy', 'dragstart']) element.dispatchEvent(new Event(type, { bubbles: true }));
  element.focus();
  element.click();
}`;
/** What the browser's own tree and layout have that they must not: it may read markup otherwise than any parser of ours. */
const INSPECT = `(() => {
  const found = [];
  const tell = (what, element) => found.push(what + ' ' + element.outerHTML.slice(0, 120));
  const box = document.documentElement.getBoundingClientRect();
  for (const element of document.querySelectorAll('body *')) {
    const style = getComputedStyle(element);
    if (element.namespaceURI !== 'http://www.w3.org/1999/xhtml') tell('foreign', element);
    if (element.closest('a, form, input, button, select, textarea, iframe, object, embed, script, style, link, meta, base, dialog, details'))
      tell('element', element);
    if (element.tabIndex >= 0 || element.isContentEditable) tell('focusable', element);
    if (style.position !== 'static') tell('position', element);
    if (style.zIndex !== 'auto') tell('z-index', element);
    if (style.transform !== 'none' || style.animationName !== 'none' || style.filter !== 'none' || style.zoom !== '1') tell('effect', element);
    if (style.backgroundImage !== 'none' || style.listStyleImage !== 'none' || !/^(auto|default)$/.test(style.cursor)) tell('image', element);
    if (/^-/.test(style.marginTop + style.marginLeft + style.textIndent)) tell('negative', element);
    if (!/^(none|open-quote)$/.test(getComputedStyle(element, '::before').content)) tell('inserted', element);
    if (element.matches('.target') && (style.visibility !== 'visible' || parseFloat(style.fontSize) < 10)) tell('hidden target', element);
    if (element.matches('.target') && element.offsetParent && element.offsetWidth < 100) tell('narrow target', element);
    if (style.display === 'block' && element.childElementCount > 0 && element.lastElementChild.getBoundingClientRect().bottom > element.getBoundingClientRect().bottom + 1 && !element.querySelector('[style*=float]')) tell('low', element);
    if (element.closest('body > *').getBoundingClientRect().width > box.width) tell('outside', element);
  }
  return found;
})()`;
/** Two frames painted: what styles load is asked for by then. */
const PAINT = 'new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))';

/** Runs a script in every frame of a page. */
async function inEveryFrame<Result>(page: Page, script: string): Promise<Result[]> {
  const frames = page.frames().filter((frame) => frame !== page.mainFrame());
  return Promise.all(frames.map((frame) => frame.evaluate<Result>(script)));
}

const suite = isThere || process.env['REQUIRE_SERVICES'] ? describe : describe.skip;
suite(
  isThere ? 'hostile HTML in a browser' : 'hostile HTML in a browser (skipped: /usr/bin/chromium is not installed)',
  () => {
    const site = new PreviewSite();
    let browser: Browser;

    beforeAll(async () => {
      await site.start();
      browser = await chromium.launch({ executablePath: CHROMIUM, headless: true, args: FLAGS });
      // The browser ends with its last page, so one stays open.
      await browser.newPage();
    }, 60_000);

    afterAll(async () => {
      await browser?.close();
      await site.stop();
    }, 60_000);

    async function show(kind: Delivery): Promise<string[]> {
      const events: string[] = [];
      site.asked.length = 0;
      for (let at = 0; at * FRAMES_PER_PAGE < site.messagesOf(kind).length; at++) {
        const page = await browser.newPage();
        const seen = record(page, site.origin);
        await page.goto(`${site.origin}/list/${kind}/${at}`, { waitUntil: 'load', timeout: 30_000 });
        if (kind !== 'raw') {
          events.push(...(await inEveryFrame<string[]>(page, INSPECT)).flat());
          await inEveryFrame(page, TOUCH);
        }
        await page.evaluate(PAINT);
        events.push(...seen);
        await page.close();
      }
      return [...events, ...site.asked.map((path) => `asked ${path}`)];
    }

    it('P4: shown as a client shows it, nothing runs, loads, asks or leaves', async () => {
      expect(await show('sandboxed')).toEqual([]);
    }, 60_000);

    it('P4: the document alone, without sandbox and without any policy, does not either', async () => {
      expect(await show('bare')).toEqual([]);
    }, 60_000);

    it('the record would tell: unsanitised, the same vectors fill it', async () => {
      const events = await show('raw');
      expect(events.filter((event) => event.startsWith('request') || event.startsWith('asked')).length).toBeGreaterThan(
        30,
      );
      expect(events.filter((event) => event.startsWith('dialog')).length).toBeGreaterThan(0);
    }, 60_000);
  },
);
