// Bundles the GraphQL explorer from npm packages into static files: node scripts/build-explorer.mjs [--outdir DIR]
import { build } from 'esbuild';
import { mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { gzip } from 'node:zlib';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const source = join(root, 'explorer');
const { values } = parseArgs({ options: { outdir: { type: 'string' } } });
const outdir = resolve(values.outdir ?? join(root, 'dist', 'explorer'));

const shared = {
  absWorkingDir: root,
  bundle: true,
  minify: true,
  metafile: true,
  outdir,
  target: ['chrome111', 'firefox115', 'safari16.4'],
  entryNames: '[name]-[hash]',
  legalComments: 'none',
  logLevel: 'warning',
  define: { 'process.env.NODE_ENV': '"production"' },
};

/** Output file of each entry point, by the entry's name. */
const outputNames = ({ outputs }) =>
  Object.fromEntries(
    Object.entries(outputs)
      .filter(([, output]) => output.entryPoint)
      .map(([file, output]) => [
        basename(file).replace(/-[^-]+$/, ''),
        { script: basename(file), style: basename(output.cssBundle ?? '') },
      ]),
  );

/** Folders of the npm packages that went into the bundles. */
function packageFolders(metafiles) {
  const folders = new Set();
  for (const { inputs } of metafiles) {
    for (const input of Object.keys(inputs)) {
      const match = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input.split(sep).join('/'));
      if (match) folders.add(match[1]);
    }
  }
  return [...folders].sort();
}

/** The licence texts that must travel with the code that the bundles contain. */
async function licenceNotices(folders) {
  const notices = [];
  for (const folder of folders) {
    const description = JSON.parse(await readFile(join(root, folder, 'package.json'), 'utf8'));
    const files = (await readdir(join(root, folder)))
      .filter((file) => /^(licen[cs]e|notice|thirdpartynotices)/i.test(file))
      .sort();
    const texts = await Promise.all(files.map((file) => readFile(join(root, folder, file), 'utf8')));
    const author = typeof description.author === 'string' ? description.author : description.author?.name;
    const body =
      texts.length > 0
        ? texts.join('\n\n')
        : `License: ${description.license ?? 'not stated'}${author ? `\nAuthor: ${author}` : ''}`;
    notices.push(`${description.name} ${description.version}\n${'='.repeat(60)}\n${body.trim()}\n`);
  }
  return notices.join('\n\n');
}

await rm(outdir, { recursive: true, force: true });
await mkdir(outdir, { recursive: true });

const workers = await build({
  ...shared,
  format: 'iife',
  entryPoints: {
    'editor.worker': 'monaco-editor/esm/vs/editor/editor.worker.js',
    'json.worker': 'monaco-editor/esm/vs/language/json/json.worker.js',
    'graphql.worker': 'monaco-graphql/esm/graphql.worker.js',
  },
});
const workerNames = outputNames(workers.metafile);
const page = await build({
  ...shared,
  format: 'esm',
  entryPoints: { main: join(source, 'main.tsx') },
  tsconfig: join(source, 'tsconfig.json'),
  jsx: 'automatic',
  // Fonts travel inside the style sheet, so that the page's policy needs no font source but data:.
  loader: { '.ttf': 'dataurl', '.woff2': 'dataurl', '.svg': 'dataurl' },
  define: {
    ...shared.define,
    WORKER_FILES: JSON.stringify({
      editor: workerNames['editor.worker'].script,
      json: workerNames['json.worker'].script,
      graphql: workerNames['graphql.worker'].script,
    }),
  },
});
const { script, style } = outputNames(page.metafile).main;

const template = await readFile(join(source, 'index.html'), 'utf8');
await writeFile(join(outdir, 'index.html'), template.replace('%SCRIPT%', script).replace('%STYLE%', style));
await writeFile(
  join(outdir, 'third-party-licenses.txt'),
  await licenceNotices(packageFolders([workers.metafile, page.metafile])),
);

let bytes = 0;
for (const file of await readdir(outdir)) {
  if (!/\.(js|css)$/.test(file)) continue;
  const compressed = await promisify(gzip)(await readFile(join(outdir, file)), { level: 9 });
  await writeFile(join(outdir, `${file}.gz`), compressed);
  bytes += compressed.length;
}
console.log(`explorer: ${relative(root, outdir) || outdir}, ${(bytes / 1024 / 1024).toFixed(1)} MiB compressed`);
