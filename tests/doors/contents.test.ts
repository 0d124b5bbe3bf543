import { PREVIEW_CONTENT_SECURITY_POLICY } from '../../src/services/preview/html-document.js';
import { startTestApp, type TestApp } from '../support/app.js';
import type { Client } from '../support/client.js';
import { describeOnBothDatabases } from '../support/databases.js';
import { switchTo } from '../support/mail.js';

const MAIL = [
  'From: a@example.net',
  'To: anna@example.com',
  'Subject: With an attachment',
  'MIME-Version: 1.0',
  'Content-Type: multipart/mixed; boundary=b',
  '',
  '--b',
  'Content-Type: text/html',
  '',
  '<p>Hello <script>alert(1)</script>Anna</p>',
  '--b',
  'Content-Type: text/html; name="=?utf-8?Q?f=C3=BCr_Anna.html?="',
  'Content-Disposition: attachment; filename="=?utf-8?Q?f=C3=BCr_Anna.html?="',
  'Content-Transfer-Encoding: base64',
  '',
  Buffer.from('0123456789').toString('base64'),
  '--b--',
  '',
].join('\r\n');

interface Own {
  viewer: { personalBackup: { own: { messages: { nodes: { html: string | null; text: string | null }[] } } } };
}
interface All {
  backup: {
    messages: {
      nodes: {
        previewUrl: string;
        sourceUrl: string;
        downloadableAttachments: { name: string; url: string; size: number }[];
      }[];
    };
  };
}

const OWN = `{ viewer { personalBackup { own { messages { nodes { html: previewUrl(mode: HTML) text: previewUrl(mode: TEXT) } } } } } }`;
const ALL = `{ backup { messages { nodes { previewUrl(mode: HTML) sourceUrl downloadableAttachments { name url size } } } } }`;
const AUDIT = "SELECT event FROM audit_entry WHERE event LIKE 'MESSAGE_%' ORDER BY id";

describeOnBothDatabases('Contents by signed addresses', (location) => {
  let test: TestApp;
  let admin: Client;
  let anna: Client;

  beforeAll(async () => {
    test = await startTestApp(location());
    admin = await test.signedIn('admin');
    anna = await test.signedIn('anna');
    await switchTo(admin, { enabled: true });
    await test.client().handOver(await test.intakeToken(), MAIL, { sender: null, recipients: ['anna@example.com'] });
  }, 60_000);
  afterAll(() => test?.stop());

  const get = (path: string, headers: Record<string, string> = {}) => fetch(new URL(path, test.url), { headers });
  const own = async () => (await anna.ask<Own>(OWN)).viewer.personalBackup.own.messages.nodes[0];
  const all = async () => (await admin.ask<All>(ALL)).backup.messages.nodes[0];

  it('P4: gives people an inert document with its own policy, without cookie or token', async () => {
    const response = await get((await own())?.html ?? '');
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(response.headers.get('content-security-policy')).toBe(PREVIEW_CONTENT_SECURITY_POLICY);
    expect(response.headers.get('referrer-policy')).toBe('no-referrer');
    expect(response.headers.get('x-content-type-options')).toBe('nosniff');
    const body = await response.text();
    expect(body).toContain('Anna');
    expect(body).not.toMatch(/<script|alert/);
  });

  it('P1, V11: an address that was given is worth nothing once reading is switched off, and again once it is on', async () => {
    const { html, text } = (await own()) ?? {};
    await switchTo(admin, { preview: false });
    expect(await own()).toEqual({ html: null, text: null });
    for (const path of [html, text]) expect((await get(path ?? '')).status).toBe(404);
    await switchTo(admin, { preview: true });
    expect((await get(html ?? '')).status).toBe(200);
  });

  it('ends with the session that asked for it', async () => {
    const other = await test.signedIn('anna');
    const { viewer } = await other.ask<Own>(OWN);
    const path = viewer.personalBackup.own.messages.nodes[0]?.html ?? '';
    expect((await get(path)).status).toBe(200);
    await other.ask('mutation { signOut { signedOut } }');
    expect((await get(path)).status).toBe(404);
  });

  it('V6: forged, changed and misplaced addresses get the answer of absent ones', async () => {
    const path = (await own())?.html ?? '';
    const { sourceUrl = '' } = (await all()) ?? {};
    const absent = await (await get('/preview/none')).text();
    for (const wrong of [
      `${path}x`,
      path.replace(/\/preview\/../, '/preview/ZZ'),
      sourceUrl.replace('/download/', '/preview/'),
      path.replace('/preview/', '/download/'),
    ]) {
      const response = await get(wrong);
      expect([response.status, await response.text()]).toEqual([404, absent]);
    }
  });

  it('P5, P6: administrators download source and attachments, whole and in ranges; reading and downloading are audited apart', async () => {
    const before = (await test.app.database.rows(AUDIT)).length;
    const { sourceUrl = '', previewUrl = '', downloadableAttachments: [attachment] = [] } = (await all()) ?? {};
    const source = await get(sourceUrl);
    expect(source.headers.get('content-type')).toBe('message/rfc822');
    expect(source.headers.get('content-disposition')).toMatch(/^attachment; filename=message-\d+\.eml$/);
    expect(await source.text()).toBe(MAIL);
    const part = await get(sourceUrl, { range: 'bytes=6-18' });
    expect([part.status, part.headers.get('content-range'), await part.text()]).toEqual([
      206,
      `bytes 6-18/${MAIL.length}`,
      MAIL.slice(6, 19),
    ]);
    expect((await get(sourceUrl, { range: `bytes=${MAIL.length}-` })).status).toBe(416);

    expect(attachment).toMatchObject({ name: 'für Anna.html', size: 10 });
    const file = await get(attachment?.url ?? '', { range: 'bytes=-4' });
    expect(file.headers.get('content-type')).toBe('application/octet-stream');
    expect(file.headers.get('content-disposition')).toContain("filename*=UTF-8''f%C3%BCr%20Anna.html");
    expect([file.status, await file.text()]).toEqual([206, '6789']);

    expect((await get(previewUrl)).status).toBe(200);
    const events = (await test.app.database.rows<{ event: string }>(AUDIT)).slice(before).map(({ event }) => event);
    expect(events).toEqual(['MESSAGE_DOWNLOAD', 'MESSAGE_DOWNLOAD', 'MESSAGE_DOWNLOAD', 'MESSAGE_READ']);
  });
});
