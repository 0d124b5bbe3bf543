import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core';
import { startExampleServer, type ExampleServer } from './example-server.js';

const CHROMIUM = '/usr/bin/chromium';
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--disable-background-networking',
  '--disable-component-update',
  '--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1',
];
const absence =
  existsSync(CHROMIUM) || process.env['REQUIRE_SERVICES'] === '1' ? '' : ` (skipped: there is no ${CHROMIUM})`;

let bundle: string;
let server: ExampleServer;

beforeAll(async () => {
  bundle = await mkdtemp(join(tmpdir(), 'mailkeep-explorer-'));
  await promisify(execFile)(process.execPath, [
    join(__dirname, '../../scripts/build-explorer.mjs'),
    '--outdir',
    bundle,
  ]);
  server = await startExampleServer(bundle);
}, 120_000);

afterAll(async () => {
  await server?.stop();
  await rm(bundle, { recursive: true, force: true });
});

describe('the explorer as served', () => {
  it('has a policy that lets nothing in from other origins', async () => {
    const { headers, status } = await fetch(`${server.origin}/explorer/`);
    expect(status).toBe(200);
    const policy = headers.get('content-security-policy') ?? '';
    const { host } = new URL(server.origin);
    expect(policy.split('; ')).toEqual([
      "default-src 'none'",
      "script-src 'self'",
      "worker-src 'self'",
      `connect-src 'self' ws://${host} wss://${host}`,
      'img-src data:',
      "style-src 'self' 'unsafe-inline'",
      'font-src data:',
      "base-uri 'none'",
      "form-action 'none'",
      "frame-ancestors 'none'",
    ]);
    expect(headers.get('x-content-type-options')).toBe('nosniff');
  });

  it('leads to the address with the closing slash, relative to where it is mounted', async () => {
    const { headers, status } = await fetch(`${server.origin}/explorer`, { redirect: 'manual' });
    expect([status, headers.get('location')]).toEqual([308, 'explorer/']);
  });

  it('lets browsers keep hashed files for good and asks for the page each time', async () => {
    const script = (await readdir(bundle)).find((file) => /^main-.*\.js$/.test(file));
    const file = await fetch(`${server.origin}/explorer/${script}`, { headers: { 'accept-encoding': 'gzip' } });
    expect(file.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
    expect(file.headers.get('content-encoding')).toBe('gzip');
    expect(file.headers.get('content-type')).toMatch(/^text\/javascript/);
    expect(await file.text()).toBe(await readFile(join(bundle, String(script)), 'utf8'));
    const plain = await fetch(`${server.origin}/explorer/${script}`, { headers: { 'accept-encoding': 'identity' } });
    expect(plain.headers.get('content-encoding')).toBeNull();
    expect((await fetch(`${server.origin}/explorer/`)).headers.get('cache-control')).toBe('no-cache');
  });

  it('carries the licences of what it contains', async () => {
    const notices = await (await fetch(`${server.origin}/explorer/third-party-licenses.txt`)).text();
    for (const name of ['graphiql', 'monaco-editor', 'react-dom', 'graphql-ws'])
      expect(notices).toMatch(new RegExp(`^${name} \\d`, 'm'));
  });

  it('says what to do when it was not built', async () => {
    const unbuilt = await startExampleServer(join(bundle, 'absent'));
    const response = await fetch(`${unbuilt.origin}/explorer/`);
    expect(response.status).toBe(503);
    expect(await response.text()).toContain('npm run build');
    expect(response.headers.get('content-security-policy')).toContain("default-src 'none'");
    await unbuilt.stop();
  });
});

(absence ? describe.skip : describe)(`the explorer in a browser${absence}`, () => {
  let browser: Browser;
  let context: BrowserContext;
  let page: Page;
  let foreign: string[];
  let complaints: string[];

  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
  }, 60_000);
  afterAll(() => browser?.close());

  beforeEach(async () => {
    context = await browser.newContext({ viewport: { width: 1360, height: 820 } });
    page = await context.newPage();
    foreign = [];
    complaints = [];
    page.on('request', (request) => {
      if (!request.url().startsWith(`${server.origin}/`) && !/^(?:data|blob|about):/.test(request.url()))
        foreign.push(request.url());
    });
    page.on('websocket', (socket) => {
      if (!socket.url().startsWith(server.origin.replace('http', 'ws'))) foreign.push(socket.url());
    });
    page.on('console', (message) => {
      if (message.type() === 'error') complaints.push(message.text());
    });
    page.on('pageerror', (error) => complaints.push(String(error)));
    await page.goto(`${server.origin}/explorer/`);
    await page.locator('.graphiql-query-editor .view-line').first().waitFor();
  }, 60_000);
  afterEach(() => context?.close());

  const result = () => page.locator('.result-window .view-lines');
  const signIn = async (password: string) => {
    await page.getByLabel('Login').fill('anna');
    await page.getByLabel('Password').fill(password);
    await page.getByLabel('Password').press('Enter');
  };
  const open = async (operation: string) => {
    await page.getByRole('button', { name: 'New tab' }).click();
    await page.locator('.graphiql-query-editor .view-line').first().click();
    await page.keyboard.insertText(operation);
    // The editor reads the operation's name a moment after the typing; until then it would run the name before.
    const name = /^\w+ (\w+)/.exec(operation)?.[1];
    await page.locator(`.graphiql-tab-active [title="${name}"]`).waitFor();
  };
  const run = () => page.getByRole('button', { name: /Execute query/ }).click();
  // Pictures to look at by eye, taken when EXPLORER_SCREENSHOTS names a folder.
  const snap = async (name: string) => {
    const folder = process.env['EXPLORER_SCREENSHOTS'];
    if (folder) await page.screenshot({ path: join(folder, `${name}.png`) });
  };

  it('runs a query, shows the schema, and stays within its own origin without a complaint', async () => {
    await snap('first');
    await open('query Who { viewer { login } }');
    await run();
    await expectText(result(), '"viewer": null');
    await page.getByRole('button', { name: 'Show Documentation Explorer' }).click();
    await page.getByText('A GraphQL schema provides a root type').waitFor();
    await snap('docs');
    expect(foreign).toEqual([]);
    expect(complaints).toEqual([]);
  }, 60_000);

  it('V1: signs in by keyboard, tells a refusal, shows who is there, and signs out', async () => {
    await signIn('wrong');
    await expectText(page.locator('.bar-problem'), 'Login or password is wrong.');
    await signIn('demo');
    await page.getByText('Signed in as Anna Example').waitFor();
    await expectText(page.locator('.bar-problem'), '');
    await snap('signed-in');
    await open('query Who { viewer { login } }');
    await run();
    await expectText(result(), '"login": "anna"');
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByLabel('Password').waitFor();
    expect(complaints).toEqual([]);
  }, 60_000);

  it('notices a sign-in typed as an operation, and keeps its password off the disk', async () => {
    const stored = () => page.evaluate<string>('JSON.stringify(localStorage)');
    await open('mutation In { signIn(input: { login: "boris", password: "demo" }) { viewer { login } } }');
    await run();
    await expectText(page.locator('.bar-viewer'), 'boris');
    await open('query Kept { viewer { login } }');
    await page.locator('.graphiql-tab [title="In"]').click();
    await page.locator('.graphiql-tab-active').getByRole('button', { name: 'Close Tab' }).click();
    // Tabs are stored half a second after a change; the history at once.
    await until(async () => (await stored()).includes('query Kept'));
    expect(await stored()).not.toContain('boris');
  }, 60_000);

  it('shows live events in place and moves an open subscription to the session that signs in', async () => {
    await open('subscription Live { personalBackupChanged { kind mailbox } }');
    await run();
    await until(() => server.subscribers().length === 1);
    server.publish('STORED');
    await expectText(result(), '"kind": "STORED"');
    await expectText(result(), '"mailbox": null');
    await page.getByText('Live: connected').waitFor();

    await signIn('demo');
    await until(() => server.subscribers().join() === 'anna');
    server.publish('REMOVED');
    await expectText(result(), '"mailbox": "anna@example.test"');
    await snap('live');

    await page.getByRole('button', { name: /Stop query/ }).click();
    await until(() => server.subscribers().length === 0);
    await page.getByText('Live: no subscription').waitFor();
    expect(foreign).toEqual([]);
    expect(complaints).toEqual([]);
  }, 60_000);

  it('resumes a subscription whose socket broke, and says when the server refuses it', async () => {
    await open('subscription Live { personalBackupChanged { kind mailbox } }');
    await run();
    await until(() => server.subscribers().length === 1);
    const before = server.opened();
    server.dropSockets(1001);
    await until(() => server.opened() === before + 1);
    server.publish('UPDATED');
    await expectText(result(), '"kind": "UPDATED"');

    server.dropSockets(4403);
    await expectText(result(), 'The server ended the subscription (4403)');
    await page.getByRole('button', { name: /Execute query/ }).waitFor();
    expect(server.opened()).toBe(before + 1);
  }, 60_000);

  it('opens the examples as tabs, once each', async () => {
    const example = page.getByRole('button', { name: /Group access off and on/ });
    const tabs = page.getByRole('tab');
    const before = await tabs.count();
    await example.click();
    await expectText(page.locator('.graphiql-query-editor .view-lines'), 'mutation GroupAccessOff');
    await expectText(page.locator('.graphiql-editor-tool .view-lines').first(), '"version": 1');
    await example.click();
    expect(await tabs.count()).toBe(before + 1);
    await snap('examples');
  }, 60_000);

  it('P4: shows a hostile mail in a sealed frame that reaches nobody and changes nothing', async () => {
    await open('query Mail { mail { subject preview { mode content blockedRemoteResources truncated } } }');
    await run();
    await page.getByRole('button', { name: 'Show preview', exact: true }).click();
    const dialog = page.getByRole('dialog', { name: 'Invoice 4711' });
    const frame = dialog.frameLocator('iframe');
    await frame.getByText('Dear Anna, please find it attached.').waitFor();
    await expectText(dialog, 'Remote resources not loaded: 5.');
    expect(await dialog.locator('iframe').getAttribute('sandbox')).toBe('');
    await snap('preview');
    await frame.getByText('Read more').click();
    // Whatever the click started is refused by now: the page answers after it.
    await dialog.getByRole('button', { name: 'Close' }).click();
    await dialog.waitFor({ state: 'hidden' });
    expect(await page.title()).toBe('Mailkeep explorer');
    expect(server.requested.filter((path) => path.includes('tracked'))).toEqual([]);
  }, 60_000);

  it('follows the system into the dark', async () => {
    await page.emulateMedia({ colorScheme: 'dark' });
    const color = await page.evaluate<string>('getComputedStyle(document.body).backgroundColor');
    const [red = 255] = (color.match(/\d+/g) ?? []).map(Number);
    expect(red).toBeLessThan(64);
    await page.locator('.monaco-editor.vs-dark').first().waitFor();
    await snap('dark');
  }, 60_000);
});

/** Waits until an element shows the text; the code editor wraps lines and draws blanks as non-breaking spaces. */
async function expectText(element: { innerText(): Promise<string> }, text: string): Promise<void> {
  let seen = '';
  await until(async () => {
    seen = (await element.innerText()).replace(/\s+/g, ' ').trim();
    return text === '' ? seen === '' : seen.includes(text);
  }).catch((cause: unknown) => {
    throw new Error(`Expected to see ${JSON.stringify(text)}, saw ${JSON.stringify(seen)}.`, { cause });
  });
}

/** Looks again each 20 ms until the condition holds; fails after 15 s. */
async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  const end = Date.now() + 15_000;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error('It did not happen within 15 s.');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
