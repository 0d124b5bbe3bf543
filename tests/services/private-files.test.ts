import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startApp } from '../../src/app.js';
import { loadConfig } from '../../src/config.js';
import { createLogger } from '../../src/log.js';

describe('What lies in the data folder', () => {
  it('is for the user of the program alone: the database holds everybody’s mail', async () => {
    const outer = mkdtempSync(join(tmpdir(), 'mailkeep-rights-'));
    const dataDir = join(outer, 'data');
    const config = loadConfig({}, { dataDir, httpPort: 0, logLevel: 'silent', passwordCostLog2: 14 });
    const app = await startApp(config, createLogger('silent'));
    const shared = (path: string) => (statSync(path).mode & 0o077) !== 0;
    const names = readdirSync(dataDir);
    expect(names).toEqual(expect.arrayContaining(['mailkeep.db', 'mailkeep.db-wal', 'secret.key']));
    expect([dataDir, ...names.map((name) => join(dataDir, name))].filter(shared)).toEqual([]);
    await app.stop();
    rmSync(outer, { recursive: true });
  });
});
