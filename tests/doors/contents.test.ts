import { PREVIEW_CONTENT_SECURITY_POLICY } from '../../src/services/preview/html-document.js';
import { RightOfWay } from '../../src/services/right-of-way.js';
import { startTestApp, type TestApp } from '../support/app.js';
import type { Client } from '../support/client.js';
import { describeOnBothDatabases } from '../support/databases.js';
import { switchTo } from '../support/mail.js';
import { until } from '../support/until.js';

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
interface Ids {
  viewer: { personalBackup: { own: { messages: { nodes: { id: string; html: string }[] } } } };
}
const IDS = `{ viewer { personalBackup { own { messages { nodes { id html: previewUrl(mode: TEXT) } } } } } }`;
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

  const get = (path: string, headers: Record<string, string> = {}, method = 'GET') =>
    fetch(new URL(path, test.url), { headers, method });
  const untilGone = (path = '') =>
    until(
      'the address leads nowhere',
      async () => (await get(path)).status,
      (status) => status === 404,
    );
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

  it('P6: ranges as RFC 9110 has them: open ends, if-range, several, turned, outside, and none of HEAD', async () => {
    const { sourceUrl = '' } = (await all()) ?? {};
    const size = MAIL.length;
    const head = await get(sourceUrl, {}, 'HEAD');
    const tag = head.headers.get('etag') ?? '';
    expect([head.status, head.headers.get('content-length'), await head.text()]).toEqual([200, String(size), '']);
    expect(head.headers.get('content-security-policy')).toBe("default-src 'none'; sandbox");
    for (const [headers, status, contentRange, body] of [
      [{ range: 'bytes=0-' }, 206, `bytes 0-${size - 1}/${size}`, MAIL],
      [{ range: `bytes=${size - 3}-${size + 99}` }, 206, `bytes ${size - 3}-${size - 1}/${size}`, MAIL.slice(-3)],
      [{ range: `bytes=-${size + 99}` }, 206, `bytes 0-${size - 1}/${size}`, MAIL],
      [{ range: 'Bytes=0-0' }, 206, `bytes 0-0/${size}`, 'F'],
      [{ range: 'bytes=0-3', 'if-range': tag }, 206, `bytes 0-3/${size}`, 'From'],
      [{ range: 'bytes=0-3', 'if-range': '"another"' }, 200, null, MAIL],
      [{ range: 'bytes=0-3', 'if-range': 'Thu, 26 Nov 2026 10:00:00 GMT' }, 200, null, MAIL],
      [{ range: 'bytes=0-1,3-4' }, 200, null, MAIL],
      [{ range: 'bytes=4-2' }, 200, null, MAIL],
      [{ range: 'lines=1-2' }, 200, null, MAIL],
      [{ range: 'bytes=-0' }, 416, `bytes */${size}`, ''],
      [{ range: `bytes=${size}-` }, 416, `bytes */${size}`, ''],
    ] as const) {
      const response = await get(sourceUrl, headers);
      expect([headers, response.status, response.headers.get('content-range'), await response.text()]).toEqual([
        headers,
        status,
        contentRange,
        body,
      ]);
    }
  });

  it('P5: who only asks about a content (HEAD) has neither read nor downloaded it', async () => {
    const { sourceUrl = '', previewUrl = '' } = (await all()) ?? {};
    const before = (await test.app.database.rows(AUDIT)).length;
    for (const url of [sourceUrl, previewUrl]) expect((await get(url, {}, 'HEAD')).status).toBe(200);
    expect(await test.app.database.rows(AUDIT)).toHaveLength(before);
    expect((await get(sourceUrl, {}, 'POST')).status).toBe(404);
  });

  it('P6: hostile file names stay names (RFC 6266)', async () => {
    const names = [
      '"; filename=x.exe',
      '../../etc/passwd',
      'a\r\nSet-Cookie: a=b',
      '\u202egpj.exe',
      '\u{1f4a3}.pdf',
      '%00.exe',
      'C:\\x.exe',
    ];
    const parts = names.map((name) =>
      [
        '--b',
        'Content-Type: application/pdf',
        `Content-Disposition: attachment; filename*=utf-8''${encodeURIComponent(name)}`,
        '',
        '%PDF',
      ].join('\r\n'),
    );
    const mail = `Content-Type: multipart/mixed; boundary=b\r\n\r\n${parts.join('\r\n')}\r\n--b--\r\n`;
    await test.client().handOver(await test.intakeToken(), mail, { sender: null, recipients: ['anna@example.com'] });
    const { downloadableAttachments = [] } = (await all()) ?? {};
    expect(downloadableAttachments).toHaveLength(names.length);
    for (const { url } of downloadableAttachments) {
      const response = await get(url);
      const disposition = response.headers.get('content-disposition') ?? '';
      expect(disposition).toMatch(/^attachment; filename=("[^"\\/:]*"|[\w.%-]+)(; filename\*=UTF-8''[\w.%'()!~*-]+)?$/);
      expect(disposition).not.toMatch(/\u202e|%E2%80%AE|[\\/]/);
      expect(response.headers.get('set-cookie')).toBeNull();
      expect(await response.text()).toBe('%PDF');
    }
  });

  it('V6, V11: an address is worth nothing once its message is deleted from the section, or from Backup', async () => {
    const [copy] = (await anna.ask<Ids>(IDS)).viewer.personalBackup.own.messages.nodes;
    const { previewUrl = '', sourceUrl = '' } = (await all()) ?? {};
    expect((await get(copy?.html ?? '')).status).toBe(200);
    await anna.ask(
      'mutation($ids: [ID!]!) { deletePersonalMessages(input: { ids: $ids, idempotencyKey: "a" }) { operation { id } } }',
      { ids: [copy?.id] },
    );
    await untilGone(copy?.html);
    expect((await get(previewUrl)).status).toBe(200);
    const [first] = (
      await admin.ask<{ backup: { messages: { nodes: { id: string }[] } } }>('{ backup { messages { nodes { id } } } }')
    ).backup.messages.nodes;
    await admin.ask(
      'mutation($ids: [ID!]!) { deleteBackupMessages(input: { ids: $ids, idempotencyKey: "b" }) { operation { id } } }',
      { ids: [first?.id] },
    );
    await untilGone(previewUrl);
    expect((await get(sourceUrl)).status).toBe(404);
  });

  it('P3, S4: one content, two verdicts: what one person was shown as HTML is no HTML for the other, nor for administrators', async () => {
    const verdict = (recipient: string, status: string) => ({
      action: 'DISINFECT',
      recipients: [recipient],
      scanResults: [{ module: 'ANTI_VIRUS', status }],
    });
    await test.client().handOver(await test.intakeToken(), MAIL, {
      sender: null,
      verdicts: [verdict('anna@example.com', 'MACROS'), verdict('boris@example.com', 'SCAN_ERROR')],
    });
    const { html } = (await own()) ?? {};
    expect((await get(html ?? '')).headers.get('content-type')).toContain('text/html');
    const boris = await test.signedIn('boris');
    const [copy] = (await boris.ask<Own>(OWN)).viewer.personalBackup.own.messages.nodes;
    expect(copy?.html).toBeNull();
    expect((await get(copy?.text ?? '')).headers.get('content-type')).toContain('text/plain');
    const { previewUrl = '' } = (await all()) ?? {};
    expect((await get(previewUrl)).headers.get('content-type')).toContain('text/plain');
  });

  it('V9, V11: an address into a group mailbox is worth nothing once the access is off', async () => {
    await switchTo(admin, { groupMailboxes: true });
    await test.client().handOver(await test.intakeToken(), MAIL, { sender: null, recipients: ['sales@example.com'] });
    const GROUP =
      '{ viewer { personalBackup { mailbox(address: "sales@example.com") { messages { nodes { previewUrl(mode: TEXT) } } } } } }';
    const { viewer } = await anna.ask<{
      viewer: { personalBackup: { mailbox: { messages: { nodes: { previewUrl: string }[] } } } };
    }>(GROUP);
    const path = viewer.personalBackup.mailbox.messages.nodes[0]?.previewUrl ?? '';
    expect((await get(path)).status).toBe(200);
    await switchTo(admin, { groupMailboxes: false });
    expect((await get(path)).status).toBe(404);
  });

  it('one answer holds a bounded amount of contents, and says so by a code; the rest of it is there', async () => {
    const png = Buffer.from(
      'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
      'base64',
    );
    for (let at = 0; at < 14; at++) {
      const image = Buffer.concat([png, Buffer.alloc(1_500_000, at)]).toString('base64');
      const mail = `Content-Type: multipart/related; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n<img src="cid:i">\r\n--b\r\nContent-Type: image/png\r\nContent-ID: <i>\r\nContent-Transfer-Encoding: base64\r\n\r\n${image}\r\n--b--\r\n`;
      await test.client().handOver(await test.intakeToken(), mail, { sender: null, recipients: ['anna@example.com'] });
    }
    const { data, errors } = await anna.query<{
      viewer: { personalBackup: { own: { messages: { nodes: { preview: { content: string } | null }[] } } } };
    }>('{ viewer { personalBackup { own { messages(first: 14) { nodes { preview(mode: HTML) { content } } } } } } }');
    const previews = data?.viewer.personalBackup.own.messages.nodes.map(({ preview }) => preview) ?? [];
    expect(previews).toHaveLength(14);
    expect(previews[0]?.content).toContain('data:image/png');
    expect(previews.at(-1)).toBeNull();
    expect(new Set(errors?.map((error) => error.extensions?.['code']))).toEqual(new Set(['ANSWER_TOO_LARGE']));
  });

  it('has the right of way over background work from the request to its end, also where the client leaves', async () => {
    const { enter } = RightOfWay.prototype;
    const served = { begun: 0, ended: 0 };
    const spy = jest.spyOn(RightOfWay.prototype, 'enter').mockImplementation(function (this: RightOfWay) {
      served.begun += 1;
      const leave = enter.call(this);
      return () => {
        served.ended += 1;
        leave();
      };
    });
    try {
      const path = (await own())?.html ?? '';
      await (await get(path)).text();
      await test.client().query('{ viewer { nothing } }');
      const left = new AbortController();
      const request = fetch(new URL('/graphql', test.url), {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${admin.token}` },
        body: JSON.stringify({ query: ALL }),
        signal: left.signal,
      });
      await until(
        'the request has begun',
        () => Promise.resolve(served.begun),
        (begun) => begun === 4,
      );
      left.abort();
      await request.catch(() => undefined);
      await until(
        'all requests have ended',
        () => Promise.resolve(served.ended),
        (ended) => ended === 4,
      );
      await (await get('/preview/none')).text();
      expect(served).toEqual({ begun: 4, ended: 4 });
    } finally {
      spy.mockRestore();
    }
  });
});
