import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { PreviewRenderer } from '../../src/services/preview/preview-renderer.js';

// Messages that other projects publish as test data; they lie beside the repository, not in it.
const FOLDER = resolve(__dirname, '../../../shared/mail');

const suite = existsSync(FOLDER) ? describe : describe.skip;
suite(existsSync(FOLDER) ? 'published messages' : 'published messages (skipped: ../shared/mail is not there)', () => {
  const files = existsSync(FOLDER)
    ? readdirSync(FOLDER, { recursive: true, encoding: 'utf8' }).filter(
        (file) => !file.endsWith('README.md') && !/LICENSE|NOTICE/.test(file) && statSync(join(FOLDER, file)).isFile(),
      )
    : [];
  const renderer = new PreviewRenderer({ workers: 1, timeMs: 20_000, maxWaiting: 1000 });
  afterAll(() => renderer.stop());

  it('P2: every one has a text, none breaks a worker or takes too long', async () => {
    expect(files.length).toBeGreaterThan(300);
    for (const file of files) {
      const preview = await renderer.render(readFileSync(join(FOLDER, file)), 'TEXT');
      expect([file, preview.content.trim() !== '', preview.reason]).toEqual([file, true, null]);
    }
  }, 60_000);

  it('P3: every one has an HTML preview or says that it has no HTML part', async () => {
    const modes = { HTML: 0, TEXT: 0 };
    for (const file of files) {
      const preview = await renderer.render(readFileSync(join(FOLDER, file)), 'HTML');
      modes[preview.mode]++;
      expect([file, preview.mode === 'HTML' ? null : 'NO_HTML_PART']).toEqual([file, preview.reason]);
    }
    expect(modes.HTML).toBeGreaterThan(40);
  }, 60_000);

  it('P6: every one has a description', async () => {
    for (const file of files) {
      const { reason } = await renderer.describe(readFileSync(join(FOLDER, file)));
      expect([file, reason]).toEqual([file, null]);
    }
  }, 60_000);
});
